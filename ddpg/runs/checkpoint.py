"""Checkpoints: exact save and restore, in files that are complete, synced and checksummed.

A checkpoint is one small file, `state_<steps>` (see `ddpg.runs.run_state.RunState`), and the
transitions that are new since the previous checkpoint, `replay_<first>_<end>`. Later checkpoints
refer to these files and do not rewrite them: a save writes only the transitions since the previous
checkpoint. The two newest checkpoints are kept: if the newest is damaged, the run resumes from the
one before it. Damage to an older part of the replay buffer, which both need, is detected, and the
run has to start from its beginning.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ddpg.core.replay import Batch, ReplayBuffer
from ddpg.errors import Interrupted, UserError
from ddpg.files import sync_directory, write_atomically
from ddpg.runs.directory import explain_restart, list_checkpoint_files, list_state_files
from ddpg.runs.record import Identity
from ddpg.runs.run_state import RunState
from ddpg.runs.typed_json import from_json, to_json

log = logging.getLogger(__name__)

FORMAT = 2
# The last revision of this package that reads an earlier format.
_LAST_READERS = {1: "2b12505"}
_MAGIC = b"ddpg checkpoint"


class Damaged(Exception):
    """A file of a checkpoint is missing or has other bytes than were written."""


class Unreadable(Damaged):
    """A file of a checkpoint cannot be read now; it may be readable later."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """A file with the transitions of the steps from `first` up to `end`, and its SHA-256."""

    name: str
    first: int
    end: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class CheckpointHeader:
    """The steps of a checkpoint, and the files with its transitions."""

    steps: int
    segments: tuple[Segment, ...]

    @property
    def name(self) -> str:
        """The name of its state file."""
        return f"state_{self.steps:010d}"


class Checkpoints:
    """The checkpoints of one run, in a directory of their own."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.kept: list[CheckpointHeader] = []  # of the one or two newest good checkpoints

    def exist(self) -> bool:
        """Whether there is any checkpoint, good or damaged."""
        return bool(list_state_files(self.directory))

    def save(self, state: RunState, replay: ReplayBuffer) -> None:
        """Write a checkpoint of the run's state and the replay buffer.

        On OSError (a full disk), earlier checkpoints are unchanged and no new file is left.
        """
        if not self.directory.exists():
            self.directory.mkdir(parents=True)
            sync_directory(self.directory.parent)
        oldest = replay.added - len(replay)
        segments = [s for s in self.kept[-1].segments if s.end > oldest] if self.kept else []
        first = max(segments[-1].end if segments else 0, oldest)
        new = self.directory / f"replay_{first:010d}_{replay.added:010d}"
        if first < replay.added:
            digest = _write(new, replay.last(replay.added - first)._asdict())
            segments.append(Segment(new.name, first, replay.added, digest))
        header = CheckpointHeader(state.snapshot.steps, tuple(segments))
        values, arrays = state.to_parts()
        values |= {"format": FORMAT, "replay": to_json(header.segments)}
        path = self.directory / header.name
        try:
            _write(path, {**arrays, "about": np.array(json.dumps(values))})
        except OSError:
            if not path.exists():  # free the space: without the state this part is useless
                new.unlink(missing_ok=True)
            raise
        # A stop right after an epoch's end saves the same step twice, and writes one file.
        others = [kept for kept in self.kept if kept.steps != header.steps]
        self.kept = [*others[-1:], header]
        self._remove_others()

    def load(self, replay: ReplayBuffer, accept: Callable[[Identity], None]) -> RunState:
        """The state of the newest undamaged checkpoint, whose transitions are put into `replay`.

        A damaged or unreadable one is skipped with a warning. If none is good, raises Interrupted
        if one of them cannot be read now, else Damaged, with `replay` empty. UserError if another
        version of the package wrote it. `accept` gets its identity before `replay` changes, and may
        raise.
        """
        unreadable = None
        for path in list_state_files(self.directory):
            try:
                header, state = self._load_one(path, replay, accept)
            except Damaged as damage:
                log.warning("%s: %s; trying the checkpoint before it", path, damage)
                replay.added = 0
                unreadable = unreadable or (damage if isinstance(damage, Unreadable) else None)
                continue
            self.kept = [header]
            return state
        if unreadable:
            raise Interrupted(
                f"{self.directory}: {unreadable}; check the disk and run the same command again"
            )
        raise Damaged(f"{self.directory}: every checkpoint is damaged")

    def remove(self) -> None:
        """Delete the checkpoints, and their directory unless something else is in it too."""
        self.kept = []
        self._remove_others()
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def _load_one(
        self, path: Path, replay: ReplayBuffer, accept: Callable[[Identity], None]
    ) -> tuple[CheckpointHeader, RunState]:
        values, arrays = _read_values(path)
        _refuse_other_formats(path, values["format"])
        state = _make_state(path, values, arrays)
        accept(state.identity)
        header = CheckpointHeader(
            state.snapshot.steps, from_json(tuple[Segment, ...], values["replay"])
        )
        for segment in header.segments:
            transitions, digest = _read(self.directory / segment.name)
            if digest != segment.sha256:
                raise Damaged(f"{segment.name} is not the file that this checkpoint was saved with")
            replay.restore(segment.first, Batch(**transitions))
        return header, state

    def _remove_others(self) -> None:
        """Delete older checkpoints, and what an interrupted save left; no file of another name."""
        needed = {header.name for header in self.kept}
        needed |= {segment.name for header in self.kept for segment in header.segments}
        for path in list_checkpoint_files(self.directory):
            if path.name not in needed:
                path.unlink()


