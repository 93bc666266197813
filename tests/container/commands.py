"""Run commands, and say so where the programs for them are missing."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from checkout import ROOT

# Root with less than all of root's rights cannot mount an image; in a namespace of its own it can.
if os.geteuid() == 0:
    os.environ["APPTAINER_USERNS"] = "1"


def need(*programs: str) -> None:
    """Skip, or fail in CI, unless one of the programs is there."""
    if not any(map(shutil.which, programs)):
        reason = f"no {' and no '.join(programs)} here; the README says how to install it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def make(target: str) -> None:
    """Run make; test processes side by side wait for each other."""
    with open(Path(tempfile.gettempdir(), f"ddpg-make-{os.getuid()}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("make", target, cwd=ROOT)


def run(*command, cwd: Path, expect: int = 0, env: dict | None = None) -> str:
    """Run a command; its output, standard error included."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout
    return done.stdout
