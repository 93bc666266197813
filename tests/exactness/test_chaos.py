"""After a kill, a stop, damage or a full disk, a resumed run has the bytes of an uninterrupted run.

To kill any experiment of config.yaml at random steps:

    CHAOS_EXPERIMENT=spinup-exercise-2-2 python -m pytest -s -k at_random tests/exactness
"""

import json
import os
import random
import re
import signal
import subprocess

import pytest
from lives import Call, Step, live, results, times

from ddpg.stopping import SIGNALS

# The episode length does not divide the epoch, the replay buffer wraps around, and updates start in
# the second half: compiling the first update takes most of a process's time.
SMALL = (
    "epochs=30 steps_per_epoch=150 max_ep_len=70 start_steps=2250 update_after=2250 "
    "replay_size=1000 hidden_sizes=[16,16] batch_size=8 num_test_episodes=2"
).split()

# In a new process, the first evaluation begins after 150 environment steps and takes 2 * 70.
IN_THE_FIRST_EVALUATION = Call("gymnasium.envs.classic_control.pendulum:PendulumEnv.step", 150 + 77)


class Runs:
    """An experiment, the results of an uninterrupted run of it, and runs to interrupt."""

    def __init__(self, directory, experiment, settings):
        self.log = directory / "log"
        self.arguments = ["train", experiment, "--seed", "0"]
        self.settings = ["--set", *settings] if settings else []
        assert self.train(directory / "uninterrupted") == 0, self.said()
        self.expected = results(directory / "uninterrupted")
        self.total_steps = json.loads((directory / "uninterrupted/run.json").read_text())["steps"]

    def train(self, directory, moment=None, number=signal.SIGKILL):
        """Start or resume a run; returns its exit code. `said` returns its output."""
        self.log.unlink(missing_ok=True)
        return live(
            [*self.arguments, "--output", str(directory), *self.settings], self.log, moment, number
        )

    def said(self):
        return self.log.read_text()

    def finish(self, directory):
        """Resume the run to its end, and compare its results with the expected ones."""
        assert self.train(directory) == 0, self.said()
        got = results(directory)
        assert got.keys() == self.expected.keys()
        for name, content in got.items():
            assert content == self.expected[name], f"{name} differs"
        left = {path.name for path in directory.iterdir()}
        assert left == {*(self.expected.keys() - {"weights"}), "run.json", ".lock"}
        assert times(directory) == sorted(times(directory)), "Time must grow over restarts"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("small"), "pendulum-demo", SMALL)


def test_killed_at_random(small, tmp_path):
    """SIGKILL shortly after random steps."""
    runs, slowest, kills = small, 0.02, int(os.environ.get("CHAOS_KILLS", 20))
    if experiment := os.environ.get("CHAOS_EXPERIMENT"):
        runs, slowest = Runs(tmp_path, experiment, []), 2.0
    seed = os.environ.get("CHAOS_SEED", str(random.randrange(10**6)))
    print(f"repeat with CHAOS_SEED={seed}")
    chance = random.Random(seed)
    steps = sorted(chance.randrange(int(0.9 * runs.total_steps)) for _ in range(kills))
    for step in steps:
        assert runs.train(tmp_path / "run", Step(step, chance.uniform(0, slowest))) == -9
        saved = max((path.name for path in (tmp_path / "run").glob("checkpoint/*")), default="none")
        print(f"killed after step {step}; newest checkpoint: {saved}")
    runs.finish(tmp_path / "run")


def test_killed_at_each_stage_of_a_run(small, tmp_path):
    moments = {
        "during random actions": Call("ddpg.core.training:Training.random_action", 40),
        "during an evaluation": IN_THE_FIRST_EVALUATION,
        "when the first checkpoint's directory is still empty": Call("os:fsync", 3),
        "when progress.txt is ahead of the checkpoint": Call("ddpg.runs.checkpoint:_write", 1),
        "when the replay segment is half-written": Call("os:fsync", 3),
        "when the replay segment is saved but the state is not": Call("os:fsync", 5),
        "when the state is written but not renamed": Call("pathlib:Path.replace", 7),
        "before older checkpoints are removed": Call("pathlib:Path.unlink", 2),
        "in the middle of an episode": Call("ddpg.core.training:Training.noisy_action", 50),
        "between sampling and updating": Call("ddpg.core.replay:ReplayBuffer.sample", 4),
        "while the results are written": Call("ddpg.training:policy_to_bytes"),
        "before run.json is written": Call("ddpg.runs.directory:RunDirectory.find_mismatches"),
        "while the checkpoint is removed": Call("ddpg.runs.checkpoint:Checkpoints.remove"),
    }
    for what, moment in moments.items():
        assert small.train(tmp_path / "run", moment) == -9, f"{what}: {small.said()}"
    small.finish(tmp_path / "run")
    assert "already finished" in small.said()


def test_signals_save_and_exit_with_the_code_to_resume(small, tmp_path):
    """On every usual signal a run finishes the step or update, saves and exits with code 75."""
    moments = {
        "during random actions": Call("ddpg.core.training:Training.random_action", 40),
        "during an evaluation": IN_THE_FIRST_EVALUATION,
        "while saving": Call("os:fsync", 3),
        "in the middle of an episode": Call("ddpg.core.training:Training.noisy_action", 50),
        "during an update": Call("ddpg.core.replay:ReplayBuffer.sample", 5),
        "at any time": Step(2900, 0.01),
    }
    steps = []
    for number, (what, moment) in zip(SIGNALS, moments.items(), strict=True):
        assert small.train(tmp_path / "run", moment, number) == 75, f"{what}: {small.said()}"
        (step,) = re.findall(r"stopped and saved at step ([\d,]+); the same", small.said())
        steps.append(int(step.replace(",", "")))
    assert steps == sorted(steps)
    assert steps[0] == 40, "must save at that step, within an episode of random actions"
    small.finish(tmp_path / "run")
    sessions = json.loads((tmp_path / "run" / "run.json").read_text())["sessions"]
    assert [session["from_step"] for session in sessions] == [0, *steps]


def test_a_damaged_checkpoint_falls_back_to_the_one_before(small, tmp_path):
    """Both a flipped bit and a truncated file are detected by their checksum."""
    chance = random.Random(0)
    assert small.train(tmp_path / "run", Step(600, 0)) == -9
    for damage in ("a flipped bit", "truncated"):
        newest = max((tmp_path / "run" / "checkpoint").glob("state_*"))
        content = bytearray(newest.read_bytes())
        if damage == "a flipped bit":
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        else:
            del content[chance.randrange(len(content)) :]
        newest.write_bytes(content)
        assert small.train(tmp_path / "run", Step(900, 0)) == -9
        assert f"{newest.name} is damaged" in small.said(), damage
        assert re.search(r"resuming from step [\d,]+", small.said()), damage
    small.finish(tmp_path / "run")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]
    subprocess.run(mount, check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.mount
def test_a_full_disk_keeps_the_last_checkpoint(small, small_disk):
    """Each time some space is freed, the run resumes until that is used up."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(512 << 10))
    for room in (0, 20, 120, 200):
        os.truncate(ballast, (512 - room) << 10)
        assert small.train(small_disk / "run") == 75, small.said()
        assert "No space left on device" in small.said()
        assert not [*small_disk.rglob("*.tmp")], "half-written files"
    assert [*small_disk.glob("run/checkpoint/state_*")], "no checkpoint was written"
    ballast.unlink()
    small.finish(small_disk / "run")
