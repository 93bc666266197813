"""The lock of a run's directory.

One process trains in it at a time; others can test whether it is locked.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import BinaryIO


def lock_file(file: BinaryIO) -> None:
    """Lock an open file until it is closed or the process ends.

    Raises BlockingIOError if another process holds the lock for longer than a moment, another
    OSError if the file system has no locks.
    """
    for _ in range(10):  # `is_locked` of another process holds it for an instant
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.1)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_file_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one at a path: not deleted, moved or replaced."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock; False if the file cannot be opened or locked."""
    try:
        with open(path, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # many may ask at once
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False
