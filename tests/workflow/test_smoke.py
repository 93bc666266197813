"""The whole workflow on experiments shrunk to seconds, and what it plans afterwards."""

import pytest
from checkout import Checkout

from ddpg import config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A checkout in which `snakemake smoke` has run once."""
    checkout = Checkout(tmp_path_factory.mktemp("smoke"))
    checkout.snakemake("smoke")
    return checkout


EXPERIMENTS = sorted(config.read("config.yaml")["experiments"])


def test_every_experiment_is_trained(finished):
    for name in EXPERIMENTS:
        for seed in (0, 10):
            run = finished.directory / f"results/smoke/{name}/seed_{seed}"
            rows = (run / "progress.txt").read_text().splitlines()
            assert [row.split("\t")[0] for row in rows] == ["Epoch", "1", "2"]
            assert (run / "run.json").exists()


def test_nothing_is_left_to_do(finished):
    assert "Nothing to be done" in finished.snakemake("--dry-run", "smoke")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_changed_hyperparameter_trains_exactly_its_seeds(finished, name):
    change = finished.directory / "change.yaml"
    change.write_text(f"experiments: {{{name}: {{pi_lr: 0.002}}}}\n")
    planned = finished.planned("smoke", "--configfile", "change.yaml")
    assert planned == [("smoke", name, "0"), ("smoke", name, "10")]


def test_an_edited_rule_trains_nothing(finished):
    rule = finished.directory / "workflow/rules/train.smk"
    original = rule.read_text()
    try:
        rule.write_text(original.replace("2>&1", "2>&1 "))
        assert finished.planned("smoke") == []
    finally:
        rule.write_text(original)
