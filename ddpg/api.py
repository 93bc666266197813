"""The public Python functions: read runs, compare groups of seeds, draw curves, run a policy.

docs/api.md describes them. Their names and arguments do not change between 0.2.x releases;
everything else in this package may change. Nothing here imports TensorFlow.
"""

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ddpg import evaluation, filming
from ddpg.analysis import comparison, curves, figures
from ddpg.analysis.groups import DEFAULT_FINAL, FinalSteps, SeedGroup
from ddpg.core.policy import Policy
from ddpg.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Policy",
    "UserError",
    "compare",
    "draw",
    "evaluate",
    "film",
    "load_policy",
    "read_run",
    "read_runs",
    "read_spinning_up",
    "read_table",
    "summarize",
]


def read_run(directory: Path | str) -> pd.DataFrame:
    """The learning curve of the run in `directory`, one row per epoch.

    The columns are `ddpg.analysis.curves.RUN_COLUMNS`: experiment, seed, env, epoch, env_interacts
    (environment steps), test_return_mean and so on; returns are undiscounted sums of rewards of an
    episode. Raises UserError for a directory that is not a run, and for a damaged run.
    """
    return curves.read_run(directory)


def read_runs(directories: Iterable[Path | str]) -> pd.DataFrame:
    """The learning curves of several runs in one table, by experiment, seed and epoch.

    Raises UserError as `read_run` does, for a duplicate seed, and for runs of one
    experiment that differ in configuration or length.
    """
    return curves.aggregate_runs(_list_paths(directories))


def read_spinning_up(paths: Iterable[Path | str]) -> pd.DataFrame:
    """The learning curves of other programs that write Spinning Up's progress.txt.

    Each path is one file, or a directory below which every progress.txt is one seed. The columns
    are those of `read_run` except experiment and env. Raises UserError as `read_run` does.
    """
    return curves.read_external(_list_paths(paths))


def read_table(path: Path | str) -> pd.DataFrame:
    """The learning curves in a CSV file with the columns seed, env_interacts, test_return_mean.

    Other columns of `read_run` are optional. Raises UserError for another file.
    """
    return curves.read_per_seed(path)


def summarize(
    groups: Mapping[str, pd.DataFrame], final_steps: float = DEFAULT_FINAL.width
) -> pd.DataFrame:
    """Final returns of each group of seeds, one row per group.

    `groups` maps the name of each group to its table from a `read_*` function.
    The final return of a seed is the mean of its curve over the last `final_steps` environment
    steps, or over the last third of the curve if that is shorter. Between evaluations the curve is
    interpolated linearly.
    `mean`, `sd` (divisor n - 1) and the interquartile mean `iqm` are over seeds; `_low` and `_high`
    are the 95 % bootstrap intervals of `mean` and `iqm`. Intervals are NaN for fewer than five
    seeds, `iqm` for fewer than four, `sd` for one. Raises UserError for any other table, for seeds
    of a group that were evaluated at different steps, for a test return that is not finite, and for
    `final_steps` that is not above 0.
    """
    table = comparison.tabulate_groups([_make_comparison(groups, final_steps=final_steps)])
    return table.drop(columns=["comparison", "label", *_REACH_COLUMNS])


def compare(
    groups: Mapping[str, pd.DataFrame], final_steps: float = DEFAULT_FINAL.width
) -> pd.DataFrame:
    """Each pair of groups: a minus b, one row per pair.

    `difference` is of the final returns (see `summarize`) over the last steps that both cover, with
    its 95 % interval and p of Welch's test, unadjusted and adjusted for the tests of all pairs
    (Benjamini and Hochberg). `detectable_difference` is the minimum detectable effect (80 % power)
    with these numbers of seeds; `seeds_to_settle` is the number of seeds per group at which the
    observed difference would be the minimum detectable effect; its `_low` and `_high` are that
    number for the ends of the difference's interval. All of these but the difference are NaN where
    a group has fewer than three seeds. `probability_of_improvement` is the probability that a seed
    of a ends higher than one of b, ties counting half; its `_low` and `_high` are NaN for fewer
    than five seeds. Raises UserError as `summarize` does, and for fewer than two groups.
    """
    _check_groups(groups)
    if len(groups) < 2:
        raise UserError(f"{len(groups)} group(s): give two or more to compare")
    table = comparison.tabulate_pairs([_make_comparison(groups, final_steps=final_steps)])
    return table.drop(columns=["comparison", "planned"])


def draw(groups: Mapping[str, pd.DataFrame], title: str = "", smooth: int = 1) -> "Figure":
    """The learning curves of groups of seeds in one figure: means and standard deviations.

    `smooth` is the width in epochs (odd) of the moving average over each seed's curve. If groups
    have epochs of different lengths, the longest is used. Raises UserError as `summarize` does.
    """
    if not isinstance(smooth, int | np.integer) or smooth < 1 or smooth % 2 == 0:
        raise UserError(f"smooth={smooth}: give an odd number of epochs, as 11")
    _check_groups(groups)
    title = str(title).strip() or ", ".join(map(str, groups))
    return figures.draw_comparison(_make_comparison(groups, title, smooth))


