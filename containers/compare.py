"""Compare two images file by file: list the differences; exit code 1 if there are any.

python containers/compare.py A.sif B.sif

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
    listed = subprocess.run(
        ["apptainer", "sif", "list", image], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"^(\d+)\s.*\|FS \(Squashfs", listed, re.MULTILINE)
    if found is None:
        raise ValueError(f"{image}: no Squashfs file system")
    squashed = root.with_suffix(".squashfs")
    with open(squashed, "wb") as file:
        subprocess.run(["apptainer", "sif", "dump", found[1], image], check=True, stdout=file)
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-dest", root, squashed], check=True)
    return root


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
    sys.exit(main(*sys.argv[1:]))
