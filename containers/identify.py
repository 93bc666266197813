"""Describe an image as JSON: identify.py VERSION REVISION, run in the image by install.sh.

`id` is a digest of the image's contents: the Debian packages, the files of the Python packages as
listed in their RECORD, and the workflow. So builds of equal contents have the same id, as Docker
and as Apptainer images, and a run can record it without reading a gigabyte.
"""

import hashlib
import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path


def compute_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def list_contents() -> list[str]:
    """One line for each package and each file of the workflow, sorted."""
    debian = subprocess.run(
        ["dpkg-query", "--show"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    python = [
        f"{package.name} {compute_digest((package.read_text('RECORD') or '').encode())}"
        for package in metadata.distributions()
    ]
    workflow = [
        f"{path} {compute_digest(path.read_bytes())}"
        for path in Path().rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    return sorted([f"python {platform.python_version()}", *debian, *python, *workflow])


version, revision = sys.argv[1:]
environment = Path(sys.prefix)
image = {
    "id": "sha256:" + compute_digest("\n".join(list_contents()).encode()),
    "variant": (environment / "variant").read_text().strip(),
    "version": version,
    "revision": revision,
    "lock": compute_digest((environment / "lock.txt").read_bytes()),
}
print(json.dumps(image, indent=2))
