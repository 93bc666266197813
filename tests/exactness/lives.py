"""Training processes that can be killed at a chosen moment, and whose bytes can be compared.

A server process imports TensorFlow's files once, without starting its runtime (which must not be
forked), and every life is forked from it: to start one costs its compilation and no import.
"""

import importlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tensorflow", "gymnasium", "mujoco", "rich.progress"])


@dataclass(frozen=True)
class Call:
    """The moment before the `number`-th call of `target` (module:name) in a process."""

    target: str
    number: int = 1

    def arm(self, number: int) -> None:
        """Send this process the signal then."""
        module, _, name = self.target.partition(":")
        owner = importlib.import_module(module)
        *classes, name = name.split(".")
        for part in classes:
            owner = getattr(owner, part)
        function, calls = getattr(owner, name), 0

        def counted(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == self.number:
                os.kill(os.getpid(), number)
            return function(*arguments, **options)

        setattr(owner, name, counted)


@dataclass(frozen=True)
class Step:
    """The moment `delay` seconds after the run has come to step `step`, whatever it does then."""

    step: int
    delay: float

    def arm(self, number: int) -> None:
        """Send this process the signal then."""
        from ddpg.core.training import Training

        take, armed = Training.step, False

        def wait() -> None:
            time.sleep(self.delay)
            os.kill(os.getpid(), number)

        def counted(run, action):
            nonlocal armed
            if run.steps >= self.step and not armed:
                armed = True
                threading.Thread(target=wait, daemon=True).start()
            return take(run, action)

        Training.step = counted


def live(arguments: list[str], log: Path, moment=None, number=signal.SIGKILL) -> int:
    """Run one command in a process of its own; returns its exit code, -9 where it was killed.

    At `moment`, if given, it gets the signal `number`. What it prints goes to the end of `log`.
    """
    process = _context.Process(target=_live, args=(arguments, log, moment, number))
    process.start()
    process.join()
    return process.exitcode


def _live(arguments, log, moment, number) -> None:
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # where the tests themselves run under nohup
    from ddpg.cli import main

    if moment:
        moment.arm(number)
    code = main(arguments)
    sys.stdout.flush()
    sys.exit(code)


def results(directory: Path) -> dict:
    """Everything of a finished run that must be the same for the same seed.

    Which is all but the times: in progress.txt's last column, and in most of run.json.
    """
    about = json.loads((directory / "run.json").read_text())
    lines = (directory / "progress.txt").read_bytes().splitlines()
    return {
        "progress.txt": [line.rpartition(b"\t")[0] for line in lines],
        "weights": about["weights_sha256"],
        **{
            name: (directory / name).read_bytes()
            for name in ("test_episodes.csv", "state_digests.txt", "policy.npz", "config.json")
        },
    }


def times(directory: Path) -> list[float]:
    """The column `Time` of progress.txt."""
    heading, *rows = (directory / "progress.txt").read_text().splitlines()
    assert heading.split("\t")[-1] == "Time"
    return [float(row.split("\t")[-1]) for row in rows]
