"""Edit the files of a finished run."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path


def edit_record(run: Path, change: Callable[[dict], None]) -> None:
    """Change run.json: `change` edits what is in it, in place."""
    record = json.loads((run / "run.json").read_text())
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def edit_result_file(run: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Change a result file, and run.json so that the checksums match."""
    before = (run / name).read_bytes()
    content = change(before)
    assert content != before
    (run / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    edit_record(run, lambda record: record["files"].update({name: digest}))


def copy_as_arithmetic_1(run: Path, target: Path) -> Path:
    """Copy a finished run as version 1 of the arithmetic would have left it; returns `target`."""
    shutil.copytree(run, target)
    (target / "state_digests.txt").unlink()

    def change(record):
        del record["files"]["state_digests.txt"]
        record["identity"]["arithmetic_version"] = 1

    edit_record(target, change)
    return target
