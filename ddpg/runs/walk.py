"""Walk the directories in which runs may be, through symbolic links."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ddpg.files import refuse_unreadable
from ddpg.runs.directory import is_set_aside


def walk_visible(
    root: Path, on_unreadable: Callable[[OSError], None] = refuse_unreadable
) -> Iterator[tuple[Path, set[str]]]:
    """Yields (a directory, the names in it) for `root` and every visible directory below it.

    A directory is visible unless it or one above it, below `root`, is hidden or was set aside.
    Symbolic links are followed. Each directory comes once, by its own path if that is below `root`.
    `on_unreadable` is called for each one that cannot be read; it is left out unless that raises.
    Nothing is yielded for a `root` that is no directory.
    """

    def report(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            on_unreadable(error)

    seen: set[str] = set()
    waiting = [str(root)]
    while waiting:  # links wait until everything is seen that is reached without them
        for directory, names, files in os.walk(waiting.pop(0), onerror=report):
            real = os.path.realpath(directory)
            if real in seen:
                names.clear()
                continue
            seen.add(real)
            yield Path(directory), {*names, *files}
            names[:] = sorted(name for name in names if not _is_hidden(name))
            below = [os.path.join(directory, name) for name in names]  # noqa: PTH118  (many)
            waiting += filter(os.path.islink, below)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or is_set_aside(name)