def load_policy(source: Path | str) -> Policy:
    """The policy of a run's directory, or of a policy.npz: a function of observations.

    A policy.npz needs no config.json beside it. Raises UserError for anything else.
    """
    path = Path(source)
    return evaluation.load_policy_file(path) if path.is_file() else _load_trained(path).policy


def evaluate(source: Path | str, episodes: int = 10, seed: int = 0) -> np.ndarray:
    """Returns of `episodes` episodes of a run's policy without noise, float64 (episodes,).

    They are the same on every processor if ddpg is imported before NumPy: it then pins the kernels
    that NumPy chooses by the processor. Raises UserError if the run's environment is unknown or
    cannot be made.
    """
    if not isinstance(episodes, int | np.integer) or episodes < 1:
        raise UserError(f"episodes={episodes}: give a whole number, 1 or more")
    _check_seed(seed)
    return evaluation.evaluate_trained(_load_trained(source), episodes, seed).returns


def film(
    source: Path | str,
    output: Path | str,
    seed: int = 0,
    width: int | None = None,
    seconds: float = 60,
) -> float:
    """Film one episode of a run's policy as `output` (.gif or .mp4); returns the sum of rewards
    over the frames shown.

    Frames are scaled to `width` pixels, if given; the film is at most `seconds` long.
    Raises UserError for another suffix, and if there is no renderer.
    """
    _check_seed(seed)
    if width is not None and (not isinstance(width, int | np.integer) or width < 1):
        raise UserError(f"width={width}: give a whole number of pixels, 1 or more")
    if not (_is_number(seconds) and seconds > 0):
        raise UserError(f"seconds={seconds}: give a number above 0")
    return filming.film_episode(_load_trained(source), Path(output), seed, width, seconds)


def _check_seed(seed: int) -> None:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise UserError(f"seed={seed}: give a whole number, 0 or more")


def _list_paths(paths: Iterable[Path | str]) -> list[Path | str]:
    """The paths as a list; UserError for a single one and for none."""
    if isinstance(paths, str | Path):
        raise UserError(f"{paths}: one path; give a list of them, such as [{str(paths)!r}]")
    found = list(paths)
    if not found:
        raise UserError("no paths; give one or more")
    return found


_REACH_COLUMNS = ["reach", "seeds_reaching", "steps_to_return", "steps_of_mean"]


def _load_trained(source: Path | str) -> evaluation.Trained:
    return evaluation.load_trained(Path(source))


def _make_comparison(
    groups: Mapping[str, pd.DataFrame],
    title: str = "",
    smooth: int = 1,
    final_steps: float = DEFAULT_FINAL.width,
) -> comparison.Comparison:
    if not (_is_number(final_steps) and 0 < final_steps < math.inf):
        raise UserError(f"final_steps={final_steps}: give a number of environment steps above 0")
    _check_groups(groups)
    if not groups:
        raise UserError("no groups; give one or more")
    if unnamed := [name for name in groups if not str(name).strip()]:
        raise UserError(f"a group is named {unnamed[0]!r}; give it a name that can be shown")
    own = tuple(_make_group(str(name), table) for name, table in groups.items())
    if len({group.name for group in own}) < len(own):
        raise UserError(f"two groups of one name among {', '.join(map(repr, groups))}; rename one")
    spacing = max((float(np.diff(group.steps).max(initial=0)) for group in own), default=0)
    return comparison.Comparison(
        "", title, own, FinalSteps(final_steps), round(smooth * spacing) if smooth > 1 else 0
    )


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _check_groups(groups: Mapping[str, pd.DataFrame]) -> None:
    if not isinstance(groups, Mapping):
        raise UserError("groups must be a mapping of names to tables, such as {'name': table}")


def _make_group(name: str, table: pd.DataFrame) -> SeedGroup:
    if not isinstance(table, pd.DataFrame) or table.empty:
        raise UserError(f"{name!r}: not a table of runs; make it with read_runs")
    missing = [column for column in curves.PER_SEED_COLUMNS if column not in table]
    if missing:
        raise UserError(f"{name!r}: not a table of runs: no column {', '.join(missing)}")
    for column in ("experiment", "env"):
        if column in table and table[column].nunique() > 1:
            several = ", ".join(map(str, table[column].unique()))
            raise UserError(
                f"{name!r}: more than one {column} ({several}); make one group for each"
            )
    table = table.reset_index(drop=True)
    curves.check_seeds(f"{name!r}", table)
    if table.duplicated(["seed", "env_interacts"]).any():
        raise UserError(f"{name!r}: a seed appears twice; read all runs in one call of read_runs")
    for seed, own in table.groupby("seed"):
        returns = own["test_return_mean"]
        curves.check_curve(f"seed {seed} of {name!r}", own["env_interacts"], returns)
    curves.check_same_steps(
        (f"seed {seed} of {name!r}", own) for seed, own in table.groupby("seed")
    )
    env = str(table["env"].iloc[0]) if "env" in table else ""
    return SeedGroup(name, name, env, table, ours=True)
