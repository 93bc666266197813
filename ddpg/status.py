"""What every run of a directory is doing, at a glance."""

import dataclasses
import time
from pathlib import Path

from rich import box
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from ddpg import run_directory
from ddpg.errors import UserError
from ddpg.logger import PROGRESS
from ddpg.progress import console, duration
from ddpg.runs.kept_results import KEPT
from ddpg.runs.typed_json import from_json, read_record

RUNNING, FINISHED, INTERRUPTED, FAILED = "running", "finished", "interrupted", "failed"
STYLES = {RUNNING: "cyan", FINISHED: "green", INTERRUPTED: "yellow", FAILED: "red"}
# Epochs over which the speed is averaged: the newest say how fast it is now.
RECENT = 5


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What is read of a run's config.json, this package's or Spinning Up's."""

    exp_name: str
    seed: int
    epochs: int
    steps_per_epoch: int


@dataclasses.dataclass(frozen=True)
class Status:
    """One run: how far it is (in epochs), how fast (steps/s), how good, and whether it lives."""

    experiment: str
    seed: int
    state: str
    epoch: int
    epochs: int
    speed: float | None
    test_return: float | None
    seconds_left: float | None


def find(root: Path) -> list[Status]:
    """The status of each run below `root`, by experiment and seed."""
    return _survey(root)[0]


def _survey(root: Path) -> tuple[list[Status], list[str]]:
    """What `find` returns, and for each other directory with a run's files why it is none."""
    if not root.is_dir():
        raise UserError(f"{root}: no such directory; give the one that holds the runs")
    runs = {path.parent for path in root.rglob(run_directory.CONFIG)}
    # Snakemake deletes a failed job's declared files, but neither its checkpoint nor the copy.
    runs |= {path.parent.parent for path in root.rglob(f"{run_directory.CHECKPOINT}/state_*")}
    runs |= {path.parent for path in root.rglob(KEPT)}
    found, passed_over = [], []
    for run in sorted(run for run in runs if run_directory.is_visible(run, root)):
        try:
            status = of(run)
        except UserError as error:
            passed_over.append(f"passed over: {error}")
            continue
        if status and run_directory.is_named_for(run, status.seed):
            found.append(status)
        elif status:
            passed_over.append(f"{run}: passed over, for it is not named seed_{status.seed}")
    return sorted(found, key=lambda status: (status.experiment, status.seed)), passed_over


def of(directory: Path) -> Status | None:
    """The status of the run in `directory`; None where neither files nor checkpoint can be read.

    UserError for a directory of another program.
    """
    found = _settings_and_rows(directory)
    if found is None:
        return None
    settings, rows = found
    epoch = int(rows[-1]["Epoch"]) if rows else 0
    speed = None
    if rows:
        first = rows[max(0, len(rows) - RECENT)]
        steps = epoch * settings.steps_per_epoch
        seconds = float(rows[-1]["Time"])
        if len(rows) > 1:
            steps -= int(first["TotalEnvInteracts"])
            seconds -= float(first["Time"])
        speed = steps / seconds if seconds > 0 else None
    state = _state(directory)
    left = (settings.epochs - epoch) * settings.steps_per_epoch
    return Status(
        experiment=settings.exp_name,
        seed=settings.seed,
        state=state,
        epoch=epoch,
        epochs=settings.epochs,
        speed=speed,
        test_return=float(rows[-1]["AverageTestEpRet"]) if rows else None,
        seconds_left=left / speed if speed and state != FINISHED else None,
    )


def _settings_and_rows(directory: Path) -> tuple[_Settings, list[dict]] | None:
    """What config.json and progress.txt say or, without the former, their copy or checkpoint."""
    for place in (directory, directory / KEPT):
        path = place / run_directory.CONFIG
        if path.exists():
            return read_record(_Settings, path), run_directory.progress(place)
    from ddpg.checkpoint import read_newest_state

    state = read_newest_state(directory / run_directory.CHECKPOINT)
    if state is None:
        return None
    identity = state.identity
    config = identity.config | {"exp_name": identity.experiment, "seed": identity.seed}
    return from_json(_Settings, config), run_directory.rows(state.tables[PROGRESS])


def table(root: Path) -> Table:
    """The statuses below `root` as a table for a terminal."""
    statuses, passed_over = _survey(root)
    counts = {state: sum(s.state == state for s in statuses) for state in STYLES}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    drawn = Table(
        box=box.SIMPLE,
        title=f"{escape(str(root))}: {summary or 'no runs yet'}",
        title_justify="left",
    )
    for heading in ("experiment", "seed", "epoch", "progress", "steps/s", "test return", "left"):
        drawn.add_column(
            heading, justify="left" if heading in ("experiment", "progress") else "right"
        )
    drawn.add_column("state")
    for s in statuses:
        drawn.add_row(
            s.experiment,
            str(s.seed),
            f"{s.epoch}/{s.epochs}",
            ProgressBar(total=s.epochs, completed=s.epoch, width=12),
            "-" if s.speed is None else f"{s.speed:,.0f}",
            "-" if s.test_return is None else f"{s.test_return:,.1f}",
            "-" if s.seconds_left is None else duration(s.seconds_left),
            f"[{STYLES[s.state]}]{s.state}",
        )
    if passed_over:
        drawn.caption, drawn.caption_justify = escape("\n".join(passed_over)), "left"
    return drawn


def show(root: Path, watch: bool = False, every: float = 2.0) -> None:
    """Print the table; with `watch`, again every `every` seconds until Ctrl-C."""
    if not watch:
        console().print(table(root))
        return
    while not root.is_dir():  # the first run may not have begun
        time.sleep(every)
    try:
        with Live(table(root), console=console(), auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(table(root), refresh=True)
    except KeyboardInterrupt:
        return


def _state(directory: Path) -> str:
    if (directory / run_directory.RUN).exists():
        return FINISHED
    if run_directory.is_claimed(directory):
        return RUNNING
    if (directory / run_directory.FAILURE).exists():
        return FAILED
    if (directory / KEPT / run_directory.RUN).exists():
        return FINISHED
    resumable = any((directory / run_directory.CHECKPOINT).glob("state_*"))
    return INTERRUPTED if resumable else FAILED
