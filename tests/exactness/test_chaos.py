"""A run that was killed, stopped, damaged or out of disk ends with an uninterrupted run's bytes.

The random kills work on any experiment of config.yaml:

    CHAOS_EXPERIMENT=spinup-exercise-2-2 python -m pytest -s -k at_random tests/exactness
"""

import json
import os
import random
import re
import signal

import pytest
from helpers.killable_process import AfterStep, AtCall, run_in_subprocess
from helpers.run_files import read_results, read_times

from ddpg.stopping import SIGNALS

# Episode lengths that do not divide an epoch, a replay buffer that wraps, and updates in the second
# half only: the compilation before the first update takes most of the time of a short process.
SMALL = (
    "epochs=30 steps_per_epoch=150 max_ep_len=70 start_steps=2250 update_after=2250 "
    "replay_size=1000 hidden_sizes=[16,16] batch_size=8 num_test_episodes=2"
).split()

# The first evaluation begins after 150 environment steps, and takes 2 * 70.
IN_THE_FIRST_EVALUATION = AtCall(
    "gymnasium.envs.classic_control.pendulum:PendulumEnv.step", 150 + 77
)


class Runs:
    """An experiment: the results of an uninterrupted run, and runs that are interrupted."""

    def __init__(self, directory, experiment, settings):
        self.log = directory / "log"
        self.arguments = ["train", experiment, "--seed", "0"]
        self.settings = ["--set", *settings] if settings else []
        assert self.train(directory / "uninterrupted") == 0, self.said()
        self.expected = read_results(directory / "uninterrupted")
        self.total_steps = json.loads((directory / "uninterrupted/run.json").read_text())["steps"]

    def train(self, directory, kill_at=None, kill_signal=signal.SIGKILL):
        """Start or resume a run; returns the exit code. `said` returns what it printed."""
        self.log.unlink(missing_ok=True)
        arguments = [*self.arguments, "--output", str(directory), *self.settings]
        return run_in_subprocess(arguments, self.log, kill_at, kill_signal)

    def said(self):
        return self.log.read_text()

    def finish(self, directory):
        """Train to the end, and compare the results with those of the uninterrupted run."""
        assert self.train(directory) == 0, self.said()
        got = read_results(directory)
        assert got.keys() == self.expected.keys()
        for name, content in got.items():
            assert content == self.expected[name], f"{name} differs"
        left = {path.name for path in directory.iterdir()}
        assert left == {*(self.expected.keys() - {"weights"}), "run.json", ".results", ".lock"}
        assert read_times(directory) == sorted(read_times(directory)), (
            "Time must grow over restarts"
        )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("small"), "pendulum-demo", SMALL)


def test_killed_at_random_steps(small, tmp_path):
    """SIGKILL at random moments, each a little after a random step."""
    runs, slowest, kills = small, 0.02, int(os.environ.get("CHAOS_KILLS", 20))
    if experiment := os.environ.get("CHAOS_EXPERIMENT"):
        runs, slowest = Runs(tmp_path, experiment, []), 2.0
    seed = os.environ.get("CHAOS_SEED", str(random.randrange(10**6)))
    print(f"repeat with CHAOS_SEED={seed}")
    chance = random.Random(seed)
    steps = sorted(chance.randrange(int(0.9 * runs.total_steps)) for _ in range(kills))
    for step in steps:
        assert runs.train(tmp_path / "run", AfterStep(step, chance.uniform(0, slowest))) == -9
        saved = max((path.name for path in (tmp_path / "run").glob("checkpoint/*")), default="none")
        print(f"killed after step {step}; newest checkpoint: {saved}")
    runs.finish(tmp_path / "run")


def test_killed_at_each_stage_of_a_run(small, tmp_path):
    moments = {
        "during random actions": AtCall("ddpg.core.training:Training.random_action", 40),
        "in an evaluation": IN_THE_FIRST_EVALUATION,
        "when the first checkpoint's directory is still empty": AtCall("os:fsync", 3),
        "when progress.txt is ahead of the checkpoint": AtCall("ddpg.runs.checkpoint:_write", 1),
        "when the replay segment is half-written": AtCall("os:fsync", 3),
        "when the replay segment is saved but the state is not": AtCall("os:fsync", 5),
        "when the state is written but not renamed": AtCall("pathlib:Path.replace", 7),
        "before older checkpoints are removed": AtCall("pathlib:Path.unlink", 2),
        "in the middle of an episode": AtCall("ddpg.core.training:Training.noisy_action", 50),
        "between sampling and updating": AtCall("ddpg.core.replay:ReplayBuffer.sample", 4),
        "when the results are being written": AtCall("ddpg.training:serialize_policy"),
        "when run.json is not written": AtCall("ddpg.runs.directory:RunDirectory.find_mismatches"),
        "when the checkpoint is being removed": AtCall("ddpg.runs.checkpoint:Checkpoints.remove"),
    }
    for what, moment in moments.items():
        assert small.train(tmp_path / "run", moment) == -9, f"{what}: {small.said()}"
    small.finish(tmp_path / "run")
    assert "already finished" in small.said()


def test_stop_signals_save_and_resume(small, tmp_path):
    """On each stop signal the run finishes its step, saves, and exits with code 75."""
    moments = {
        "during random actions": AtCall("ddpg.core.training:Training.random_action", 40),
        "in an evaluation": IN_THE_FIRST_EVALUATION,
        "in a save": AtCall("os:fsync", 3),
        "in the middle of an episode": AtCall("ddpg.core.training:Training.noisy_action", 50),
        "in an update": AtCall("ddpg.core.replay:ReplayBuffer.sample", 5),
        "at any time": AfterStep(2900, 0.01),
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


def test_damaged_newest_checkpoint_falls_back_to_previous(small, tmp_path):
    """A flipped bit and a lost end are both noticed, and the previous checkpoint is used."""
    chance = random.Random(0)
    assert small.train(tmp_path / "run", AfterStep(600, 0)) == -9
    for damage in ("a flipped bit", "a lost end"):
        newest = max((tmp_path / "run" / "checkpoint").glob("state_*"))
        content = bytearray(newest.read_bytes())
        if damage == "a flipped bit":
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        else:
            del content[chance.randrange(len(content)) :]
        newest.write_bytes(content)
        assert small.train(tmp_path / "run", AfterStep(900, 0)) == -9
        assert f"{newest.name} is damaged" in small.said(), damage
        assert re.search(r"resuming from step [\d,]+", small.said()), damage
    small.finish(tmp_path / "run")


@pytest.mark.mount
def test_full_disk_keeps_checkpoint_and_resumes(small, small_disk):
    """Free some space several times; the run continues each time until the disk is full again."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(512 << 10))
    for room in (0, 20, 120, 200):
        os.truncate(ballast, (512 - room) << 10)
        assert small.train(small_disk / "run") == 75, small.said()
        assert "No space left on device" in small.said()
        assert not [*small_disk.rglob("*.tmp")], "half-written files"
    assert [*small_disk.glob("run/checkpoint/state_*")], "a checkpoint was written"
    ballast.unlink()
    small.finish(small_disk / "run")
