"""The image: three ways to run it, the same bytes in each, and what it says of itself."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from checkout import ROOT, Checkout
from commands import run
from exactness.lives import results

from ddpg import config
from ddpg.files import sha256

pytestmark = pytest.mark.container

# Of the smoke workflow: each of its kinds of rule, and both environments.
TARGETS = ["results/smoke/halfcheetah-benchmark/seed_0/run.json", "results/figures/smoke/pendulum"]
JOBS = ["train"] * 3 + ["aggregate", "figures_of_comparison"]
HALFCHEETAH, *PENDULUM = RUNS = [
    "results/smoke/halfcheetah-benchmark/seed_0",
    "results/smoke/pendulum-demo/seed_0",
    "results/smoke/pendulum-demo/seed_10",
]


def outcome(directory: Path, runs=RUNS) -> dict:
    """All that must be the same bytes wherever the workflow ran."""
    figures = (directory / "results/figures/smoke/pendulum").glob("*")
    return {
        **{name: results(directory / name) for name in runs},
        **{path.name: path.read_bytes() for path in figures},
    }


def image_of(run: Path) -> dict | None:
    """What the run says of the image that made it."""
    return json.loads((run / "run.json").read_text())["machine"]["image"]


@pytest.fixture(scope="module")
def on_host(tmp_path_factory) -> Checkout:
    """A checkout in which the targets were made without an image."""
    checkout = Checkout(tmp_path_factory.mktemp("host"))
    checkout.snakemake(*TARGETS)
    return checkout


@pytest.fixture(scope="module")
def identity(sif) -> dict:
    """What the image says it is."""
    return json.loads(run("apptainer", "-s", "exec", sif, "cat", "/opt/venv/image.json", cwd=ROOT))


@pytest.fixture(scope="module")
def from_host(sif, tmp_path_factory) -> tuple[Checkout, str]:
    """A checkout in which Snakemake of the host made the targets in the image; its output."""
    checkout = Checkout(tmp_path_factory.mktemp("from_host"))
    (checkout.directory / "containers/ddpg.sif").symlink_to(sif)
    return checkout, checkout.snakemake("--profile", "workflow/profiles/apptainer", *TARGETS)


def test_snakemake_on_the_host_runs_every_rule_in_the_image(from_host, on_host, identity):
    checkout, output = from_host
    assert sorted(re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE)) == sorted(JOBS)
    assert output.count("Activating singularity image") == len(JOBS)
    assert [image_of(checkout.directory / name) for name in RUNS] == [identity] * len(RUNS)
    assert outcome(checkout.directory) == outcome(on_host.directory)


def test_the_image_switched_on_or_off_trains_nothing_again(from_host, on_host):
    checkout, _ = from_host
    assert checkout.planned(*TARGETS) == []
    assert on_host.planned("--use-singularity", *TARGETS) == []
    assert on_host.planned(*TARGETS, "--sdm", "apptainer") == []


def test_use_singularity_alone_will_do(sif, on_host, identity, tmp_path):
    checkout = Checkout(tmp_path)
    (checkout.directory / "containers/ddpg.sif").symlink_to(sif)
    checkout.snakemake("--use-singularity", f"{PENDULUM[0]}/run.json")
    run = checkout.directory / PENDULUM[0]
    assert image_of(run) == identity
    assert results(run) == results(on_host.directory / PENDULUM[0])


def test_snakemake_in_the_image_needs_nothing_else(sif, on_host, identity, tmp_path):
    """In an empty directory, without a home, without the host's files and variables."""
    bare = ["--containall", "--no-home", "--bind", tmp_path, "--pwd", tmp_path]
    env = {k: v for k, v in os.environ.items() if k != "HOME"}
    run("apptainer", "run", *bare, sif, "--cores", 2, *TARGETS, cwd=tmp_path, env=env)
    assert [image_of(tmp_path / name) for name in RUNS] == [identity] * len(RUNS)
    assert outcome(tmp_path) == outcome(on_host.directory)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"config.yaml", "results", ".snakemake"}
    again = run("apptainer", "run", *bare, sif, "--cores", 2, *TARGETS, cwd=tmp_path, env=env)
    assert "Nothing to be done" in again


