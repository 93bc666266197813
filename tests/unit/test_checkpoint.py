"""Checkpoints of made-up arrays: exact, incremental, and never fooled by what happens to files."""

import dataclasses
import errno
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from disk import Disk
from helpers.states import IDENTITY, make_state

from ddpg import checkpoint
from ddpg.checkpoint import Checkpoints, Damaged
from ddpg.core.replay import ReplayBuffer
from ddpg.errors import Interrupted, UserError

SIZE = 50


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoint")


def add(replay, count):
    """Add transitions whose every number is their own."""
    for i in range(replay.added, replay.added + count):
        replay.add([i, i + 0.1], [i + 0.2], i + 0.3, [i + 0.4, i + 0.5], i % 2)


def buffer(transitions=0, size=SIZE):
    replay = ReplayBuffer(size, 2, 1)
    add(replay, transitions)
    return replay


def save(checkpoints, replay):
    identity = dataclasses.replace(IDENTITY, seed=replay.added)
    checkpoints.save(make_state(identity, replay.added), replay)


def accept(identity):
    pass


def load(checkpoints):
    """The steps of the newest good checkpoint, once everything in it was found to be right."""
    replay = buffer()
    state = Checkpoints(checkpoints.directory).load(replay, accept)
    steps = state.snapshot.steps
    wanted = make_state(dataclasses.replace(IDENTITY, seed=steps), steps)
    for name, value in vars(wanted.snapshot).items():
        got = getattr(state.snapshot, name)
        for a, b in zip(got, value, strict=True) if name == "agent" else [(got, value)]:
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_equal(a, b)
    for name in ("identity", "sessions", "seconds", "tables"):
        assert getattr(state, name) == getattr(wanted, name)
    expected = buffer(steps)
    assert replay.added == expected.added
    for got, wanted in zip(replay.data, expected.data, strict=True):
        np.testing.assert_array_equal(got[: len(replay)], wanted[: len(replay)])
    return steps


def files(checkpoints):
    return {path.name: path.read_bytes() for path in checkpoints.directory.iterdir()}


@pytest.mark.parametrize("parts", [[10], [10, 7, 20], [30, 30, 30], [50, 50], [49, 1, 1], [20, 90]])
def test_what_is_saved_is_loaded_whatever_the_ring_does(checkpoints, parts):
    replay = buffer()
    for part in parts:
        add(replay, part)
        save(checkpoints, replay)
        assert load(checkpoints) == replay.added


def test_a_resumed_run_saves_on(checkpoints):
    replay = buffer()
    for _ in range(12):
        add(replay, 13)
        save(checkpoints, replay)
        checkpoints, replay = Checkpoints(checkpoints.directory), buffer()
        checkpoints.load(replay, accept)
    assert load(checkpoints) == 12 * 13


def test_only_what_is_new_is_written(checkpoints):
    replay, before = buffer(), {}
    for _ in range(20):
        add(replay, 10)
        save(checkpoints, replay)
        now = files(checkpoints)
        kept = now.keys() & before.keys()
        assert all(now[name] == before[name] for name in kept)
        assert sorted(now.keys() - before.keys()) == [
            f"replay_{replay.added - 10:010d}_{replay.added:010d}",
            f"state_{replay.added:010d}",
        ]
        before = now
    # The two newest, and the parts of the buffer that they need and no older.
    assert sum(name.startswith("state_") for name in now) == 2
    assert sum(name.startswith("replay_") for name in now) == SIZE // 10 + 1


def test_the_same_step_saved_twice_leaves_the_checkpoint_before_it(checkpoints):
    replay = buffer(10)
    save(checkpoints, replay)
    add(replay, 10)
    save(checkpoints, replay)
    save(checkpoints, replay)
    (checkpoints.directory / "state_0000000020").unlink()
    assert load(checkpoints) == 10


