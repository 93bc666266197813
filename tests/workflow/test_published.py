"""A fresh clone draws figures from published runs without training; `all` trains what changed."""

import re
import shutil

import pytest
from helpers.checkout import Checkout

from ddpg import config
from ddpg.runs.directory import RESULT_FILES

# Snakemake runs `apptainer --version` even in a dry run.
IN_AND_OUT_OF_THE_IMAGE = [[], pytest.param(["--use-singularity"], marks=pytest.mark.container)]

EXPERIMENTS = config.read("config.yaml")["experiments"]


@pytest.mark.parametrize("options", IN_AND_OUT_OF_THE_IMAGE)
def test_figures_in_a_fresh_clone_train_nothing(checkout, options):
    assert not (checkout.directory / ".snakemake").exists()
    output = checkout.snakemake("--dry-run", "figures", *options)
    assert re.search(r"^rule figures_of_comparison", output, re.MULTILINE)
    assert not re.search(r"^rule train", output, re.MULTILINE)


def test_published_runs_of_other_values_are_named(checkout):
    message = "results/published/pendulum-demo: its runs have other values than the configuration"
    assert message not in checkout.snakemake("-n", "figures")
    (checkout.directory / "mine.yaml").write_text("experiments: {pendulum-demo: {pi_lr: 0.5}}\n")
    output = checkout.snakemake("-n", "figures", "--configfile", "mine.yaml")
    (line,) = [line for line in output.splitlines() if message in line]
    assert line.endswith("(pi_lr: 0.001 -> 0.5); they are shown as they were trained")


def test_directory_that_is_not_a_run_is_skipped_and_named(checkout):
    runs = checkout.directory / "results/published/pendulum-demo"
    names = ["seed_ 5", "seed_", "seed_0_backup", "seed_05", "seed_1_0", "seed_7"]
    for name in (*names, ".seed_1.tmp", "seed_0/set_aside_1"):
        shutil.copytree(runs / "seed_10", runs / name)
    (runs / "seed_30").mkdir()
    table = "results/tables/published/pendulum/curves.csv"
    output = checkout.snakemake("--dry-run", "--printshellcmds", table)
    (command,) = re.findall(r"python -m ddpg aggregate --runs (.*) --manifest", output)
    directory = "results/published/pendulum-demo"
    assert command.split() == [f"{directory}/seed_{seed}" for seed in (0, 10, 20)]
    named = re.findall(rf"^{directory}/(.*): skipped: ", output, re.MULTILINE)
    assert named == sorted([*names, "seed_30"])


def test_the_statistics_of_one_comparison_need_only_its_own_runs(checkout):
    """On runs trained here, too: no other experiment is trained for them."""
    table = "results/tables/{}/pendulum/statistics.md"
    planned = list_planned_rules(checkout.snakemake("--dry-run", table.format("runs")))
    own = {"aggregate": 1, "statistics_of_comparison": 1}
    assert planned == {**own, "train": 3, "total": 5}
    checkout.snakemake(table.format("published"))
    text = (checkout.directory / table.format("published")).read_text(encoding="utf-8")
    assert "\n| pendulum | this package, Pendulum-v1 | 3 |" in text
    assert "halfcheetah" not in text


def test_fresh_clone_trains_every_seed(checkout):
    expected = [
        ("runs", name, str(seed)) for name in EXPERIMENTS for seed in EXPERIMENTS[name]["seeds"]
    ]
    assert checkout.plan_training("all") == sorted(expected)


# Replaces ddpg/__main__.py: only Snakemake's planning is tested here, so nothing is computed.
STAND_IN = """
import sys
from pathlib import Path

if sys.argv[1] == "summary":
    sys.exit()
output = Path(sys.argv[sys.argv.index("--output") + 1])
if sys.argv[1] == "plot":
    output = output / sys.argv[sys.argv.index("--only") + 1]
if sys.argv[1] in ("aggregate", "page"):
    output.write_text("")
else:
    output.mkdir(parents=True, exist_ok=True)
    for name in {
        "train": " ".join(RESULTS),
        "compare": "groups.csv pairs.csv effects.csv claims.csv statistics.md statistics.html",
        "provenance": "provenance.csv provenance.html",
        "plot": "figure.svg",
        "verdict": "verdict.json verdict.md verdict.html",
    }[sys.argv[1]].split():
        (output / name).write_text("")
""".replace("RESULTS", repr((*RESULT_FILES, "run.json")))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A checkout in which `all` has run, with empty result files."""
    checkout = Checkout(tmp_path_factory.mktemp("done"))
    (checkout.directory / "ddpg/__main__.py").write_text(STAND_IN)
    checkout.snakemake("all")
    return checkout


@pytest.mark.parametrize("options", IN_AND_OUT_OF_THE_IMAGE)
def test_finished_workflow_trains_nothing(done, options):
    """Neither a container switched on nor files made newer by a clone train anything."""
    for path in done.directory.rglob("*.yaml"):
        path.touch()
    assert done.plan_training("all", *options) == []


@pytest.mark.parametrize("name", ["halfcheetah-benchmark", "spinup-exercise-2-2"])
def test_a_changed_hyperparameter_retrains_only_that_experiment(done, name):
    (done.directory / "change.yaml").write_text(f"experiments: {{{name}: {{polyak: 0.5}}}}\n")
    expected = [("runs", name, str(seed)) for seed in EXPERIMENTS[name]["seeds"]]
    assert done.plan_training("all", "--configfile", "change.yaml") == sorted(expected)


def test_a_changed_default_retrains_only_the_experiments_that_use_it(done):
    (done.directory / "change.yaml").write_text("defaults: {batch_size: 99}\n")
    planned = {name for _, name, _ in done.plan_training("all", "--configfile", "change.yaml")}
    assert planned == {name for name in EXPERIMENTS if "batch_size" not in EXPERIMENTS[name]}


def list_planned_rules(output: str) -> dict[str, int]:
    """How many jobs of each rule a dry run plans."""
    return {name: int(jobs) for name, jobs in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}


@pytest.mark.parametrize("changed", ["analysis/statistics.py", "runs/progress_table.py"])
def test_changed_code_makes_tables_and_figures_again_but_trains_nothing(done, changed):
    before = list_planned_rules(done.snakemake("--dry-run", "all"))
    assert set(before) == {"all", "total"}
    code = done.directory / "ddpg" / changed
    text = code.read_text()
    code.write_text(f"{text}\nCHANGED = True\n")
    planned = list_planned_rules(done.snakemake("--dry-run", "all"))
    code.write_text(text)
    made = {"aggregate", "compare", "provenance", "verdict", "figures_of_comparison", "page"}
    assert set(planned) == {"all", "total"} | made
    comparisons = config.read("config.yaml")["comparisons"]
    assert planned["figures_of_comparison"] == len(comparisons)


@pytest.mark.parametrize("seeds", ["[0, 1]", "[0, 10, 20, 30, 50]"], ids=["fewer", "others"])
def test_other_seeds_make_the_published_2x2_again(done, seeds):
    """Its table says which of the configured seeds are published."""
    table = "results/tables/published/effects.csv"
    done.snakemake(table)
    name = "halfcheetah-2020-networks-2018-schedule"
    (done.directory / "change.yaml").write_text(f"experiments: {{{name}: {{seeds: {seeds}}}}}\n")
    planned = list_planned_rules(done.snakemake("-n", table, "--configfile", "change.yaml"))
    assert planned == {"compare": 1, "total": 1}
