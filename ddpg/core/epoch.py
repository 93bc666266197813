"""The statistics of an epoch: of the episodes that ended in it and the updates that were made."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ddpg.core.digests import StateDigest

if TYPE_CHECKING:  # importing it would import TensorFlow, and readers of tables do without
    from ddpg.core.agent import UpdateMetrics

# In Spinning Up's order; its progress.txt has a last column, Time.
STATISTICS = (
    "Epoch AverageEpRet StdEpRet MaxEpRet MinEpRet AverageTestEpRet StdTestEpRet MaxTestEpRet "
    "MinTestEpRet EpLen TestEpLen TotalEnvInteracts AverageQVals StdQVals MaxQVals MinQVals "
    "LossPi LossQ"
).split()


class EpochResult(NamedTuple):
    """What an epoch produced."""

    row: dict[str, float]  # by STATISTICS
    returns: np.ndarray  # (num_test_episodes,) of the evaluation at its end
    lengths: np.ndarray  # (num_test_episodes,)
    digest: StateDigest


class EpochStatistics:
    """Collects episodes and updates, in arrays allocated once.

    `max_updates` is an upper bound of the updates in an epoch of `steps_per_epoch` steps.
    """

    def __init__(self, steps_per_epoch: int, max_updates: int):
        self._episodes = np.empty((steps_per_epoch, 2))  # return, length
        # Mean, variance, maximum and minimum of Q; loss of critic and actor.
        self._updates = np.empty((max_updates, 6))
        self._num_episodes = self._num_updates = 0

    @property
    def episodes(self) -> np.ndarray:
        """Return and length of each episode so far, (episodes, 2)."""
        return self._episodes[: self._num_episodes]

    @property
    def updates(self) -> np.ndarray:
        """Mean, variance, maximum and minimum of Q and both losses, (updates, 6)."""
        return self._updates[: self._num_updates]

    def add_episode(self, episode_return: float, length: int) -> None:
        """Add an episode that ended."""
        self._episodes[self._num_episodes] = episode_return, length
        self._num_episodes += 1

    def add_updates(self, metrics: "UpdateMetrics") -> None:
        """Add updates by their metrics."""
        rows = slice(self._num_updates, self._num_updates + len(metrics.loss_q))
        q = metrics.q.astype(np.float64)
        columns = (q.mean(1), q.var(1), q.max(1), q.min(1), metrics.loss_q, metrics.loss_pi)
        self._updates[rows] = np.stack(columns, axis=1)
        self._num_updates = rows.stop

    def finish(
        self, epoch: int, steps: int, returns: np.ndarray, lengths: np.ndarray
    ) -> dict[str, float]:
        """The epoch's STATISTICS, with the evaluation's returns and lengths; then start the next.

        Statistics without data in this epoch are NaN.
        """
        row = dict.fromkeys(STATISTICS, np.nan)
        row |= {"Epoch": epoch, "TotalEnvInteracts": steps}
        row |= _describe("TestEpRet", returns) | {"TestEpLen": lengths.mean()}
        if self._num_episodes:
            train_returns, train_lengths = self.episodes.T
            row |= _describe("EpRet", train_returns) | {"EpLen": train_lengths.mean()}
        if self._num_updates:
            mean, variance, highest, lowest, loss_q, loss_pi = self.updates.T
            # All batches have one size, so the law of total variance needs no weights.
            row |= {"AverageQVals": mean.mean(), "StdQVals": np.sqrt(variance.mean() + mean.var())}
            row |= {"MaxQVals": highest.max(), "MinQVals": lowest.min()}
            row |= {"LossPi": loss_pi.mean(), "LossQ": loss_q.mean()}
        self._num_episodes = self._num_updates = 0
        return row

    def restore(self, episodes: np.ndarray, updates: np.ndarray) -> None:
        """Restore what was collected, from `episodes` and `updates`."""
        self._num_episodes, self._num_updates = len(episodes), len(updates)
        self._episodes[: len(episodes)] = episodes
        self._updates[: len(updates)] = updates


def _describe(name: str, values: np.ndarray) -> dict[str, float]:
    return {
        f"Average{name}": values.mean(),
        f"Std{name}": values.std(),
        f"Max{name}": values.max(),
        f"Min{name}": values.min(),
    }
