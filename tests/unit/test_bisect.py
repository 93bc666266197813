"""`bisect` finds the first epoch, part of the state and update in which two runs differ."""

import re
import shutil

import pytest
from helpers.edit_run import copy_as_arithmetic_1, edit_record
from helpers.read_experiment import read_experiment

from ddpg.cli import main
from ddpg.training import train

SETTINGS = {
    "hidden_sizes": [8], "epochs": 3, "steps_per_epoch": 60, "start_steps": 30, "max_ep_len": 20,
    "batch_size": 8, "replay_size": 200, "num_test_episodes": 1, "update_after": 70,
}  # fmt: skip


def make_run(directory, seed=0, **overrides):
    settings = read_experiment("pendulum-demo", **SETTINGS | overrides)
    train(settings, seed, directory)
    return directory


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return {
        "a": make_run(root / "a"),
        "other rate": make_run(root / "rate", pi_lr=0.002),
        "other seed": make_run(root / "seed", seed=10),
    }


def bisect(capfd, first, second):
    code = main(["bisect", str(first), str(second)])
    out, err = capfd.readouterr()
    return code, out + err


def test_run_and_its_copy_do_not_diverge(runs, tmp_path, capfd):
    shutil.copytree(runs["a"], tmp_path / "copy")
    code, said = bisect(capfd, runs["a"], tmp_path / "copy")
    assert (code, "equal after each of the 3 epochs in both runs" in said) == (0, True)


def test_other_learning_rate_diverges_after_the_first_update(runs, capfd):
    """No update falls in the first epoch: 60 steps, and updates after 70."""
    code, said = bisect(capfd, runs["a"], runs["other rate"])
    assert code == 0
    assert "first after epoch 2, in agent" in said
    assert "first differ after update 1 of epoch 2" in said
    assert "\nthe settings differ, too: pi_lr: " in said


def test_other_seed_diverges_in_every_part_of_the_state(runs, capfd):
    _, said = bisect(capfd, runs["a"], runs["other seed"])
    assert "first after epoch 1, in agent, random streams, replay, environment" in said
    assert re.search(r"^the settings differ, too: seed: \d+ -> \d+$", said, re.MULTILINE)


def test_a_run_without_digests_is_refused_in_one_line(runs, tmp_path, capfd):
    older = copy_as_arithmetic_1(runs["a"], tmp_path / "older")
    code, said = bisect(capfd, runs["a"], older)
    assert (code, said.count("\n")) == (2, 1)
    assert "state_digests.txt: missing or unreadable" in said


def name_another_numpy(run):
    edit_record(run, lambda record: record["identity"]["packages"].update(numpy="1.0"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda run: (run / "run.json").unlink(),
            "run.json: no such file; the `train` command of its run restores it",
        ),
        (lambda run: (run / "config.json").unlink(), "config.json: no such file"),
        (name_another_numpy, "its arithmetic version or packages are not those installed"),
    ],
)
def test_divergence_of_a_run_that_cannot_be_retrained_is_printed(
    runs, tmp_path, capfd, change, reason
):
    other = shutil.copytree(runs["other rate"], tmp_path / "other")
    change(other)
    code, said = bisect(capfd, runs["a"], other)
    assert code == 0
    first, *_, last = said.splitlines()
    assert "the states differ first after epoch 2, in agent" in first
    assert last.startswith("not retrained: ") and f"{other}" in last and reason in last
