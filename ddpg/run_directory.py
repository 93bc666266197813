"""A run's directory: the files in it, who may write there, and what state it is in."""

import contextlib
import csv
import dataclasses
import errno
import fcntl
import hashlib
import itertools
import logging
import re
import time
import traceback
from collections.abc import Iterable
from pathlib import Path

from ddpg.errors import Diverged, EnvironmentFailed, UserError
from ddpg.files import (
    DISK_ERRORS,
    json_bytes,
    read_json,
    sha256,
    sync_directory,
    write_atomically,
)
from ddpg.logger import PROGRESS, STATE_DIGESTS, TEST_EPISODES
from ddpg.runs.kept_results import KEPT, keep_results
from ddpg.runs.record import RUN, RunRecord

log = logging.getLogger(__name__)

CONFIG, POLICY = "config.json", "policy.npz"
RESULT_FILES = (PROGRESS, TEST_EPISODES, STATE_DIGESTS, CONFIG, POLICY)
# Runs of version 1 of the arithmetic have no digests.
_ADDED_LATER = {STATE_DIGESTS}
CHECKPOINT = "checkpoint"
SET_ASIDE = "set_aside_"
LOCK, FAILURE = ".lock", "failure.txt"


def seed_in_name(directory: Path) -> int | None:
    """The seed of a directory named seed_<seed>, in digits without leading zeros; else None."""
    match = re.fullmatch("seed_(0|[1-9][0-9]*)", directory.name)
    return int(match[1]) if match else None


def is_named_for(directory: Path, seed: int) -> bool:
    """Whether a directory may hold a run of `seed`: named seed_<seed>, or freely."""
    return not directory.name.startswith("seed_") or seed_in_name(directory) == seed


def finished_runs(experiment: Path) -> tuple[dict[int, Path], list[str]]:
    """The finished runs in an experiment's directory: (by seed, why others are passed over).

    A run is a directory seed_<seed> whose run.json and config.json are of this experiment and seed.
    Of every other seed_* there is one line that says why it is not a run. What is hidden does not
    count: `publish` copies under such a name.
    """
    runs, passed_over = {}, []
    for directory in sorted(experiment.glob("seed_*")):
        if reason := _why_no_run(directory):
            passed_over.append(f"{directory}: passed over, {reason}")
        else:
            runs[seed_in_name(directory)] = directory
    return dict(sorted(runs.items())), passed_over


def _why_no_run(directory: Path) -> str | None:
    seed = seed_in_name(directory)
    if seed is None:
        return "for a run's directory is named seed_<seed>"
    for name, key in ((RUN, "experiment"), (CONFIG, "exp_name")):
        if not (directory / name).is_file():
            return f"for it has no {name}"
        try:
            content = read_json(directory / name)
        except UserError:
            return f"for its {name} cannot be read"
        if (content.get(key), content.get("seed")) != (directory.parent.name, seed):
            return f"for its {name} is of {content.get(key)} seed {content.get('seed')}"
    return None


def check_distinct(runs: Iterable[tuple[Path, str, int]]) -> None:
    """UserError where two of the runs (directory, experiment, seed) are of one seed.

    Also for what --restart set aside: its seed was trained again.
    """
    seen: dict[tuple[str, int], Path] = {}
    for directory, experiment, seed in runs:
        if directory.name.startswith(SET_ASIDE):
            raise UserError(f"{directory}: set aside by --restart, so not a run; leave it out")
        first = seen.setdefault((experiment, seed), directory)
        if first is not directory:
            raise UserError(
                f"{first} and {directory}: both are seed {seed} of {experiment}; remove one"
            )


def read_records(directories: Iterable[Path]) -> dict[Path, RunRecord]:
    """The record of each finished run; UserError as `check_distinct` and `RunRecord.read`."""
    runs = [(directory, RunRecord.read(directory / RUN)) for directory in directories]
    check_distinct((run, record.experiment, record.seed) for run, record in runs)
    return dict(runs)


def is_visible(path: Path, root: Path) -> bool:
    """Whether no part of a path below `root` is hidden or was set aside."""
    parts = path.relative_to(root).parts
    return not any(part.startswith((".", SET_ASIDE)) for part in parts)


