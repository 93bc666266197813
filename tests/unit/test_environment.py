"""Which environments are accepted, and how their time limits count."""

import gymnasium as gym
import numpy as np
import pytest

from ddpg import environment
from ddpg.core.evaluation import evaluate_policy, time_limit
from ddpg.core.streams import draw_seeds
from ddpg.errors import UserError


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
        ("Infinite-v0", {"action_space": gym.spaces.Box(-np.inf, 1, (2,))}, "infinite"),
    ],
)
def test_unsupported_spaces_are_refused_in_one_line(name, spaces, message):
    with pytest.raises(UserError) as error:
        environment.make(register(name, **spaces))
    assert message in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_environment_is_refused_with_a_hint():
    with pytest.raises(UserError, match="did you mean 'Pendulum-v1'"):
        environment.make("Pendulm-v1")


def test_the_environments_own_time_limit_counts():
    env = environment.make("Pendulum-v1")
    assert time_limit(env, 1000) == 200
    assert time_limit(env, 150) == 150


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

        returns, lengths = evaluate_policy(policy, envs, 180, np.random.default_rng(3))
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
