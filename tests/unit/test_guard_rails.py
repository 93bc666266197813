"""What training refuses, survives and stops at; mostly without updates, so nothing is compiled."""

import dataclasses
import json
import logging
import os
import re
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from helpers.fake_disk import FakeDisk
from helpers.read_experiment import WITHOUT_UPDATES, read_experiment
from helpers.run_files import read_results
from helpers.stop_training import Stopped, train_one_epoch

from ddpg import training
from ddpg.core import agent
from ddpg.errors import Diverged, Interrupted, UserError
from ddpg.files import encode_json
from ddpg.runs import provenance
from ddpg.runs.directory import RESULT_FILES, RunDirectory
from ddpg.runs.record import Processor, RunRecord
from ddpg.runs.run_state import RunState
from ddpg.training import train

FILES = {*RESULT_FILES, "run.json", ".results", ".lock"}


def experiment(**overrides):
    return read_experiment("pendulum-demo", **WITHOUT_UPDATES | {"batch_size": 4} | overrides)


def stopped(directory, **overrides):
    """A run that was interrupted after its first epoch."""
    train_one_epoch(experiment(**overrides), directory)
    return directory


def contents(directory):
    return {p: p.read_bytes() for p in directory.rglob("*") if p.is_file() and p.name != ".lock"}


def delete_results(directory):
    """Delete a run's declared outputs, as Snakemake does before it starts the job again."""
    for name in (*RESULT_FILES, "run.json"):
        (directory / name).unlink(missing_ok=True)


def refused(directory, *messages, seed=0, restart=False, restart_edited=False, **overrides):
    """Assert that training is refused with one line with the messages, and changes no file."""
    before = contents(directory)
    with pytest.raises(UserError) as error:
        train(
            experiment(**overrides), seed, directory,
            restart=restart, restart_edited=restart_edited,
        )  # fmt: skip
    for message in messages:
        assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert contents(directory) == before


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    directory = tmp_path_factory.mktemp("expected") / "run"
    train(experiment(), 0, directory)
    return results(directory)


def results(directory):
    """The results of a run, which must be complete and match its record."""
    assert {path.name for path in directory.iterdir()} == FILES
    record = RunRecord.read(directory / "run.json")
    assert RunDirectory(directory).find_mismatches(record) == []
    return read_results(directory)


def test_another_configuration_is_refused(tmp_path):
    run = stopped(tmp_path / "run")
    refused(run, "config.pi_lr: 0.001 -> 0.5", "config.epochs: 3 -> 4", pi_lr=0.5, epochs=4)


def test_other_environment_is_refused_before_its_transitions_are_read(tmp_path):
    run = stopped(tmp_path / "run")
    refused(run, "config.env: Pendulum-v1 -> HalfCheetah-v5", env="HalfCheetah-v5")


def test_another_seed_is_refused(tmp_path):
    refused(stopped(tmp_path / "run"), "seed: 0 -> 10", seed=10)


def test_another_experiment_is_refused(tmp_path):
    run = stopped(tmp_path / "run")
    other = dataclasses.replace(experiment(), name="pendulum-other")
    with pytest.raises(UserError, match="experiment: pendulum-demo -> pendulum-other"):
        train(other, 0, run)


def test_another_version_of_a_package_is_refused(tmp_path, monkeypatch):
    run = stopped(tmp_path / "run")
    versions = provenance.find_versions
    monkeypatch.setattr(
        provenance, "find_versions", lambda names: versions(names) | {"numpy": "9.9"}
    )
    message = f"packages.numpy: {np.__version__} -> 9.9. Undo the change, or start it from its "
    refused(run, message, f"--restart, or in Snakemake by moving {run} away", restart_edited=True)


def test_other_xla_flags_are_refused(tmp_path, monkeypatch):
    run = stopped(tmp_path / "run")
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_cpu_enable_fast_math=true")
    refused(run, "variables.XLA_FLAGS: None -> --xla_cpu_enable_fast_math=true")


