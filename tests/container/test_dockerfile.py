"""The Dockerfile's image: what it holds, and that it gives the same bytes."""

import json
import re
import sys

import pytest
from checkout import ROOT
from commands import run, training
from exactness.lives import results


@pytest.mark.buildah
@pytest.mark.parametrize("experiment", ["halfcheetah-benchmark", "pendulum-demo"])
def test_the_same_bytes_as_on_the_host(docker_run, tmp_path, experiment):
    host, image = (tmp_path / name for name in ("host", "image"))
    for directory in (host, image):
        directory.mkdir()
        command = training(f"results/smoke/{experiment}/seed_0", directory)
    run("env", f"PYTHONPATH={ROOT}", sys.executable, *command, cwd=host)
    docker_run(image, *command, entrypoint=("python",))
    assert results(image / "run") == results(host / "run")


@pytest.mark.buildah
def test_it_starts_snakemake(docker_run, tmp_path):
    assert re.search(r"^train +3$", docker_run(tmp_path, "--dry-run", "demo"), re.MULTILINE)
    assert (tmp_path / "config.yaml").exists()


@pytest.mark.buildah
@pytest.mark.container
def test_it_holds_what_the_apptainer_image_holds(docker_run, sif):
    """Debian's packages, every file of the Python packages and of the workflow: one digest."""
    note = ["apptainer", "--silent", "exec", sif, "cat", "/opt/venv/image.json"]
    ours = json.loads((docker_run.root / "opt/venv/image.json").read_text())
    assert ours == json.loads(run(*note, cwd=ROOT))


def test_both_images_set_the_same_variables():
    dockerfile = (ROOT / "containers/Dockerfile").read_text().replace("\\\n", "")
    definition = (ROOT / "containers/ddpg.def").read_text()
    in_dockerfile = re.findall(r"(\w+)=", re.search(r"^ENV .*", dockerfile, re.MULTILINE)[0])
    exported = re.findall(r"^ +export (.*)", definition.split("%environment")[1], re.MULTILINE)
    assert sorted(in_dockerfile) == sorted(re.findall(r"(\w+)=", " ".join(exported)))
