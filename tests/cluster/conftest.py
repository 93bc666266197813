"""One cluster and one image for all cluster tests."""

import shutil
import tempfile
from pathlib import Path

import pytest
from checkout import ROOT
from cluster import PROGRAMS, Cluster
from container.commands import make, need


@pytest.fixture(scope="session")
def slurm():
    for program in PROGRAMS:
        need(program)
    # A short name: munge's socket has to fit into 108 characters.
    directory = Path(tempfile.mkdtemp(prefix="slurm"))
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def sif() -> Path:
    need("apptainer")
    make("image")
    return ROOT / "containers/ddpg.sif"
