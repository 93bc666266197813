"""Compare two images file by file: list the differences; exit code 1 if there are any.

python containers/compare.py A.sif B.sif

Exit code 2 if one of them cannot be read.

Compares every file's path, type, permissions, contents and link target, but not its times, and all
of Apptainer's own metadata except the label with the build date.
"""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

LABELS = ".singularity.d/labels.json"
BUILD_DATE = "org.label-schema.build-date"


def list_contents(root: Path) -> dict[str, tuple]:
    """The files under `root`: relative path -> (type and permissions, digest or link target)."""
    found = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = Path(directory, name)
            mode = path.lstat().st_mode
            what = ""
            if path.is_symlink():
                what = str(path.readlink())
            elif stat.S_ISREG(mode):
                what = hashlib.sha256(read_data(path, path.relative_to(root))).hexdigest()[:16]
            found[str(path.relative_to(root))] = (stat.filemode(mode), what)
    return found


def read_data(path: Path, name: Path) -> bytes:
    """A file's bytes; of the image's labels, without the build date."""
    if str(name) != LABELS:
        return path.read_bytes()
    labels = json.loads(path.read_text())
    labels.pop(BUILD_DATE, None)
    return json.dumps(labels, sort_keys=True).encode()


def find_differences(one: dict, two: dict) -> list[str]:
    """The paths at which two images' contents differ, sorted."""
    return sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))


def unpack(image: str, root: Path) -> Path:
    """Unpack an Apptainer image's file system into `root`, which it returns."""
    listed = run(image, "apptainer", "sif", "list", image)
    found = re.search(rb"^(\d+)\s.*\|FS \(Squashfs", listed, re.MULTILINE)
    if found is None:
        raise UnreadableImage(f"{image}: not an Apptainer image with a Squashfs file system")
    squashed = root.with_suffix(".squashfs")
    with open(squashed, "wb") as file:
        run(image, "apptainer", "sif", "dump", found[1].decode(), image, stdout=file)
    run(image, "unsquashfs", "-quiet", "-no-progress", "-dest", str(root), str(squashed))
    return root


class UnreadableImage(Exception):
    """An image that cannot be unpacked, in one line."""


def run(image: str, *command: str, stdout: IO | int = subprocess.PIPE) -> bytes:
    """The output of a command that reads an image; UnreadableImage if it fails."""
    try:
        return subprocess.run(command, check=True, stdout=stdout, stderr=subprocess.PIPE).stdout
    except FileNotFoundError:
        raise UnreadableImage(f"{command[0]}: not installed; it reads the images") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        raise UnreadableImage(f"{image}: cannot be read ({reason})") from None


def main(first: str, second: str) -> int:
    with tempfile.TemporaryDirectory() as directory:
        one, two = (
            list_contents(unpack(image, Path(directory, name)))
            for name, image in (("first", first), ("second", second))
        )
    found = find_differences(one, two)
    for path in found:
        print(path, *(" ".join(files.get(path, ("missing",))) for files in (one, two)), sep="\n  ")
    print(f"{len(one.keys() | two.keys()):,} files, {len(found):,} of them different")
    return bool(found)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: compare.py A.sif B.sif", file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(main(*sys.argv[1:]))
    except UnreadableImage as error:
        print(error, file=sys.stderr)
        sys.exit(2)
