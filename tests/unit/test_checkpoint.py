"""Checkpoints of synthetic arrays: exact, incremental, and safe against damaged files."""

import dataclasses
import errno
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.fake_disk import FakeDisk
from helpers.make_state import (
    IDENTITY,
    add_transitions,
    make_replay,
    make_state,
    save_checkpoint,
    save_two_checkpoints,
)

from ddpg.core.replay import ReplayBuffer
from ddpg.errors import Interrupted, UserError
from ddpg.runs import checkpoint
from ddpg.runs.checkpoint import Checkpoints, Damaged


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoint")


def accept(identity):
    pass


def load(checkpoints):
    """The steps of the newest undamaged checkpoint, after checking its whole content."""
    replay = make_replay()
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
    expected = make_replay(steps)
    assert replay.added == expected.added
    for got, wanted in zip(replay.data, expected.data, strict=True):
        np.testing.assert_array_equal(got[: len(replay)], wanted[: len(replay)])
    return steps


def files(checkpoints):
    return {path.name: path.read_bytes() for path in checkpoints.directory.iterdir()}


@pytest.mark.parametrize("parts", [[10], [10, 7, 20], [30, 30, 30], [50, 50], [49, 1, 1], [20, 90]])
def test_save_and_load_round_trip_with_a_wrapping_replay_buffer(checkpoints, parts):
    replay = make_replay()
    for part in parts:
        add_transitions(replay, part)
        save_checkpoint(checkpoints, replay)
        assert load(checkpoints) == replay.added


def test_resumed_run_saves_further_checkpoints(checkpoints):
    replay = make_replay()
    for _ in range(12):
        add_transitions(replay, 13)
        save_checkpoint(checkpoints, replay)
        checkpoints, replay = Checkpoints(checkpoints.directory), make_replay()
        checkpoints.load(replay, accept)
    assert load(checkpoints) == 12 * 13


def test_save_writes_only_new_transitions(checkpoints):
    replay, before = make_replay(), {}
    for _ in range(20):
        add_transitions(replay, 10)
        save_checkpoint(checkpoints, replay)
        now = files(checkpoints)
        kept = now.keys() & before.keys()
        assert all(now[name] == before[name] for name in kept)
        assert sorted(now.keys() - before.keys()) == [
            f"replay_{replay.added - 10:010d}_{replay.added:010d}",
            f"state_{replay.added:010d}",
        ]
        before = now
    # The two newest checkpoints, and only the replay segments that they refer to.
    assert sum(name.startswith("state_") for name in now) == 2
    assert sum(name.startswith("replay_") for name in now) == replay.size // 10 + 1


def test_saving_a_step_twice_keeps_the_previous_checkpoint(checkpoints):
    replay = make_replay(10)
    save_checkpoint(checkpoints, replay)
    add_transitions(replay, 10)
    save_checkpoint(checkpoints, replay)
    save_checkpoint(checkpoints, replay)
    (checkpoints.directory / "state_0000000020").unlink()
    assert load(checkpoints) == 10


@pytest.mark.parametrize("which", [0, 1])
def test_any_flipped_bit_is_detected(checkpoints, caplog, which):
    path = save_two_checkpoints(checkpoints)[which]
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
def test_truncated_file_is_detected(checkpoints, which):
    path = save_two_checkpoints(checkpoints)[which]
    good = path.read_bytes()
    for length in range(0, len(good), 19):
        path.write_bytes(good[:length])
        assert load(checkpoints) == 10
    path.write_bytes(good + b"\n")
    assert load(checkpoints) == 10


@pytest.mark.parametrize("which", [0, 1])
def test_missing_file_is_detected(checkpoints, caplog, which):
    path = save_two_checkpoints(checkpoints)[which]
    path.unlink()
    assert load(checkpoints) == 10
    if which == 1:
        assert f"{path.name} is missing" in caplog.text


def test_replay_file_of_another_run_is_detected(checkpoints, tmp_path, caplog):
    """Whole, with a checksum that matches, of the same name, but not the one saved with it."""
    _, part = save_two_checkpoints(checkpoints)
    other, replay = Checkpoints(tmp_path / "other"), make_replay()
    for i in range(20):
        replay.add([0, 0], [0], i, [0, 0], 0)
        if i in (9, 19):
            save_checkpoint(other, replay)
    part.write_bytes((other.directory / part.name).read_bytes())
    assert load(checkpoints) == 10
    assert f"{part.name} is not the file that this checkpoint was saved with" in caplog.text


@pytest.mark.parametrize("content", [b"", b"hello\n", b"ddpg checkpoint", None, "part"])
def test_files_that_are_not_checkpoints_are_skipped(checkpoints, caplog, content):
    _, part = save_two_checkpoints(checkpoints)
    stray = checkpoints.directory / "state_9999999999"
    if content is None:
        stray.mkdir()
    else:
        stray.write_bytes(part.read_bytes() if content == "part" else content)
    assert load(checkpoints) == 20
    assert str(stray) in caplog.text


def test_damage_to_a_file_that_both_checkpoints_need_is_reported(checkpoints):
    save_two_checkpoints(checkpoints)
    (checkpoints.directory / "replay_0000000000_0000000010").write_bytes(b"both need this part")
    replay = make_replay()
    with pytest.raises(Damaged, match="checkpoint: every checkpoint is damaged"):
        checkpoints.load(replay, accept)
    assert len(replay) == 0


