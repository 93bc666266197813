"""Each of the README's ways to use the Apptainer image gives the same bytes as the host."""

import os
import re
import shutil
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from helpers.check_outcome import (
    check_outcome,
    extract_outcome,
    parse_seed_counts,
    read_images,
    read_portable_outputs,
)
from helpers.checkout import ROOT, Checkout
from helpers.run_command import list_isolation_options, make, run
from helpers.run_files import read_results
from helpers.snakemake_log import parse_rules
from helpers.tiny_checkout import COMPARISONS, RUNS, make_tiny_checkout

from ddpg import config
from ddpg.runs.record import Image, RunRecord
from ddpg.runs.typed_json import from_json

pytestmark = pytest.mark.container

JOBS = ["train"] * 3 + ["aggregate", "figures_of_comparison"] * 2
JOBS += ["compare", "provenance", "page", "smoke"]


@pytest.fixture(scope="module")
def image(image_record) -> Image:
    """The image as runs record it."""
    return from_json(Image, image_record)


def check(directory: Path, output: str, image: Image, smoke_on_host) -> None:
    """Assert that `smoke` is complete, was made in the image, and has the host's bytes."""
    said = check_outcome(directory, output, "smoke", "smoke", COMPARISONS, RUNS)
    host, host_output = smoke_on_host
    assert said == extract_outcome(host_output)
    assert read_images(directory, "smoke", RUNS) == [image] * len(RUNS)
    made, expected = (
        read_portable_outputs(where, "smoke", COMPARISONS, RUNS)
        for where in (directory, host.directory)
    )
    assert made == expected
    table = (directory / "results/tables/smoke/provenance.csv").read_text()
    assert table.count(f"{image.variant} {image.id[7:19]}") == len(RUNS)


@pytest.fixture(scope="module")
def from_host(sif, tmp_path_factory) -> tuple[Checkout, str]:
    """A checkout in which the host's Snakemake ran `smoke` in the image, and its output."""
    checkout = make_tiny_checkout(tmp_path_factory.mktemp("from_host"))
    (checkout.directory / "containers/ddpg.sif").symlink_to(sif)
    return checkout, checkout.snakemake("--use-singularity", "smoke")


def test_snakemake_on_the_host_runs_every_rule_in_the_image(from_host, image, smoke_on_host):
    """Also as a root user who lacks capabilities, without any setting."""
    checkout, output = from_host
    assert sorted(parse_rules(output)) == sorted(JOBS)
    assert output.count("Activating singularity image") == len(JOBS)
    check(checkout.directory, output, image, smoke_on_host)


def test_switching_the_image_on_or_off_retrains_nothing(from_host, smoke_on_host):
    checkout, _ = from_host
    assert checkout.plan_training("smoke") == []
    host, _ = smoke_on_host
    assert host.plan_training("--use-singularity", "smoke") == []
    assert host.plan_training("smoke", "--sdm", "apptainer") == []


def test_profile_hides_host_variables(from_host, smoke_on_host, image, monkeypatch):
    checkout, _ = from_host
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")  # one that a run records
    run_json = f"results/runs/{RUNS[1]}/run.json"
    checkout.snakemake("--profile", "workflow/profiles/apptainer", "--", run_json)
    record = RunRecord.read(checkout.directory / run_json)
    assert record.machine.image == image
    assert "NVIDIA_TF32_OVERRIDE" not in record.machine.variables
    trained, smoke = (
        read_results(directory / collection / RUNS[1])
        for directory, collection in (
            (checkout.directory / "results", "runs"),
            (smoke_on_host[0].directory / "results", "smoke"),
        )
    )
    assert trained == smoke


