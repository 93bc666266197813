"""`plan`: what training every experiment would cost.

Published runs may have shared their machine, so their speed says little about an idle one. Speeds
measured on an idle machine are kept in a separate file of rates. Either counts only for experiments
with the same values of what decides the cost of a step.
"""

import csv
import dataclasses
import io
import logging
import math
import os
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median

from ddpg import config
from ddpg.commands.arguments import add_config
from ddpg.config import Experiment, Settings
from ddpg.errors import Diverged, EnvironmentFailed, Interrupted, UserError
from ddpg.files import write_atomically
from ddpg.runs import provenance
from ddpg.runs.directory import RunDirectory, read_records
from ddpg.runs.published import PUBLISHED, find_published_runs, list_published_files
from ddpg.runs.record import RunRecord

log = logging.getLogger(__name__)

HELP = "estimate the cost of training all experiments"
RATES = "results/rates.csv"
# The fewest steps with updates that a rate is measured over.
MEASURED_STEPS = 10_000
# Hyperparameters that do not change the cost of a step.
_FREE = {"epochs", "discount", "polyak", "pi_lr", "q_lr", "act_noise"}


@dataclasses.dataclass(frozen=True)
class Rate:
    """How fast an experiment trains on one core of an idle processor, checkpoints included.

    `settings` is its `digest_cost`.
    """

    steps_per_second: float
    processor: str
    settings: str


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of training an experiment; None where nothing is known."""

    experiment: str
    runs: int
    measured: int  # published runs
    rate: Rate | None
    processors: frozenset[str]  # of the published runs
    core_hours: float | None  # of all runs
    memory: float | None  # bytes per run
    disk: float | None  # bytes per run


def digest_cost(experiment: Experiment) -> str:
    """The first 16 digits of the SHA-256 of the hyperparameters that decide the cost of a step."""
    return experiment.digest(without=_FREE)[:16]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "--published", nargs="*", type=Path, metavar="RUN",
        help="published runs from which memory, disk use and, if no rate is known, speed are "
        f"estimated (default: those in {PUBLISHED} beside the configuration)",
    )  # fmt: skip
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--rates", type=Path, metavar="FILE",
        help=f"speeds measured on an idle machine (default: {RATES} beside the configuration)",
    )  # fmt: skip
    which.add_argument(
        "--measure", type=Path, metavar="FILE",
        help="train each experiment up to its first updates and 10,000 steps or an epoch more, "
        "write the speeds to FILE and use them for the plan; keep the machine idle meanwhile",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Print the plan of every experiment of the configuration."""
    from ddpg.analysis.claims import read_claims

    settings, root = config.read(*options.config), Path(options.config[0]).parent
    read_claims(settings, Path() if Path(settings.get("claims", "")).exists() else root)
    check_environments(settings)
    published = options.published
    if published is None:
        published = find_published_runs(root / PUBLISHED)
    if options.measure:
        rates = measure_rates(settings, options.measure)
    elif options.rates:
        rates = read_rates(options.rates)
        _warn_of_unused_rates(options.rates, rates, settings)
    else:
        rates = read_rates(root / RATES) if (root / RATES).exists() else {}
    print_plan(settings, published, rates)


def _warn_of_unused_rates(path: Path, rates: Mapping[str, Rate], settings: Settings) -> None:
    """Log if no experiment has the settings that any rate was measured with."""
    names = settings["experiments"]
    digests = {digest_cost(config.resolve_experiment(settings, name)) for name in names}
    if digests.isdisjoint(rate.settings for rate in rates.values()):
        log.warning(
            "%s: not used, because no experiment has the settings that it was measured with; "
            "measure again with plan --measure",
            path,
        )


def check_environments(settings: Settings) -> None:
    """Make each experiment's environment once, so that a misspelt one is found before any job runs.

    UserError, which names its file and key, if it cannot be made or DDPG cannot learn on it.
    """
    from ddpg import environment

    checked = set()
    for name, own in settings["experiments"].items():
        env = config.resolve_experiment(settings, name).env
        if env in checked:
            continue
        checked.add(env)
        try:
            environment.make(env).close()
        except UserError as error:
            key = ("experiments", name, "env") if "env" in own else ("defaults", "env")
            where = f"{settings.file_of(key)}: {'.'.join(key)}"
            raise type(error)(f"{where}: {error}") from error.__cause__


