"""`make smoke`: the whole workflow on the project's experiments, and what a rerun would train."""

import pytest
from helpers.check_outcome import check_outcome, extract_outcome, parse_seed_counts
from helpers.checkout import Checkout

from ddpg import config

CONFIG = config.read("config.yaml")
EXPERIMENTS, SEEDS = sorted(CONFIG["experiments"]), CONFIG["smoke"]["seeds"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Checkout, str]:
    """A checkout in which `make smoke` has run once, and its output."""
    checkout = Checkout(tmp_path_factory.mktemp("smoke"))
    return checkout, checkout.run("make smoke")


def test_every_experiment_is_trained_and_compared(finished):
    checkout, output = finished
    comparisons = sorted(CONFIG["comparisons"], key=lambda name: name != CONFIG["headline"])
    runs = [f"{name}/seed_{seed}" for name in EXPERIMENTS for seed in SEEDS]
    said = check_outcome(checkout.directory, output, "smoke", "smoke", comparisons, runs)
    assert parse_seed_counts(said) == dict.fromkeys(EXPERIMENTS, len(SEEDS))
    for run in runs:
        rows = (checkout.directory / "results/smoke" / run / "progress.txt").read_text()
        epochs = [row.split("\t")[0] for row in rows.splitlines()]
        assert epochs == ["Epoch", *map(str, range(1, CONFIG["smoke"]["epochs"] + 1))]


def test_rerun_trains_nothing_and_prints_the_outcome_again(finished):
    checkout, output = finished
    assert checkout.plan_training("smoke") == []
    again = checkout.snakemake("smoke", "--quiet", "all")
    assert extract_outcome(again) == extract_outcome(output)


def test_a_changed_hyperparameter_retrains_only_its_seeds(finished):
    """Not those of halfcheetah-benchmark-2020, which is written as a change of this experiment."""
    checkout, _ = finished
    name = "halfcheetah-benchmark"
    change = checkout.directory / "change.yaml"
    change.write_text(f"experiments: {{{name}: {{pi_lr: 0.002}}}}\n")
    planned = checkout.plan_training("smoke", "--configfile", "change.yaml")
    assert planned == sorted(("smoke", name, str(seed)) for seed in SEEDS)


def test_an_edited_rule_retrains_nothing(finished):
    checkout, _ = finished
    rule = checkout.directory / "workflow/rules/train.smk"
    original = rule.read_text()
    try:
        rule.write_text(original.replace("2>&1", "2>&1 "))
        assert checkout.plan_training("smoke") == []
    finally:
        rule.write_text(original)
