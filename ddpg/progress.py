"""Show the progress of training: a bar on a terminal, one line per epoch elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ddpg.config import Experiment
from ddpg.stopping import discard_closed_terminals

log = logging.getLogger(__name__)

# Called after each epoch with the number of steps taken, how many of them this process has taken
# (others were before it resumed the run), and the new row of progress.txt.
Report = Callable[[int, int, dict[str, float]], None]


@contextlib.contextmanager
def show_progress(experiment: Experiment, seed: int) -> Iterator[Report]:
    """Yields `report(steps, new, row)`, to be called after each epoch."""
    started = time.perf_counter()
    title = f"{experiment.name} seed {seed}"

    def describe(steps: int, new: int, row: dict[str, float]) -> tuple[str, str, str]:
        speed = new / (time.perf_counter() - started)
        left = (experiment.total_steps - steps) / speed
        return f"{row['AverageTestEpRet']:.1f}", f"{speed:,.0f}", format_duration(left)

    if not sys.stderr.isatty():

        def report(steps: int, new: int, row: dict[str, float]) -> None:
            test_return, speed, left = describe(steps, new, row)
            log.info(
                "%s: epoch %d/%d, test return %s, %s steps/s, %s left",
                title, row["Epoch"], experiment.epochs, test_return, speed, left,
            )  # fmt: skip

        yield report
        return

    columns = [
        "{task.description}",
        "{task.fields[speed]} steps/s",
        "test return {task.fields[ret]}",
    ]
    bar = Progress(
        TextColumn(columns[0]), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"),
        *map(TextColumn, columns[1:]), TextColumn("{task.fields[left]} left"),
        console=Console(stderr=True),
    )  # fmt: skip
    with bar:
        task = bar.add_task(title, total=experiment.epochs, speed="-", ret="-", left="-")

        def report(steps: int, new: int, row: dict[str, float]) -> None:
            discard_closed_terminals()  # under nohup, training continues after the terminal closes
            test_return, speed, left = describe(steps, new, row)
            bar.update(task, completed=row["Epoch"], speed=speed, ret=test_return, left=left)

        yield report


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a broken pipe to `ddpg.cli.main`; rich would exit with 1."""
        raise BrokenPipeError


def make_console(**options: Any) -> Console:
    """A console for tables: as wide as the terminal; 130 columns without one.

    `options` are those of rich's Console.
    """
    return _Console(**{"width": None if sys.stdout.isatty() else 130} | options)


def format_duration(seconds: float) -> str:
    """Seconds as 1 h 02 min, 3 min 04 s or 5 s."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
