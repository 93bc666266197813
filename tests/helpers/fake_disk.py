"""A fake disk that is full when a test says so, and that records writes in order."""

import errno
import io
import os
from pathlib import Path

from ddpg import files


class FakeDisk:
    """Intercepts the operations that can fail on a full disk.

    From operation number `full_at` on (counted in `asked`), each raises ENOSPC. `events` lists what
    was synced, renamed and deleted: ("sync" | "rename" | "delete", name).
    """

    def __init__(self, monkeypatch):
        self.asked, self.full_at, self.events = 0, None, []
        fsync, replace = os.fsync, Path.replace
        mkdir, unlink = Path.mkdir, Path.unlink

        def note_fsync(descriptor):
            self.ask()
            self.events.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
            fsync(descriptor)

        def note_replace(path, target):
            self.ask()
            self.events.append(("rename", target.name))
            return replace(path, target)

        def note_unlink(path, **options):
            unlink(path, **options)
            self.events.append(("delete", path.name))

        def ask_mkdir(path, *arguments, **options):
            self.ask()
            mkdir(path, *arguments, **options)

        def opened(path, mode):
            return _File(self, path) if mode == "wb" else open(path, mode)

        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(Path, "replace", note_replace)
        monkeypatch.setattr(Path, "unlink", note_unlink)
        monkeypatch.setattr(Path, "mkdir", ask_mkdir)
        monkeypatch.setattr(files, "open", opened, raising=False)

    def ask(self):
        self.asked += 1
        if self.full_at and self.asked >= self.full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _File(io.FileIO):
    """A new file that can be opened and half written before the disk is full."""

    def __init__(self, disk, path):
        disk.ask()
        super().__init__(path, "w")
        self.disk = disk

    def write(self, content):
        half = len(content) // 2
        super().write(content[:half])
        self.disk.ask()
        super().write(content[half:])
