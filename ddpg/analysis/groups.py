"""A group is the data behind one curve of a comparison: several seeds of one experiment.

Two kinds exist. Of a `SeedGroup` every seed's learning curve is known; of a `PublishedGroup` only
the mean and the standard deviation over seeds, as a figure shows them.
"""

import dataclasses
import math
from typing import overload

import numpy as np
import pandas as pd

from ddpg.analysis import grids, statistics
from ddpg.analysis.grids import Window
from ddpg.analysis.statistics import NAN, Moments

RETURN = "test_return_mean"


@dataclasses.dataclass(frozen=True)
class FinalSteps:
    """Over which environment steps final returns are measured: the last `width` up to `end`."""

    width: float = 100_000
    end: float = math.inf


DEFAULT_FINAL = FinalSteps()
NOT_TRAINED = "not trained yet"


@dataclasses.dataclass(frozen=True)
class SeedGroup:
    """Seeds whose curves are known.

    `runs` holds every seed's curve (columns `seed` and `curves.COLUMNS.values()`), all at the same
    steps; of an experiment that has not run it has no rows. `ours`: whether it is an experiment of
    this package. `note`: what a reader must know of the curves. `configured`: the seeds that the
    configuration lists (none where it is not known).
    """

    name: str
    label: str
    env: str
    runs: pd.DataFrame
    ours: bool = False
    note: str = ""
    configured: tuple[int, ...] = ()

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return self.runs["seed"].nunique()

    @property
    def steps(self) -> np.ndarray:
        """Environment steps of the evaluations (T,)."""
        return np.unique(self.runs["env_interacts"].to_numpy(dtype=float))

    def cut(self, end: float) -> "SeedGroup":
        """The group without the evaluations after the environment step `end`."""
        return dataclasses.replace(self, runs=self.runs[self.runs["env_interacts"] <= end])

    def get_values(self, column: str = RETURN, smooth: float = 0) -> np.ndarray | None:
        """One column of every seed (T, seeds); None without such data.

        Each seed is smoothed on its own, over `smooth` environment steps.
        """
        if self.runs.empty or self.runs[column].isna().all():
            return None
        values = self.runs.pivot(index="env_interacts", columns="seed", values=column)
        return grids.smooth_curve(self.steps, values.to_numpy(dtype=float), smooth)

    def get_returns(self, smooth: float = 0) -> np.ndarray:
        """The test return of every seed (T, seeds); ValueError for a group without seeds."""
        values = self.get_values(RETURN, smooth)
        if values is None:
            raise ValueError(f"{self.name}: {NOT_TRAINED}")
        return values

    def compute_band(
        self, column: str = RETURN, smooth: float = 0
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and standard deviation over seeds (T,), (T,), as Spinning Up draws them.

        The divisor is n: `tsplot(ci='sd')` of Spinning Up's plot.py takes NumPy's default. A seed
        without a value at an epoch does not count there; where no seed has one, both are NaN. None
        without such data.
        """
        values = self.get_values(column, smooth)
        return None if values is None else _summarise_seeds(values)

    def compute_return_band(self) -> tuple[np.ndarray, np.ndarray]:
        """`compute_band` of the test return; ValueError for a group without seeds."""
        return _summarise_seeds(self.get_returns())


def _summarise_seeds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (T,), (T,) over the seeds of (T, seeds) that are not NaN."""
    mean, sd = np.full((2, len(values)), NAN)
    known = ~np.isnan(values).all(axis=1)
    mean[known], sd[known] = np.nanmean(values[known], axis=1), np.nanstd(values[known], axis=1)
    return mean, sd


@dataclasses.dataclass(frozen=True)
class PublishedGroup:
    """Seeds of which only mean and standard deviation are published.

    `curve` has the columns `env_interacts`, `mean` and `sd` (divisor n, as Spinning Up draws it);
    its publisher `smoothed` it over that many environment steps (0: not at all).
    """

    name: str
    label: str
    env: str
    seeds: int
    curve: pd.DataFrame
    smoothed: int = 0

    @property
    def steps(self) -> np.ndarray:
        """Environment steps of the evaluations (T,)."""
        return self.curve["env_interacts"].to_numpy(dtype=float)

    def compute_band(
        self, column: str = RETURN, smooth: float = 0
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and standard deviation over seeds (T,), (T,), as they are published.

        `smooth` does not change them. None for any other column than the test return.
        """
        return self.compute_return_band() if column == RETURN else None

    def compute_return_band(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the test return over seeds (T,), (T,)."""
        return self.curve["mean"].to_numpy(dtype=float), self.curve["sd"].to_numpy(dtype=float)


Group = SeedGroup | PublishedGroup


def describe_seed_count(group: Group) -> str:
    """`count_seeds` in words: "10 seeds", "6 of 10 seeds", "5 seeds, without 50"; NOT_TRAINED."""
    if not group.seeds:
        return NOT_TRAINED
    number, comma, rest = count_seeds(group).partition(",")
    return f"{number} seed{'' if number == '1' else 's'}{comma}{rest}"


def count_seeds(group: Group) -> str:
    """The number of seeds: "10"; where configured ones are missing, "6 of 10" or "5, without 50".

    The latter where some seeds are not among the configured ones.
    """
    if not isinstance(group, SeedGroup) or not (missing := _list_missing_seeds(group)):
        return str(group.seeds)
    if len(missing) + group.seeds == len(group.configured):
        return f"{group.seeds} of {len(group.configured)}"
    return f"{group.seeds}, without {', '.join(map(str, missing))}"


def is_incomplete(group: Group) -> bool:
    """Whether seeds that the configuration lists, or all seeds, are missing."""
    return isinstance(group, SeedGroup) and (not group.seeds or bool(_list_missing_seeds(group)))


def _list_missing_seeds(group: SeedGroup) -> list[int]:
    return sorted({*group.configured} - {*group.runs["seed"]})


def describe_seeds(group: Group) -> str:
    """Environment, where one is known, and number of seeds."""
    number = describe_seed_count(group)
    return f"{group.env} ({number})" if group.env and group.seeds else number


def explain_missing(group: Group, end: float) -> str:
    """Why a group has no values up to the environment step `end`."""
    return f"no evaluation up to step {end:,.0f}" if group.seeds else NOT_TRAINED


def format_legend(group: Group) -> str:
    """Label, environment and number of seeds."""
    return f"{group.label}, {describe_seeds(group)}"


@dataclasses.dataclass(frozen=True)
class Final:
    """Final return: the mean of the curve over a window, `values` (seeds,) where known.

    `evaluations` is the number of evaluations that enter it.
    """

    moments: Moments
    values: np.ndarray | None
    evaluations: int
    window: Window


@dataclasses.dataclass(frozen=True)
class SeedFinal(Final):
    """Final returns of a `SeedGroup`, of which the value of every seed is known."""

    values: np.ndarray


@overload
def measure_final(group: SeedGroup, final: FinalSteps, *others: Group) -> SeedFinal | None: ...


@overload
def measure_final(group: Group, final: FinalSteps, *others: Group) -> Final | None: ...


def measure_final(group: Group, final: FinalSteps, *others: Group) -> Final | None:
    """Final returns of a group: the mean of each seed's curve over its last steps.

    With `others`, the window is the last one that all groups cover. See
    `grids.choose_final_window`. None where there is no such window or no seed.
    """
    groups = (group, *others)
    if not all(each.seeds for each in groups):
        return None
    window = grids.choose_final_window(final.width, *(each.steps for each in groups), end=final.end)
    if window is None:
        return None
    weights = grids.compute_weights(group.steps, window)
    used = int(np.count_nonzero(weights))
    if isinstance(group, SeedGroup):
        values = weights @ group.get_returns()
        return SeedFinal(statistics.compute_moments(values), values, used, window)
    mean, sd = (float(weights @ part) for part in group.compute_return_band())
    return Final(Moments(mean, _make_unbiased(sd, group.seeds), group.seeds), None, used, window)


def measure_runs(runs: pd.DataFrame) -> SeedFinal:
    """Final returns of seeds of one experiment over DEFAULT_FINAL, in ascending order of the seeds.

    `runs` is a table of curves, one or more; ValueError for a table without rows.
    """
    final = measure_final(SeedGroup("", "", "", runs), DEFAULT_FINAL)
    if final is None:
        raise ValueError("no runs")
    return final


def _make_unbiased(sd: float, n: int) -> float:
    """A standard deviation of divisor n - 1 from one of divisor n; NaN for one seed."""
    return sd * math.sqrt(n / (n - 1)) if n > 1 else NAN