def test_another_arithmetic_is_refused(tmp_path, monkeypatch):
    run = stopped(tmp_path / "run")
    monkeypatch.setattr(provenance, "ARITHMETIC_VERSION", 3)
    refused(run, "arithmetic_version: 2 -> 3")


def test_another_platform_is_refused(tmp_path, monkeypatch):
    run = stopped(tmp_path / "run")
    monkeypatch.setattr(provenance, "find_gpus", lambda: ["H100", "T4"])
    refused(run, "platform: x86-64-v3 -> GPU H100, float32")


def test_a_run_is_resumed_on_another_processor(tmp_path, monkeypatch, expected):
    run = stopped(tmp_path / "run")
    other = Processor("Other", "Other-1-2-3", ("avx2", "fma"))
    first = provenance.read_processor().type
    monkeypatch.setattr(provenance, "read_processor", lambda: other)
    train(experiment(), 0, run)
    assert results(run) == expected
    sessions = RunRecord.read(run / "run.json").sessions
    assert [session.type for session in sessions] == [first, "Other-1-2-3"]


def test_finished_run_is_not_changed(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    train(experiment(), 0, tmp_path / "run")
    before = contents(tmp_path / "run")
    train(experiment(), 0, tmp_path / "run")
    assert contents(tmp_path / "run") == before
    assert "already finished; train it again with --restart" in caplog.text
    refused(tmp_path / "run", "seed 0, which has other values (seed: 0 -> 10)", seed=10)
    refused(
        tmp_path / "run",
        "seed 0, which has other values (pi_lr: 0.001 -> 0.5)",
        pi_lr=0.5,
    )


def test_damaged_finished_run_is_refused_without_a_checkpoint(tmp_path, expected):
    run = stopped(tmp_path / "run")
    shutil.copytree(run / "checkpoint", tmp_path / "kept")
    train(experiment(), 0, run)
    shutil.rmtree(run / ".results")
    (run / "policy.npz").write_bytes(b"damaged")
    refused(
        run,
        "policy.npz: not the bytes that the run wrote; restore it, or train it again with --restart"
        f", or in Snakemake by moving {run} away",
    )
    # With its checkpoint, as after a crash, the run is finished again from that.
    shutil.copytree(tmp_path / "kept", run / "checkpoint")
    train(experiment(), 0, run)
    assert results(run) == expected


def test_lost_or_damaged_results_are_restored(tmp_path, monkeypatch, caplog):
    """Also all of them, as Snakemake deletes them. To the byte, so nothing was trained."""
    run = tmp_path / "run"
    train(experiment(), 0, run)
    before = contents(run)
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(training, "train_epochs", None)

    def restored(name):
        caplog.clear()
        train(experiment(), 0, run)
        assert contents(run) == before
        said = [r.getMessage() for r in caplog.records if r.name.startswith("ddpg.")]
        assert said == [
            f"{run / name}: missing or damaged, restored from .results",
            f"{run}: already finished; train it again with --restart, or in Snakemake by moving "
            f"{run} away",
        ]

    delete_results(run)
    restored("progress.txt")
    (run / "policy.npz").unlink()
    restored("policy.npz")
    (run / "policy.npz").write_bytes(b"damaged")
    restored("policy.npz")
    (run / "run.json").write_text("{")
    restored("run.json")


@pytest.mark.parametrize("damaged", ["policy.npz", "run.json"])
def test_damaged_copy_of_results_is_not_restored(tmp_path, caplog, expected, damaged):
    run = tmp_path / "run"
    train(experiment(), 0, run)
    copy = run / ".results" / damaged
    copy.write_bytes(copy.read_bytes()[:-2])
    before = contents(run)
    train(experiment(), 0, run)
    assert contents(run) == before
    assert re.search(rf"^.*{copy}.*; that copy is ignored$", caplog.text, re.MULTILINE)

    delete_results(run)
    train(experiment(), 0, run)
    assert results(run) == expected


def test_copy_of_another_run_is_not_restored(tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    train(experiment(), 0, run)
    train(experiment(), 10, other)
    shutil.copytree(other / ".results", run / ".results", dirs_exist_ok=True)
    (run / "policy.npz").unlink()
    refused(run, "policy.npz: missing; restore it, or train it again")
    delete_results(run)
    with pytest.raises(
        UserError, match="holds the finished run pendulum-demo seed 10, which has other values"
    ):
        train(experiment(), 0, run)


def test_run_with_only_damaged_checkpoints_starts_over(tmp_path, expected, caplog):
    run = stopped(tmp_path / "run")
    (part,) = (run / "checkpoint").glob("replay_*")
    part.write_bytes(part.read_bytes()[:-1])
    left = contents(run).values()
    train(experiment(), 0, run)
    assert (
        f"{run / 'checkpoint'}: every checkpoint is damaged; moved it to "
        f"{run / 'set_aside_1'}; starting from step 0" in caplog.messages
    )
    shutil.move(run / "set_aside_1", tmp_path / "aside")
    assert sorted(contents(tmp_path / "aside").values()) == sorted(left)
    assert results(run) == expected


def stopped_after_two_epochs(directory):
    def stop_late(steps, new, row):
        if row["Epoch"] == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train(experiment(), 0, directory, report=stop_late)
    return ["config.json", "progress.txt", "state_digests.txt", "test_episodes.csv"]


def finished_without_run_json(directory):
    train(experiment(), 0, directory)
    (directory / "run.json").unlink()
    shutil.rmtree(directory / ".results")
    return sorted(RESULT_FILES)


@pytest.mark.parametrize("before", [stopped_after_two_epochs, finished_without_run_json])
def test_results_without_a_checkpoint_are_set_aside(tmp_path, expected, caplog, before):
    run = tmp_path / "run"
    names = before(run)
    shutil.rmtree(run / "checkpoint", ignore_errors=True)
    left = contents(run).values()
    train(experiment(), 0, run)
    assert (
        f"{run}: holds results, but no checkpoint; moved it to {run / 'set_aside_1'}; starting "
        "from step 0" in caplog.messages
    )
    shutil.move(run / "set_aside_1", tmp_path / "aside")
    assert sorted(path.name for path in (tmp_path / "aside").iterdir()) == names
    assert sorted(contents(tmp_path / "aside").values()) == sorted(left)
    assert results(run) == expected


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_again(tmp_path, expected):
    run = stopped(tmp_path / "run")
    shutil.rmtree(run / "checkpoint")
    train(experiment(), 0, run)
    assert results(run) == expected, "nothing is set aside"


def test_a_run_whose_results_snakemake_deleted_is_resumed(tmp_path, expected, caplog):
    caplog.set_level(logging.INFO)
    run = stopped(tmp_path / "run")
    delete_results(run)
    train(experiment(), 0, run)
    assert "resuming from step 20" in caplog.messages
    assert results(run) == expected


def test_a_run_without_updates_gives_a_warning(tmp_path, caplog):
    short = {"epochs": 1, "steps_per_epoch": 20, "max_ep_len": 15}
    for name, settings, lower in (
        ("late", {"update_after": 21, "update_every": 5}, "update_after"),
        ("both", {"update_after": 19, "update_every": 15}, "update_after or update_every"),
        ("rare", {"update_after": 0, "update_every": 21}, "update_every"),
        ("long", {"update_after": 0, "max_ep_len": 21}, "max_ep_len"),
    ):
        caplog.clear()
        train(experiment(**short | settings), 0, tmp_path / name)
        assert f"{tmp_path / name}: trained without a single update" in caplog.text
        assert f"of 20 steps: train longer, or lower {lower}\n" in caplog.text
    caplog.clear()
    train(experiment(**short, update_after=20, update_every=20), 0, tmp_path / "last")
    assert "update" not in caplog.text, "the last step is followed by updates"


def test_progress_counts_only_the_steps_of_this_process(tmp_path):
    run = stopped(tmp_path / "run")
    reported = []
    train(experiment(), 0, run, report=lambda steps, new, row: reported.append((steps, new)))
    assert reported[0][0] > 20
    assert [steps - new for steps, new in reported] == [20] * len(reported)


def finished_and_deleted(run, **overrides):
    """A finished run whose results Snakemake has deleted, because a value was edited."""
    train(experiment(**overrides), 0, run)
    delete_results(run)
    return run


@pytest.mark.parametrize("before", [stopped, finished_and_deleted])
def test_a_run_of_another_configuration_is_set_aside(tmp_path, expected, caplog, before):
    run = before(tmp_path / "run", pi_lr=0.5)
    train(experiment(pi_lr=0.5), 0, tmp_path / "other")
    remedy = "; undo the change, give another --output, or set it aside with --restart"
    with pytest.raises(UserError, match=remedy):
        train(experiment(), 0, run)
    left = contents(run)
    train(experiment(), 0, run, restart_edited=True)
    assert f"; moved it to {run / 'set_aside_1'}; starting from step 0" in caplog.text
    aside = shutil.move(run / "set_aside_1", tmp_path / "aside")
    assert results(run) == expected
    assert {*left.values()} <= {*contents(aside).values()}

    # The run that was set aside can be resumed, or is finished.
    train(experiment(pi_lr=0.5), 0, aside)
    assert results(aside) == results(tmp_path / "other")
    train(experiment(), 0, run, restart_edited=True)
    assert not (run / "set_aside_1").exists(), "nothing was edited since"


@pytest.mark.parametrize("before", [stopped, finished_and_deleted])
def test_an_edit_that_is_undone_takes_the_earlier_run_back(tmp_path, expected, caplog, before):
    caplog.set_level(logging.INFO)
    run = before(tmp_path / "run")
    train(experiment(pi_lr=0.5), 0, run, restart_edited=True)
    edited = contents(run / ".results").values()
    delete_results(run)
    caplog.clear()
    train(experiment(), 0, run, restart_edited=True)
    first, second = run / "set_aside_1", run / "set_aside_2"
    said = f"; moved it to {second}; moved back the run with these values from {first}"
    assert said in caplog.text
    assert "starting from step 0" not in caplog.text
    assert ("resuming from step 20" in caplog.text) == (before is stopped)
    assert ("already finished" in caplog.text) == (before is finished_and_deleted)
    aside = shutil.move(second, tmp_path / "aside")
    assert {*edited} <= {*contents(aside).values()}
    assert results(run) == expected, "no empty directory is left"


@pytest.mark.parametrize("left", ["nothing", "config.json", "a killed save", "a damaged copy"])
def test_an_edit_that_never_trained_can_be_undone(tmp_path, expected, caplog, left):
    """The edited run diverged before its first checkpoint; Snakemake then deletes its outputs."""
    run = tmp_path / "run"
    train(experiment(), 0, run)
    with pytest.raises(Diverged) as error:
        train(experiment(q_lr=1e30, update_after=0), 0, run, restart_edited=True)
    assert "checkpoint is kept" not in str(error.value)
    if left != "config.json":
        delete_results(run)
    if left == "a killed save":
        (run / "checkpoint").mkdir()
        (run / "checkpoint/replay_0000000000_0000000020").write_bytes(b"")
    elif left == "a damaged copy":
        (run / ".results").mkdir()
        (run / ".results/run.json").write_bytes(b"")
    train(experiment(), 0, run, restart_edited=True)
    assert f"; moved back the run with these values from {run / 'set_aside_1'}" in caplog.text
    (run / "failure.txt").unlink(missing_ok=True)
    for aside in run.glob("set_aside_*"):
        shutil.rmtree(aside)
    assert results(run) == expected


def test_restart_does_not_take_a_run_back(tmp_path, expected):
    run = tmp_path / "run"
    first = train(experiment(), 0, run)
    train(experiment(), 0, run, restart=True, restart_edited=True)
    assert RunRecord.read(run / "set_aside_1/run.json") == first
    shutil.rmtree(run / "set_aside_1")
    assert results(run) == expected


def test_the_message_about_another_configuration_names_the_run_to_take_back(tmp_path):
    run = tmp_path / "run"
    train(experiment(), 0, run)
    train(experiment(pi_lr=0.5), 0, run, restart=True)
    refused(run, f"(--restart-edited moves back {run / 'set_aside_1'}, a run with these values)")


def damage_replay(run):
    (part,) = (run / "checkpoint").glob("replay_*")
    part.write_bytes(part.read_bytes()[:-1])


def damage_state(run):
    (state,) = (run / "checkpoint").glob("state_*")
    state.write_bytes(b"")


def damage_record(run):
    train(experiment(), 0, run)
    (run / "run.json").write_text("{")


def damage_results(run):
    train(experiment(), 0, run)
    (run / "policy.npz").write_bytes(b"")


def train_with_another_package(run):
    record = train(experiment(), 0, run)
    identity = dataclasses.replace(record.identity, packages={"numpy": "1.0"})
    content = dataclasses.replace(record, identity=identity).to_json()
    (run / "run.json").write_bytes(encode_json(content))


@pytest.mark.parametrize(
    "change",
    [damage_replay, damage_state, damage_record, damage_results, train_with_another_package],
)
def test_a_run_that_cannot_be_taken_back_stays_set_aside(tmp_path, expected, caplog, change):
    run = stopped(tmp_path / "run")
    change(run)
    RunDirectory(run).set_aside()
    before = {*contents(run).values()}
    train(experiment(pi_lr=0.5), 0, run)
    delete_results(run)
    train(experiment(), 0, run, restart_edited=True)
    assert "starting from step 0" in caplog.text
    kept = set()
    for aside in run.glob("set_aside_*"):
        kept |= {*contents(aside).values()}
        shutil.rmtree(aside)
    assert before <= kept
    assert results(run) == expected


@pytest.mark.parametrize("before", [stopped, finished_and_deleted])
def test_a_run_that_was_taken_back_in_part_continues(tmp_path, expected, monkeypatch, before):
    """The process was killed after it moved the first of the files."""
    run = before(tmp_path / "run")
    train(experiment(pi_lr=0.5), 0, run, restart_edited=True)
    delete_results(run)
    rename, moved = Path.rename, []

    def rename_one(path, target):
        if path.parent.name == "set_aside_1":
            if moved:
                raise Stopped
            moved.append(path.name)
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Path, "rename", rename_one)
        train(experiment(), 0, run, restart_edited=True)
    record = train(experiment(), 0, run, restart_edited=True)
    assert len(record.sessions) == (2 if before is stopped else 1)
    for aside in run.glob("set_aside_*"):
        shutil.rmtree(aside)
    assert results(run) == expected


def test_results_of_another_program_are_not_overwritten(tmp_path):
    (tmp_path / "progress.txt").write_text("Epoch\tAverageEpRet\n1\t0.0\n")
    refused(tmp_path, "holds a run that is not this package's")
    settings = experiment(pi_lr=0.5).to_config(0)
    (tmp_path / "config.json").write_text(json.dumps(settings))
    refused(tmp_path, "of another configuration (pi_lr: 0.5 -> 0.001)")


@pytest.mark.parametrize(
    "name", ["policy.npz", "test_episodes.csv", "state_digests.txt", "checkpoint/replay_buffer.pkl"]
)
def test_files_of_another_program_are_kept(tmp_path, expected, name):
    run = tmp_path / "run"
    (run / name).parent.mkdir(parents=True)
    (run / name).write_text("mine")
    refused(run, f"{run}: holds a run that is not this package's ({name}, but no config.json)")
    train(experiment(), 0, run, restart=True)
    assert (run / "set_aside_1" / name).read_text() == "mine"
    shutil.move(run / "set_aside_1", tmp_path / "aside")
    assert results(run) == expected


def test_a_run_that_was_killed_in_its_first_save_starts_again(tmp_path, expected):
    """Also after Snakemake deleted its other files."""
    run = stopped(tmp_path / "run")
    (state,) = (run / "checkpoint").glob("state_*")
    state.rename(state.with_name(f".{state.name}.123.tmp"))
    delete_results(run)
    train(experiment(), 0, run)
    assert results(run) == expected


@pytest.mark.parametrize("before", [stopped, lambda run: train(experiment(), 0, run)])
def test_restart_sets_aside(tmp_path, before, expected):
    before(tmp_path / "run")
    left = contents(tmp_path / "run").values()
    train(experiment(), 0, tmp_path / "run", restart=True)
    shutil.move(tmp_path / "run" / "set_aside_1", tmp_path / "aside")
    assert sorted(contents(tmp_path / "aside").values()) == sorted(left)
    assert results(tmp_path / "run") == expected


@pytest.mark.parametrize("env", ["CartPole-v1", "NoSuch-v1"])
def test_invalid_environment_changes_nothing(tmp_path, env):
    run = stopped(tmp_path / "run")
    refused(run, env, env=env, restart=True)
    with pytest.raises(UserError):
        train(experiment(env=env), 0, tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()


def test_a_replay_buffer_beyond_memory_changes_nothing(tmp_path):
    message = "replay_size: 20,000,000,000 transitions take 720.00 GB of memory, and "
    run = stopped(tmp_path / "run")
    refused(run, message, replay_size=20_000_000_000)


def test_a_second_process_is_refused(tmp_path):
    run = stopped(tmp_path / "run")
    with RunDirectory(run).claim():
        refused(run, "another process is training in it")
        refused(run, "another process is training in it", restart=True)


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("replaced", [True, False])
def test_a_run_whose_directory_was_moved_writes_nothing(tmp_path, expected, epoch, replaced):
    """Also if it was replaced by another run, and before the results of the last epoch."""
    run, moved = tmp_path / "run", tmp_path / "moved"
    left = {}

    def move(steps, new, row):
        if row["Epoch"] == epoch:
            run.rename(moved)
            if replaced:
                stopped(run, pi_lr=0.5)
            left.update(contents(tmp_path))

    with pytest.raises(UserError, match="run: was moved or replaced .* with --output and") as error:
        train(experiment(), 0, run, report=move)
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == left
    train(experiment(), 0, moved)
    assert results(moved) == expected


def test_the_reason_of_a_failure_is_kept_until_the_run_trains_again(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(Diverged):
        train(experiment(q_lr=1e30, update_after=0), 0, run.path)
    reason = run.failure_path.read_text()
    refused(run.path, "undo the change, give another --output, or set it aside with --restart")
    assert run.failure_path.read_text() == reason
    train(experiment(), 0, run.path, restart=True)
    assert not run.failure_path.exists()
    assert (run.path / "set_aside_1/failure.txt").read_text() == reason


def test_a_failure_is_not_written_into_a_replaced_directory(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with run.claim(), pytest.raises(UserError, match="was moved or replaced"):  # noqa: SIM117
        with run.record_failure():
            run.path.rename(tmp_path / "moved")
            RunDirectory(run.path).claim().close()
            raise Diverged("a loss is no longer finite")
    assert not run.failure_path.exists()


def test_nonfinite_loss_stops_the_run(tmp_path):
    """A real divergence: the checkpoint of the epoch before is kept, and is good."""
    settings = {"update_after": 20, "q_lr": 1e30, "epochs": 5}
    with pytest.raises(Diverged) as error:
        train(experiment(**settings), 0, tmp_path / "run")
    message = str(error.value)
    assert "a loss is no longer finite in update" in message
    assert "after step 30; the last good checkpoint is kept. Lower q_lr or pi_lr" in message
    assert not (tmp_path / "run" / "run.json").exists()
    (state,) = (tmp_path / "run" / "checkpoint").glob("state_*")
    assert state.name == "state_0000000020"
    with pytest.raises(Diverged) as again:
        train(experiment(**settings), 0, tmp_path / "run")
    assert str(again.value) == message


@pytest.mark.parametrize("every", [1, 2])
def test_nonfinite_weight_is_never_saved(tmp_path, monkeypatch, every):
    """Neither in a checkpoint nor, where no checkpoint fell on the last epoch, in a policy."""
    arrays = agent.DDPG.arrays
    calls = []  # one for the digest of each epoch, one for a checkpoint

    def poisoned(self):
        calls.append(None)
        good = arrays(self)
        return good if len(calls) <= every + 1 else [*good[:-1], good[-1] * np.nan]

    monkeypatch.setattr(agent.DDPG, "arrays", poisoned)
    with pytest.raises(Diverged, match="a weight is no longer finite after step"):
        train(experiment(), 0, tmp_path / "run", checkpoint_every=every)
    assert not (tmp_path / "run" / "policy.npz").exists()
    (state,) = (tmp_path / "run" / "checkpoint").glob("state_*")
    assert state.name == f"state_{20 * every:010d}"


def test_nonfinite_actor_never_acts(tmp_path, monkeypatch):
    from ddpg.core.policy import Policy

    bad = Policy([np.full((3, 1), np.inf)], [np.zeros(1)], np.ones(1), np.zeros(1))
    report = agent.UpdateMetrics(np.zeros((15, 4)), np.zeros(15), np.zeros(15))
    monkeypatch.setattr(agent.DDPG, "update", lambda *a: report)
    monkeypatch.setattr(agent.DDPG, "policy", lambda self: bad)
    with pytest.raises(Diverged, match="a weight is no longer finite after step 15"):
        train(experiment(update_after=0), 0, tmp_path / "run")


def test_a_full_disk_at_any_write_is_resumed_to_equal_bytes(tmp_path, monkeypatch):
    """At each write in turn: exit as resumable; with free space again, finish with equal bytes."""
    short = experiment(epochs=2)
    produced = {
        "make_identity": provenance.make_identity(short, 0, "test"),
        "describe_machine": provenance.describe_machine(),
    }
    produced["digest_core"] = provenance.digest_core()
    # What follows is most of the time and writes nothing.
    for name, value in produced.items():
        monkeypatch.setattr(provenance, name, lambda *_, value=value: value)
    platform = training.determine_platform(training.make_training(short, 0))
    monkeypatch.setattr(training, "determine_platform", lambda _: platform)
    monkeypatch.setattr(training, "describe_hidden_state", lambda _: None)
    disk = FakeDisk(monkeypatch)
    train(short, 0, tmp_path / "run")
    places, expected = disk.asked, results(tmp_path / "run")
    # To open, write, sync and name each file: three tables and two of the checkpoint an epoch,
    # the six results twice, and the directories of those that are synced.
    assert places >= 2 * (3 * 3 + 2 * 5) + 2 * 6 * 5
    for place in range(1, places + 1):
        run = tmp_path / str(place)
        disk.asked, disk.full_at = 0, place
        with pytest.raises(Interrupted) as error:
            train(short, 0, run)
        saved = [*run.glob("checkpoint/state_*")]
        kept = "the last checkpoint is kept" if saved else "there is no checkpoint yet"
        assert f"No space left on device; {kept}: check the disk" in str(error.value)
        assert not [*run.rglob("*.tmp")], "half-written files"
        disk.full_at = None
        train(short, 0, run)
        assert results(run) == expected


def test_results_are_synced_before_the_checkpoint_is_removed(tmp_path, monkeypatch):
    """In the order that a loss of power at any moment survives."""
    disk = FakeDisk(monkeypatch)
    train(experiment(), 0, tmp_path / "run")
    events = disk.events
    copied, complete = [i for i, event in enumerate(events) if event == ("rename", "run.json")]
    for name in FILES - {"run.json", ".lock", ".results"}:
        *_, written, copy = [i for i, event in enumerate(events) if event == ("rename", name)]
        for i in (written, copy):
            assert events[i - 1][0] == events[i + 1][0] == "sync"
        assert written < copy < copied < complete
    for i in (copied, complete):
        assert events[i - 1][0] == events[i + 1][0] == "sync"
    assert events[complete + 1] == ("sync", "run")
    after = events[complete + 2 :]
    assert {what for what, _ in after} == {"delete"}
    assert {name.split("_")[0] for _, name in after} == {"state", "replay"}


def test_failed_read_back_keeps_the_checkpoint(tmp_path, monkeypatch, expected):
    monkeypatch.setattr("ddpg.runs.directory.hash_file", lambda path: "0" * 64)
    with pytest.raises(Interrupted, match="not the bytes that the run wrote"):
        train(experiment(), 0, tmp_path / "run")
    assert [*(tmp_path / "run" / "checkpoint").glob("state_*")]
    assert not (tmp_path / "run" / "run.json").exists()
    monkeypatch.undo()
    train(experiment(), 0, tmp_path / "run")
    assert results(tmp_path / "run") == expected


def test_environment_that_cannot_be_replayed_is_not_resumed(tmp_path, monkeypatch):
    stopped(tmp_path / "run")
    from gymnasium.envs.classic_control.pendulum import PendulumEnv

    step = PendulumEnv.step

    def noisy(env, action):
        obs, *rest = step(env, action)
        return obs + np.float32(1e-3), *rest

    monkeypatch.setattr(PendulumEnv, "step", noisy)
    refused(tmp_path / "run", "did not return to its state", "--restart")


class Late(gym.Env):
    """What it does in an episode depends on how many there were before, from the sixth on."""

    observation_space = action_space = gym.spaces.Box(-1, 1, (1,))
    episodes = 0

    def __init__(self, shows: str):
        self.shows = shows

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episodes += 1
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        late = self.episodes > 5
        seen = {self.shows: True} if late and self.steps == 10 - (self.shows == "truncated") else {}
        obs = np.full(1, seen.get("next_obs", 0), np.float32)
        reward = float(seen.get("reward", 0))
        return obs, reward, seen.get("terminated", False), seen.get("truncated", False), {}


@pytest.mark.parametrize(
    ("shows", "message"),
    [
        ("reward", "reward of step 10 of the previous episode differs"),
        ("next_obs", "next_obs of step 10 of the previous episode differs"),
        ("terminated", "terminated of step 10 of the previous episode differs"),
        ("truncated", "the previous episode does not end at step 9"),
    ],
)
def test_hidden_state_is_detected_by_replaying_the_previous_episode(
    tmp_path, monkeypatch, shows, message
):
    """Where a run was stopped between two episodes, and a short trial shows nothing."""
    monkeypatch.setitem(gym.registry, "Late-v0", EnvSpec("Late-v0", Late, max_episode_steps=10))
    monkeypatch.setattr(gym.registry["Late-v0"], "kwargs", {"shows": shows})
    settings = {"env": "Late-v0", "steps_per_epoch": 70 - (shows == "truncated") * 2}
    run = stopped(tmp_path / "run", **settings)
    refused(run, "did not return to its state", message, **settings)


def test_checkpoint_without_the_previous_episode_is_resumed(tmp_path, monkeypatch, expected):
    to_parts = RunState.to_parts

    def without(state):
        values, arrays = to_parts(state)
        del values["previous_episode"]
        return values, arrays

    with monkeypatch.context() as patch:
        patch.setattr(RunState, "to_parts", without)
        stopped(tmp_path / "run")
    train(experiment(), 0, tmp_path / "run")
    assert results(tmp_path / "run") == expected
