"""A copy of the project to run Snakemake in, equal to a fresh clone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.snakemake_log import parse_training_jobs

ROOT = Path(__file__).parent.parent.parent


class Checkout:
    """A directory with the project's files and nothing generated."""

    def __init__(self, directory: Path, without: str = "nothing"):
        """Copy the files but those below `without`."""
        self.directory = directory
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists() and not name.startswith(f"{without}/"):
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, directory / name, follow_symlinks=False)

    @classmethod
    def at(cls, directory: Path) -> "Checkout":
        """The checkout that is in a directory already."""
        checkout = cls.__new__(cls)
        checkout.directory = directory
        return checkout

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake in a new process group, as a terminal does."""
        return subprocess.Popen(
            self.command(*arguments), cwd=self.directory, text=True, start_new_session=True,
            env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def snakemake(self, *arguments: str, expect: int = 0) -> str:
        """Run Snakemake; its output, standard error included."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=900)
        assert process.returncode == expect, output
        return output

    def run(self, command: str, expect: int = 0) -> str:
        """Run a command as the README lists it, with this environment as .venv; its output."""
        venv = self.directory / ".venv"
        if not venv.exists():
            venv.mkdir()
            (venv / "bin").symlink_to(Path(sys.executable).parent)
            for lock in ("cpu", "dev"):
                (venv / lock).touch()
        path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command.split(), cwd=self.directory, text=True, timeout=900,
            env=clean_environment() | {"PATH": path, "CORES": "2"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout
        return done.stdout

    def plan_training(self, *arguments: str) -> list[tuple[str, str, str]]:
        """(collection, experiment, seed) of each training job that a dry run plans, sorted."""
        return parse_training_jobs(self.snakemake("--dry-run", *arguments))


def clean_environment() -> dict[str, str]:
    """This process's variables without what a test run adds."""
    added = ("PYTEST", "MAKE", "MFLAGS", "APPTAINER_USERNS")
    return {k: v for k, v in os.environ.items() if not k.startswith(added)}


def find_training_process(run: Path) -> int:
    """The process that trains in the directory `run`, in a container or not.

    It is the one that holds the run's lock open; a container may call that file by another name.
    """
    lock = run / ".lock"
    for files in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(file.samefile(lock) for file in files.iterdir() if file.exists()):
                return int(files.parent.name)
        except OSError:
            continue
    raise AssertionError(f"no process holds {lock}")
