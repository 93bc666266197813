"""What the benchmarks share: the core they run on, interleaved workers on it, CSV files.

Nothing here imports this package or NumPy before it is needed: importing this package pins the
kernels of the whole process, and what it is compared with runs with the processor's own.

Seconds are a process's CPU time. On one core that is the time that passes, less what something else
on that core takes meanwhile.
"""

import contextlib
import csv
import json
import multiprocessing
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ddpg.config import Experiment
    from ddpg.core.training import Training
    from ddpg.runs.logger import Logger

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config.yaml"

LARGE, SMALL = "halfcheetah-benchmark", "spinup-exercise-2-2"


def read_experiment(name: str, **overrides: object) -> "Experiment":
    """An Experiment of config.yaml, with some values replaced."""
    from ddpg import config

    return config.resolve_experiment(config.read(CONFIG), name, overrides)


def pin(core: int | None = None) -> int:
    """Keep this process and those it starts on one core: the last one it may use, or `core`."""
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


def make_native_environment() -> dict[str, str]:
    """The environment without the variables by which this package, or anyone, chooses kernels."""
    from ddpg import kernels

    chosen = {*kernels.VARIABLES, *kernels.UNSET, kernels.CAP_VARIABLE}
    native = {name: value for name, value in os.environ.items() if name not in chosen}
    native.pop("XLA_FLAGS", None)
    if flags := kernels.list_user_xla_flags():
        native["XLA_FLAGS"] = " ".join(flags)
    return native


class Worker:
    """A process that sets itself up once and then does one measured segment when asked.

    `setup(*args)` runs in the process and returns the segment: a function without arguments that
    returns what it measured. With `native` the process starts with the processor's own kernels,
    else with those that this package pins.
    """

    def __init__(self, setup: Callable[..., Callable[[], Any]], *args: Any, native: bool = False):
        environment = make_native_environment()  # imports this package, which pins the kernels
        pinned = dict(os.environ)
        if native:
            os.environ.clear()
            os.environ.update(environment)
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, setup, args), daemon=True)
        self.process.start()
        os.environ.clear()
        os.environ.update(pinned)
        theirs.close()
        self.connection.recv()

    def start(self) -> None:
        """Begin a segment."""
        self.connection.send("segment")

    def result(self) -> Any:
        """Wait for the segment that was begun and return what it measured."""
        return self.connection.recv()

    def measure(self) -> Any:
        """Do one segment and return what it measured."""
        self.start()
        return self.result()

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.join()


class JsonProcess:
    """A separate process that answers a first time by itself, then each line of its stdin.

    An answer is a line of JSON on its stdout.
    """

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path | None = None):
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first_answer = self._read()

    def ask(self, line: str) -> Any:
        """Send a line and return the answer."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _read(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args}: ended with {self.process.wait()}")
        return json.loads(line)


class Measured(Protocol):
    """A process that measures something each time it is asked to."""

    def measure(self) -> Any:
        """What it measured."""


def interleave(workers: Mapping[str, Measured], rounds: int) -> Iterator[tuple[int, str, Any]]:
    """(round, name, measurement) of every worker in every round; every other round backwards.

    The first, unreported round warms them up: compiling, first touches of memory.
    """
    for round_ in range(rounds + 1):
        for name in list(workers)[:: 1 if round_ % 2 else -1]:
            measured = workers[name].measure()
            if round_:
                yield round_, name, measured


@dataclass(frozen=True)
class TrainingSegment:
    """A run that trains one segment, which is an epoch, at each call of `train`."""

    run: "Training"
    logger: "Logger"

    def train(self) -> float:
        """Train a segment; returns the seconds that it took."""
        from ddpg.core.training import train_epochs

        start = time.process_time()
        finished = self.run.steps // self.run.experiment.steps_per_epoch
        for result in train_epochs(self.run, finished + 1):
            self.logger.add_epoch(result, 0.0)
        return time.process_time() - start


def make_training_segment(
    name: str, steps: int, directory: Path, evaluation: bool, **overrides: object
) -> TrainingSegment:
    """A segment of `steps` steps of experiment `name`. The policy acts from the first step.

    It includes acting, environment, replay, updates, logging and, with `evaluation`, the
    experiment's share of evaluation episodes.
    """
    from threadpoolctl import threadpool_limits

    from ddpg.runs.logger import Logger
    from ddpg.training import make_training

    threadpool_limits(1)
    base = read_experiment(name)
    share = max(1, round(base.num_test_episodes * steps / base.steps_per_epoch))
    settings = {
        "steps_per_epoch": steps,
        "epochs": 1_000_000,
        "start_steps": 0,
        "num_test_episodes": share,
    }
    run = make_training(read_experiment(name, **settings, **overrides), 0)
    if not evaluation:
        _skip_evaluation()
    return TrainingSegment(run, Logger(directory, name, 0))


def _skip_evaluation() -> None:
    """Let this process's training loop play no evaluation episodes."""
    import numpy as np

    from ddpg.core import training

    training.evaluate_policy = lambda *_: (np.zeros(1), np.zeros(1, np.int64))


def format_median_and_range(values: Iterable[float], digits: int = 2) -> str:
    """`median (lowest to highest)`."""
    values = sorted(values)
    low, middle, high = (f"{v:,.{digits}f}" for v in (values[0], median(values), values[-1]))
    return f"{middle} ({low} to {high})"


median = statistics.median


def write_table(name: str, rows: list[dict]) -> None:
    """Write rows to benchmarks/results/`name`.csv."""
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of benchmarks/results/`name`.csv, as text."""
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _serve(connection, setup: Callable, args: tuple) -> None:
    segment = setup(*args)
    connection.send("ready")
    with contextlib.suppress(EOFError):
        while connection.recv():
            connection.send(segment())
