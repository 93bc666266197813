"""Run a command in a subprocess that gets a signal at a chosen moment.

A server process imports TensorFlow's files once, without starting its runtime (which must not be
forked). Each subprocess is forked from it, so that it starts without importing TensorFlow.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from helpers.checkout import ROOT

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tensorflow", "gymnasium", "mujoco", "rich.progress"])


@dataclass(frozen=True)
class AtCall:
    """The moment before the `number`-th call of `target` (module:name) in a process."""

    target: str
    number: int = 1

    def arm(self, kill_signal: signal.Signals) -> None:
        """Make this process send itself the signal at that moment."""
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
                os.kill(os.getpid(), kill_signal)
            return function(*arguments, **options)

        setattr(owner, name, counted)


@dataclass(frozen=True)
class AfterStep:
    """The moment `delay` seconds after the run has taken `step` environment steps."""

    step: int
    delay: float

    def arm(self, kill_signal: signal.Signals) -> None:
        """Make this process send itself the signal at that moment."""
        from ddpg.core.training import Training

        take, armed = Training.step, False

        def wait() -> None:
            time.sleep(self.delay)
            os.kill(os.getpid(), kill_signal)

        def counted(run, action):
            nonlocal armed
            if run.steps >= self.step and not armed:
                armed = True
                threading.Thread(target=wait, daemon=True).start()
            return take(run, action)

        Training.step = counted


def run_in_subprocess(
    arguments: list[str],
    log: Path,
    kill_at: AtCall | AfterStep | None = None,
    kill_signal: signal.Signals = signal.SIGKILL,
) -> int:
    """Run `python -m ddpg` with `arguments`; the exit code, minus the signal's number if killed.

    The process gets `kill_signal` at the moment `kill_at`. Its output is appended to `log`.
    """
    process = _context.Process(target=_run, args=(arguments, log, kill_at, kill_signal))
    process.start()
    process.join()
    return process.exitcode


def _run(arguments, log, kill_at, kill_signal) -> None:
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have set it to be ignored
    from ddpg.cli import main

    if kill_at:
        kill_at.arm(kill_signal)
    code = main(arguments)
    sys.stdout.flush()
    sys.exit(code)
