"""Learning curves: runs in Spinning Up's `progress.txt` format, and published curves."""

import csv
import dataclasses
import io
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ddpg.config import LARGEST_SEED
from ddpg.errors import UserError
from ddpg.files import hash_file, name_source, read_json, read_text
from ddpg.runs.differences import find_differences
from ddpg.runs.directory import CONFIG, PROGRESS, RECORD, RunDirectory, check_distinct
from ddpg.runs.progress_table import check_no_column_twice, parse_progress
from ddpg.runs.record import have_other_code
from ddpg.runs.typed_json import read_dataclass
from ddpg.runs.walk import walk_visible

log = logging.getLogger(__name__)

# Spinning Up's column names and ours. A column that its file lacks is NaN in our table.
COLUMNS = {
    "Epoch": "epoch",
    "TotalEnvInteracts": "env_interacts",
    "AverageTestEpRet": "test_return_mean",
    "StdTestEpRet": "test_return_std",
    "MaxTestEpRet": "test_return_max",
    "MinTestEpRet": "test_return_min",
    "TestEpLen": "test_length_mean",
    "AverageEpRet": "train_return_mean",
    "StdEpRet": "train_return_std",
    "MaxEpRet": "train_return_max",
    "MinEpRet": "train_return_min",
    "EpLen": "train_length_mean",
    "AverageQVals": "q_mean",
    "StdQVals": "q_std",
    "MaxQVals": "q_max",
    "MinQVals": "q_min",
    "LossPi": "loss_pi",
    "LossQ": "loss_q",
    "Time": "time",
}
RUN_COLUMNS = ["experiment", "seed", "env", *COLUMNS.values()]
PUBLISHED_COLUMNS = [
    "environment",
    "implementation",
    "env_interacts",
    "performance_mean",
    "performance_std",
]
PER_SEED_COLUMNS = ["seed", "env_interacts", "test_return_mean"]
# Up to here a float64 holds every whole number.
MOST_STEP = 2**53
# Columns of names. They are text even where a name looks like a number or like a missing one.
NAME_COLUMNS = ("experiment", "env", "environment", "implementation")
# What a cell of any other column holds where its number is missing.
MISSING = ("", "nan", "NaN")


def read_progress(path: Path | str) -> pd.DataFrame:
    """Read one `progress.txt` as Spinning Up's logger writes it, this package's included.

    Returns one row per epoch, with the columns `COLUMNS.values()`: returns are undiscounted sums of
    rewards per episode, `time` is seconds since the start. Raises UserError for a file that is
    missing, empty, cut off, in another format, or whose steps do not increase.
    """
    rows = parse_progress(read_text(path), path)
    if not rows:
        raise UserError(f"{path}: only a header; the run has not finished its first epoch")
    table = pd.DataFrame(rows, dtype="float64")
    check_curve(path, table["TotalEnvInteracts"], table["AverageTestEpRet"])
    return table.reindex(columns=list(COLUMNS)).rename(columns=COLUMNS)


def read_run(directory: Path | str) -> pd.DataFrame:
    """Read the run in `directory`: its `progress.txt`, named by its `config.json`.

    Returns the columns RUN_COLUMNS, one row per epoch. Raises UserError as `read_progress` does,
    for a `config.json` that is missing or names no experiment, seed or environment, and for a
    finished run whose `progress.txt` has other bytes than it wrote.
    """
    config = read_config(directory)
    run = RunDirectory(Path(directory))
    curve = read_progress(run.progress_path)
    record = run.read_finished()
    listed = record.files.get(PROGRESS) if record else None
    if listed and listed != hash_file(run.progress_path):
        raise UserError(
            f"{run.progress_path}: not the bytes that the run wrote, by the SHA-256 in {RECORD}; "
            "restore it"
        )
    return curve.assign(
        experiment=config["exp_name"], seed=config["seed"], env=config["env"]
    ).reindex(columns=RUN_COLUMNS)


def read_config(directory: Path | str) -> dict:
    """The `config.json` of a run; UserError unless it has `exp_name`, `seed` and `env`.

    The seed must be a whole number, the others text.
    """
    run = RunDirectory(Path(directory))
    config = run.read_config()
    missing = [key for key in ("exp_name", "seed", "env") if key not in config]
    if missing:
        raise UserError(f"{run.config_path}: {missing[0]!r} is missing; repeat the run")
    for key, kind, what in (
        ("exp_name", str, "text"), ("seed", int, "a whole number"), ("env", str, "text"),
    ):  # fmt: skip
        if type(config[key]) is not kind:
            raise UserError(f"{run.config_path}: {key} is {config[key]!r}, not {what}")
    if not 0 <= config["seed"] <= LARGEST_SEED:
        raise UserError(
            f"{run.config_path}: seed is {config['seed']}, not from 0 to {LARGEST_SEED}"
        )
    return config


