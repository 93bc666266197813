"""The run directory: one process at a time, and no directory where a file belongs."""

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers.checkout import ROOT

from ddpg.errors import UserError
from ddpg.runs import directory
from ddpg.runs.directory import RESULT_FILES, RunDirectory, find_finished_runs
from ddpg.runs.results import keep_copy, restore_results


def start_a_run(directory):
    """Another process that has claimed the directory."""
    program = (
        "import sys, time, pathlib; from ddpg.runs.directory import RunDirectory\n"
        "lock = RunDirectory(pathlib.Path(sys.argv[1])).claim()\n"
        "print('claimed', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, directory], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"claimed\n"
    return process


def test_second_process_is_refused_until_the_first_ends(tmp_path):
    first = start_a_run(tmp_path / "run")
    try:
        assert RunDirectory(tmp_path / "run").is_claimed()
        with pytest.raises(UserError, match="another process is training in it"):
            RunDirectory(tmp_path / "run").claim()
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert not RunDirectory(tmp_path / "run").is_claimed()
    RunDirectory(tmp_path / "run").claim().close()


def test_is_claimed_creates_nothing(tmp_path):
    assert not RunDirectory(tmp_path / "run").is_claimed()
    assert not (tmp_path / "run").exists()


def test_is_claimed_does_not_block_a_claim(tmp_path):
    """Neither another `is_claimed` nor a starting run fails because of it."""
    RunDirectory(tmp_path).claim().close()
    asking = open(tmp_path / ".lock")  # noqa: SIM115
    fcntl.flock(asking, fcntl.LOCK_SH)
    assert not RunDirectory(tmp_path).is_claimed()
    threading.Timer(0.2, asking.close).start()
    RunDirectory(tmp_path).claim().close()


def move_away(run):
    run.rename(run.with_name("moved"))


def replace(run):
    move_away(run)
    RunDirectory(run).claim().close()


def delete_lock(run):
    (run / ".lock").unlink()


@pytest.mark.parametrize("change", [move_away, replace, delete_lock])
def test_a_claimed_directory_that_was_moved_is_refused(tmp_path, change):
    run = RunDirectory(tmp_path / "run")
    run.refuse_if_moved()
    with run.claim():
        run.refuse_if_moved()
        change(run.path)
        with pytest.raises(UserError, match="run: was moved or replaced while the run trained"):
            run.refuse_if_moved()


def test_a_directory_that_is_moved_while_it_is_locked_is_refused(tmp_path, monkeypatch):
    lock = directory.lock_file
    monkeypatch.setattr(
        directory, "lock_file", lambda file: (lock(file), move_away(tmp_path / "run"))
    )
    with pytest.raises(UserError, match="run: was moved or replaced"):
        RunDirectory(tmp_path / "run").claim()


def test_a_file_system_without_locks_is_refused(tmp_path, monkeypatch):
    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(UserError, match="its file system cannot lock"):
        RunDirectory(tmp_path).claim()


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".progress.txt.123.tmp").write_text("half a r")
    mine = {"notes.tmp", ".notes.tmp", ".notes.txt.123.tmp", ".progress.txt.tmp", ".lock"}
    for name in mine:
        (tmp_path / name).write_text("mine")
    RunDirectory(tmp_path).claim().close()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        mine, "mine"
    )


@pytest.mark.parametrize("name", ["progress.txt", "policy.npz", "run.json", ".lock"])
def test_a_directory_in_place_of_a_file_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    refused(tmp_path, f"{name}: is a directory, but must be a file")


def test_a_directory_in_place_of_a_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint" / "state_0000000010").mkdir(parents=True)
    refused(tmp_path, "state_0000000010: is a directory, but must be a file")


def test_a_file_in_place_of_the_checkpoints_is_refused(tmp_path):
    (tmp_path / "checkpoint").write_text("")
    refused(tmp_path, "checkpoint: is a file, but must be a directory")


def refused(directory, message):
    before = sorted(directory.rglob("*"))
    with pytest.raises(UserError) as error:
        RunDirectory(directory).claim()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(directory.rglob("*")) == before


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="run: is a file, but must be a directory"):
        RunDirectory(tmp_path / "run").claim()
    with pytest.raises(UserError, match="cannot be written"):
        RunDirectory(tmp_path / "run" / "seed_0").claim()
    assert (tmp_path / "run").read_text() == ""


