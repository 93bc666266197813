"""Does an environment's seed set all of its state? A short trial on environments of its own."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np

from ddpg.core.action_space import ActionSpace

STEPS = 200


def describe_hidden_state(make_env: Callable[[], gym.Env]) -> str | None:
    """What differs between two plays of the same seed and actions; None if nothing does.

    Plays an episode of at most STEPS steps in a new environment, plays it twice more after
    another episode, and in a second new environment. State that shows only later, or only in
    another episode, cannot be seen.
    """
    used, fresh = make_env(), make_env()
    expected = _play(used, seed=1)
    _play(used, seed=2)
    again, elsewhere = [_play(used, seed=1), _play(used, seed=1)], _play(fresh, seed=1)
    used.close()
    fresh.close()
    if difference := _describe_difference(expected, elsewhere):
        return f"{difference} between two environments with one seed"
    for other in again:
        if difference := _describe_difference(expected, other):
            return f"{difference} when a seed is used again"
    return None


def _play(env: gym.Env, seed: int) -> list[tuple[bytes, float, bool, bool]]:
    """Observation, reward and flags of each step, the reset's observation first."""
    actions, rng = ActionSpace(env.action_space), np.random.default_rng(seed)
    obs, _ = env.reset(seed=seed)
    seen = [(np.asarray(obs).tobytes(), 0.0, False, False)]
    for _ in range(STEPS):
        obs, reward, terminated, truncated, _ = env.step(actions.for_env(actions.sample(rng)))
        seen.append((np.asarray(obs).tobytes(), float(reward), bool(terminated), bool(truncated)))
        if terminated or truncated:
            break
    return seen


def _describe_difference(first: list[tuple], second: list[tuple]) -> str | None:
    for step, (a, b) in enumerate(zip(first, second, strict=False)):
        for name, x, y in zip(("observations", "rewards", "ends", "ends"), a, b, strict=True):
            if x != y and not (x != x and y != y):  # NaN equals NaN here
                return f"{name} differ at step {step}"
    return None if len(first) == len(second) else "ends differ"
