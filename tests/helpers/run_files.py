"""Read the files of a finished run, without what may differ between runs of one seed."""

import json
from pathlib import Path

# The files whose bytes depend on the configuration and the seed alone.
EXACT_FILES = ("test_episodes.csv", "state_digests.txt", "policy.npz", "config.json")


def read_results(directory: Path) -> dict:
    """Everything of a finished run that must be the same for the same seed.

    That is all but the times: the last column of progress.txt, and most of run.json.
    """
    record = json.loads((directory / "run.json").read_text())
    lines = (directory / "progress.txt").read_text().splitlines()
    return {
        "progress.txt": [line.rpartition("\t")[0] for line in lines],
        "weights": record["weights_sha256"],
        **{name: (directory / name).read_bytes() for name in EXACT_FILES},
    }


def read_times(directory: Path) -> list[float]:
    """The column Time of progress.txt, in seconds."""
    heading, *rows = (directory / "progress.txt").read_text().splitlines()
    assert heading.split("\t")[-1] == "Time"
    return [float(row.split("\t")[-1]) for row in rows]
