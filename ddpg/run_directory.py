"""A run's directory: the files in it, who may write there, and what state it is in."""

import contextlib
import fcntl
import json
import shutil
from pathlib import Path

from ddpg.errors import UserError
from ddpg.files import sha256, write_atomically
from ddpg.logger import PROGRESS, TEST_EPISODES

CONFIG, RUN, POLICY = "config.json", "run.json", "policy.npz"
RESULT_FILES = (PROGRESS, TEST_EPISODES, CONFIG, POLICY)
CHECKPOINT = "checkpoint"
LOCK = ".lock"


def claim(directory: Path):
    """Make the directory and lock it for this process.

    Returns the open lock, which dies with the process. UserError where the directory cannot be
    written or another process has it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CHECKPOINT).mkdir(exist_ok=True)
        lock = open(directory / LOCK, "w")  # noqa: SIM115  (stays open as long as the run)
    except OSError as error:
        path = error.filename or directory
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); give another directory with --output"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UserError(
            f"{directory}: another process trains in it; wait for it or give another --output"
        ) from None
    return lock


def is_claimed(directory: Path) -> bool:
    """Whether a process is training in the directory now."""
    try:
        with open(directory / LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def write_json(path: Path, value: dict) -> None:
    """Write `value` as indented JSON, in full or not at all."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict:
    """Read a JSON object; UserError with one line where it is missing or none."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; is {path.parent} a finished run?") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a JSON file of this package ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON file of this package (no object)")
    return value


def checksums(directory: Path) -> dict[str, str]:
    """SHA-256 of each result file."""
    return {name: sha256(directory / name) for name in RESULT_FILES}


def finished(directory: Path) -> dict | None:
    """What run.json says if the run has finished, else None."""
    return read_json(directory / RUN) if (directory / RUN).exists() else None


def mismatches(directory: Path) -> list[str]:
    """One line for each result file that is not what run.json says."""
    recorded = read_json(directory / RUN).get("files", {})
    problems = []
    for name in RESULT_FILES:
        path = directory / name
        if not path.exists():
            problems.append(f"{path}: missing")
        elif sha256(path) != recorded.get(name):
            problems.append(f"{path}: not the bytes that the run wrote")
    return problems


def drop_checkpoint(directory: Path) -> None:
    """Remove the checkpoints of a run that is over."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory / CHECKPOINT)
