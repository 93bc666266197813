"""What every run of a directory is doing, at a glance."""

import dataclasses
import time
from pathlib import Path

from rich import box
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from ddpg import run_directory
from ddpg.errors import UserError
from ddpg.logger import PROGRESS
from ddpg.progress import console, duration
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
    if not root.is_dir():
        raise UserError(f"{root}: no such directory; give the one that holds the runs")
    runs = {path.parent for path in root.rglob(run_directory.CONFIG)}
    # Snakemake deletes a failed job's declared files, but not its checkpoint.
    runs |= {path.parent.parent for path in root.rglob(f"{run_directory.CHECKPOINT}/state_*")}
    found = [of(run) for run in runs if not run.name.startswith(run_directory.SET_ASIDE)]
    return sorted(filter(None, found), key=lambda status: (status.experiment, status.seed))


def of(directory: Path) -> Status | None:
    """The status of the run in `directory`; None where neither files nor checkpoint can be read."""
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
    """What config.json and progress.txt say or, without the former, the newest checkpoint."""
    path = directory / run_directory.CONFIG
    if path.exists():
        return read_record(_Settings, path), run_directory.progress(directory)
    from ddpg.checkpoint import read_newest_state

    state = read_newest_state(directory / run_directory.CHECKPOINT)
    if state is None:
        return None
    identity = state.identity
    config = identity.config | {"exp_name": identity.experiment, "seed": identity.seed}
    return from_json(_Settings, config), run_directory.rows(state.tables[PROGRESS])


def table(statuses: list[Status], root: Path) -> Table:
    """The statuses as a table for a terminal."""
    counts = {state: sum(s.state == state for s in statuses) for state in STYLES}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    drawn = Table(box=box.SIMPLE, title=f"{root}: {summary or 'no runs yet'}", title_justify="left")
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
    return drawn


def show(root: Path, watch: bool = False, every: float = 2.0) -> None:
    """Print the table; with `watch`, again every `every` seconds until Ctrl-C."""
    if not watch:
        console().print(table(find(root), root))
        return
    while not root.is_dir():  # the first run may not have begun
        time.sleep(every)
    try:
        with Live(table(find(root), root), console=console(), auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(table(find(root), root), refresh=True)
    except KeyboardInterrupt:
        return


def _state(directory: Path) -> str:
    if (directory / run_directory.RUN).exists():
        return FINISHED
    if run_directory.is_claimed(directory):
        return RUNNING
    if (directory / run_directory.FAILURE).exists():
        return FAILED
    resumable = any((directory / run_directory.CHECKPOINT).glob("state_*"))
    return INTERRUPTED if resumable else FAILED
