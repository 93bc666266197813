"""Evaluation: the noise-free policy on several episodes."""

from collections.abc import Callable, Sequence

import gymnasium as gym
import numpy as np

from ddpg.core.action_space import ActionSpace
from ddpg.core.streams import draw_seeds

# Episodes that are played together. Each takes the memory of an environment: with MuJoCo, 1 MB.
MOST_AT_ONCE = 100


def get_time_limit(env: gym.Env, max_ep_len: int) -> int:
    """Steps after which an episode is cut: the smaller of `max_ep_len` and the env's own limit."""
    own = env.spec.max_episode_steps if env.spec else None
    return min(max_ep_len, own) if own else max_ep_len


def evaluate_policy(
    policy: Callable[[np.ndarray], np.ndarray],
    envs: Sequence[gym.Env],
    episodes: int,
    max_ep_len: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Play `episodes` episodes, as many at a time as there are environments.

    Each begins with a reset to a seed drawn from `rng`. `policy` maps observations (n, obs_dim),
    float32, to actions (n, act_dim), which are clipped into the action space. Episodes played
    together step together: one forward pass of the policy serves all that still run. They end at
    `max_ep_len` steps or the environment's own limit at the latest. Returns (returns, lengths),
    float64 and int64 of shape (episodes,): undiscounted sums of rewards, and steps. They depend on
    the number of environments only where an action of `policy` depends on the other rows, as it may
    in matrix products: BLAS rounds by the number of rows.
    """
    played = [
        _play_together(policy, envs[: episodes - first], max_ep_len, rng)
        for first in range(0, episodes, len(envs))
    ]
    returns, lengths = (np.concatenate(part) for part in zip(*played, strict=True))
    return returns, lengths


def _play_together(
    policy: Callable[[np.ndarray], np.ndarray],
    envs: Sequence[gym.Env],
    max_ep_len: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns and lengths of one episode in each environment."""
    actions = ActionSpace(envs[0].action_space)
    longest = get_time_limit(envs[0], max_ep_len)
    seeds = draw_seeds(rng, len(envs))
    returns = np.zeros(len(envs))
    lengths = np.zeros(len(envs), np.int64)
    obs = np.stack([env.reset(seed=s)[0] for env, s in zip(envs, seeds, strict=True)])
    obs = obs.astype(np.float32)
    running = list(range(len(envs)))
    while running:
        for i, action in zip(list(running), actions.clip(policy(obs[running])), strict=True):
            step = envs[i].step(actions.for_env(action))
            obs[i], reward, terminated, truncated, _ = step
            returns[i] += reward
            lengths[i] += 1
            if terminated or truncated or lengths[i] == longest:
                running.remove(i)
    return returns, lengths
