"""Atomic file writes, names of files, JSON, and checksums."""

import contextlib
import errno
import hashlib
import json
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ddpg.errors import UserError

if TYPE_CHECKING:
    import numpy as np

# A disk that is full, over quota, failing or unreachable: the same write can succeed later.
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ESTALE}


def write_atomically(path: Path, content: bytes, sync: bool = False) -> None:
    """Write `content` under a temporary name and rename it to `path`.

    With `sync`, the content is on the disk before the rename. If that fails, as on a full disk,
    `path` keeps its old content, and the OSError's filename is `path`. A symbolic link is kept and
    its target written. A device or pipe, which a rename would replace, is written directly.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    if path.is_symlink():
        path = Path(os.path.realpath(path))  # unlike `resolve`, also where links form a loop
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
    if sync:
        sync_directory(path.parent)


def parse_temporary_name(name: str) -> str | None:
    """The file that `write_atomically` writes under a temporary name; None for any other name."""
    match = re.fullmatch(r"\.(.+)\.[0-9]+\.tmp", name)
    return match[1] if match else None


def encode_file_name(text: str) -> str:
    """The file whose name is `text` in UTF-8, also under a locale of another encoding."""
    return os.fsdecode(text.encode())


def sync_directory(directory: Path) -> None:
    """Sync a directory, so that renames in it are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync directories
            raise
    finally:
        os.close(descriptor)


def list_directory(path: Path) -> list[Path]:
    """The sorted paths in a directory, none if there is no such directory.

    UserError if it cannot be read; `Path.glob` would leave out what is in it.
    """
    try:
        return sorted(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        refuse_unreadable(error)


def refuse_unreadable(error: OSError) -> NoReturn:
    """UserError for a file or directory that cannot be read."""
    raise UserError(
        f"{error.filename}: cannot be read: {error.strerror}; check its permissions"
    ) from None


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; UserError if it may not be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError as error:
        refuse_unreadable(error)


def name_source(table: Path) -> Path:
    """The file beside an imported table that says where it is from, with its checksum."""
    return table.with_name(f"{table.name}.source.json")


def encode_json(value: dict | list) -> bytes:
    """`value` as indented JSON; ValueError for a number that is not finite."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all, making the directory if need be."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())


def write_json(path: Path | str, value: dict | list) -> None:
    """Write indented JSON as `write_text` does; ValueError for a number that is not finite."""
    write_text(path, encode_json(value).decode())


def read_text(path: Path | str) -> str:
    """Read a UTF-8 text; UserError if the file is missing, unreadable or not in UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not in UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def load_arrays(path: Path) -> dict[str, "np.ndarray"]:
    """Load the arrays of an .npz file; ValueError if it is something else or damaged.

    FileNotFoundError if it does not exist.
    """
    import numpy as np  # takes a tenth of a second, and `--help` does without

    try:
        with open(path, "rb") as file:
            if file.read(4) not in (b"PK\3\4", b"PK\5\6"):  # NumPy would take it for a pickle
                raise ValueError("not an .npz archive")
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except FileNotFoundError:
        raise
    # zipfile raises RuntimeError for encrypted members, and its subclass NotImplementedError for
    # compression methods, flags and versions that it does not support.
    except (OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from None


def read_json(path: Path) -> dict:
    """Read a JSON object; UserError if the file is missing or holds something else."""
    text = read_text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON file of this package ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON file of this package (a list or value, no object)")
    return value
