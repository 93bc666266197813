"""Reading archives of arrays."""

import io

import numpy as np
import pytest

from ddpg.files import load_arrays


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
        pytest.param(ARCHIVE[:-10], id="truncated"),
        pytest.param(set_flag(0), id="encrypted"),
        pytest.param(set_flag(5), id="patched data"),
        pytest.param(write_archive(a=np.array([{}], dtype=object)), id="pickled objects"),
    ],
)
def test_other_files_raise_value_error(tmp_path, content):
    (tmp_path / "file.npz").write_bytes(content)
    with pytest.raises(ValueError):
        load_arrays(tmp_path / "file.npz")


def test_missing_file_raises_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "file.npz")
