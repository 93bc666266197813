"""The Dockerfile's image: what it holds, and that it gives the same bytes."""

import json
import re
import sys

import pytest
from checkout import ROOT
from commands import bare, run, train
from exactness.lives import results

pytestmark = pytest.mark.container


@pytest.mark.parametrize("experiment", ["halfcheetah-benchmark", "pendulum-demo"])
def test_the_same_bytes_as_on_the_host(dockerfile_image, tmp_path, experiment):
    name = f"results/smoke/{experiment}/seed_0"
    train(["env", f"PYTHONPATH={ROOT}", sys.executable], name, tmp_path / "host")
    train(["apptainer", "exec", "--cleanenv", dockerfile_image, "python"], name, tmp_path / "image")
    assert results(tmp_path / "image") == results(tmp_path / "host")


def test_it_starts_snakemake(dockerfile_image, tmp_path):
    snakemake = ["apptainer", "run", *bare(tmp_path), dockerfile_image, "--dry-run", "demo"]
    assert re.search(r"^train +3$", run(*snakemake, cwd=tmp_path), re.MULTILINE)


def test_it_holds_what_the_apptainer_image_holds(dockerfile_image, sif):
    """Debian's packages, every file of the Python packages and of the workflow: one digest."""
    note = ["apptainer", "--silent", "exec", sif, "cat", "/opt/venv/image.json"]
    ours = json.loads((dockerfile_image / "opt/venv/image.json").read_text())
    assert ours == json.loads(run(*note, cwd=ROOT))


def test_both_images_set_the_same_variables():
    dockerfile = (ROOT / "containers/Dockerfile").read_text().replace("\\\n", "")
    definition = (ROOT / "containers/ddpg.def").read_text()
    in_dockerfile = re.findall(r"(\w+)=", re.search(r"^ENV .*", dockerfile, re.MULTILINE)[0])
    exported = re.findall(r"^ +export (.*)", definition.split("%environment")[1], re.MULTILINE)
    assert sorted(in_dockerfile) == sorted(re.findall(r"(\w+)=", " ".join(exported)))
