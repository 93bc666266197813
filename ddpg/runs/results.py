"""Write the results of a finished run, and restore them from their copy.

The copy is there because Snakemake deletes a job's declared outputs before it reruns the job: if
another run of the job's group failed, if a value of the configuration was edited, or if it is told
to.
"""

import dataclasses
import errno
import hashlib
import logging
from pathlib import Path

from ddpg.errors import UserError
from ddpg.files import encode_json, hash_file, write_atomically
from ddpg.runs.directory import COPY, RECORD, RunDirectory, list_result_files
from ddpg.runs.record import RunRecord

log = logging.getLogger(__name__)


def write_results(
    directory: RunDirectory, contents: dict[str, bytes], record: RunRecord
) -> RunRecord:
    """Write a finished run: its result files, a copy, then run.json: `record` with checksums.

    All files are synced when this returns, and the result files were read back and compared with
    their checksums. Returns the record with checksums. UserError if the directory was moved.
    """
    for name, content in contents.items():
        directory.write(name, content, sync=True)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    record = dataclasses.replace(record, files=files)
    if problems := directory.find_mismatches(record):
        raise OSError(errno.EIO, problems[0])
    run = encode_json(record.to_json())
    directory.refuse_if_moved()
    copy_results(directory, {**contents, RECORD: run})
    directory.write(RECORD, run, sync=True)
    return record


def copy_results(directory: RunDirectory, files: dict[str, bytes]) -> None:
    """Copy the result files and, last, run.json; all is on the disk afterwards."""
    copy = directory.copy
    copy.path.mkdir(exist_ok=True)
    copy.record_path.unlink(missing_ok=True)
    for name in sorted(files, key=lambda name: name == RECORD):
        write_atomically(copy.path / name, files[name], sync=True)


def keep_copy(directory: RunDirectory) -> bool:
    """Copy the files of a finished, undamaged run without a good copy, as published runs are.

    Returns whether `restore_results` can write the run's files again.
    """
    copied = _read_copy(directory)
    try:
        record = directory.read_finished()
        if record is None or record == copied:
            return copied is not None
        if directory.find_mismatches(record):
            return False
    except UserError:  # a damaged record: that of the copy replaces it
        return copied is not None
    names = (*list_result_files(record), RECORD)
    copy_results(directory, {name: (directory.path / name).read_bytes() for name in names})
    return True


def restore_results(directory: RunDirectory) -> None:
    """Write each result that is missing or damaged from its copy, and log that in one line.

    Does nothing if run.json is of another run than the copy.
    """
    copied = _read_copy(directory)
    if copied is None:
        return
    try:
        found = directory.read_finished()
    except UserError:
        found = None
    if found not in (None, copied):
        return
    paths = {directory.path / name: digest for name, digest in copied.files.items()}
    damaged = [path for path, digest in paths.items() if not _has_digest(path, digest)]
    if found is None:
        damaged.append(directory.record_path)
    for path in damaged:
        write_atomically(path, (directory.copy.path / path.name).read_bytes(), sync=True)
    if damaged:
        log.warning("%s: missing or damaged, restored from %s", damaged[0], COPY)


def _read_copy(directory: RunDirectory) -> RunRecord | None:
    """The record in the copy; None if there is no copy or, with a warning, if it is damaged."""
    copy = directory.copy
    try:
        record = copy.read_finished()
    except UserError as error:
        log.warning("%s; that copy is ignored", error)
        return None
    for name, digest in record.files.items() if record else ():
        if not _has_digest(copy.path / name, digest):
            log.warning("%s: missing or damaged; that copy is ignored", copy.path / name)
            return None
    return record


def _has_digest(path: Path, digest: str) -> bool:
    return path.is_file() and hash_file(path) == digest