def claim(directory: Path):
    """Make the directory and lock it for this process.

    Returns the open lock, which dies with the process. UserError where something else stands in
    the place of a file or directory, nothing can be written, or another process has it; OSError
    where the disk is full.
    """
    try:
        _refuse_strays(directory)
        if not directory.exists():
            directory.mkdir(parents=True)
            sync_directory(directory.parent)
        lock = open(directory / LOCK, "wb")  # noqa: SIM115  (stays open as long as the run)
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        path = error.filename or directory
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); give another directory with --output"
        ) from None
    try:
        _lock(lock)
    except OSError as error:
        lock.close()
        problem = f"its file system cannot lock ({error.strerror}); give another --output"
        if isinstance(error, BlockingIOError):
            problem = "another process trains in it; wait for it or give another --output"
        raise UserError(f"{directory}: {problem}") from None
    for path in directory.glob(".*.tmp"):  # what a killed process was writing
        path.unlink()
    return lock


def _refuse_strays(directory: Path) -> None:
    checkpoint = directory / CHECKPOINT
    for path in (directory, checkpoint):
        if path.exists() and not path.is_dir():
            raise UserError(f"{path}: a file, where the run's directory belongs; move it away")
    files = [directory / name for name in (*RESULT_FILES, RUN, LOCK)]
    for path in [*files, *checkpoint.glob("state_*"), *checkpoint.glob("replay_*")]:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: a directory, where the run's file belongs; move it away")


def _lock(lock) -> None:
    """Lock the open file. BlockingIOError if another process holds it for longer than a moment."""
    for _ in range(10):  # `is_claimed` of another process holds it for an instant
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.1)
    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_claimed(directory: Path) -> bool:
    """Whether a process is training in the directory now."""
    try:
        with open(directory / LOCK, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # many may ask at once
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def noting_failure(directory: Path):
    """Keep in failure.txt why a run diverged or its environment failed, until it is tried again."""
    (directory / FAILURE).unlink(missing_ok=True)
    try:
        yield
    except Diverged as error:
        write_atomically(directory / FAILURE, f"{error}\n".encode())
        raise
    except EnvironmentFailed as error:
        cause = "".join(traceback.format_exception(error.__cause__))
        write_atomically(directory / FAILURE, f"{error}\n\n{cause}".encode())
        raise EnvironmentFailed(f"{error}; its traceback is in {directory / FAILURE}") from None


def progress(directory: Path) -> list[dict[str, str]]:
    """The rows of progress.txt by column; none where it is not there yet."""
    try:
        with open(directory / PROGRESS, newline="", encoding="utf-8") as file:
            return rows(file)
    except FileNotFoundError:
        return []


def rows(lines: Iterable[str]) -> list[dict[str, str]]:
    """The rows of progress.txt by column, from its lines."""
    return list(csv.DictReader(lines, delimiter="\t"))


def write_results(directory: Path, contents: dict[str, bytes], record: RunRecord) -> RunRecord:
    """Write a finished run: its result files, a copy, then run.json: `record` with checksums.

    Everything is on the disk when this returns, and was read back. Returns what run.json says.
    """
    for name, content in contents.items():
        write_atomically(directory / name, content, sync=True)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    record = dataclasses.replace(record, files=files)
    if problems := mismatches(directory, record):
        raise OSError(errno.EIO, problems[0])
    run = json_bytes(record.to_json())
    keep_results(directory, {**contents, RUN: run})
    write_atomically(directory / RUN, run, sync=True)
    return record


def result_files(record: RunRecord) -> list[str]:
    """The names of a run's result files."""
    return [name for name in RESULT_FILES if name not in _ADDED_LATER or name in record.files]


def mismatches(directory: Path, record: RunRecord) -> list[str]:
    """One line for each result file that is not what the run's record says."""
    problems = []
    for name in result_files(record):
        path = directory / name
        if not path.is_file():
            problems.append(f"{path}: missing")
        elif sha256(path) != record.files.get(name):
            problems.append(f"{path}: not the bytes that the run wrote")
    return problems


def set_aside(directory: Path) -> Path | None:
    """Move what a run left, its checkpoint included, into a new directory `set_aside_<n>`.

    Returns that directory, None where there is nothing to move.
    """
    left = [directory / name for name in (CHECKPOINT, *RESULT_FILES, RUN, KEPT)]
    if not any(path.exists() for path in left):
        return None
    aside = next(p for i in itertools.count(1) if not (p := directory / f"{SET_ASIDE}{i}").exists())
    aside.mkdir()
    for path in left:
        if path.exists():
            path.rename(aside / path.name)
    return aside


def say_restart(directory: Path) -> str:
    """How a run is started from its beginning, in words, by hand and through Snakemake."""
    return f"with --restart, or in Snakemake by moving {directory} away"
