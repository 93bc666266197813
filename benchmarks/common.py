"""What the benchmarks share: the core they run on, workers that take turns on it, CSV files.

Nothing here imports this package or NumPy before it is needed: importing this package pins the
kernels of the whole process, and what it is compared with runs with the processor's own.

Seconds are a process's CPU time. On one core that is the time that passes, less what something else
on that core takes meanwhile.
"""

import contextlib
import csv
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config.yaml"

LARGE, SMALL = "halfcheetah-benchmark", "spinup-exercise-2-2"


def experiment(name: str, **overrides):
    """An Experiment of config.yaml, with some values replaced."""
    from ddpg import config

    return config.experiment(config.read(CONFIG), name, overrides)


def pin(core: int | None = None) -> int:
    """Keep this process and those it starts on one core: the last one it may use, or `core`."""
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


def native_environment() -> dict[str, str]:
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

    def __init__(self, setup: Callable, *args, native: bool = False):
        environment = native_environment()  # imports this package, which pins the kernels
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

    def result(self):
        """Wait for the segment that was begun and return what it measured."""
        return self.connection.recv()

    def measure(self):
        """Do one segment and return what it measured."""
        self.start()
        return self.result()

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.join()


def take_turns(workers: dict[str, Worker], rounds: int) -> Iterable[tuple[int, str, object]]:
    """(round, name, measurement) of every worker in every round; every other round backwards.

    The first, unreported round warms them up: compiling, first touches of memory.
    """
    for round_ in range(rounds + 1):
        for name in list(workers)[:: 1 if round_ % 2 else -1]:
            measured = workers[name].measure()
            if round_:
                yield round_, name, measured


def training_segments(name: str, steps: int, directory: Path, tests: bool, **overrides):
    """Set up a run of experiment `name`; returns a function that trains `steps` steps more.

    It returns the seconds that they took: acting, environment, replay, updates, logging and, with
    `tests`, the experiment's share of test episodes. The policy acts from the first step.
    """
    from threadpoolctl import threadpool_limits

    from ddpg.core.training import train_epochs
    from ddpg.runs.logger import Logger
    from ddpg.training import make_training

    threadpool_limits(1)
    base = experiment(name)
    share = max(1, round(base.num_test_episodes * steps / base.steps_per_epoch))
    settings = {
        "steps_per_epoch": steps,
        "epochs": 1_000_000,
        "start_steps": 0,
        "num_test_episodes": share,
    }
    run = make_training(experiment(name, **settings, **overrides), 0)
    logger = Logger(directory, name, 0)
    if not tests:
        _skip_evaluation()

    def segment() -> float:
        start = time.process_time()
        for result in train_epochs(run, run.steps // steps + 1):
            logger.add_epoch(result, 0.0)
        return time.process_time() - start

    segment.run, segment.logger = run, logger
    return segment


def _skip_evaluation() -> None:
    """Let this process's training loop play no test episodes."""
    import numpy as np

    from ddpg.core import training

    training.evaluate_policy = lambda *_: (np.zeros(1), np.zeros(1, np.int64))


def median_and_range(values: Iterable[float], digits: int = 2) -> str:
    """`median (lowest to highest)`."""
    values = sorted(values)
    low, middle, high = (f"{v:,.{digits}f}" for v in (values[0], median(values), values[-1]))
    return f"{middle} ({low} to {high})"


median = statistics.median


def write(name: str, rows: list[dict]) -> None:
    """Write rows to benchmarks/results/`name`.csv."""
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows
        )


def read(name: str) -> list[dict[str, str]]:
    """The rows of benchmarks/results/`name`.csv, as text."""
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _serve(connection, setup: Callable, args: tuple) -> None:
    segment = setup(*args)
    connection.send("ready")
    with contextlib.suppress(EOFError):
        while connection.recv():
            connection.send(segment())
