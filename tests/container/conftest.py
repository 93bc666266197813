"""The images under test, built from these sources once."""

import shutil
from pathlib import Path

import pytest
from checkout import ROOT
from commands import make, need, run


@pytest.fixture(scope="session")
def sif() -> Path:
    """The Apptainer image; stays where it is, and is built again when a source is newer."""
    need("apptainer")
    make("image")
    return ROOT / "containers/ddpg.sif"


@pytest.fixture(scope="session")
def dockerfile_image(tmp_path_factory) -> Path:
    """The Dockerfile's image, built by Buildah, in a directory that Apptainer can run."""
    need("apptainer")
    need("buildah")
    make("docker-image")
    directory = tmp_path_factory.mktemp("docker")
    archive = f"docker-archive:{directory}/ddpg.tar"
    run("buildah", "push", "--quiet", "ddpg", archive, cwd=directory)
    run("apptainer", "build", "--fakeroot", "--sandbox", "image", archive, cwd=directory)
    (directory / "ddpg.tar").unlink()
    yield directory / "image"
    run("chmod", "-R", "u+w", directory, cwd=ROOT)
    shutil.rmtree(directory)