def two(checkpoints):
    """Save after 10 and after 20 transitions; returns the newer one's own two files."""
    replay = buffer(10)
    save(checkpoints, replay)
    add(replay, 10)
    save(checkpoints, replay)
    return [checkpoints.directory / n for n in ("state_0000000020", "replay_0000000010_0000000020")]


@pytest.mark.parametrize("which", [0, 1])
def test_a_flipped_bit_anywhere_is_noticed(checkpoints, caplog, which):
    path = two(checkpoints)[which]
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        path.write_bytes(bad)
        caplog.clear()
        assert load(checkpoints) == 10
        assert f"{path.name} is damaged" in caplog.text
        assert "trying the checkpoint before it" in caplog.text
    path.write_bytes(good)
    assert load(checkpoints) == 20


@pytest.mark.parametrize("which", [0, 1])
def test_a_lost_end_is_noticed(checkpoints, which):
    path = two(checkpoints)[which]
    good = path.read_bytes()
    for length in range(0, len(good), 19):
        path.write_bytes(good[:length])
        assert load(checkpoints) == 10
    path.write_bytes(good + b"\n")
    assert load(checkpoints) == 10


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_file_is_noticed(checkpoints, caplog, which):
    path = two(checkpoints)[which]
    path.unlink()
    assert load(checkpoints) == 10
    if which == 1:
        assert f"{path.name} is missing" in caplog.text


def test_a_part_of_another_run_is_noticed(checkpoints, tmp_path, caplog):
    """Whole, with a checksum that matches, of the same name, but not the one saved with it."""
    _, part = two(checkpoints)
    other, replay = Checkpoints(tmp_path / "other"), buffer()
    for i in range(20):
        replay.add([0, 0], [0], i, [0, 0], 0)
        if i in (9, 19):
            save(other, replay)
    part.write_bytes((other.directory / part.name).read_bytes())
    assert load(checkpoints) == 10
    assert f"{part.name} is not the one that was saved with it" in caplog.text


@pytest.mark.parametrize("content", [b"", b"hello\n", b"ddpg checkpoint", None, "part"])
def test_what_is_no_checkpoint_is_passed_over(checkpoints, caplog, content):
    _, part = two(checkpoints)
    stray = checkpoints.directory / "state_9999999999"
    if content is None:
        stray.mkdir()
    else:
        stray.write_bytes(part.read_bytes() if content == "part" else content)
    assert load(checkpoints) == 20
    assert str(stray) in caplog.text


def test_damage_to_what_both_checkpoints_need(checkpoints):
    two(checkpoints)
    (checkpoints.directory / "replay_0000000000_0000000010").write_bytes(b"both need this part")
    replay = buffer()
    with pytest.raises(Damaged, match="checkpoint: no checkpoint there is undamaged"):
        checkpoints.load(replay, accept)
    assert len(replay) == 0


def test_damage_behind_a_part_that_was_restored_leaves_the_buffer_empty(checkpoints):
    _, part = two(checkpoints)
    part.write_bytes(b"")
    (checkpoints.directory / "state_0000000010").unlink()
    replay = buffer()
    with pytest.raises(Damaged):
        checkpoints.load(replay, accept)
    assert len(replay) == 0


