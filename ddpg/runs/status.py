"""The status of runs: how far each is, how fast, and whether a process trains it now."""

import dataclasses
from pathlib import Path

from ddpg.errors import UserError
from ddpg.runs.directory import CONFIG, COPY, PROGRESS, RunDirectory, is_named_for
from ddpg.runs.progress_table import parse_progress
from ddpg.runs.typed_json import from_json, read_dataclass
from ddpg.runs.walk import walk_visible

RUNNING, FINISHED, INTERRUPTED, FAILED = "running", "finished", "interrupted", "failed"
# The current speed is measured between the last epoch and RECENT - 1 epochs before it.
RECENT = 5


@dataclasses.dataclass(frozen=True)
class _Settings:
    """The keys that are read of a run's config.json, this package's or Spinning Up's."""

    exp_name: str
    seed: int
    epochs: int
    steps_per_epoch: int


@dataclasses.dataclass(frozen=True)
class Status:
    """One run: epochs done, speed (steps/s), last evaluation, and whether a process trains it."""

    experiment: str
    seed: int
    state: str
    epoch: int
    epochs: int
    speed: float | None
    test_return: float | None
    seconds_left: float | None


def survey_runs(root: Path) -> tuple[list[Status], list[str]]:
    """(the status of each run below `root`, by experiment and seed; why others are skipped).

    There is one line for each skipped directory. UserError if `root` is not a directory.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such directory; give the one that holds the runs")
    found: list[Status] = []
    skipped: list[str] = []

    def skip(error: OSError) -> None:
        skipped.append(f"skipped: {error.filename}: {error.strerror}")

    for run in sorted(path for path, names in walk_visible(root, skip) if _holds_run(path, names)):
        try:
            status = read_status(run)
        except UserError as error:
            skipped.append(f"skipped: {error}")
            continue
        if status is None:
            skipped.append(f"{run}: skipped: {RunDirectory(run).explain_no_policy()}")
        elif is_named_for(run, status.seed):
            found.append(status)
        else:
            skipped.append(f"{run}: skipped: not named seed_{status.seed}")
    return sorted(found, key=lambda status: (status.experiment, status.seed)), skipped


def _holds_run(directory: Path, names: set[str]) -> bool:
    # Snakemake deletes a failed job's declared files, but neither its checkpoint nor the copy.
    return CONFIG in names or COPY in names or RunDirectory(directory).has_checkpoint()


def read_status(directory: Path) -> Status | None:
    """The status of the run in `directory`; None if neither files nor a checkpoint can be read.

    UserError for the directory of another program.
    """
    found = _read_settings_and_rows(directory)
    if found is None:
        return None
    settings, rows = found
    epoch = int(rows[-1]["Epoch"]) if rows else 0
    speed = None
    if rows:
        first = rows[max(0, len(rows) - RECENT)]
        steps = epoch * settings.steps_per_epoch
        seconds = rows[-1]["Time"]
        if len(rows) > 1:
            steps -= int(first["TotalEnvInteracts"])
            seconds -= first["Time"]
        speed = steps / seconds if seconds > 0 else None
    state = _determine_state(RunDirectory(directory))
    left = (settings.epochs - epoch) * settings.steps_per_epoch
    return Status(
        experiment=settings.exp_name,
        seed=settings.seed,
        state=state,
        epoch=epoch,
        epochs=settings.epochs,
        speed=speed,
        test_return=rows[-1]["AverageTestEpRet"] if rows else None,
        seconds_left=left / speed if speed and state != FINISHED else None,
    )


def _read_settings_and_rows(directory: Path) -> tuple[_Settings, list[dict[str, float]]] | None:
    """config.json and progress.txt or, if missing, their copy or what the checkpoint has."""
    run = RunDirectory(directory)
    for place in (run, run.copy):
        if place.config_path.exists():
            return read_dataclass(_Settings, place.config_path, CONFIG), place.read_progress()
    from ddpg.runs.checkpoint import read_newest_state

    state = read_newest_state(run.checkpoint_path)
    if state is None:
        return None
    identity = state.identity
    config = identity.config | {"exp_name": identity.experiment, "seed": identity.seed}
    table = "".join(f"{line}\n" for line in state.tables[PROGRESS])
    return from_json(_Settings, config), parse_progress(table, run.checkpoint_path)


def _determine_state(run: RunDirectory) -> str:
    if run.record_path.exists():
        return FINISHED
    if run.is_claimed():
        return RUNNING
    if run.failure_path.exists():
        return FAILED
    if run.copy.record_path.exists():
        return FINISHED
    return INTERRUPTED if run.has_checkpoint() else FAILED
