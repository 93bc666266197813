"""One cluster for all cluster tests."""

import shutil
import tempfile
from pathlib import Path

import pytest
from cluster import Cluster


@pytest.fixture(scope="session")
def slurm():
    # A short name: the path of munge's socket may have 108 characters at most.
    directory = Path(tempfile.mkdtemp(prefix="slurm"))
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory)