def read_replaceable(path: Path) -> dict[str, Rate]:
    """The rates of a file that will be replaced; none if it is missing or empty.

    UserError if it holds anything else, which is the user's.
    """
    if not (path.is_file() and path.stat().st_size):
        return {}
    try:
        return read_rates(path)
    except UserError:
        raise UserError(
            f"{path}: exists, and is not a table of rates; remove it, or give another file"
        ) from None


def measure_rates(settings: Settings, output: Path) -> dict[str, Rate]:
    """Measure every experiment, and write the rates so far to `output` after each.

    A table in `output` is replaced row by row, and loses the rows of other experiments at the end.
    UserError, before anything is measured, if `output` cannot be written. Interrupted if a signal
    stops it.
    """
    earlier = read_replaceable(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.is_dir() or not os.access(output.parent, os.W_OK):
        raise UserError(f"{output}: cannot be written; give another file with --measure")
    rates: dict[str, Rate] = {}
    for name in settings["experiments"]:
        try:
            rates[name] = measure_rate(settings, name)
        except Interrupted as stopped:  # says that its directory is kept, which was a temporary one
            cause = stopped.__context__
            reason = f" ({cause.strerror})" if isinstance(cause, OSError) else ""
            done = f"{output} has new speeds of {', '.join(rates)}" if rates else "nothing is known"
            raise Interrupted(
                f"stopped while {name} was measured{reason}: {done}; the same command measures "
                "every experiment again"
            ) from None
        write_rates(output, earlier | rates)
    write_rates(output, rates)
    return rates


def measure_rate(settings: Settings, name: str) -> Rate:
    """Train an experiment in a temporary directory until its speed is known."""
    from ddpg.training import train

    experiment = config.resolve_experiment(settings, name)
    epochs_without_updates = math.ceil(
        max(experiment.start_steps, experiment.update_after) / experiment.steps_per_epoch
    )
    # One epoch more, in which the updates are compiled.
    before = epochs_without_updates + 1
    measured = math.ceil(MEASURED_STEPS / experiment.steps_per_epoch)
    short = config.resolve_experiment(settings, name, {"epochs": before + measured})
    times: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory, "run")
        try:
            train(
                short,
                experiment.seeds[0],
                run,
                report=lambda steps, new, row: times.append(row["Time"]),
            )
        except (EnvironmentFailed, Diverged) as error:  # names files of the temporary directory
            reason = str(error).partition("; its traceback")[0].removeprefix(f"{run}: ")
            raise type(error)(f"{name} could not be measured: {reason}") from None
    seconds = times[-1] - times[before - 1]
    rate = measured * experiment.steps_per_epoch / seconds
    return Rate(round(rate, 1), provenance.read_processor().model, digest_cost(experiment))


def write_rates(path: Path, rates: Mapping[str, Rate]) -> None:
    """Write rates as CSV, a row for each experiment."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["experiment", *(field.name for field in dataclasses.fields(Rate))])
    writer.writerows([name, *dataclasses.astuple(rate)] for name, rate in rates.items())
    write_atomically(path, text.getvalue().encode())


def read_rates(path: Path) -> dict[str, Rate]:
    """The rates by experiment; UserError if the file is not one of `write_rates`."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        rates = {
            row["experiment"]: Rate(
                float(row["steps_per_second"]), row["processor"], row["settings"]
            )
            for row in rows
        }
    except (KeyError, TypeError, ValueError, csv.Error):
        rates = {}
    if not rates or not all(map(_is_complete, rates.values())):
        raise UserError(f"{path}: not a table of rates; give a file that plan --measure wrote")
    return rates


def _is_complete(rate: Rate) -> bool:
    return bool(0 < rate.steps_per_second < math.inf and rate.processor and rate.settings)