def aggregate_runs(run_directories: Iterable[Path | str]) -> pd.DataFrame:
    """Read many runs into one table with the columns RUN_COLUMNS, by experiment, seed and epoch.

    No runs give a table without rows. Raises UserError as `read_run` does, for two runs of one
    seed, for what --restart set aside, and for runs of one experiment that differ in evaluation
    steps or configuration.
    """
    read = [(directory, read_run(directory)) for directory in map(Path, run_directories)]
    if not read:
        return pd.DataFrame(columns=RUN_COLUMNS)
    named = [(run, *curve[["experiment", "seed"]].iloc[0]) for run, curve in read]
    check_distinct(named)
    runs: dict[str, list[tuple[Path, pd.DataFrame]]] = {}
    for (_, experiment, _), (directory, curve) in zip(named, read, strict=True):
        runs.setdefault(experiment, []).append((directory, curve))
    for own in runs.values():
        check_same_steps(own)
        _check_same_configuration([directory for directory, _ in own])
        _warn_of_other_code([directory for directory, _ in own])
        for directory, curve in own:
            if not RunDirectory(directory).record_path.exists():
                last = curve["env_interacts"].iloc[-1]
                log.warning(
                    "%s: not finished; its curve ends at step %s", directory, f"{last:,.0f}"
                )
    curves = pd.concat([curve for _, curve in read])
    return make_whole(curves.sort_values(["experiment", "seed", "epoch"], ignore_index=True))


def make_whole(curves: pd.DataFrame) -> pd.DataFrame:
    """Runs with integers as seeds, epochs and steps; UserError if one is not whole."""
    for name in ("epoch", "env_interacts"):
        fractions = curves[curves[name] != np.floor(curves[name])]
        if len(fractions):
            run = fractions.iloc[0]
            raise UserError(
                f"{run['experiment']} seed {run['seed']}: {name} {run[name]:g} is not whole"
            )
    return curves.astype({"seed": int, "epoch": int, "env_interacts": int})


