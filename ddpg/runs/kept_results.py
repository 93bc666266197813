"""A copy of a finished run's results in one file, from which they can be restored.

Snakemake deletes the results that it knows before it starts a job again: where another run of the
job's group failed, or where a value of the configuration was edited.
"""

import dataclasses
import hashlib
import io
import json
import logging
import zipfile
from pathlib import Path

from ddpg.files import json_bytes, write_atomically
from ddpg.runs.record import RUN, RunRecord
from ddpg.runs.typed_json import from_json

log = logging.getLogger(__name__)

COPY = "results.zip"


@dataclasses.dataclass(frozen=True)
class Kept:
    """What the copy holds: a run's record, and its result files by name."""

    record: RunRecord
    contents: dict[str, bytes]

    def files(self) -> dict[str, bytes]:
        """All files by name, run.json last."""
        return {**self.contents, RUN: json_bytes(self.record.to_json())}


def keep_results(directory: Path, kept: Kept) -> None:
    """Write the copy; it is on the disk afterwards."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in kept.files().items():
            archive.writestr(name, content)
    write_atomically(directory / COPY, buffer.getvalue(), sync=True)


def read_kept(directory: Path) -> Kept | None:
    """What the copy holds; None where there is none or, with a warning, where it is damaged."""
    path = directory / COPY
    try:
        archive = io.BytesIO(path.read_bytes())
    except FileNotFoundError:
        return None
    try:
        with zipfile.ZipFile(archive) as opened:
            contents = {name: opened.read(name) for name in opened.namelist()}
        record = from_json(RunRecord, json.loads(contents.pop(RUN)))
    except Exception as error:  # which of many depends on where it is damaged
        log.warning("%s: damaged, and passed over (%s)", path, error)
        return None
    if {name: hashlib.sha256(c).hexdigest() for name, c in contents.items()} != record.files:
        log.warning("%s: damaged, and passed over (its checksums do not match)", path)
        return None
    return Kept(record, contents)


def restore_kept(directory: Path, record: RunRecord) -> bool:
    """Write the result files and then run.json from the copy, if it is of the run `record`.

    Returns whether it is; where it is not, nothing is written.
    """
    kept = read_kept(directory)
    if kept is None or kept.record != record:
        return False
    for name, content in kept.files().items():
        write_atomically(directory / name, content, sync=True)
    return True
