"""What tests of several directories need."""

from pathlib import Path

import pytest
from checkout import ROOT
from commands import make, need


@pytest.fixture(scope="session")
def sif() -> Path:
    """The Apptainer image; stays where it is, and is built again when a source is newer."""
    need("apptainer")
    make("image")
    return ROOT / "containers/ddpg.sif"
