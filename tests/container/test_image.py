"""The image: three ways to run it, the same bytes in each, and what it says of itself."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from checkout import ROOT, Checkout
from commands import bare, make, run, training
from exactness.lives import results
from packaging.requirements import Requirement

from ddpg.files import sha256

pytestmark = pytest.mark.container

# The image's Python, for the lock file's markers.
IN_THE_IMAGE = {"python_version": "3.11", "python_full_version": "3.11.2"}

# Of the smoke workflow: each of its kinds of rule, and both environments.
TARGETS = ["results/smoke/halfcheetah-benchmark/seed_0/run.json", "results/figures/smoke/pendulum"]
JOBS = ["train"] * 3 + ["aggregate", "figures_of_comparison"]
_, *PENDULUM = RUNS = [
    "results/smoke/halfcheetah-benchmark/seed_0",
    "results/smoke/pendulum-demo/seed_0",
    "results/smoke/pendulum-demo/seed_10",
]


def outcome(directory: Path) -> dict:
    """All that must be the same bytes wherever the workflow ran."""
    figures = files(directory / "results/figures/smoke/pendulum")
    return {name: results(directory / name) for name in RUNS} | figures


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*")}


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
    snakemake = ["apptainer", "run", *bare(tmp_path), sif, "--cores", 2, *TARGETS]
    env = {k: v for k, v in os.environ.items() if k != "HOME"}
    run(*snakemake, cwd=tmp_path, env=env)
    assert [image_of(tmp_path / name) for name in RUNS] == [identity] * len(RUNS)
    assert outcome(tmp_path) == outcome(on_host.directory)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"config.yaml", "results", ".snakemake"}
    assert "Nothing to be done" in run(*snakemake, cwd=tmp_path, env=env)


def test_a_command_in_the_image(sif, on_host, identity, tmp_path):
    name = PENDULUM[0]
    command = training(name, tmp_path)
    run("apptainer", "exec", "--cleanenv", sif, "python", *command, cwd=tmp_path)
    assert image_of(tmp_path / "run") == identity
    assert results(tmp_path / "run") == results(on_host.directory / name)


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


def test_the_bill_of_materials_lists_every_package(sif):
    """Debian's packages and Python's, in the versions that are in the image."""
    listed = json.loads(sif.with_suffix(".cdx.json").read_text())["components"]
    found = {part.get("purl", "").split("?")[0] for part in listed}
    lock = (ROOT / "containers/locks/cpu.txt").read_text()
    pinned = map(Requirement, re.findall(r"^(\w.*==.*) \\$", lock, re.MULTILINE))
    # Some packages are for other systems or for another Python than the image's.
    pinned = [need for need in pinned if not need.marker or need.marker.evaluate(IN_THE_IMAGE)]
    assert len(pinned) > 50
    assert {f"pkg:pypi/{need.name}@{str(need.specifier)[2:]}" for need in pinned} - found == set()
    query = ["dpkg-query", "--show", "--showformat=${Version}", "libegl1"]
    version = run("apptainer", "--silent", "exec", sif, *query, cwd=ROOT)
    assert f"pkg:deb/debian/libegl1@{version}" in found


def test_an_archive_draws_the_figures_without_a_network(sif, on_host, tmp_path):
    make("archive")
    (archive,) = ROOT.glob("ddpg-*.tar")
    run("tar", "--extract", "--file", archive, cwd=tmp_path)
    archive.unlink()
    (unpacked,) = tmp_path.iterdir()
    run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=unpacked)
    cut_off = ["unshare", "--map-root-user", "--net"]
    devices = run(*cut_off, "cat", "/proc/net/dev", cwd=unpacked)
    assert re.findall(r"^ *(\w+):", devices, re.MULTILINE) == ["lo"]
    run(*cut_off, "apptainer", "run", "containers/ddpg.sif", "--cores", 2, "figures", cwd=unpacked)
    assert (unpacked / "results/tables/published/statistics.md").stat().st_size > 1000
    one = "results/figures/published/pendulum"
    on_host.snakemake(one)
    assert files(unpacked / one) == files(on_host.directory / one)
