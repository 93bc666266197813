"""The Dockerfile's image, built from these sources once; see ../conftest.py for Apptainer's."""

import json
from pathlib import Path

import pytest
from checkout import ROOT
from commands import make, run


@pytest.fixture(scope="session")
def docker_run():
    """`docker run` for the Dockerfile's image, built and run by Buildah, which needs no server.

    A function of the directory that stands at /work, the command (the image's own, unless an
    `entrypoint` is given) and its arguments; the image's user, variables and working directory are
    in force. Its output; with `root`, the directory that holds the image's files.
    """
    make("docker-image")
    settings = json.loads(run("buildah", "inspect", "--type=image", "ddpg", cwd=ROOT))
    ours = settings["OCIv1"]["config"]["Entrypoint"]
    container = run("buildah", "from", "--pull-never", "ddpg", cwd=ROOT).strip()

    def docker_run(directory: Path, *arguments, entrypoint: tuple = ours) -> str:
        directory.chmod(0o777)  # for the image's user
        options = ["--isolation=chroot", f"--volume={directory}:/work"]
        return run("buildah", "run", *options, container, "--", *entrypoint, *arguments, cwd=ROOT)

    docker_run.root = Path(run("buildah", "mount", container, cwd=ROOT).strip())
    yield docker_run
    run("buildah", "rm", container, cwd=ROOT)
