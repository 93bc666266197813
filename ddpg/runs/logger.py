"""The tables of a run, extended after each epoch: progress.txt, test_episodes.csv and
state_digests.txt.

progress.txt has Spinning Up's format. test_episodes.csv has every evaluation episode's own return,
which the averages hide. state_digests.txt has a digest of the run's state at the end of each epoch,
by which two runs are compared.
"""

from pathlib import Path

from ddpg.core.digests import StateDigest
from ddpg.core.epoch import STATISTICS, EpochResult
from ddpg.files import write_atomically
from ddpg.runs.directory import EVALUATION_EPISODES, PROGRESS, STATE_DIGESTS

COLUMNS = [*STATISTICS, "Time"]
EPISODE_COLUMNS = "experiment seed epoch env_interacts episode return length".split()
DIGEST_COLUMNS = ["Epoch", *StateDigest._fields]


class Logger:
    """Collects the rows of every epoch, and writes the tables in `directory`."""

    def __init__(self, directory: Path, experiment: str, seed: int):
        self.directory, self.experiment, self.seed = directory, experiment, seed
        self.lines = {
            PROGRESS: ["\t".join(COLUMNS)],
            EVALUATION_EPISODES: [",".join(EPISODE_COLUMNS)],
            STATE_DIGESTS: ["\t".join(DIGEST_COLUMNS)],
        }

    def add_epoch(self, result: EpochResult, seconds: float) -> dict[str, float]:
        """Append an epoch's rows and write the tables; returns the row of progress.txt.

        `seconds` is the time that the run has taken so far.
        """
        row = result.row | {"Time": seconds}
        epoch, steps = row["Epoch"], row["TotalEnvInteracts"]
        self.lines[PROGRESS].append("\t".join(_format_text(row[name]) for name in COLUMNS))
        self.lines[EVALUATION_EPISODES] += [
            f"{self.experiment},{self.seed},{epoch},{steps},{i},{float(r)!r},{int(n)}"
            for i, (r, n) in enumerate(zip(result.returns, result.lengths, strict=True))
        ]
        self.lines[STATE_DIGESTS].append("\t".join([str(epoch), *result.digest]))
        self.write()
        return row

    def contents(self) -> dict[str, bytes]:
        """What the files hold, by name."""
        return {name: ("\n".join(lines) + "\n").encode() for name, lines in self.lines.items()}

    def write(self) -> None:
        """Write each file as a whole, so that none ever holds half a row."""
        for name, content in self.contents().items():
            write_atomically(self.directory / name, content)

    def restore(self, lines: dict[str, list[str]]) -> None:
        """Restore the rows from `lines`, and the files with them."""
        self.lines = {name: list(rows) for name, rows in lines.items()}
        self.write()


def _format_text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.9g}"