def test_damage_after_a_restored_part_leaves_the_buffer_empty(checkpoints):
    _, part = save_two_checkpoints(checkpoints)
    part.write_bytes(b"")
    (checkpoints.directory / "state_0000000010").unlink()
    replay = make_replay()
    with pytest.raises(Damaged):
        checkpoints.load(replay, accept)
    assert len(replay) == 0


def test_unreadable_disk_is_not_treated_as_damage(checkpoints, monkeypatch):
    """It may read another time: that must not be the reason to start from the beginning."""
    save_two_checkpoints(checkpoints)
    read = Path.read_bytes

    def failing(path):
        if path.name.startswith("replay_0000000000"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(Interrupted, match=r"cannot be read \(Input/output error\); check the"):
        checkpoints.load(make_replay(), accept)
    monkeypatch.undo()
    assert load(checkpoints) == 20


def test_a_newer_format_is_refused(checkpoints, monkeypatch):
    replay = make_replay(10)
    save_checkpoint(checkpoints, replay)
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    add_transitions(replay, 10)
    save_checkpoint(checkpoints, replay)
    monkeypatch.undo()
    before = files(checkpoints)
    with pytest.raises(UserError, match="state_0000000020: written by a newer version"):
        checkpoints.load(make_replay(), accept)
    assert files(checkpoints) == before


def test_checkpoint_of_arithmetic_version_1_is_refused_and_kept(checkpoints, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 1)
    save_checkpoint(checkpoints, make_replay(10))
    monkeypatch.undo()
    before = files(checkpoints)
    with pytest.raises(UserError, match=r"\(checkpoint format 1, .* revision 2b12505 of this"):
        checkpoints.load(make_replay(), accept)
    assert files(checkpoints) == before


def test_refused_checkpoint_does_not_change_the_replay_buffer(checkpoints):
    """Another experiment's transitions may not even fit into it."""
    save_two_checkpoints(checkpoints)
    replay, seen = ReplayBuffer(5, 3, 2), []

    def refuse(identity):
        seen.append(identity.seed)
        raise UserError("another experiment")

    with pytest.raises(UserError, match="another experiment"):
        checkpoints.load(replay, refuse)
    assert seen == [20]
    assert replay.added == 0


def test_full_disk_leaves_only_the_last_checkpoint(checkpoints, monkeypatch):
    save_two_checkpoints(checkpoints)
    before, disk, failures = files(checkpoints), FakeDisk(monkeypatch), 0
    replay = make_replay(20)
    checkpoints = Checkpoints(checkpoints.directory)
    checkpoints.load(replay, accept)
    add_transitions(replay, 10)
    while True:
        disk.asked, disk.full_at = 0, failures + 1
        try:
            save_checkpoint(checkpoints, replay)
            break
        except OSError:
            failures += 1
            # After the rename, only the sync of the directory can still fail.
            new = files(checkpoints).keys() - before.keys()
            assert new <= {"state_0000000030", "replay_0000000020_0000000030"}
            assert {name: files(checkpoints)[name] for name in before} == before
            assert load(checkpoints) in (20, 30)
    assert failures == 2 * 5, "open, write, sync, rename, sync the directory; for two files"
    assert load(checkpoints) == 30


def test_files_are_synced_before_others_refer_to_them(checkpoints, monkeypatch):
    """Written, then named, then referred to; and what it replaces goes last."""
    disk, replay = FakeDisk(monkeypatch), make_replay()
    expected = [("sync", checkpoints.directory.parent.name)]
    for end in (60, 120, 180):  # more than the buffer's size, so older segments are deleted
        add_transitions(replay, 60)
        save_checkpoint(checkpoints, replay)
        for name in (f"replay_{end - 50:010d}_{end:010d}", f"state_{end:010d}"):
            expected += [("sync", f".{name}.tmp"), ("rename", name), ("sync", "checkpoint")]
    expected += [("delete", "state_0000000060"), ("delete", "replay_0000000010_0000000060")]
    assert [(what, re.sub(r"\.\d+\.tmp", ".tmp", name)) for what, name in disk.events] == expected


def test_remove_keeps_foreign_files(checkpoints):
    save_two_checkpoints(checkpoints)
    (checkpoints.directory / ".state_0000000030.123.tmp").write_bytes(b"a killed save's")
    mine = {"notes.txt", "replay_buffer.pkl", "state_dict.pt", "state_0000000010.bak", ".notes.tmp"}
    for name in mine:
        (checkpoints.directory / name).write_text("mine")
    assert load(checkpoints) == 20
    checkpoints.remove()
    assert {path.name for path in checkpoints.directory.iterdir()} == mine
    assert not checkpoints.exist()
    for name in mine:
        (checkpoints.directory / name).unlink()
    checkpoints.remove()
    assert not checkpoints.directory.exists()


def test_file_format_matches_its_description(checkpoints):
    """A header with the SHA-256 of the NumPy archive after it, as a stranger would read it."""
    state, _ = save_two_checkpoints(checkpoints)
    header, _, payload = state.read_bytes().partition(b"\n")
    assert header.startswith(b"ddpg checkpoint ")
    with np.load(io.BytesIO(payload)) as archive:
        about = json.loads(str(archive["about"]))
    assert about["format"] == checkpoint.FORMAT
    assert [part["end"] for part in about["replay"]] == [10, 20]
