"""Run commands: make, Apptainer, Buildah."""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

from helpers.checkout import ROOT

# Root without all capabilities cannot mount an image, except in a user namespace.
if os.geteuid() == 0:
    os.environ["APPTAINER_USERNS"] = "1"


def make(target: str) -> None:
    """Run make; test processes that want the same target wait for each other."""
    lock = Path(tempfile.gettempdir(), f"ddpg-make-{target}-{os.getuid()}.lock")
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run("make", target, cwd=ROOT)


# Buildah copies itself into memory at each start and seals the copy, which fails while the kernel
# still uses it.
NOT_STARTED = "sealing memfd copy: Device or resource busy"


def run(*command, cwd: Path, expect: int = 0, env: dict | None = None) -> str:
    """Run a command, again where Buildah could not start; its output, standard error included."""
    for _ in range(5):
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if NOT_STARTED not in done.stdout:
            break
    assert done.returncode == expect, done.stdout
    return done.stdout


def list_isolation_options(directory: Path) -> list:
    """Options of Apptainer that hide everything of the host but a working directory."""
    return ["--containall", "--no-home", "--bind", directory, "--pwd", directory]
