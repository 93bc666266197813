"""The replay buffer: the last `size` transitions in preallocated float32 arrays."""

from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """Transitions: arrays whose leading axes are (B,) for one batch or (updates, B) for many."""

    obs: np.ndarray  # (..., obs_dim)
    action: np.ndarray  # (..., act_dim)
    reward: np.ndarray  # (...)
    next_obs: np.ndarray  # (..., obs_dim)
    terminated: np.ndarray  # (...): 1 where the episode ended in a terminal state, else 0


class ReplayBuffer:
    """A ring of transitions, sampled uniformly with replacement.

    A cut by a time limit is not a terminal state, so only `terminated` is stored.
    """

    def __init__(self, size: int, obs_dim: int, act_dim: int):
        shapes = Batch((size, obs_dim), (size, act_dim), (size,), (size, obs_dim), (size,))
        # Written to, not only reserved, so that memory runs out now rather than hours later.
        self.data = Batch(*(np.full(shape, 0, np.float32) for shape in shapes))
        self.size = size
        self.added = 0  # transitions ever added; the next one goes to row added % size

    def __len__(self) -> int:
        return min(self.added, self.size)

    def add(
        self,
        obs: np.ndarray,
        action: np.ndarray,
        reward: float,
        next_obs: np.ndarray,
        terminated: bool,
    ) -> None:
        """Store one transition in the place of the oldest."""
        row = self.added % self.size
        data = self.data
        data.obs[row] = obs
        data.action[row] = action
        data.reward[row] = reward
        data.next_obs[row] = next_obs
        data.terminated[row] = terminated
        self.added += 1

    def sample(self, rng: np.random.Generator, out: Batch, updates: int) -> None:
        """Fill the first `updates` batches of `out`, arrays of shape (capacity, B, ...)."""
        rows = rng.integers(len(self), size=(updates, out.reward.shape[1]))
        for source, target in zip(self.data, out, strict=True):
            # No row is out of range: "clip" writes straight into `out`, where the default mode
            # copies through a buffer (2.4 times as slow for 17 floats a row).
            np.take(source, rows, axis=0, out=target[:updates], mode="clip")

    def last(self, count: int) -> Batch:
        """Copies of the newest `count` transitions, oldest first, count <= len(self)."""
        rows = np.arange(self.added - count, self.added) % self.size
        return Batch(*(array[rows] for array in self.data))

    def restore(self, first: int, transitions: Batch) -> None:
        """Put back transitions, from `last()`, that were added as number `first` and following."""
        rows = np.arange(first, first + len(transitions.reward)) % self.size
        for array, values in zip(self.data, transitions, strict=True):
            array[rows] = values
        self.added = first + len(rows)


def compute_replay_bytes(size: int, obs_dim: int, act_dim: int) -> int:
    """The memory, in bytes, of a ReplayBuffer."""
    return 4 * size * (2 * obs_dim + act_dim + 2)
