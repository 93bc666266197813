"""`check`: do the published runs match their checksums, a replay, the figures and the documents?

Each check prints one line. All of them run, also after one that failed.
"""

import csv
import functools
import logging
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ddpg import config
from ddpg.commands.arguments import add_config, parse_positive_number
from ddpg.config import Settings
from ddpg.errors import Mismatch, UserError, get_first_line
from ddpg.runs.directory import RunDirectory, find_finished_runs
from ddpg.runs.published import PUBLISHED

if TYPE_CHECKING:
    from ddpg.analysis.comparison import Comparison

HELP = "check published runs: files, a replay, figures, stated numbers"

log = logging.getLogger(__name__)

OK, FAILED, NOT_POSSIBLE = "ok", "FAILED", "not possible"

# The figures in docs/images, each a copy of a figure drawn from the published runs.
SHOWN_FIGURES = {
    "pendulum-demo.png": "pendulum/pendulum-demo_learning_curve.png",
    "exercise-2-2.png": "exercise-2-2/comparison.png",
    "halfcheetah.png": "halfcheetah/comparison.png",
    "networks-or-schedule.png": "networks-or-schedule/factorial.png",
    "swimmer.png": "swimmer/comparison.png",
}


class Result(NamedTuple):
    """What a check found: OK, FAILED or NOT_POSSIBLE, and a sentence."""

    state: str
    sentence: str


class StatedNumber(NamedTuple):
    """A number that a document states, and the cell of our tables that it is taken from.

    `value` is the text in the document; the computed number is rounded to as many decimals.
    """

    claim: str
    statement: str
    table: str  # one of NUMBER_TABLES
    comparison: str
    a: str  # a group; an effect in a row of effects
    b: str  # the other group in a row of pairs, else empty
    column: str
    value: str


