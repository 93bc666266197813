"""Others' logs as tables of curves per seed, each with a file that says where it is from."""

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ddpg.analysis import curves
from ddpg.analysis.tables import format_count, format_csv
from ddpg.errors import UserError
from ddpg.files import (
    encode_json,
    hash_file,
    load_arrays,
    name_source,
    write_json,
    write_text,
)
from ddpg.runs.typed_json import to_json

# The curve of each seed, with its number where the file says it.
SeedCurves = list[tuple[int | None, pd.DataFrame]]

# What tianshou's tools.py writes before the columns of the seeds: mean and standard deviation.
TIANSHOU_SUMMARY = re.compile(r"(rew|reward)(:shaded)?")
# The columns of its file of a single run.
TIANSHOU_RUN = ["env_step", "rew", "time"]
# Names of columns of a wide table that do not hold a seed, as plotting programs export them.
SUMMARY = re.compile(
    r"(?i).*__(min|max)|mean|avg|min|max|median"
    r"|(.*[^a-z])?(std|sd|sem|stderr|var|variance|ci|lower|upper|iqm|iqr)([^a-z].*)?"
    r"|(.*[^a-z])?(n_seeds|num_seeds|count|len|lengths?)([^a-z].*)?"
)
# Words in the name of a column that may also be those of the metric, if all columns have them.
AVERAGE = re.compile(
    r"(?i)(?<![a-z])(mean|avg|average|median|min|max|minimum|maximum|sum|total)(?![a-z])"
)
TIME = re.compile(r"(?i)(wall.?)?time|date|timestamp")
STEPS = re.compile(
    r"(?i)(global|env|environment|total)?.?(step|timestep|epoch|iteration|frame|interact)s?|index"
    r"|totalenvinteracts"
)
UNNAMED = re.compile(r"Unnamed: [0-9]+")  # as pandas names a column without a heading
SB3_ARRAYS = ("timesteps", "results")
# What a table may lack, by the figure or statistic that needs it.
OPTIONAL = {
    "test_return_std": "the spread of its test episodes",
    "q_mean": "Q-values",
    "loss_q": "the Q loss",
    "loss_pi": "the policy loss",
    "time": "wall-clock time",
}


def import_curves(kind: str, paths: Sequence[Path]) -> pd.DataFrame:
    """The curves in files of a format (`spinup`, `tianshou`, `wide` or `sb3`).

    Returns the columns `seed`, `env_interacts`, `test_return_mean` and those of
    `curves.COLUMNS.values()` that the files have, sorted by seed and step. A seed is what the file
    says, else its number in order. Raises UserError with one line for a file that is missing, in
    another format, or without a whole step or a finite test return, and for the same curve twice.
    """
    for path in paths:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError(f"{path}: not a regular file, so it has no checksum; save it as one")
    seeds = _READERS[kind](paths)
    _check_steps(seeds)
    curves.check_distinct_curves(
        (f"curve {i} of {len(seeds)}", curve) for i, (_, curve) in enumerate(seeds, 1)
    )
    numbers = [seed for seed, _ in seeds]
    if None in numbers or len(set(numbers)) < len(numbers):
        numbers = list(range(len(seeds)))
    table = pd.concat(
        [curve.assign(seed=number) for number, (_, curve) in zip(numbers, seeds, strict=True)]
    )
    table = table.dropna(axis="columns", how="all").sort_values(["seed", "env_interacts"])
    known = [name for name in curves.COLUMNS.values() if name in table.columns]
    others = [name for name in known if name not in curves.PER_SEED_COLUMNS]
    table = table[[*curves.PER_SEED_COLUMNS, *others]].reset_index(drop=True)
    return table.astype({"seed": int, "env_interacts": int})


def _check_steps(seeds: SeedCurves) -> None:
    for number, (_, curve) in enumerate(seeds, 1):
        steps = curve["env_interacts"].to_numpy(dtype=float)
        if not (steps == np.floor(steps)).all():
            step = steps[steps != np.floor(steps)][0]
            raise UserError(f"curve {number} of {len(seeds)}: its step {step:g} is not whole")


def write_import(
    table: pd.DataFrame, output: Path, source: str, kind: str, paths: Sequence[Path]
) -> str:
    """Write a table and, beside it, `name_source(output)`; returns a line about them.

    The latter holds the source, the format, and the SHA-256 of the table and of each file, by which
    a changed table is refused when it is read. Raises UserError where other content is there.
    """
    content = format_csv(table).encode()
    files = curves.find_progress_files(paths) if kind == "spinup" else paths
    checksums = {str(path): hash_file(path) for path in files}
    digest = hashlib.sha256(content).hexdigest()
    origin = to_json(curves.ImportSource(source, kind, digest, checksums))
    for path, own in ((output, content), (name_source(output), encode_json(origin))):
        if path.exists() and (not path.is_file() or path.read_bytes() != own):
            raise UserError(
                f"{path}: already exists with different content; remove it or give another --output"
            )
    write_text(output, content.decode())
    write_json(name_source(output), origin)
    return f"{output}: {_describe(table)}"