def read_curves(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read back the CSV files of `aggregate` tables as one table.

    A run that several of them hold, because several comparisons name its experiment, is there once.
    No files give a table without rows. UserError for any other file, for different runs of one
    seed, and for seeds of one experiment that differ in evaluation steps.
    """
    tables = []
    for path in paths:
        table = read_csv(path)
        if list(table.columns) != RUN_COLUMNS:
            raise UserError(f"{path}: not a table of runs; make it with: python -m ddpg aggregate")
        check_seeds(path, table)
        tables.append(table)
    if not tables:
        return pd.DataFrame(columns=RUN_COLUMNS)
    table = pd.concat(tables).drop_duplicates(ignore_index=True)
    twice = table[table.duplicated(["experiment", "seed", "env_interacts"])]
    if len(twice):
        run = twice.iloc[0]
        raise UserError(
            f"{', '.join(map(str, paths))}: hold different runs of {run['experiment']} seed "
            f"{run['seed']}; make them again with: python -m ddpg aggregate"
        )
    for experiment, runs in table.groupby("experiment"):
        named = [(f"{experiment} seed {seed}", run) for seed, run in runs.groupby("seed")]
        for name, run in named:
            check_curve(name, run["env_interacts"], run["test_return_mean"])
        check_same_steps(named)
        if runs["env"].nunique() > 1:
            first = runs.drop_duplicates("env")
            both = " and ".join(f"seed {r.seed} on {r.env}" for r in first.itertuples())
            raise UserError(
                f"{', '.join(map(str, paths))}: {experiment} has {both}; leave one of them out"
            )
    return table


def read_published(path: Path | str, environment: str, implementation: str) -> pd.DataFrame:
    """Read one published curve, of which only mean and standard deviation over seeds are known.

    The file has the columns PUBLISHED_COLUMNS. Returns `env_interacts`, `mean` and `sd`.
    """
    table = read_csv(path)
    if list(table.columns) != PUBLISHED_COLUMNS:
        raise UserError(f"{path}: its columns must be {', '.join(PUBLISHED_COLUMNS)}")
    check_numbers(path, table, PUBLISHED_COLUMNS[2:])
    rows = (table["environment"] == environment) & (table["implementation"] == implementation)
    if not rows.any():
        known = table[["environment", "implementation"]].drop_duplicates().agg(" ".join, axis=1)
        raise UserError(
            f"{path}: no curve of {implementation} on {environment}; there are: {', '.join(known)}"
        )
    curve = table.loc[rows, PUBLISHED_COLUMNS[2:]].reset_index(drop=True)
    curve.columns = ["env_interacts", "mean", "sd"]
    check_curve(path, curve["env_interacts"], curve["mean"])
    if not (np.isfinite(curve["sd"]) & (curve["sd"] >= 0)).all():
        raise UserError(
            f"{path}: a standard deviation of {implementation} is not a number of 0 or more"
        )
    return curve


def read_per_seed(path: Path | str) -> pd.DataFrame:
    """Read a CSV file of curves per seed: PER_SEED_COLUMNS, and any others of our own table.

    Seeds may be evaluated at different steps.
    """
    table = read_csv(path)
    _check_source(Path(path))
    missing = [name for name in PER_SEED_COLUMNS if name not in table.columns]
    if missing:
        raise UserError(f"{path}: not a table of curves per seed: no column {', '.join(missing)}")
    if table.empty:
        raise UserError(f"{path}: no rows below the header; give a table with curves")
    check_seeds(path, table)
    curves = [(f"{path}, seed {seed}", curve) for seed, curve in table.groupby("seed")]
    for name, curve in curves:
        check_curve(name, curve["env_interacts"], curve["test_return_mean"])
    return table.reindex(columns=["seed", *COLUMNS.values()])


def read_external(paths: Iterable[Path | str]) -> pd.DataFrame:
    """Read runs of other programs in Spinning Up's format.

    The paths are those of `find_progress_files`. Seeds are numbered in the order of the paths: the
    number says only which lines belong together. Raises UserError as `read_progress_files` does.
    """
    curves = enumerate(read_progress_files(paths))
    return pd.concat([curve.assign(seed=number) for number, (_, curve) in curves])


def read_progress_files(paths: Iterable[Path | str]) -> list[tuple[Path, pd.DataFrame]]:
    """The runs of `find_progress_files`, each with its file, as `read_progress` reads it.

    UserError also for a run that is there twice, and for runs with other environments or
    hyperparameters, where they have a config.json.
    """
    files = find_progress_files(paths)
    _check_same_settings(files)
    curves = [(file, read_progress(file)) for file in files]
    check_distinct_curves(curves)
    return curves


def check_distinct_curves(curves: Iterable[tuple[Path | str, pd.DataFrame]]) -> None:
    """UserError for a named curve that is there twice: counted as two seeds, it narrows intervals.

    The same run, repeated, takes another time.
    """
    seen: dict[bytes, Path | str] = {}
    for name, curve in curves:
        numbers = curve.drop(columns="time", errors="ignore").select_dtypes("number")
        first = seen.setdefault(numbers.to_numpy(dtype=float).tobytes(), name)
        if first is not name:
            raise UserError(f"{first} and {name}: the same run twice; remove one")


def find_progress_files(paths: Iterable[Path | str]) -> list[Path]:
    """The files of runs in Spinning Up's format: each path, or every progress.txt below it.

    Those that are hidden or were set aside are left out. UserError for a directory without any.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UserError(f"{path}: no such file")
        found = [path]
        if path.is_dir():
            found = sorted(run / PROGRESS for run, names in walk_visible(path) if PROGRESS in names)
        if not found:
            raise UserError(f"{path}: no progress.txt in this directory or below it")
        files += found
    return files


def find_seed(progress: Path) -> int | None:
    """The seed in the config.json beside a progress.txt; None where there is none.

    UserError for one that 64 bits cannot hold.
    """
    config = progress.with_name(CONFIG)
    seed = read_json(config).get("seed") if config.exists() else None
    if type(seed) is not int:
        return None
    if abs(seed) >= 2**63:
        raise UserError(f"{config}: the seed {seed} does not fit into 64 bits; correct it")
    return seed


@dataclasses.dataclass(frozen=True)
class ImportSource:
    """Where an imported table is from, its format, its SHA-256 and that of each imported file."""

    source: str
    format: str
    sha256: str
    files: dict[str, str]


def find_differing_keys(config: dict, other: dict) -> list[str]:
    """The keys, besides the seed, in which the configurations of two runs differ."""
    return [key for key in find_differences(config, other) if key != "seed"]


def _check_source(table: Path) -> None:
    """Raise UserError where an imported table is not what was imported."""
    source = name_source(table)
    if not source.exists():
        return
    if read_dataclass(ImportSource, source, "source.json").sha256 != hash_file(table):
        raise UserError(f"{table}: not the bytes that {source} lists; import it again")


def _check_same_settings(files: list[Path]) -> None:
    """UserError where the config.json beside two files have other values of a hyperparameter.

    Spinning Up's also hold the addresses of objects, so only numbers, lists of numbers and names of
    environments count, and not the number of epochs: a curve may end earlier than another.
    """
    with_config = [file for file in files if file.with_name(CONFIG).exists()]
    configs = [read_json(file.with_name(CONFIG)) for file in with_config]
    for file, config in zip(with_config[1:], configs[1:], strict=True):
        for key, values in find_differences(configs[0], config).items():
            if _is_setting(key.rpartition(".")[2], values):
                raise UserError(
                    f"{with_config[0]} and {file}: runs with different {key} ({values[0]} and "
                    f"{values[1]}) are not seeds of one group; give those of one group"
                )


def _is_setting(key: str, values: tuple[object, object]) -> bool:
    def is_number(value: object) -> bool:
        return isinstance(value, int | float)

    if key in ("seed", "epochs") or None in values:
        return False
    return key in ("env", "env_name", "update_every") or all(
        is_number(value) or (isinstance(value, list) and all(map(is_number, value)))
        for value in values
    )


def check_same_steps(runs: Iterable[tuple[Path | str, pd.DataFrame]]) -> None:
    """Raise UserError unless all curves (name, table) were evaluated at the same steps."""
    names, tables = zip(*runs, strict=True)
    steps, *others = (table["env_interacts"].to_numpy() for table in tables)
    for name, own in zip(names[1:], others, strict=True):
        if not np.array_equal(own, steps):
            raise UserError(
                "runs of different length or evaluation steps: "
                f"{names[0]} has {len(steps)} epochs to step {steps[-1]:.0f}, "
                f"{name} has {len(own)} to step {own[-1]:.0f}; "
                "finish the shorter run or leave it out"
            )


def _check_same_configuration(directories: list[Path]) -> None:
    first, *others = directories
    reference = read_config(first)
    for other in others:
        differing = find_differing_keys(reference, read_config(other))
        if differing:
            raise UserError(
                f"{first} and {other}: runs of one experiment with different "
                f"{', '.join(differing)}; repeat the older ones"
            )


def _warn_of_other_code(directories: list[Path]) -> None:
    """A warning if the user's code of the environment changed between finished runs."""
    records = {run: RunDirectory(run).read_finished() for run in directories}
    if have_other_code(record for record in records.values() if record):
        log.warning(
            "%s: the code of their environment differs, so they are not seeds of one experiment",
            " and ".join(str(run) for run, record in records.items() if record),
        )


def check_curve(name: Path | str, steps: pd.Series, returns: pd.Series) -> None:
    """UserError unless the steps (T,) increase and the test returns (T,) are finite.

    Negative steps, and those beyond MOST_STEP, are refused, too.
    """
    if (steps.abs() > MOST_STEP).any():
        step = steps[steps.abs() > MOST_STEP].iloc[0]
        raise UserError(f"{name}: the environment step {step:g} is impossible; at most 2**53")
    if (steps < 0).any():
        raise UserError(f"{name}: the environment step {steps[steps < 0].iloc[0]:g} is negative")
    if not (steps.notna().all() and steps.is_monotonic_increasing and steps.is_unique):
        raise UserError(f"{name}: its environment steps do not increase from row to row")
    if not np.isfinite(returns).all():
        row = int(np.argmin(np.isfinite(returns)))
        raise UserError(
            f"{name}: no finite test return at environment step {steps.iloc[row]:.0f}; "
            "without it the run cannot be compared"
        )


def read_csv(path: Path | str) -> pd.DataFrame:
    """Read a CSV table in UTF-8; UserError unless each row has one cell for each column.

    The columns NAME_COLUMNS hold text as it is written; in the others MISSING is NaN.
    """
    text = read_text(path)
    try:
        header, *rows = list(csv.reader(io.StringIO(text), strict=True)) or [[]]
        check_no_column_twice(path, header)
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise UserError(
                    f"{path}, row {number}: {len(row)} cells under {len(header)} column names"
                )
        return pd.read_csv(
            io.StringIO(text),
            skip_blank_lines=False,
            dtype=dict.fromkeys(NAME_COLUMNS, str),
            keep_default_na=False,
            na_values={name: MISSING for name in header if name not in NAME_COLUMNS},
        )
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV table: {error}") from None


def check_seeds(name: Path | str, table: pd.DataFrame) -> None:
    """UserError where a row has no seed, or a cell of a curve is not a number."""
    check_numbers(name, table, ["seed", *COLUMNS.values()])
    if table["seed"].isna().any():
        raise UserError(f"{name}: a row without a seed")


def check_numbers(name: Path | str, table: pd.DataFrame, columns: Iterable[str]) -> None:
    """UserError where a cell of one of the columns, if they are there, is not a number."""
    for column in table.columns.intersection(list(columns)) if len(table) else ():
        if not pd.api.types.is_numeric_dtype(table[column]) or table[column].dtype == bool:
            raise UserError(f"{name}: a cell of the column {column!r} is not a number")