NUMBER_COLUMNS = list(StatedNumber._fields)
NUMBER_TABLES = ("groups", "pairs", "effects")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--published", type=Path, default=PUBLISHED, metavar="DIR",
        help=f"where the published runs are (default: {PUBLISHED})",
    )  # fmt: skip
    add_config(parser)
    parser.add_argument(
        "--replay", type=parse_positive_number, default=2, metavar="N",
        help="epochs to retrain of one run per experiment (default: 2)",
    )  # fmt: skip
    parser.add_argument(
        "--documents", type=Path, default=Path("docs"), metavar="DIR",
        help="where stated_numbers.csv and images/ are (default: docs)",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Run every check; Mismatch if one fails, UserError where there is nothing to check."""

    settings = config.read(*options.config)
    if not options.published.is_dir():
        raise UserError(f"{options.published}: no such directory; give it with --published")
    numbers = read_stated_numbers(options.documents / "stated_numbers.csv")
    runs = {}
    for name in settings["experiments"]:
        found, skipped = find_finished_runs(options.published / name)
        runs[name] = list(found.values())
        for line in skipped:
            log.warning("%s", line)
    if not any(runs.values()):
        raise UserError(f"{options.published}: no finished run of any configured experiment")
    logging.getLogger("ddpg").setLevel(logging.WARNING)  # one line per check
    failed = []
    for name, check in _list_checks(options, settings, runs, numbers):
        started = time.monotonic()
        try:
            result = check()
        except (UserError, Mismatch) as error:
            result = Result(FAILED, str(error))
        seconds = time.monotonic() - started
        print(f"{name:<9} {result.state:<12} {result.sentence} ({seconds:.0f} s)", flush=True)
        if result.state == FAILED:
            failed.append(name)
    if failed:
        raise Mismatch(f"{len(failed)} of the checks failed: {', '.join(failed)}")


def _list_checks(
    options: Namespace,
    settings: Settings,
    runs: dict[str, list[Path]],
    numbers: list[StatedNumber],
) -> Iterator[tuple[str, Callable[[], Result]]]:
    yield "manifest", lambda: check_files(options.published, runs)
    for name, directories in runs.items():
        if directories:
            yield "replay", functools.partial(replay_experiment, name, directories, options.replay)
    comparisons: list[Comparison] | None = None  # until the curves have been read

    def check_curves() -> Result:
        from ddpg.analysis.curves import aggregate_runs
        from ddpg.commands.comparisons import build_comparisons

        nonlocal comparisons
        table = aggregate_runs(run for directories in runs.values() for run in directories)
        comparisons = build_comparisons(settings, table)
        return Result(OK, f"{len(table)} epochs read, {len(comparisons)} comparisons made")

    def check_with_curves(check: Callable[[list["Comparison"]], Result]) -> Result:
        if comparisons is None:
            return Result(NOT_POSSIBLE, "the curves could not be read")
        return check(comparisons)

    yield "curves", check_curves
    images = options.documents / "images"
    yield "figures", lambda: check_with_curves(lambda made: check_figures(made, images))
    yield "numbers", lambda: check_with_curves(lambda made: check_numbers(made, numbers))


def check_files(published: Path, runs: dict[str, list[Path]]) -> Result:
    """Each listed file exists with its checksum, and each file of a run is listed."""
    from ddpg.runs.published import MANIFEST, read_manifest, refuse_damaged, select_listed

    manifest = published / MANIFEST
    every_run = [run for directories in runs.values() for run in directories]
    listed = read_manifest(manifest)
    refuse_damaged(manifest, listed)
    select_listed(manifest, listed, every_run)
    return Result(OK, f"{len(listed)} files of {len(every_run)} runs have the listed SHA-256")


def replay_experiment(name: str, directories: list[Path], epochs: int) -> Result:
    """Train the first epochs of an experiment's first run that this arithmetic can replay."""
    from ddpg.commands.retraining import replay_epochs
    from ddpg.core import ARITHMETIC_VERSION

    records = {run: RunDirectory(run).read_record() for run in directories}
    current = [run for run in directories if records[run].arithmetic_version == ARITHMETIC_VERSION]
    if not current:
        versions = sorted({record.arithmetic_version for record in records.values()})
        return Result(
            NOT_POSSIBLE,
            f"{name}: its runs are of version {', '.join(map(str, versions))} of the arithmetic, "
            f"this package computes version {ARITHMETIC_VERSION}",
        )
    experiment, seed = RunDirectory(current[0]).read_experiment()
    outcome, same = replay_epochs(
        current[0], records[current[0]], experiment, seed, epochs, show_progress=False
    )
    return Result(OK if same else FAILED, f"{name} seed {seed}: {outcome}")


def check_figures(comparisons: list["Comparison"], images: Path) -> Result:
    """Draw every figure; those in docs/images must be equal to the pixel."""
    import numpy as np
    from PIL import Image

    from ddpg.analysis import figures

    with tempfile.TemporaryDirectory() as temporary:
        drawn = figures.draw_figures(comparisons, temporary)
        for shown, name in SHOWN_FIGURES.items():
            kept, new = images / shown, Path(temporary, name)
            for path in (kept, new):
                if not path.is_file():
                    raise Mismatch(f"{path if path is kept else name}: missing; see `make docs`")
            try:
                pixels = np.asarray(Image.open(kept))
            except (OSError, SyntaxError, ValueError) as error:  # as Pillow says it of bad files
                reason = get_first_line(error)
                raise Mismatch(f"{kept}: not an image ({reason}); see `make docs`") from None
            if not np.array_equal(pixels, np.asarray(Image.open(new))):
                raise Mismatch(
                    f"{kept}: differs from {name} as drawn from the runs; see `make docs`"
                )
    count = len({path.with_suffix("") for path in drawn})
    return Result(OK, f"{count} figures drawn; {len(SHOWN_FIGURES)} are those of {images}")


def check_numbers(comparisons: list["Comparison"], numbers: list[StatedNumber]) -> Result:
    """Compute every stated number of stated_numbers.csv again."""
    from ddpg.analysis import comparison, factorial

    tables = {
        "groups": comparison.tabulate_groups(comparisons).rename(columns={"group": "a"}),
        "pairs": comparison.tabulate_pairs(comparisons),
        "effects": factorial.tabulate_effects(comparisons).rename(columns={"effect": "a"}),
    }
    wrong = []
    for number in numbers:
        table = tables[number.table]
        rows = (table["comparison"] == number.comparison) & (table["a"] == number.a)
        if number.b:
            rows &= table["b"] == number.b
        found = list(table.loc[rows, number.column]) if number.column in table else []
        if len(found) != 1 or not isinstance(found[0], int | float):
            wrong.append(f"{_format_cell(number)}: not in our tables")
        elif (measured := round_like(float(found[0]), number.value)) != number.value:
            wrong.append(f"{_format_cell(number)}: stated {number.value}, computed {measured}")
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise Mismatch(f"{wrong[0]}{more}; correct stated_numbers.csv and the documents")
    return Result(OK, f"{len(numbers)} stated numbers match the runs")


def round_like(value: float, text: str) -> str:
    """`value` with as many decimals as the number in `text` has; -0 is 0."""
    decimals = len(text.partition(".")[2])
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def read_stated_numbers(path: Path) -> list[StatedNumber]:
    """The numbers that the documents state; UserError for a file of another format."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give its directory with --documents") from None
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file ({error})") from None
    if header != NUMBER_COLUMNS:
        raise UserError(f"{path}: its columns must be {', '.join(NUMBER_COLUMNS)}")
    numbers = []
    for line, row in enumerate(rows, start=2):
        if len(row) != len(NUMBER_COLUMNS):
            raise UserError(f"{path}, row {line}: {len(row)} cells, not {len(NUMBER_COLUMNS)}")
        number = StatedNumber(*row)
        if number.table not in NUMBER_TABLES:
            known = ", ".join(NUMBER_TABLES)
            raise UserError(f"{path}, row {line}: table is {number.table!r}; write one of {known}")
        if bool(number.b) != (number.table == "pairs"):
            raise UserError(f"{path}, row {line}: b must be given for pairs, and for nothing else")
        try:
            float(number.value)
        except ValueError:
            raise UserError(f"{path}, row {line}: {number.value!r} is not a number") from None
        numbers.append(number)
    return numbers


def _format_cell(number: StatedNumber) -> str:
    where = "/".join(filter(None, (number.comparison, number.a, number.b)))
    return f"{number.claim}, {where} {number.column}"