def _describe(table: pd.DataFrame) -> str:
    counts = table.groupby("seed").size()
    steps = table["env_interacts"]
    lacks = [what for name, what in OPTIONAL.items() if name not in table.columns]
    number = f"{counts.min():,}"
    if counts.min() < counts.max():
        number += f" to {counts.max():,}"
    return (
        f"{format_count(len(counts), 'seed')} of {number} evaluations, steps "
        f"{steps.min():,} to {steps.max():,}" + (f"; lacks {', '.join(lacks)}" if lacks else "")
    )


def _read_spinup(paths: Sequence[Path]) -> SeedCurves:
    return [(curves.find_seed(path), curve) for path, curve in curves.read_progress_files(paths)]


def _read_tianshou(paths: Sequence[Path]) -> SeedCurves:
    seeds: SeedCurves = []
    for path in paths:
        table = curves.read_csv(path)
        if "env_step" not in table.columns:
            raise UserError(f"{path}: not a CSV of tianshou's tools.py: no column env_step")
        names = [n for n in table.columns if n.startswith(("rew:", "reward:"))]
        names = [name for name in names if not TIANSHOU_SUMMARY.fullmatch(name)]
        if not names and list(table.columns) == TIANSHOU_RUN:
            names = ["rew"]
        if not names:
            raise UserError(
                f"{path}: no column per seed (rew:...), only {', '.join(table.columns)}; "
                "for a mean curve without seeds, use `curve` in config.yaml"
            )
        seeds += [(None, _read_column(path, table, "env_step", name)) for name in names]
    return seeds


def _read_wide(paths: Sequence[Path]) -> SeedCurves:
    seeds: SeedCurves = []
    for path in paths:
        table = curves.read_csv(path)
        step, *names = table.columns
        if not names:
            raise UserError(
                f"{path}: one column only; give the step and a column per seed, separated by commas"
            )
        _check_step_heading(path, str(step))
        averages = [sorted(AVERAGE.findall(str(name).lower())) for name in names]
        alike = all(average == averages[0] for average in averages)
        for name, average in zip(names, averages, strict=True):
            other = any(kind.fullmatch(str(name)) for kind in (SUMMARY, TIME, STEPS, UNNAMED))
            if other or (average and not alike):
                raise UserError(f"{path}: the column {name!r} is not that of a seed; remove it")
            digits = re.fullmatch(r"(?:seed)?[ _-]?([0-9]{1,10})", str(name), re.IGNORECASE)
            number = int(digits[1]) if digits else None
            seeds.append((number, _read_column(path, table, step, name)))
    return seeds


def _check_step_heading(path: Path, heading: str) -> None:
    """UserError if the first column has another heading than one of steps may have."""
    if UNNAMED.fullmatch(heading):
        raise UserError(f"{path}: its first column has no heading; is it an index? Remove it")
    if TIME.fullmatch(heading):
        raise UserError(
            f"{path}: its first column is {heading!r}; put the steps there, or remove it"
        )
    try:
        float(heading)
    except ValueError:
        return
    raise UserError(f"{path}: its first row holds numbers; add a row of headings, as step,0,1,2")


def _read_column(path: Path, table: pd.DataFrame, step: str, name: str) -> pd.DataFrame:
    """The curve of one column; a seed that ended early has empty cells after its end."""
    curves.check_numbers(path, table, (step, name))
    curve = table[[step, name]].set_axis(["env_interacts", "test_return_mean"], axis="columns")
    last = curve["test_return_mean"].last_valid_index()
    if last is None:
        raise UserError(f"{path}: the column {name!r} is empty; remove it")
    curve = curve.loc[:last]
    curves.check_curve(f"{path}, column {name}", curve["env_interacts"], curve["test_return_mean"])
    return curve


def _read_sb3(paths: Sequence[Path]) -> SeedCurves:
    return [(None, _read_evaluations(path)) for path in paths]


def _read_evaluations(path: Path) -> pd.DataFrame:
    try:
        arrays = load_arrays(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except ValueError as error:
        raise UserError(f"{path}: not an evaluations.npz: {error}") from None
    missing = [name for name in SB3_ARRAYS if name not in arrays]
    if missing:
        raise UserError(
            f"{path}: not an evaluations.npz of Stable-Baselines3: no array {', '.join(missing)}"
        )
    for name in (*SB3_ARRAYS, "ep_lengths"):
        if name in arrays and arrays[name].dtype.kind not in "iuf":
            raise UserError(f"{path}: the array {name} holds something that is not a number")
    steps, returns = arrays["timesteps"], arrays["results"]
    if steps.ndim != 1 or returns.ndim != 2 or len(steps) != len(returns) or not returns.size:
        raise UserError(
            f"{path}: timesteps {steps.shape} and results {returns.shape} should be (evaluations,) "
            "and (evaluations, episodes)"
        )
    curve = pd.DataFrame(
        {
            "env_interacts": steps,
            "test_return_mean": returns.mean(axis=1),
            "test_return_std": returns.std(axis=1),
            "test_return_max": returns.max(axis=1),
            "test_return_min": returns.min(axis=1),
        }
    )
    lengths = arrays.get("ep_lengths")
    if lengths is not None and lengths.shape == returns.shape:
        curve["test_length_mean"] = lengths.mean(axis=1)
    curves.check_curve(path, curve["env_interacts"], curve["test_return_mean"])
    return curve


_READERS: dict[str, Callable[[Sequence[Path]], SeedCurves]] = {
    "spinup": _read_spinup,
    "tianshou": _read_tianshou,
    "wide": _read_wide,
    "sb3": _read_sb3,
}