def test_a_disk_that_does_not_read_is_not_a_damaged_checkpoint(checkpoints, monkeypatch):
    """It may read another time: that must not be the reason to start from the beginning."""
    two(checkpoints)
    read = Path.read_bytes

    def failing(path):
        if path.name.startswith("replay_0000000000"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(Interrupted, match=r"cannot be read \(Input/output error\); see to the"):
        checkpoints.load(buffer(), accept)
    monkeypatch.undo()
    assert load(checkpoints) == 20


def test_a_newer_format_is_refused(checkpoints, monkeypatch):
    replay = buffer(10)
    save(checkpoints, replay)
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    add(replay, 10)
    save(checkpoints, replay)
    monkeypatch.undo()
    before = files(checkpoints)
    with pytest.raises(UserError, match="state_0000000020: written by a newer version"):
        checkpoints.load(buffer(), accept)
    assert files(checkpoints) == before


def test_a_checkpoint_of_the_first_arithmetic_is_refused_and_kept(checkpoints, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 1)
    save(checkpoints, buffer(10))
    monkeypatch.undo()
    before = files(checkpoints)
    with pytest.raises(UserError, match="version 1 of the arithmetic.* revision 2b12505 of this"):
        checkpoints.load(buffer(), accept)
    assert files(checkpoints) == before


def test_a_refused_checkpoint_leaves_the_replay_buffer_alone(checkpoints):
    """Another experiment's transitions may not even fit into it."""
    two(checkpoints)
    replay, seen = ReplayBuffer(5, 3, 2), []

    def refuse(identity):
        seen.append(identity.seed)
        raise UserError("another experiment")

    with pytest.raises(UserError, match="another experiment"):
        checkpoints.load(replay, refuse)
    assert seen == [20]
    assert replay.added == 0


def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_else(checkpoints, monkeypatch):
    two(checkpoints)
    before, disk, failures = files(checkpoints), Disk(monkeypatch), 0
    replay = buffer(20)
    checkpoints = Checkpoints(checkpoints.directory)
    checkpoints.load(replay, accept)
    add(replay, 10)
    while True:
        disk.asked, disk.full_at = 0, failures + 1
        try:
            save(checkpoints, replay)
            break
        except OSError:
            failures += 1
            # Once the new file has its name, only its place in the directory is unsure.
            new = files(checkpoints).keys() - before.keys()
            assert new <= {"state_0000000030", "replay_0000000020_0000000030"}
            assert {name: files(checkpoints)[name] for name in before} == before
            assert load(checkpoints) in (20, 30)
    assert failures == 2 * 5, "open, write, sync, rename, sync the directory; for two files"
    assert load(checkpoints) == 30


def test_everything_is_on_the_disk_before_anything_needs_it(checkpoints, monkeypatch):
    """Written, then named, then referred to; and what it replaces goes last."""
    disk, replay = Disk(monkeypatch), buffer()
    expected = [("sync", checkpoints.directory.parent.name)]
    for end in (60, 120, 180):  # more than the buffer holds: each time, the part before it goes
        add(replay, 60)
        save(checkpoints, replay)
        for name in (f"replay_{end - 50:010d}_{end:010d}", f"state_{end:010d}"):
            expected += [("sync", f".{name}.tmp"), ("rename", name), ("sync", "checkpoint")]
    expected += [("delete", "state_0000000060"), ("delete", "replay_0000000010_0000000060")]
    assert [(what, re.sub(r"\.\d+\.tmp", ".tmp", name)) for what, name in disk.events] == expected


def test_removing_leaves_what_is_not_ours(checkpoints):
    two(checkpoints)
    (checkpoints.directory / ".state_0000000030.123.tmp").write_bytes(b"a killed save's")
    (checkpoints.directory / "notes.txt").write_text("mine")
    checkpoints.remove()
    assert [path.name for path in checkpoints.directory.iterdir()] == ["notes.txt"]
    assert not checkpoints.exist()
    (checkpoints.directory / "notes.txt").unlink()
    checkpoints.remove()
    assert not checkpoints.directory.exists()


def test_the_format_is_what_it_says(checkpoints):
    """A header with the SHA-256 of the NumPy archive after it, as a stranger would read it."""
    state, _ = two(checkpoints)
    header, _, payload = state.read_bytes().partition(b"\n")
    assert header.startswith(b"ddpg checkpoint ")
    with np.load(io.BytesIO(payload)) as archive:
        about = json.loads(str(archive["about"]))
    assert about["format"] == checkpoint.FORMAT
    assert [part["end"] for part in about["replay"]] == [10, 20]
