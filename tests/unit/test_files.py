"""Writing whole files, and reading archives of arrays."""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from ddpg.files import load_arrays, write_atomically, write_text


@pytest.mark.parametrize("target", ["target.csv", "elsewhere/target.csv"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_kept_and_its_target_written(tmp_path, target, exists):
    (tmp_path / target).parent.mkdir(exist_ok=True)
    if exists:
        (tmp_path / target).write_text("old")
    (tmp_path / "link").symlink_to(target)
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").readlink() == Path(target)
    assert (tmp_path / target).read_text() == "new"
    assert not [*tmp_path.rglob("*.tmp")]


def test_a_pipe_is_written_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        read = []
        reader = threading.Thread(
            target=lambda read=read: read.append((tmp_path / "pipe").read_bytes()), daemon=True
        )
        reader.start()
        write_atomically(tmp_path / name, b"content", sync=True)
        assert (tmp_path / "pipe").is_fifo()
        assert (tmp_path / "link").is_symlink()
        reader.join()
        assert read == [b"content"]


def test_a_device_is_not_replaced(tmp_path):
    """Through a link, because without the fix root would replace the system's /dev/null."""
    (tmp_path / "null").symlink_to("/dev/null")
    write_text(tmp_path / "null", "text")
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "null").is_symlink()


def test_a_directory_is_not_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "out", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def write_archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def write_array(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


ARCHIVE = write_archive(a=np.arange(3))


def set_flag(bit):
    """ARCHIVE with one general-purpose flag set in the first entry of its ZIP directory."""
    content = bytearray(ARCHIVE)
    content[content.index(b"PK\x01\x02") + 8] ^= 1 << bit
    return bytes(content)


def test_arrays_are_loaded_by_name(tmp_path):
    (tmp_path / "file.npz").write_bytes(ARCHIVE)
    arrays = load_arrays(tmp_path / "file.npz")
    assert list(arrays) == ["a"]
    np.testing.assert_array_equal(arrays["a"], [0, 1, 2])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"text", id="text"),
        pytest.param(write_array(np.arange(3)), id="a single array"),
        pytest.param(write_array(np.arange(3)) + ARCHIVE, id="an array before an archive"),
        pytest.param(b"x" + ARCHIVE[1:], id="damaged start"),
        pytest.param(ARCHIVE[:-10], id="truncated"),
        pytest.param(set_flag(0), id="encrypted"),
        pytest.param(set_flag(5), id="patched data"),
        pytest.param(write_archive(a=np.array([{}], dtype=object)), id="pickled objects"),
    ],
)
def test_other_files_raise_value_error(tmp_path, content):
    (tmp_path / "file.npz").write_bytes(content)
    with pytest.raises(ValueError) as error:
        load_arrays(tmp_path / "file.npz")
    assert "you can load it unsafely" not in str(error.value)


def test_missing_file_raises_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "file.npz")