def read_newest_state(directory: Path) -> RunState | None:
    """The state in the newest undamaged state file of this format; None if there is none.

    Replay files are not checked.
    """
    for path in list_state_files(directory):
        with contextlib.suppress(Damaged):
            values, arrays = _read_values(path)
            if values["format"] == FORMAT:
                return _make_state(path, values, arrays)
    return None


def _refuse_other_formats(path: Path, format_: int) -> None:
    if format_ > FORMAT:
        raise UserError(
            f"{path}: written by a newer version of this package (checkpoint format {format_}, "
            f"this one reads {FORMAT}); use that version"
        )
    if format_ < FORMAT:
        raise UserError(
            f"{path}: written by an earlier version of this package (checkpoint format {format_}, "
            f"this one reads {FORMAT}); resume it with revision {_LAST_READERS[format_]} of this "
            f"package, or start the run from its beginning {explain_restart(path.parent.parent)}"
        )


def _make_state(path: Path, values: dict, arrays: dict[str, np.ndarray]) -> RunState:
    try:
        return RunState.from_parts(values, arrays)
    except (KeyError, ValueError) as error:
        raise Damaged(f"{path.name} is not a checkpoint ({error})") from None


def _read_values(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """(JSON values, arrays) of a checkpoint's file, of whatever version; Damaged if unreadable."""
    arrays, _ = _read(path)
    if "about" not in arrays:
        raise Damaged(f"{path.name} is not a checkpoint, though its checksum matches")
    return json.loads(str(arrays.pop("about"))), arrays


def _write(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """Write arrays behind a header with their SHA-256, which is returned."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # NumPy's types take one for allow_pickle
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    header = b"%s %s\n" % (_MAGIC, digest.encode())
    write_atomically(path, header + buffer.getbuffer(), sync=True)
    return digest


def _read(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """Read a file of `_write`: (arrays, SHA-256). Damaged if its bytes have changed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Damaged(f"{path.name} is missing") from None
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read ({error.strerror})") from None
    header, newline, payload = content.partition(b"\n")
    digest = hashlib.sha256(payload).hexdigest()
    if not newline or header != b"%s %s" % (_MAGIC, digest.encode()):
        raise Damaged(f"{path.name} is damaged or not a checkpoint (its checksum does not match)")
    try:
        with np.load(io.BytesIO(payload)) as archive:
            return dict(archive), digest
    except (ValueError, zipfile.BadZipFile) as error:
        raise Damaged(f"{path.name} is not a checkpoint ({error})") from None
