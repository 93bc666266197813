"""The README's commands without an image, one after the other in one checkout of tiny experiments.

The published runs of this checkout are those that `smoke` trained. So `figures` draws them, and
`all`, which trains from scratch, must reproduce their bytes.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.check_outcome import (
    check_outcome,
    extract_outcome,
    parse_seed_counts,
    parse_verdict,
    read_portable_outputs,
)
from helpers.checkout import ROOT, Checkout
from helpers.tiny_checkout import COMPARISONS, RUNS

from ddpg.analysis.verdict import Verdict
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


def trained_by(output: str) -> list[str]:
    """The runs that Snakemake has trained."""
    pattern = (
        r"^(?:local)?rule train:(?:\n .*)*?wildcards: collection=\w+, experiment=(.*), seed=(\d+)"
    )
    return sorted(f"{name}/seed_{seed}" for name, seed in re.findall(pattern, output, re.MULTILINE))


def test_smoke(smoke_on_host):
    checkout, output = smoke_on_host
    said = check_outcome(checkout.directory, output, "smoke", "smoke", COMPARISONS, RUNS)
    assert parse_seed_counts(said) == SEEDS
    assert trained_by(output) == RUNS


def test_figures_are_drawn_from_the_published_runs(checkout, smoke_on_host):
    output = checkout.run(FIGURES)
    said = check_outcome(checkout.directory, output, "figures", "published", COMPARISONS, RUNS)
    assert parse_seed_counts(said) == SEEDS
    assert trained_by(output) == []
    drawn, smoke = (
        read_portable_outputs(directory, collection, COMPARISONS, RUNS)
        for directory, collection in (
            (checkout.directory, "published"),
            (smoke_on_host[0].directory, "smoke"),
        )
    )
    assert list(drawn.values()) == list(smoke.values())


def test_report_contains_every_figure_and_table(checkout):
    output = checkout.run(REPORT)
    assert "report       results/summary/figures.html\n" in output
    report = (checkout.directory / "results/report.html").read_text()
    assert len(report) > 10**6
    for name in ("comparison.svg", "statistics.html", "provenance.html", "figures.html"):
        assert f'"name": "{name}"' in report or f'"{name}"' in report
    assert "Begin with <strong>Summary</strong>" in report


def test_the_demo(checkout, demo):
    said = check_outcome(checkout.directory, demo, "demo", "runs", ["pendulum"], RUNS[1:])
    assert parse_seed_counts(said) == {"pendulum-demo": 2}
    assert trained_by(demo) == RUNS[1:]


def test_all_reproduces_the_published_runs_to_the_byte(checkout, trained):
    said = check_outcome(checkout.directory, trained, "all", "runs", COMPARISONS, RUNS)
    assert trained_by(trained) == RUNS[:1], "the demo had trained the other runs"
    assert said[:2] == [
        "Verdict: pass",
        "The fresh runs of 2 experiments reproduce the published ones.",
    ]
    assert parse_verdict(said) == dict.fromkeys(SEEDS, "pass")
    verdict = Verdict.read(checkout.directory / "results/verdict.json")
    assert {outcome.test for outcome in verdict.experiments.values()} == {"bytes"}


def test_repeated_all_trains_nothing_and_prints_the_same(checkout, trained):
    again = checkout.run(ALL)
    assert trained_by(again) == []
    assert extract_outcome(again) == extract_outcome(trained)


def alter(run: Path) -> None:
    """Change one return in a published run, and its checksums with it."""
    path = run / "test_episodes.csv"
    text = path.read_text()
    changed = re.sub(r"(\d)(\D*)\Z", lambda m: f"{(int(m[1]) + 1) % 10}{m[2]}", text)
    assert changed != text
    path.write_text(changed)
    record = json.loads((run / "run.json").read_text())
    record["files"][path.name] = hashlib.sha256(changed.encode()).hexdigest()
    (run / "run.json").write_text(json.dumps(record))
    published.write_manifest(run.parents[1])


def test_all_fails_if_a_published_run_differs(checkout, trained):
    alter(checkout.directory / "results/published/pendulum-demo/seed_10")
    for command in ([], ["--quiet", "all", "--"]):
        output = checkout.snakemake(*command, "all", expect=1)
        assert trained_by(output) == []
        said = extract_outcome(output)
        assert said[:2] == [
            "Verdict: fail",
            "The fresh runs of 2 experiments do NOT all reproduce the published ones.",
        ]
        assert parse_verdict(said) == {"halfcheetah-benchmark": "pass", "pendulum-demo": "fail"}
        assert said[-1] == "report       results/summary/all.html"
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
