"""The Dockerfile's image, built once: its contents, and the workflow in it.

Buildah builds and runs it, without a server.
"""

import json
import re
from pathlib import Path

import pytest
from helpers.check_outcome import check_outcome, extract_outcome, read_images, read_portable_outputs
from helpers.checkout import ROOT
from helpers.run_command import make, run
from helpers.tiny_checkout import COMPARISONS, RUNS

from ddpg.runs.record import Image
from ddpg.runs.typed_json import from_json


def list_images() -> dict[str, list[str]]:
    """The names of each of Buildah's images by identifier."""
    images = json.loads(run("buildah", "images", "--json", cwd=ROOT))
    return {image["id"]: image["names"] or [] for image in images or []}


def find_image() -> str | None:
    """The identifier of the image `ddpg`."""
    named = (id for id, names in list_images().items() if "localhost/ddpg:latest" in names)
    return next(named, None)


@pytest.fixture(scope="module")
def docker_run():
    """`docker run` for the image: a function of the directory to mount at /work, and arguments.

    It uses the image's user, variables, working directory and entry point, and returns the output.
    Its attribute `root` is a directory with the image's files.
    """
    if find_image() is None:
        empty = run("buildah", "from", "scratch", cwd=ROOT).strip()
        run("buildah", "commit", "--quiet", "--rm", empty, "ddpg", cwd=ROOT)
    replaced = find_image()
    make("docker-image")
    assert replaced not in list_images(), "an image without a name stays on the disk"
    settings = json.loads(run("buildah", "inspect", "--type=image", "ddpg", cwd=ROOT))
    command = settings["OCIv1"]["config"]["Entrypoint"]
    container = run("buildah", "from", "--pull-never", "ddpg", cwd=ROOT).strip()

    def docker_run(directory: Path, *arguments) -> str:
        directory.chmod(0o777)  # for the image's user
        options = ["--isolation=chroot", f"--volume={directory}:/work"]
        return run("buildah", "run", *options, container, "--", *command, *arguments, cwd=ROOT)

    docker_run.root = Path(run("buildah", "mount", container, cwd=ROOT).strip())
    yield docker_run
    run("buildah", "rm", container, cwd=ROOT)


@pytest.mark.buildah
def test_smoke(docker_run, empty, smoke_on_host):
    """In an empty directory, to the host's bytes; a second run trains nothing."""
    output = docker_run(empty, "--cores", 2, "smoke")
    said = check_outcome(empty, output, "smoke", "smoke", COMPARISONS, RUNS)
    host, host_output = smoke_on_host
    assert said == extract_outcome(host_output)
    note = json.loads((docker_run.root / "opt/venv/image.json").read_text())
    assert read_images(empty, "smoke", RUNS) == [from_json(Image, note)] * len(RUNS)
    made, expected = (
        read_portable_outputs(where, "smoke", COMPARISONS, RUNS)
        for where in (empty, host.directory)
    )
    assert made == expected
    again = docker_run(empty, "--cores", 2, "--quiet", "all", "--", "smoke")
    assert extract_outcome(again) == said


@pytest.mark.buildah
@pytest.mark.container
def test_docker_image_has_the_apptainer_image_s_content(docker_run, image_record):
    """Debian's packages, every file of the Python packages and of the workflow: one digest."""
    assert json.loads((docker_run.root / "opt/venv/image.json").read_text()) == image_record


def test_both_images_set_the_same_variables():
    dockerfile = (ROOT / "containers/Dockerfile").read_text().replace("\\\n", "")
    definition = (ROOT / "containers/ddpg.def").read_text()
    in_dockerfile = re.findall(r"(\w+)=", re.search(r"^ENV .*", dockerfile, re.MULTILINE)[0])
    exported = re.findall(r"^ +export (.*)", definition.split("%environment")[1], re.MULTILINE)
    assert sorted(in_dockerfile) == sorted(re.findall(r"(\w+)=", " ".join(exported)))
