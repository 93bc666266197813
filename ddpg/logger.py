"""Statistics of each epoch, written as progress.txt in Spinning Up's format.

Beside it stands test_episodes.csv, with every test episode's own return: what the averages hide.
"""

from pathlib import Path

import numpy as np

from ddpg.files import write_atomically

PROGRESS, TEST_EPISODES = "progress.txt", "test_episodes.csv"

COLUMNS = (
    "Epoch AverageEpRet StdEpRet MaxEpRet MinEpRet AverageTestEpRet StdTestEpRet MaxTestEpRet "
    "MinTestEpRet EpLen TestEpLen TotalEnvInteracts AverageQVals StdQVals MaxQVals MinQVals "
    "LossPi LossQ Time"
).split()
TEST_COLUMNS = "experiment seed epoch env_interacts episode return length".split()


class Logger:
    """Collects what falls in an epoch and writes one row when it ends.

    `most_updates`: an upper bound of the updates that can fall in one epoch of
    `steps_per_epoch` steps.
    """

    def __init__(
        self, directory: Path, experiment: str, seed: int, steps_per_epoch: int, most_updates: int
    ):
        self.directory, self.experiment, self.seed = directory, experiment, seed
        # One column each: return, length of a finished episode.
        self.episodes = np.empty((steps_per_epoch, 2))
        # One column each: mean, variance, maximum and minimum of Q, critic's and actor's loss.
        self.updates = np.empty((most_updates, 6))
        self.num_episodes = self.num_updates = 0
        self.lines = ["\t".join(COLUMNS)]
        self.test_lines = [",".join(TEST_COLUMNS)]

    def add_episode(self, episode_return: float, length: int) -> None:
        """Count a finished training episode."""
        self.episodes[self.num_episodes] = episode_return, length
        self.num_episodes += 1

    def add_updates(self, metrics) -> None:
        """Count updates by their `Metrics`, whose module would load TensorFlow."""
        rows = slice(self.num_updates, self.num_updates + len(metrics.loss_q))
        q = metrics.q.astype(np.float64)
        columns = (q.mean(1), q.var(1), q.max(1), q.min(1), metrics.loss_q, metrics.loss_pi)
        self.updates[rows] = np.stack(columns, axis=1)
        self.num_updates = rows.stop

    def end_epoch(self, epoch, env_interacts, test_returns, test_lengths, seconds) -> dict:
        """Append the epoch's rows to both files, forget what was collected, return the row.

        A statistic is NaN where nothing that it is of fell in the epoch.
        """
        row = dict.fromkeys(COLUMNS, np.nan)
        row |= {"Epoch": epoch, "TotalEnvInteracts": env_interacts, "Time": seconds}
        row |= _spread("TestEpRet", test_returns) | {"TestEpLen": test_lengths.mean()}
        if self.num_episodes:
            returns, lengths = self.episodes[: self.num_episodes].T
            row |= _spread("EpRet", returns) | {"EpLen": lengths.mean()}
        if self.num_updates:
            mean, variance, highest, lowest, loss_q, loss_pi = self.updates[: self.num_updates].T
            # The batches have one size, so the law of total variance needs no weights.
            row |= {"AverageQVals": mean.mean(), "StdQVals": np.sqrt(variance.mean() + mean.var())}
            row |= {"MaxQVals": highest.max(), "MinQVals": lowest.min()}
            row |= {"LossPi": loss_pi.mean(), "LossQ": loss_q.mean()}
        self.num_episodes = self.num_updates = 0
        self.lines.append("\t".join(map(_text, row.values())))
        self.test_lines += [
            f"{self.experiment},{self.seed},{epoch},{env_interacts},{i},{float(r)!r},{int(n)}"
            for i, (r, n) in enumerate(zip(test_returns, test_lengths, strict=True))
        ]
        self.write()
        return row

    def contents(self) -> dict[str, bytes]:
        """What both files hold, by name."""
        return {PROGRESS: _lines(self.lines), TEST_EPISODES: _lines(self.test_lines)}

    def write(self) -> None:
        """Write both files anew, so that they never hold half a row."""
        for name, content in self.contents().items():
            write_atomically(self.directory / name, content)

    def snapshot(self) -> dict[str, np.ndarray]:
        """Everything collected and written so far, as arrays."""
        return {
            "episodes": self.episodes[: self.num_episodes].copy(),
            "updates": self.updates[: self.num_updates].copy(),
            "lines": np.array(self.lines),
            "test_lines": np.array(self.test_lines),
        }

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        """Go back to what `snapshot` gave, the files included."""
        self.num_episodes, self.num_updates = len(snapshot["episodes"]), len(snapshot["updates"])
        self.episodes[: self.num_episodes] = snapshot["episodes"]
        self.updates[: self.num_updates] = snapshot["updates"]
        self.lines = snapshot["lines"].tolist()
        self.test_lines = snapshot["test_lines"].tolist()
        self.write()


def _spread(name: str, values: np.ndarray) -> dict[str, float]:
    return {
        f"Average{name}": values.mean(),
        f"Std{name}": values.std(),
        f"Max{name}": values.max(),
        f"Min{name}": values.min(),
    }


def _text(value) -> str:
    return str(value) if isinstance(value, int) else f"{value:.9g}"


def _lines(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
