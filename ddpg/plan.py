"""What training every experiment would cost, measured on the published runs."""

from itertools import pairwise
from pathlib import Path
from statistics import median

from rich import box
from rich.table import Table

from ddpg import config as configuration
from ddpg import run_directory
from ddpg.progress import console
from ddpg.publish import published_files
from ddpg.runs.record import RUN, RunRecord


def costs(config: dict, published: list[Path]) -> list[dict]:
    """One row per experiment: `runs`, and per experiment `core_hours`; `memory` and `disk` a run.

    Medians over the published runs of the experiment, in hours, bytes and bytes; None where none
    is published.
    """
    rows = []
    recorded = run_directory.read_records(published)
    for name in config["experiments"]:
        experiment = configuration.experiment(config, name)
        own = [run for run, record in recorded.items() if record.experiment == name]
        records = [recorded[run] for run in own]
        row = {"experiment": name, "runs": len(experiment.seeds), "measured": len(own)}
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
    return sorted(path.parent for path in root.glob(f"results/published/*/seed_*/{RUN}"))


def _disk(run: Path, record: RunRecord) -> int:
    return sum((run / name).stat().st_size for name in published_files(record))


def _steps_per_second(run: Path) -> float:
    """The speed of the run's median epoch: what shared its core for a while counts little."""
    rows = [{"TotalEnvInteracts": 0, "Time": 0}, *run_directory.progress(run)]

    def change(column: str, a: dict, b: dict) -> float:
        return float(b[column]) - float(a[column])

    return median(
        change("TotalEnvInteracts", a, b) / change("Time", a, b) for a, b in pairwise(rows)
    )


def show(config: dict, published: list[Path]) -> None:
    """Print the costs as a table, with the processors that they were measured on."""
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
    rows = costs(config, published)
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
    models = {RunRecord.read(run / RUN).machine.cpu.model for run in published}
    out.print(
        f"{total:,.1f} core hours on one core each of {', '.join(sorted(models)) or 'no machine'}"
        + (f", and an unknown number for {', '.join(unknown)}" if unknown else "")
    )
