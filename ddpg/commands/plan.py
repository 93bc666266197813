"""`plan`: what training every experiment would cost, measured on the published runs."""

from argparse import ArgumentParser, Namespace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from ddpg import config
from ddpg.commands.arguments import add_config
from ddpg.config import Settings
from ddpg.runs.directory import RECORD, RunDirectory, read_records
from ddpg.runs.published import published_files
from ddpg.runs.record import RunRecord

HELP = "what training all experiments would cost"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--published", nargs="*", type=Path, metavar="RUN",
        help="published run directories, to measure by (default: results/published/*/seed_* beside "
        "the configuration)",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Print the plan of every experiment of the configuration."""
    published = options.published
    if published is None:
        published = find_published(Path(options.config[0]).parent)
    print_plan(config.read(*options.config), published)


def estimate_costs(settings: Settings, published: list[Path]) -> list[dict]:
    """One row per experiment: `runs`, and per experiment `core_hours`; `memory` and `disk` a run.

    Medians over the published runs of the experiment, in hours, bytes and bytes; None where none
    is published.
    """
    rows = []
    published_records = read_records(published)
    for name in settings["experiments"]:
        experiment = config.experiment(settings, name)
        own = [run for run, record in published_records.items() if record.experiment == name]
        records = [published_records[run] for run in own]
        row: dict[str, Any] = {
            "experiment": name,
            "runs": len(experiment.seeds),
            "measured": len(own),
        }
        row |= dict.fromkeys(("core_hours", "memory", "disk"))
        if own:
            hours = experiment.total_steps / median(map(_steps_per_second, own)) / 3600
            row["core_hours"] = hours * len(experiment.seeds)
            row["memory"] = median(record.peak_memory_bytes for record in records)
            row["disk"] = median(map(_disk, own, records))
        rows.append(row)
    return rows


def find_published(root: Path) -> list[Path]:
    """The published run directories of the project in `root`."""
    return sorted(path.parent for path in root.glob(f"results/published/*/seed_*/{RECORD}"))


def _disk(run: Path, record: RunRecord) -> int:
    return sum((run / name).stat().st_size for name in published_files(record))


def _steps_per_second(run: Path) -> float:
    """The speed of the run's median epoch, robust to other load on the machine."""
    start = {"TotalEnvInteracts": "0", "Time": "0"}
    rows = [start, *RunDirectory(run).read_progress()]

    def change(column: str, a: dict[str, str], b: dict[str, str]) -> float:
        return float(b[column]) - float(a[column])

    return median(
        change("TotalEnvInteracts", a, b) / change("Time", a, b) for a, b in pairwise(rows)
    )


def print_plan(settings: Settings, published: list[Path]) -> None:
    """Print the costs as a table, with the processors that they were measured on."""
    from rich import box
    from rich.table import Table

    from ddpg.progress import console

    table = Table(
        box=box.SIMPLE, title="What training every experiment costs", title_justify="left"
    )
    for heading in (
        "experiment",
        "runs",
        "core hours",
        "memory a run",
        "disk a run",
        "measured on",
    ):
        table.add_column(heading, justify="left" if heading == "experiment" else "right")
    rows = estimate_costs(settings, published)
    for row in rows:
        known = row["measured"] > 0
        table.add_row(
            row["experiment"],
            str(row["runs"]),
            f"{row['core_hours']:,.2f}" if known else "unknown",
            f"{row['memory'] / 1e9:.2f} GB" if known else "unknown",
            f"{row['disk'] / 1e6:.2f} MB" if known else "unknown",
            f"{row['measured']} of them published" if known else "none published",
        )
    out = console()
    out.print(table)
    total = sum(row["core_hours"] or 0 for row in rows)
    unknown = [row["experiment"] for row in rows if row["core_hours"] is None]
    models = {RunDirectory(run).read_record().machine.cpu.model for run in published}
    out.print(
        f"{total:,.1f} core hours on one core each of {', '.join(sorted(models)) or 'no machine'}"
        + (f", and an unknown number for {', '.join(unknown)}" if unknown else "")
    )
