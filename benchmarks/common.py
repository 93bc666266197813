"""What the benchmarks share: the core they run on, workers that take turns on it, CSV files.

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

from ddpg import config

RESULTS = Path(__file__).parent / "results"
CONFIG = Path(__file__).parent.parent / "config.yaml"

LARGE, SMALL = "halfcheetah-benchmark", "spinup-exercise-2-2"


def experiment(name: str, **overrides) -> config.Experiment:
    """An experiment of config.yaml, with some values replaced."""
    return config.experiment(config.read(CONFIG), name, overrides)


def pin(core: int | None = None) -> int:
    """Keep this process and those it starts on one core: the last one it may use, or `core`."""
    core = max(os.sched_getaffinity(0)) if core is None else core
    os.sched_setaffinity(0, {core})
    return core


class Worker:
    """A process that sets itself up once and then does one measured segment when asked.

    `setup(*args)` runs in the process and returns the segment: a function without arguments that
    returns what it measured. `variables` are set in its environment before it imports anything.
    """

    def __init__(self, setup: Callable, *args):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, setup, args), daemon=True)
        self.process.start()
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
    import numpy as np
    from ddpg.run import Run
    from threadpoolctl import threadpool_limits

    from ddpg.training import Clock, Stop, loop

    threadpool_limits(1)
    base = experiment(name)
    share = max(1, round(base.num_test_episodes * steps / base.steps_per_epoch))
    settings = {
        "steps_per_epoch": steps,
        "epochs": 1_000_000,
        "start_steps": 0,
        "num_test_episodes": share,
    }
    run = Run(experiment(name, **settings, **overrides), 0, directory)
    if not tests:
        run.tests.run = lambda policy, rng: (np.zeros(1), np.zeros(1))

    def segment() -> float:
        start = time.process_time()
        loop(run, Clock(run), Stop(), run.steps // steps + 1, end_of_epoch=lambda row: None)
        return time.process_time() - start

    segment.run = run
    return segment


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