def test_rules_see_files_outside_the_working_directory(sif, tmp_path, smoke_on_host):
    """The checkout, a configuration, a reference, and results behind links; /tmp is hidden."""
    checkout = make_tiny_checkout(tmp_path / "checkout")
    (checkout.directory / "containers/ddpg.sif").symlink_to(sif)
    outside, scratch, work = (tmp_path / name for name in ("out, side", "scratch", "a work"))
    for directory in (outside, scratch / "smoke", scratch / "big", work / "results"):
        directory.mkdir(parents=True)
    (checkout.directory / "config.yaml").rename(outside / "config.yaml")
    (checkout.directory / "claims.yaml").rename(work / "claims.yaml")
    (work / "config.yaml").symlink_to(outside / "config.yaml")
    reference = outside / "curve.txt"
    shutil.copy(ROOT / "results/reference/drl_tf2_pendulum_seed0.txt", reference)
    theirs = {"label": "theirs", "runs": [os.path.relpath(reference, work)]}
    comparisons = {"pendulum": {"references": {"drl-tf2": theirs}}}
    (outside / "mine.yaml").write_text(yaml.safe_dump({"comparisons": comparisons}))
    (work / "results/smoke").symlink_to(scratch / "smoke")
    # As where /scratch is a link to the storage that is mounted on this node.
    (tmp_path / "storage").symlink_to(scratch)
    (scratch / "smoke/pendulum-demo").symlink_to(tmp_path / "storage/big")

    target = "results/figures/smoke/pendulum"
    checkout.snakemake(
        "--directory", work, "--configfile", outside / "mine.yaml", "--use-singularity",
        "--singularity-args", "--cleanenv --no-mount tmp", "--", target,
    )  # fmt: skip
    assert "theirs" in (work / target / "comparison.svg").read_text()
    for name in RUNS[1:]:
        trained = read_results(scratch / "big" / Path(name).name)
        assert trained == read_results(smoke_on_host[0].directory / "results/smoke" / name)


def test_snakemake_in_the_image(sif, image, smoke_on_host, empty):
    """In a directory with only a configuration, without HOME, host files or host variables."""
    snakemake = ["apptainer", "run", *list_isolation_options(empty), sif, "--cores", 2, "smoke"]
    env = {k: v for k, v in os.environ.items() if k != "HOME"}
    output = run(*snakemake, cwd=empty, env=env)
    check(empty, output, image, smoke_on_host)
    left = {path.name for path in empty.iterdir()}
    assert left == {"config.yaml", "claims.yaml", "results", ".snakemake"}
    again = run(*snakemake, cwd=empty, env=env)
    assert re.search(r"^smoke +1\ntotal +1$", again, re.MULTILINE), "only the summary runs again"
    assert extract_outcome(again) == extract_outcome(output)


def test_a_command_in_the_image(sif, image, smoke_on_host, empty):
    train = "python -m ddpg train pendulum-demo --seed 0 --output run".split()
    run("apptainer", "exec", "--cleanenv", sif, *train, cwd=empty)
    assert RunRecord.read(empty / "run/run.json").machine.image == image
    host, _ = smoke_on_host
    assert read_results(empty / "run") == read_results(host.directory / "results/smoke" / RUNS[1])


def test_an_archive_draws_the_figures_without_a_network(sif, tmp_path):
    """The figures of the published runs, from the unpacked archive alone."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    archive, earlier = ROOT / f"ddpg-{version}.tar", ROOT / f"ddpg-{version}.tar.earlier"
    if archive.exists():  # somebody's, who made it before the tests
        archive.rename(earlier)
    try:
        make("archive")
        run("tar", "--extract", "--file", archive, cwd=tmp_path)
    finally:
        archive.unlink(missing_ok=True)
        if earlier.exists():
            earlier.rename(archive)
    (unpacked,) = tmp_path.iterdir()
    run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=unpacked)
    cut_off = ["unshare", "--map-root-user", "--net"]
    devices = run(*cut_off, "cat", "/proc/net/dev", cwd=unpacked)
    assert re.findall(r"^ *(\w+):", devices, re.MULTILINE) == ["lo"]
    figures = ["apptainer", "run", "containers/ddpg.sif", "--cores", 2, "figures"]
    output = run(*cut_off, *figures, cwd=unpacked)
    settings = config.read(ROOT / "config.yaml")
    comparisons = sorted(settings["comparisons"], key=lambda name: name != settings["headline"])
    paths = ROOT.glob("results/published/*/seed_*/run.json")
    runs = ["/".join(path.parts[-3:-1]) for path in paths]
    said = check_outcome(unpacked, output, "figures", "published", comparisons, runs)
    counts = Counter(name.split("/")[0] for name in runs)
    assert parse_seed_counts(said) == dict(counts)
    host = Checkout(tmp_path / "host")
    one = "results/figures/published/pendulum"
    host.snakemake(one)
    assert files(unpacked / one) == files(host.directory / one)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}
