"""The code of a user's own environment belongs to what must be equal for equal bytes."""

import json
import subprocess
import sys

import pytest
from helpers.checkout import ROOT
from helpers.read_experiment import WITHOUT_UPDATES

from ddpg import environment
from ddpg.config import format_overrides
from ddpg.files import hash_file

MODULE = """\
import gymnasium as gym
from gymnasium.envs.classic_control import PendulumEnv

class Mine(PendulumEnv):
    def step(self, action):
        obs, reward, *rest = super().step(action)
        return obs, reward * SCALE, *rest

gym.register(id="Mine-v0", entry_point=Mine, max_episode_steps=15)
"""
SETTINGS = format_overrides(WITHOUT_UPDATES | {"env": "mine:Mine-v0", "seeds": [0, 10]})


@pytest.fixture
def ddpg(tmp_path):
    """Runs a command with the user's module on the path; returns (exit code, what it printed)."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "ddpg", *map(str, arguments)],
            cwd=ROOT, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def write_module(directory, scale):
    (directory / "mine.py").write_text(MODULE.replace("SCALE", str(scale)))


def test_other_code_is_named_by_replays_and_when_seeds_are_put_together(tmp_path, ddpg):
    runs = {seed: tmp_path / f"seed_{seed}" for seed in (0, 10)}
    for seed, scale in ((0, 1.0), (10, 0.1)):
        write_module(tmp_path, scale)
        command = ("train", "pendulum-demo", "--seed", seed, "--output", runs[seed], "--set")
        assert ddpg(*command, *SETTINGS)[0] == 0
    found = [
        json.loads((run / "run.json").read_text())["identity"]["environment_code"]
        for run in runs.values()
    ]
    assert len(set(found)) == 2 and None not in found

    assert ddpg("verify", runs[10], "--replay", 1)[0] == 0
    code, said = ddpg("verify", runs[0], "--replay", 1)
    assert code == 1
    assert f"environment_code: {found[0]} -> {found[1]}" in said

    # Only with its own code a finished run is the run that the command trains.
    command = ("train", "pendulum-demo", "--seed", 0, "--output", runs[0], "--set")
    before = (runs[0] / "run.json").read_bytes()
    code, said = ddpg(*command, *SETTINGS)
    assert (code, said.count("\n")) == (2, 1)
    assert "the code of its environment has changed since" in said
    assert (runs[0] / "run.json").read_bytes() == before
    published = tmp_path / "published"
    code, said = ddpg("publish", *runs.values(), "--to", published)
    assert code == 2
    assert f"the code of its environment is not that of {runs[0]} (environment_code)" in said
    assert not published.exists()
    assert ddpg("publish", runs[0], "--to", published)[0] == 0
    code, said = ddpg("publish", runs[10], "--to", published)
    assert code == 2
    assert "the code of its environment is not that of the published" in said
    verdict = ("verdict", "--fresh", runs[10], "--published", runs[0], "--output", tmp_path)
    assert ddpg(*verdict)[0] == 0
    assert "different code of the environment" in (tmp_path / "verdict.md").read_text()

    code, said = ddpg("aggregate", "--runs", *runs.values(), "--output", tmp_path / "curves.csv")
    assert code == 0
    assert "the code of their environment differs" in said


def test_environments_of_gymnasium_are_known_by_its_version():
    record = json.loads((ROOT / "results/published/pendulum-demo/seed_0/run.json").read_text())
    assert "environment_code" not in record["identity"]
    # An earlier run of such an environment is resumed and replayed as before: both are null.
    assert environment.digest_code(environment.make("Pendulum-v1")) is None
    assert environment.digest_code(environment.make("HalfCheetah-v5")) is None


WRAPPED = """\
import gymnasium as gym

class Scaled(gym.RewardWrapper):
    def reward(self, reward):
        return 0.1 * reward

def make(**options):
    return Scaled(gym.make("Pendulum-v1", **options))

gym.register(id="Scaled-v0", entry_point=make, max_episode_steps=50)
"""


def test_the_code_of_a_wrapper_counts(tmp_path, monkeypatch):
    module = tmp_path / "wrapped.py"
    module.write_text(WRAPPED)
    monkeypatch.syspath_prepend(tmp_path)
    env = environment.make("wrapped:Scaled-v0")
    before = environment.digest_code(env)
    assert before == hash_file(module), "the only file with code of its own"
    module.write_text(WRAPPED.replace("0.1", "10"))
    assert environment.digest_code(env) not in (before, None)
