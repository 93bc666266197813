"""`status`: what every run below a directory is doing."""

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ddpg.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

HELP = "show what every run is doing"

# The columns of a terminal in which names of usual length and a progress bar have room.
WIDTH_WITH_BAR = 110
REFRESH = 2.0  # seconds between two tables of --watch


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "directory", nargs="?", type=Path, default=Path("results/runs"), metavar="DIR",
        help="where to look for runs (default: results/runs)",
    )  # fmt: skip
    parser.add_argument("--watch", action="store_true", help="refresh until Ctrl-C")


def run(options: Namespace) -> None:
    """Print the status of each run, with --watch until Ctrl-C."""
    print_statuses(options.directory, options.watch)


def make_table(root: Path, width: int) -> "Table":
    """The statuses below `root` as a table for a terminal of `width` columns.

    In a narrow terminal names take several lines, and there is no progress bar.
    """
    from rich import box
    from rich.markup import escape
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    from ddpg.progress import format_duration
    from ddpg.runs.status import FAILED, FINISHED, INTERRUPTED, RUNNING, survey_runs

    styles = {RUNNING: "cyan", FINISHED: "green", INTERRUPTED: "yellow", FAILED: "red"}
    statuses, skipped = survey_runs(root)
    counts = {state: sum(s.state == state for s in statuses) for state in styles}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    drawn = Table(
        box=box.SIMPLE,
        title=f"{escape(str(root))}: {summary or 'no runs yet'}",
        title_justify="left",
    )
    drawn.add_column("experiment", overflow="fold", min_width=10)
    for heading in ("seed", "epoch", "steps/s", "return", "left"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    drawn.add_column("state", no_wrap=True)
    with_bar = width >= WIDTH_WITH_BAR
    if with_bar:
        drawn.add_column("progress")
    for s in statuses:
        bar = [ProgressBar(total=s.epochs, completed=s.epoch, width=12)] if with_bar else []
        drawn.add_row(
            escape(s.experiment),
            str(s.seed),
            f"{s.epoch}/{s.epochs}",
            "-" if s.speed is None else f"{s.speed:,.0f}",
            "-" if s.test_return is None else f"{s.test_return:,.1f}",
            "-" if s.seconds_left is None else format_duration(s.seconds_left),
            f"[{styles[s.state]}]{s.state}",
            *bar,
        )
    if skipped:
        drawn.caption, drawn.caption_justify = escape("\n".join(skipped)), "left"
    return drawn


def print_statuses(root: Path, watch: bool = False) -> None:
    """Print the table; with `watch`, again every REFRESH seconds until Ctrl-C.

    UserError with `watch` where standard output is not a terminal, which alone can replace a table.
    """
    from rich.live import Live

    from ddpg.progress import make_console

    console = make_console()
    if not watch:
        console.print(make_table(root, console.width))
        return
    if not sys.stdout.isatty():
        raise UserError("--watch: standard output is not a terminal; leave --watch out")
    try:
        if not root.exists():
            console.print(f"waiting for the first run in {root}", markup=False)
        while not root.exists():
            time.sleep(REFRESH)
        with Live(make_table(root, console.width), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(REFRESH)
                live.update(make_table(root, console.width), refresh=True)
    except KeyboardInterrupt:
        return
