"""One cluster for all cluster tests."""

import shutil
import tempfile
from pathlib import Path

import pytest
from cluster import Cluster


@pytest.fixture(scope="session")
def slurm():
    # A short name: munge's socket has to fit into 108 characters.
    directory = Path(tempfile.mkdtemp(prefix="slurm"))
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory)