def estimate_costs(
    settings: Settings, published: list[Path], rates: Mapping[str, Rate]
) -> list[Cost]:
    """The cost of each experiment.

    Hours by the rate or, where there is none, by the median speed of the published runs; memory and
    disk are medians over these. Rate and runs are those of an experiment with the same
    `digest_cost`, if possible of the same name.
    """
    costs = []
    published_records = read_records(published)
    digests = {
        run: digest_cost(RunDirectory(run).read_experiment()[0]) for run in published_records
    }
    for name in settings["experiments"]:
        experiment = config.resolve_experiment(settings, name)
        digest = digest_cost(experiment)
        alike = [run for run in published_records if digests[run] == digest]
        named = [run for run in alike if published_records[run].experiment == name]
        own = named or alike
        records = [published_records[run] for run in own]
        measured = {key: rate for key, rate in rates.items() if rate.settings == digest}
        rate = measured.get(name, next(iter(measured.values()), None))
        speed = rate.steps_per_second if rate else median(map(_measure_speed, own)) if own else None
        hours = experiment.total_steps / speed / 3600 if speed else None
        costs.append(
            Cost(
                experiment=name,
                runs=len(experiment.seeds),
                measured=len(own),
                rate=rate,
                processors=frozenset(record.machine.cpu.model for record in records),
                core_hours=hours * len(experiment.seeds) if hours else None,
                memory=median(record.peak_memory_bytes for record in records) if own else None,
                disk=median(map(_measure_disk, own, records)) if own else None,
            )
        )
    return costs


def _measure_disk(run: Path, record: RunRecord) -> int:
    return sum((run / name).stat().st_size for name in list_published_files(record))


def _measure_speed(run: Path) -> float:
    """The speed of the run's median epoch, robust to other load on the machine."""
    start = {"TotalEnvInteracts": 0.0, "Time": 0.0}
    rows = [start, *RunDirectory(run).read_progress()]

    def change(column: str, a: dict[str, float], b: dict[str, float]) -> float:
        return b[column] - a[column]

    speeds = [
        change("TotalEnvInteracts", a, b) / change("Time", a, b)
        for a, b in pairwise(rows)
        if change("Time", a, b) > 0
    ]
    if not speeds:
        raise UserError(f"{run}: its progress.txt has no times; restore it or leave the run out")
    return median(speeds)


def print_plan(settings: Settings, published: list[Path], rates: Mapping[str, Rate]) -> None:
    """Print the costs as a table, with how their speed was measured."""
    from rich import box
    from rich.table import Table

    from ddpg.progress import make_console

    table = Table(
        box=box.SIMPLE, title="What training every experiment costs", title_justify="left"
    )
    headings = (
        "experiment",
        "runs",
        "core hours",
        "memory per run",
        "disk per run",
        "speed measured on",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "experiment" else "right")
    costs = estimate_costs(settings, published, rates)
    for cost in costs:
        table.add_row(
            cost.experiment,
            str(cost.runs),
            _format(cost.core_hours, 1, ",.2f"),
            _format(cost.memory, 1e9, ".2f", " GB"),
            _format(cost.disk, 1e6, ".2f", " MB"),
            _describe_speed(cost),
        )
    make_console().print(table)
    total = sum(cost.core_hours or 0 for cost in costs)
    unknown = [cost.experiment for cost in costs if cost.core_hours is None]
    models = {m for c in costs for m in ({c.rate.processor} if c.rate else c.processors)}
    if models:
        among = ", ".join(sorted(models))
        rest = f", without {', '.join(unknown)}" if unknown else ""
        print(f"{total:,.1f} core hours{rest}, at the speed of one core of {among}")
    if unknown:
        print(f"not known: the core hours of {', '.join(unknown)}; --measure FILE measures them")


def _format(value: float | None, unit: float, form: str, suffix: str = "") -> str:
    return "unknown" if value is None else f"{value / unit:{form}}{suffix}"


def _describe_speed(cost: Cost) -> str:
    if cost.rate:
        return "an idle machine"
    return f"{cost.measured or 'no'} published run{'' if cost.measured == 1 else 's'}"