def train(image: Path, name: str, directory: Path, *options: str) -> None:
    """Train a run of RUNS in the image, as a person would."""
    _, _, experiment, seed = name.split("/")
    smoke = config.read(ROOT / "config.yaml")["smoke"]
    run(
        *("apptainer", "exec", "--cleanenv", *options, image, "python", "-m", "ddpg", "train"),
        *(experiment, "--seed", seed.removeprefix("seed_"), "--output", directory),
        *("--config", "/opt/ddpg/config.yaml", "--set", *(f"{k}={v}" for k, v in smoke.items())),
        cwd=directory.parent,
    )


@pytest.mark.parametrize("name", [HALFCHEETAH, PENDULUM[0]])
def test_a_command_in_the_image(sif, on_host, identity, tmp_path, name):
    train(sif, name, tmp_path / "run")
    assert image_of(tmp_path / "run") == identity
    assert results(tmp_path / "run") == results(on_host.directory / name)


@pytest.mark.parametrize("name", [HALFCHEETAH, PENDULUM[0]])
def test_the_dockerfile_gives_the_same_bytes(dockerfile_image, on_host, tmp_path, name):
    train(dockerfile_image, name, tmp_path / "run")
    assert results(tmp_path / "run") == results(on_host.directory / name)


def test_the_dockerfile_starts_snakemake(dockerfile_image, tmp_path):
    bare = ["--containall", "--no-home", "--bind", tmp_path, "--pwd", tmp_path]
    output = run("apptainer", "run", *bare, dockerfile_image, "--dry-run", *TARGETS, cwd=tmp_path)
    assert re.search(r"^train +3$", output, re.MULTILINE)


def test_the_dockerfile_installs_what_the_definition_does(dockerfile_image, identity):
    other = json.loads((dockerfile_image / "opt/venv/image.json").read_text())
    assert other == identity


def test_the_image_tests_itself(sif, tmp_path):
    output = run("apptainer", "test", "--containall", "--no-home", sif, cwd=tmp_path)
    for line in (r"^Python 3\.11\.\d+ .*tensorflow 2\.", r"^trained 300 steps", r"^drew 480 480 3"):
        assert re.search(line, output, re.MULTILINE), output


def test_the_labels(sif, identity):
    labels = json.loads(run("apptainer", "inspect", "--json", "--labels", sif, cwd=ROOT))
    labels = labels["data"]["attributes"]["labels"]
    assert labels["ddpg.lock"] == identity["lock"] == sha256(ROOT / "containers/locks/cpu.txt")
    assert labels["ddpg.variant"] == identity["variant"] == "cpu"
    for key in ("version", "revision"):
        assert labels[f"org.opencontainers.image.{key}"] == identity[key]


def test_an_image_older_than_the_lock_is_refused(sif, tmp_path):
    checkout = Checkout(tmp_path)
    lock = checkout.directory / "containers/locks/cpu.txt"
    lock.write_text(lock.read_text().replace("numpy==", "numpy==9"))
    command = ["apptainer", "exec", sif, "python", "-m", "ddpg", "status"]
    message = run(*command, cwd=checkout.directory, expect=2)
    assert "was built from another containers/locks/cpu.txt" in message
    assert "`make image`" in message


def test_without_apptainer_one_line_says_so(tmp_path):
    for program in ("dirname", "find", "sort", "make", "bash", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program))
    command = ["bash", ROOT / "containers/build.sh", "sif", "cpu", tmp_path / "x.sif"]
    message = run(*command, cwd=ROOT, expect=2, env={"PATH": str(tmp_path)})
    assert message.startswith("build.sh: apptainer is missing; see")
    assert len(message.splitlines()) == 1


def test_both_images_set_the_same_variables():
    dockerfile = (ROOT / "containers/Dockerfile").read_text().replace("\\\n", "")
    definition = (ROOT / "containers/ddpg.def").read_text()
    in_dockerfile = re.findall(r"(\w+)=", re.search(r"^ENV .*", dockerfile, re.MULTILINE)[0])
    exported = re.findall(r"^ +export (.*)", definition.split("%environment")[1], re.MULTILINE)
    assert sorted(in_dockerfile) == sorted(re.findall(r"(\w+)=", " ".join(exported)))
