"""A wrong configuration stops the workflow before it starts, with one line."""

import pytest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiments: {pendulum-demo: {pi_lr: -1}}", "pendulum-demo.pi_lr: -1 is less than"),
        ("experiments: {pendulum-demo: {gama: 1}}", "unknown key 'gama'"),
        ("experiment: {}", "unknown key 'experiment'; did you mean 'experiments'?"),
    ],
)
def test_a_wrong_configuration(checkout, text, message):
    (checkout.directory / "wrong.yaml").write_text(text + "\n")
    assert message in checkout.snakemake("-n", "demo", "--configfile", "wrong.yaml", expect=1)
    assert not (checkout.directory / "results/runs").exists()


def test_a_value_that_only_snakemake_would_see(checkout):
    output = checkout.snakemake("-n", "demo", "--config", "container=other.sif", expect=1)
    assert "--configfile" in output
