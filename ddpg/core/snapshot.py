"""The state of a run in memory, except for the replay buffer's transitions."""

import dataclasses

import numpy as np


@dataclasses.dataclass
class Snapshot:
    """What `Training.restore` needs, besides the replay buffer, to continue with the same bytes."""

    steps: int
    streams: dict[str, dict]  # state of each random generator
    agent: list[np.ndarray]  # DDPG.arrays()
    episode_seed: int
    episode_return: float  # of the steps so far
    episode_actions: np.ndarray  # (steps of the episode, act_dim)
    episode_rewards: np.ndarray  # (steps of the episode,)
    obs: np.ndarray  # (obs_dim,)
    statistics_episodes: np.ndarray  # EpochStatistics.episodes
    statistics_updates: np.ndarray  # EpochStatistics.updates
    replay_digest: str  # StateDigest.replay after the last whole epoch; empty before the first
    replay_digested: int  # transitions added when it was computed
    # (seed, steps) of the previous episode; None during the first, and in older checkpoints.
    previous_episode: tuple[int, int] | None = None
