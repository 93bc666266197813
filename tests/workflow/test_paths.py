"""Paths of checkouts and configuration files are quoted: the shell must not interpret them."""

import re

import pytest
from helpers.checkout import ROOT, Checkout

# Parts of commands that the rules build, with user input already quoted.
QUOTED_ALREADY = {"params.options", "params.time_limit", "params.overrides"}


def test_everything_in_the_commands_of_rules_is_quoted():
    found = set()
    for path in (ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")):
        for command in re.findall(r"\n    shell:\n((?: {8}.*\n)+)", path.read_text("utf-8")):
            found |= set(re.findall(r"\{([^}]+)\}", command))
    assert found >= QUOTED_ALREADY
    assert all(name.endswith(":q") for name in found - QUOTED_ALREADY)


@pytest.fixture
def checkout(tmp_path):
    directory = tmp_path / 'it\'s $(touch hit); "b" & c*'
    directory.mkdir()
    return Checkout(directory)


def test_a_checkout_and_a_configuration_may_have_any_name(checkout, tmp_path):
    name = "my 'own' $(touch hit); `touch hit` & [a-z]* {x}.yaml"
    text = "comparisons: {pendulum: {title: Mine}}\nsmoke: {pi_lr: 0.00001, seeds: [0, 1]}\n"
    (checkout.directory / name).write_text(text)
    figures = "results/figures/published/pendulum"
    checkout.snakemake(figures, "--configfile", name)
    assert (checkout.directory / figures / "comparison.svg").exists()
    run = "results/smoke/pendulum-demo/seed_1/run.json"
    output = checkout.snakemake("--dry-run", "--printshellcmds", run, "--configfile", name)
    assert " --set 'seeds=[0, 1]' " in output and " pi_lr=1.0e-05" in output
    assert not list(tmp_path.rglob("hit"))


def test_the_workflow_runs_in_another_directory(checkout, tmp_path):
    for name in ("config.yaml", "results"):
        (checkout.directory / name).rename(tmp_path / name)
    table = "results/tables/published/pendulum/curves.csv"
    checkout.snakemake(table, "--directory", str(tmp_path))
    assert (tmp_path / table).exists()