def test_set_aside_moves_everything_of_the_run(tmp_path):
    RunDirectory(tmp_path).set_aside()
    assert not any(tmp_path.iterdir()), "nothing to set aside"
    for attempt in ("first", "second"):
        (tmp_path / "checkpoint").mkdir()
        (tmp_path / "checkpoint" / "state_0000000010").write_text(attempt)
        (tmp_path / "progress.txt").write_text(attempt)
        (tmp_path / "notes.txt").write_text("mine")
        RunDirectory(tmp_path).set_aside()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"set_aside_1", "set_aside_2", "notes.txt"}
    for aside, attempt in (("set_aside_1", "first"), ("set_aside_2", "second")):
        assert (tmp_path / aside / "progress.txt").read_text() == attempt
        assert (tmp_path / aside / "checkpoint" / "state_0000000010").read_text() == attempt


def test_set_aside_moves_the_checkpoint_last(tmp_path, monkeypatch):
    """A process that is killed in between leaves a run that can be resumed."""
    moved, rename = [], Path.rename
    monkeypatch.setattr(
        Path, "rename", lambda path, to: moved.append(path.name) or rename(path, to)
    )
    for name in ("checkpoint", ".results"):
        (tmp_path / name).mkdir()
    for name in (*RESULT_FILES, "run.json"):
        (tmp_path / name).write_text(name)
    RunDirectory(tmp_path).set_aside()
    assert len(moved) == len(RESULT_FILES) + 3
    assert moved[-1] == "checkpoint"


def make_run(directory, experiment="demo", seed=0):
    directory.mkdir(parents=True)
    record = {"experiment": experiment, "seed": seed}
    (directory / "run.json").write_text(json.dumps(record))
    (directory / "config.json").write_text(json.dumps({"exp_name": experiment, "seed": seed}))
    return directory


def test_only_consistent_directories_are_finished_runs(tmp_path):
    demo = tmp_path / "demo"
    runs = {seed: make_run(demo / f"seed_{seed}", seed=seed) for seed in (100, 20, 0)}
    stray = {
        name: make_run(demo / name)
        for name in (
            "seed_0_backup",
            "seed_",
            "seed_05",
            "seed_1_0",
            "seed_ 5",
            "seed_-1",
            "seed_\u0663",
        )
    }
    stray["copy"] = make_run(demo / "seed_7")
    stray["another's"] = make_run(demo / "seed_8", experiment="other", seed=8)
    stray["half copied"] = make_run(demo / "seed_9", seed=9)
    (demo / "seed_9/config.json").unlink()
    stray["unfinished"] = make_run(demo / "seed_30", seed=30)
    (demo / "seed_30/run.json").unlink()
    stray["damaged"] = make_run(demo / "seed_31", seed=31)
    (demo / "seed_31/run.json").write_text("{")
    stray["disagreeing"] = make_run(demo / "seed_32", seed=32)
    (demo / "seed_32/config.json").write_text('{"exp_name": "demo", "seed": 0}')
    stray["a file"] = demo / "seed_33"
    stray["a file"].write_text("")
    make_run(demo / ".seed_40.tmp", seed=40)
    make_run(demo / "seed_0/set_aside_1")
    make_run(demo / "freely named", seed=41)

    found, skipped = find_finished_runs(demo)
    assert list(found.items()) == [(seed, runs[seed]) for seed in (0, 20, 100)]
    assert [line.split(": skipped: ")[0] for line in skipped] == sorted(map(str, stray.values()))
    assert f"{demo}/seed_7: skipped: its run.json is of demo seed 0" in skipped
    assert find_finished_runs(tmp_path / "nowhere") == ({}, [])


@pytest.mark.parametrize("damaged", ["policy.npz", "run.json"])
def test_a_good_run_with_a_damaged_copy_is_copied_again(tmp_path, damaged):
    """Snakemake deletes the run's files next, and then only the copy is left."""
    published = ROOT / "results/published/pendulum-demo/seed_0"
    run = RunDirectory(shutil.copytree(published, tmp_path / "seed_0"))
    keep_copy(run)
    (run.copy.path / damaged).write_bytes(b"x")
    keep_copy(run)
    before = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    for path in before:
        (run.path / path).unlink()
    restore_results(run)
    assert {path: (run.path / path).read_bytes() for path in before} == before
