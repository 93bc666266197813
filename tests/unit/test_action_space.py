"""Agent, replay buffer and environment see the same action, and it is inside the action space."""

import gymnasium as gym
import numpy as np
import pytest

from ddpg import environment
from ddpg.core.action_space import ActionSpace
from ddpg.core.policy import Policy
from ddpg.errors import UserError

BOUNDS = [(0.1, 0.7), (-1.4, 0.8), (-2.9, -2.8), (-0.1, 0.2), (0.1, 0.3), (-2, 2), (1e-3, 1e3)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bounds", BOUNDS)
def test_actions_stay_within_bounds(bounds, dtype):
    box = gym.spaces.Box(*bounds, (1,), dtype)
    space = ActionSpace(box)
    drawn = [space.sample(np.random.default_rng(i)) for i in range(50)]
    for value in (-1e9, -1.0, 0.0, 1.0, 1e9, *np.linspace(*bounds, 7)):
        drawn.append(space.clip(np.array([value])))
    for sign in (-1, 1):  # a saturated policy, without clipping
        weight, bias = np.float32([[100 * sign]]), np.zeros(1, np.float32)
        action = Policy([weight], [bias], space.scale, space.offset)(np.ones(1, np.float32))
        assert box.low <= action <= box.high
        drawn.append(space.clip(action))
    for action in drawn:
        taken = space.for_env(action)
        assert (action.dtype, taken.dtype) == (np.float32, dtype)
        assert box.contains(taken)
        assert float(taken[0]) == float(action[0])


def test_saturated_policy_stays_within_random_float32_boxes():
    rng = np.random.default_rng(0)
    ends = np.sort(rng.standard_normal((2000, 2)).astype(np.float32), axis=1)
    space = ActionSpace(gym.spaces.Box(ends[:, 0], ends[:, 1]))
    assert (space.offset + space.scale <= ends[:, 1]).all()
    assert (space.offset - space.scale >= ends[:, 0]).all()
    np.testing.assert_allclose(space.offset + space.scale, ends[:, 1], atol=1e-6)


class Spaces(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, box):
        self.action_space = box


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (gym.spaces.Box(0, 10, (1,), np.int64), "its actions are integers (int64)"),
        (gym.spaces.Box(0, 255, (1,), np.uint8), "its actions are integers (uint8)"),
        (gym.spaces.Box(-np.inf, np.inf, (1,)), "its action bounds are infinite"),
        (gym.spaces.Box(-np.inf, 1, (2,)), "its action bounds are infinite"),
        (gym.spaces.Box(-1e300, 1e300, (1,), np.float64), "beyond float32"),
        (gym.spaces.Box(0.1, 0.1 + 1e-12, (1,), np.float64), "no float32 lies between"),
    ],
)
def test_invalid_action_boxes_are_refused(box, message):
    gym.register("Spaces-v0", Spaces, kwargs={"box": box})
    with pytest.raises(UserError) as error:
        environment.make("Spaces-v0")
    assert message in str(error.value)
    assert "environment 'Spaces-v0': " in str(error.value)
    assert "\n" not in str(error.value)
