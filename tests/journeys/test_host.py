"""The README's commands without an image, one after the other in one checkout of tiny experiments.

The published runs of this checkout are those that `smoke` trained. So `figures` draws them, and
`all`, which trains from scratch, must reproduce their bytes.
"""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys

import pytest
from helpers.check_outcome import (
    check_outcome,
    extract_outcome,
    parse_seed_counts,
    parse_verdict,
    read_portable_outputs,
)
from helpers.checkout import ROOT, Checkout
from helpers.edit_run import edit_result_file
from helpers.snakemake_log import parse_training_jobs
from helpers.tiny_checkout import COMPARISONS, RUNS

from ddpg.analysis.verdict import Verdict
from ddpg.files import hash_file
from ddpg.runs import published

SEEDS = {"halfcheetah-benchmark": 1, "pendulum-demo": 2}
# As the README lists them.
DEMO, REPORT = "make demo", "make report"
FIGURES, ALL = "snakemake figures --cores all", "snakemake all --cores all"


@pytest.fixture(scope="module")
def checkout(smoke_on_host, tmp_path_factory) -> Checkout:
    """A copy of the checkout where `smoke` has run, with its runs published."""
    directory = tmp_path_factory.mktemp("host") / "checkout"
    shutil.copytree(smoke_on_host[0].directory, directory, symlinks=True)
    runs = [f"results/smoke/{run}" for run in RUNS]
    command = [sys.executable, "-m", "ddpg", "publish", *runs]
    subprocess.run(command, cwd=directory, check=True, timeout=60)
    shutil.rmtree(directory / "results/smoke")
    return Checkout.at(directory)


@pytest.fixture(scope="module")
def demo(checkout) -> str:
    """The output of the demo."""
    return checkout.run(DEMO)


@pytest.fixture(scope="module")
def trained(checkout, demo) -> str:
    """The output of training everything, after the demo."""
    return checkout.run(ALL)


def list_trained_runs(output: str) -> list[str]:
    """The runs that Snakemake has trained."""
    return sorted(f"{name}/seed_{seed}" for _, name, seed in parse_training_jobs(output))


def test_smoke(smoke_on_host):
    checkout, output = smoke_on_host
    said = check_outcome(checkout.directory, output, "smoke", "smoke", COMPARISONS, RUNS)
    assert parse_seed_counts(said) == SEEDS
    assert list_trained_runs(output) == RUNS


def test_figures_are_drawn_from_the_published_runs(checkout, smoke_on_host):
    output = checkout.run(FIGURES)
    said = check_outcome(checkout.directory, output, "figures", "published", COMPARISONS, RUNS)
    assert parse_seed_counts(said) == SEEDS
    assert list_trained_runs(output) == []
    drawn, smoke = (
        read_portable_outputs(directory, collection, COMPARISONS, RUNS)
        for directory, collection in (
            (checkout.directory, "published"),
            (smoke_on_host[0].directory, "smoke"),
        )
    )
    assert list(drawn.values()) == list(smoke.values())


def hash_files(report: str) -> dict[str, str]:
    """The SHA-256 of each file in a report of Snakemake, by path."""
    (results,) = re.findall(r"^ *var results = (\{.*\});$", report, re.MULTILINE)
    contents = {
        path: base64.b64decode(result["data_uri"].partition("base64,")[2])
        for path, result in json.loads(results).items()
    }
    return {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}


def test_report_contains_every_figure_and_table(checkout):
    output = checkout.run(REPORT)
    assert "page         results/summary/figures.html\n" in output
    report = (checkout.directory / "results/report.html").read_text()
    assert len(report) > 10**6
    results = checkout.directory / "results"
    figures = [*results.glob("figures/published/*/*.svg")]
    assert {path.parent.name for path in figures} == set(COMPARISONS)
    tables = [results / f"tables/published/{name}.html" for name in ("statistics", "provenance")]
    made = [*figures, *tables, results / "summary/figures.html"]
    shown = {checkout.directory / name: digest for name, digest in hash_files(report).items()}
    assert shown == {path: hash_file(path) for path in made}
    assert "Begin with <strong>Summary</strong>" in report


def test_the_demo(checkout, demo):
    said = check_outcome(checkout.directory, demo, "demo", "runs", ["pendulum"], RUNS[1:])
    assert parse_seed_counts(said) == {"pendulum-demo": 2}
    assert list_trained_runs(demo) == RUNS[1:]


def test_all_reproduces_the_published_runs_to_the_byte(checkout, trained):
    said = check_outcome(checkout.directory, trained, "all", "runs", COMPARISONS, RUNS)
    assert list_trained_runs(trained) == RUNS[:1], "the demo had trained the other runs"
    assert said[:2] == [
        "Verdict: pass",
        "The fresh runs of 2 experiments reproduce the published ones.",
    ]
    assert parse_verdict(said) == dict.fromkeys(SEEDS, "pass")
    verdict = Verdict.read(checkout.directory / "results/verdict.json")
    assert {outcome.test for outcome in verdict.experiments.values()} == {"bytes"}


def test_repeated_all_trains_nothing_and_prints_the_same(checkout, trained):
    again = checkout.run(ALL)
    assert list_trained_runs(again) == []
    assert extract_outcome(again) == extract_outcome(trained)


def change_last_digit(content: bytes) -> bytes:
    return re.sub(rb"(\d)(\D*)\Z", lambda m: b"%d%b" % ((int(m[1]) + 1) % 10, m[2]), content)


def test_all_fails_if_a_published_run_differs(checkout, trained):
    """One episode length of a published run is changed, and the checksums with it."""
    runs = checkout.directory / "results/published"
    edit_result_file(runs / "pendulum-demo/seed_10", "test_episodes.csv", change_last_digit)
    (runs / published.MANIFEST).unlink()
    published.write_manifest(runs)
    for command in ([], ["--quiet", "all", "--"]):
        output = checkout.snakemake(*command, "all", expect=1)
        assert list_trained_runs(output) == []
        said = extract_outcome(output)
        assert said[:2] == [
            "Verdict: fail",
            "The fresh runs of 2 experiments do NOT all reproduce the published ones.",
        ]
        assert parse_verdict(said) == {"halfcheetah-benchmark": "pass", "pendulum-demo": "fail"}
        assert said[-1] == "page         results/summary/all.html"
    page = (checkout.directory / "results/summary/all.html").read_text()
    assert "<h2>Verdict: fail</h2>" in page
    assert Verdict.read(checkout.directory / "results/verdict.json").result == "fail"
    assert checkout.run("make all", expect=2)


def test_all_without_published_runs_succeeds_and_reports_it(checkout, trained):
    shutil.rmtree(checkout.directory / "results/published")
    said = extract_outcome(checkout.run(ALL))
    assert said[0] == "Verdict: no runs"
    assert parse_verdict(said) == dict.fromkeys(SEEDS, "no runs")


def test_readme_lists_these_commands():
    readme = (ROOT / "README.md").read_text()
    for command in (DEMO, REPORT, FIGURES, ALL):
        assert command in readme
