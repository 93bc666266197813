"""`export`: a run's learning curve for experiment trackers, after the fact."""

import csv
import math
import tempfile
from argparse import ArgumentParser, Namespace
from datetime import UTC
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from ddpg.commands.arguments import add_runs
from ddpg.errors import UserError, get_first_line
from ddpg.runs.directory import RunDirectory, check_distinct, format_seed_directory

if TYPE_CHECKING:
    import pandas as pd

    from ddpg.runs.record import Session

HELP = "write a run's learning curve for TensorBoard or as CSV"

TENSORBOARD, CSV = "tensorboard", "csv"
# Columns that identify the run or are an x-axis; not exported as series.
AXES = ("experiment", "seed", "env", "epoch", "env_interacts", "time")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "runs", "run directories, finished or not")
    parser.add_argument(
        "--format", required=True, choices=(TENSORBOARD, CSV),
        help="tensorboard: event files, by environment steps; csv: a row for each epoch",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("results/export"), metavar="DIR",
        help="write to DIR/EXPERIMENT/seed_SEED/ (default: results/export)",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Export each run; UserError, before anything is written, for one that cannot be read."""
    from ddpg.analysis.curves import read_config, read_run

    read = []
    for directory in options.runs:
        settings = read_config(directory)
        experiment, seed = RunDirectory(directory).read_experiment()
        target = options.output / experiment.name / format_seed_directory(seed)
        read.append((directory, read_run(directory), settings, target))
    check_distinct((directory, s["exp_name"], s["seed"]) for directory, _, s, _ in read)
    written = []
    try:
        for directory, curve, settings, target in read:
            target.mkdir(parents=True, exist_ok=True)
            if options.format == CSV:
                written.append(write_csv(curve, target))
            else:
                written.append(write_events(directory, curve, settings, target))
    finally:  # not in between: if nobody reads the output, printing ends the command
        for path in written:
            print(path)


def write_csv(curve: "pd.DataFrame", target: Path) -> Path:
    """Write `curve.csv`, the columns of `ddpg.api.read_run`; a missing value is empty."""
    from ddpg.analysis.curves import make_whole
    from ddpg.analysis.tables import format_csv
    from ddpg.files import read_text, write_text

    path = target / "curve.csv"
    content = format_csv(make_whole(curve))
    if path.exists() and not _begin_alike(read_text(path), content):
        raise UserError(f"{path}: of another run of this seed; remove it, or give --output")
    write_text(path, content)
    return path


def _begin_alike(earlier: str, later: str) -> bool:
    """Whether two exports agree in the epochs of both, but for the times.

    A run that was killed and resumed from an earlier checkpoint has other times, and may have fewer
    epochs.
    """
    tables = [list(csv.reader(text.splitlines())) for text in (earlier, later)]
    rows = zip(*tables, strict=False)
    own = [name != "time" for name in tables[1][0]]
    return all(list(compress(a, own)) == list(compress(b, own)) for a, b in rows)


def write_events(directory: Path, curve: "pd.DataFrame", settings: dict, target: Path) -> Path:
    """Write an event file of TensorBoard; returns its path, which is the same each time.

    Missing statistics are left out. The time of an event is the end of its epoch.
    """
    from ddpg.files import write_atomically

    started = find_start_time(directory, curve)
    name = f"events.out.tfevents.{int(started)}.seed_{settings['seed']}"
    others = [path for path in target.glob("events.out.tfevents.*") if path.name != name]
    if others:  # TensorBoard would draw both as one curve
        raise UserError(f"{others[0]}: of another run of this seed; remove it, or give --output")
    write_atomically(target / name, _encode_events(curve, settings, started))
    return target / name


def find_start_time(directory: Path, curve: "pd.DataFrame") -> float:
    """When the run began, in seconds since 1970.

    For an unfinished run by its checkpoint and, where that has none, by the age of progress.txt.
    """
    run = RunDirectory(directory)
    sessions = _read_sessions(run)
    if sessions:
        return sessions[0].started.astimezone(UTC).timestamp()
    last = curve["time"].iloc[-1]
    written = run.progress_path.stat().st_mtime
    return written - (0.0 if math.isnan(last) else last)


def _read_sessions(run: RunDirectory) -> "tuple[Session, ...]":
    """The sessions of a run, finished or not; none if nothing has recorded them."""
    from ddpg.runs.checkpoint import read_newest_state

    if record := run.read_finished():
        return record.sessions
    state = read_newest_state(run.checkpoint_path)
    return state.sessions if state else ()


def _encode_events(curve: "pd.DataFrame", settings: dict, started: float) -> bytes:
    from ddpg.core.tensorflow import tf  # takes seconds to import

    event, summary = tf.compat.v1.Event, tf.compat.v1.Summary
    text = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="text")
    )
    rows = "\n".join(f"| {key} | {value} |" for key, value in sorted(settings.items()))
    table = tf.make_tensor_proto([f"| key | value |\n| --- | --- |\n{rows}"], tf.string)
    configuration = summary.Value(tag="configuration", metadata=text, tensor=table)
    events = [
        event(wall_time=started, file_version="brain.Event:2"),
        event(wall_time=started, summary=summary(value=[configuration])),
    ]
    series = [column for column in curve.columns if column not in AXES]
    for row in curve.to_dict("records"):
        values = [
            summary.Value(tag=make_tag(column), simple_value=row[column])
            for column in series
            if not math.isnan(row[column])
        ]
        seconds = 0.0 if math.isnan(row["time"]) else row["time"]
        events.append(
            event(
                wall_time=started + seconds,
                step=int(row["env_interacts"]),
                summary=summary(value=values),
            )
        )
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "events")
        try:
            with tf.io.TFRecordWriter(str(path)) as file:
                for one in events:
                    file.write(one.SerializeToString())
        except tf.errors.OpError as error:
            reason = get_first_line(error)
            raise UserError(f"{reason}; free space in {temporary}, or set TMPDIR") from None
        return path.read_bytes()


def make_tag(column: str) -> str:
    """The series' name in TensorBoard, which groups by what is before the slash."""
    return column.replace("_", "/", 1)
