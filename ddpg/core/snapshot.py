"""What a run needs to continue with the same bytes."""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Snapshot:
    """The state of a run except for the replay buffer's transitions."""

    steps: int
    streams: dict[str, dict]  # state of each random generator
    agent: list[np.ndarray]  # DDPG.arrays()
    episode_seed: int
    episode_return: float
    episode_actions: np.ndarray  # (steps of the episode, act_dim)
    episode_rewards: np.ndarray  # (steps of the episode,)
    obs: np.ndarray  # (obs_dim,)
    statistics_episodes: np.ndarray
    statistics_updates: np.ndarray
    replay_digest: str
    replay_digested: int
    # (seed, steps) of the episode before; None before the second and in earlier checkpoints.
    previous_episode: tuple[int, int] | None = None
