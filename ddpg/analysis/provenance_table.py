"""A table of what produced each run."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ddpg.runs.directory import read_records
from ddpg.runs.record import Image, Revision

PROVENANCE_COLUMNS = [
    "experiment",
    "seed",
    "finished",
    "steps",
    "steps per second",
    "peak memory (MB)",
    "started",
    "processor",
    "processor type",
    "GPU",
    "image",
    "revision",
    "versions",
    "arithmetic",
    "weights (SHA-256)",
]


def tabulate_provenance(runs: Iterable[Path]) -> pd.DataFrame:
    """One row per finished run: what its run.json says of code, versions, machine and speed."""
    records = read_records(runs).values()
    rows = [
        {
            "experiment": record.experiment,
            "seed": record.seed,
            "finished": record.finished.isoformat(),
            "steps": record.steps,
            "steps per second": record.steps_per_second,
            "peak memory (MB)": record.peak_memory_bytes // 10**6,
            "started": len(record.sessions),
            "processor": record.machine.cpu.model,
            "processor type": record.machine.cpu.type,
            "GPU": ", ".join(record.machine.gpu),
            "image": _shorten_image(record.machine.image),
            "revision": _shorten_revision(record.machine.git),
            "versions": ", ".join(f"{k} {v}" for k, v in record.identity.packages.items()),
            "arithmetic": record.arithmetic_version,
            "weights (SHA-256)": record.weights_sha256[:16],
        }
        for record in records
    ]
    return pd.DataFrame(rows, columns=PROVENANCE_COLUMNS)


def _shorten_image(image: Image | None) -> str:
    short = image and dataclasses.replace(image, id=image.id.removeprefix("sha256:")[:12])
    return str(short or "")


def _shorten_revision(git: Revision | None) -> str:
    return str(dataclasses.replace(git, revision=git.revision[:12])) if git else ""
