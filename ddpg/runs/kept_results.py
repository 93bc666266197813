"""A copy of a finished run's results, from which they can be restored.

Snakemake deletes the results that it knows before it starts a job again: where another run of the
job's group failed, where a value of the configuration was edited, or where it is told to.
"""

import logging
from pathlib import Path

from ddpg.errors import UserError
from ddpg.files import sha256, write_atomically
from ddpg.runs.record import RUN, RunRecord, read_finished

log = logging.getLogger(__name__)

KEPT = ".results"


def keep_results(directory: Path, files: dict[str, bytes]) -> None:
    """Copy the result files and, last, run.json; all is on the disk afterwards."""
    kept = directory / KEPT
    kept.mkdir(exist_ok=True)
    (kept / RUN).unlink(missing_ok=True)
    for name in sorted(files, key=lambda name: name == RUN):
        write_atomically(kept / name, files[name], sync=True)


def restore_results(directory: Path) -> None:
    """Write the results from their copy where one is missing or damaged, and say so in one line.

    Does nothing where run.json is of another run than the copy.
    """
    kept = _read_kept(directory)
    if kept is None:
        return
    try:
        found = read_finished(directory)
    except UserError:
        found = None
    if found not in (None, kept):
        return
    damaged = [name for name, digest in kept.files.items() if not _holds(directory / name, digest)]
    if found is None:
        damaged.append(RUN)
    for name in damaged:
        write_atomically(directory / name, (directory / KEPT / name).read_bytes(), sync=True)
    if damaged:
        log.warning("%s: missing or damaged, restored from %s", directory / damaged[0], KEPT)


def _read_kept(directory: Path) -> RunRecord | None:
    """The record in the copy; None where there is none or, with a warning, where it is damaged."""
    kept = directory / KEPT
    try:
        record = read_finished(kept)
    except UserError as error:
        log.warning("%s; that copy is passed over", error)
        return None
    for name, digest in record.files.items() if record else ():
        if not _holds(kept / name, digest):
            log.warning("%s: missing or damaged; that copy is passed over", kept / name)
            return None
    return record


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest
