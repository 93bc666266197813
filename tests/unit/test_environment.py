"""Which environments are accepted, and how their time limits count."""

import math
import os
import re
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

from ddpg import environment
from ddpg.core.evaluation import evaluate_policy, get_time_limit
from ddpg.core.streams import draw_seeds
from ddpg.errors import EnvironmentFailed, UserError


class Stub(gym.Env):
    """An environment with given spaces."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space


BOX = gym.spaces.Box(-1, 1, (3,))


def register(name, observation_space=BOX, action_space=BOX):
    gym.register(
        id=name, entry_point=Stub,
        kwargs={"observation_space": observation_space, "action_space": action_space},
    )  # fmt: skip
    return name


@pytest.mark.parametrize(
    ("name", "spaces", "message"),
    [
        ("DiscreteAct-v0", {"action_space": gym.spaces.Discrete(4)}, "action space is Discrete"),
        ("DictAct-v0", {"action_space": gym.spaces.Dict(a=BOX)}, "action space is Dict"),
        ("DiscreteObs-v0", {"observation_space": gym.spaces.Discrete(4)}, "observation space is D"),
        ("DictObs-v0", {"observation_space": gym.spaces.Dict(a=BOX)}, "observation space is Dict"),
        ("Image-v0", {"observation_space": gym.spaces.Box(0, 1, (8, 8))}, "of shape (8, 8)"),
    ],
)
def test_unsupported_spaces_are_refused_in_one_line(name, spaces, message):
    with pytest.raises(UserError) as error:
        environment.make(register(name, **spaces))
    assert message in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["observation", "action"])
def test_an_environment_without_a_space_is_refused_in_one_line(kind):
    class Lacking(gym.Env):
        def __init__(self):
            setattr(self, f"{'action' if kind == 'observation' else 'observation'}_space", BOX)

    gym.registry["NoSpace-v0"] = EnvSpec("NoSpace-v0", Lacking)
    try:
        with pytest.raises(UserError, match=f"'NoSpace-v0': it has no {kind} space; set self."):
            environment.make("NoSpace-v0")
    finally:
        del gym.registry["NoSpace-v0"]


@pytest.mark.parametrize("module", ["", "gymnasium:"])
def test_an_unknown_environment_is_refused_with_a_hint(module):
    with pytest.raises(UserError, match=rf"exist\); did you mean '{module}Pendulum-v1'\?$"):
        environment.make(f"{module}Pendulm-v1")


@pytest.mark.parametrize("module", ["", "gymnasium:"])
def test_an_environment_that_imports_a_missing_module_is_not_called_unknown(module):
    def fail():
        raise ModuleNotFoundError("No module named 'a_missing_package'")

    gym.register("Fails-v0", fail)
    with pytest.raises(UserError, match="cannot be made: .*No module named 'a_missing_package'"):
        environment.make(f"{module}Fails-v0")


def test_the_environments_own_time_limit_counts():
    env = environment.make("Pendulum-v1")
    assert get_time_limit(env, 1000) == 200
    assert get_time_limit(env, 150) == 150


def test_mujoco_prints_no_warning(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    environment.make("HalfCheetah-v5").reset(seed=0)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_parallel_evaluation_equals_episodes_played_one_by_one():
    """On Pendulum, and on LunarLander, whose episodes end at different times."""
    for name in ("Pendulum-v1", "LunarLanderContinuous-v3"):
        envs = [environment.make(name) for _ in range(4)]
        act_dim = envs[0].action_space.shape[0]

        def policy(obs, act_dim=act_dim):
            return np.tanh(obs[..., :act_dim])

        returns, lengths = evaluate_policy(policy, envs, 4, 180, np.random.default_rng(3))
        env = environment.make(name)
        for i, seed in enumerate(draw_seeds(np.random.default_rng(3), 4)):
            obs, _ = env.reset(seed=seed)
            total, length, over = 0.0, 0, False
            while not over:
                action = policy(obs.astype(np.float32))
                obs, reward, terminated, truncated, _ = env.step(action)
                total, length = total + reward, length + 1
                over = terminated or truncated or length == 180
            assert (returns[i], lengths[i]) == (total, length)
        assert name == "Pendulum-v1" or len(set(lengths)) > 1


ZERO = np.zeros(3, np.float32)
GOOD = (ZERO, 0.0, False, False, {})


class Scripted(Stub):
    """An environment that does in reset and step what a test says."""

    def __init__(self, reset, step):
        super().__init__(BOX, BOX)
        self.on_reset, self.on_step = reset, step

    def reset(self, *, seed=None, options=None):
        return self.on_reset()

    def step(self, action):
        action *= 0  # as environments do that clip or scale it in place
        return self.on_step()


def scripted(reset=lambda: (ZERO, {}), step=lambda: GOOD):
    kwargs = {"reset": reset, "step": step}
    spec = EnvSpec("Scripted-v0", Scripted, kwargs=kwargs, max_episode_steps=9)
    gym.registry["Scripted-v0"] = spec
    try:
        return environment.make("Scripted-v0")
    finally:
        del gym.registry["Scripted-v0"]


def play(env):
    env.reset(seed=0)
    return env.step(np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda: 1 / 0, r"ZeroDivisionError: division by zero \(test_environment.py, line "),
        (lambda: sys.exit(3), "SystemExit: 3"),
        (lambda: None, "TypeError: cannot unpack"),
        (lambda: (ZERO, 0.0, False, {}), "ValueError: not enough values to unpack"),
        (
            lambda: (ZERO[:1], *GOOD[1:]),
            r"it returned array\(\[0\.\].* instead of an obs.* of 3 fin",
        ),
        (
            lambda: (0.0, *GOOD[1:]),
            "it returned 0.0 instead of an observation of 3 finite float32 n",
        ),
        (lambda: (ZERO + np.nan, *GOOD[1:]), r"it returned array\(\[nan, nan, nan\].* instead of"),
        (lambda: (ZERO + np.float64(1e39), *GOOD[1:]), "instead of an observation of 3 finite"),
        (lambda: (np.float16([0, np.inf, 0]), *GOOD[1:]), r"it returned array.*inf.* instead of"),
        (lambda: (None, *GOOD[1:]), "it returned None instead of an obs"),
        (lambda: (np.array(["a", "b", "c"]), *GOOD[1:]), "Error: "),
        (lambda: (ZERO, None, False, False, {}), "TypeError: float"),
        (lambda: (ZERO, np.zeros(2), False, False, {}), "TypeError: only "),
        (
            lambda: (ZERO, math.nan, False, False, {}),
            "a reward of nan, which is not a finite float32",
        ),
        (
            lambda: (ZERO, 1e39, False, False, {}),
            r"a reward of 1e\+39, which is not a finite float32",
        ),
        (lambda: (ZERO, 0.0, np.zeros(2), False, {}), "ValueError: "),
    ],
)
def test_invalid_step_raises_one_line_naming_the_environment(step, message):
    with pytest.raises(EnvironmentFailed) as failed:
        play(scripted(step=step))
    assert re.match(f"environment 'Scripted-v0' failed in step: .*{message}", str(failed.value))
    assert "\n" not in str(failed.value)
    assert failed.value.__cause__.__traceback__


@pytest.mark.parametrize(
    ("reset", "message"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero "),
        (lambda: ZERO, r"it returned array\(\[0., 0., 0.\], dtype=float32\) instead of \(observ"),
        (lambda: (ZERO[:2], {}), r"it returned array\(.* instead of an observation of 3 finite"),
    ],
)
def test_invalid_reset_raises_one_line_naming_the_environment(reset, message):
    with pytest.raises(EnvironmentFailed) as failed:
        play(scripted(reset=reset))
    assert re.match(f"environment 'Scripted-v0' failed in reset: {message}", str(failed.value))


def test_step_results_are_converted_to_float32_float_and_bool():
    env = scripted(
        lambda: ([0, 1, 2], {}), lambda: ([0.5, 1, 2], np.float32(0.5), 1, np.False_, {})
    )
    obs, reward, terminated, truncated, _ = play(env)
    assert obs.tolist() == [0.5, 1, 2]
    assert (reward, terminated, truncated) == (0.5, True, False)
    assert type(reward) is float and type(terminated) is type(truncated) is bool


def test_an_environment_cannot_change_the_action_of_its_caller():
    env, action = scripted(), np.ones(3, np.float32)
    env.reset(seed=0)
    env.step(action)
    assert action.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('broken')", "RuntimeError: broken"),
        ("x = = 1", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(tmp_path, monkeypatch, source, message):
    (tmp_path / "broken_environments.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EnvironmentFailed, match=f"X-v0' cannot be made: {message}"):
        environment.make("broken_environments:X-v0")


def test_missing_module_of_a_registered_environment_gets_no_suggestion():
    spec = EnvSpec("Lacking-v0", "no_such_module:Lacking")
    gym.registry["Lacking-v0"] = spec
    try:
        with pytest.raises(EnvironmentFailed) as failed:
            environment.make("Lacking-v0")
    finally:
        del gym.registry["Lacking-v0"]
    assert "cannot be made: ModuleNotFoundError: No module named 'no_such_" in str(failed.value)
    assert "did you mean" not in str(failed.value)


@pytest.mark.parametrize("name", ["Pendulum", "gymnasium:Pendulum"])
def test_name_without_a_version_is_refused(name):
    with pytest.raises(UserError, match=f"no version, so it could change; write {name}-v1"):
        environment.make(name)


def test_an_environment_that_leaves_the_working_directory(tmp_path, monkeypatch):
    """As those do that load their files by relative paths. Paths of runs are relative, too."""

    class Wandering(Stub):
        def __init__(self):
            super().__init__(BOX, BOX)
            os.chdir("/")

        def reset(self, *, seed=None, options=None):
            os.chdir("/")
            return np.zeros(3, np.float32), {}

    monkeypatch.chdir(tmp_path)
    gym.register(id="Wandering-v0", entry_point=Wandering)
    env = environment.make("Wandering-v0")
    assert Path.cwd() == tmp_path
    env.reset()
    assert Path.cwd() == tmp_path
