"""Comparisons as `config.yaml` declares them, and their statistics as tables.

A comparison holds groups of seeds: our own experiments first, then the references. Of a reference
either every seed's curve is known or only their mean and standard deviation.
"""

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ddpg.analysis import curves, statistics
from ddpg.analysis.statistics import NAN, Estimate, Moments
from ddpg.errors import UserError
from ddpg.files import file_name

ONE_SEED = "one seed, so no interval and no test"
NO_SEEDS = "0 seeds"
NO_INTERVAL = f"fewer than {statistics.FEWEST_RESAMPLED} seeds, so no bootstrap interval"
NO_COMMON_STEPS = "no evaluation at steps that both have"
ONLY_MOMENTS = "only mean and sd published"
GROUP_COLUMNS = [
    "comparison",
    "group",
    "label",
    "env",
    "seeds",
    "evaluations",
    "from_step",
    "to_step",
    "mean",
    "mean_low",
    "mean_high",
    "sd",
    "iqm",
    "iqm_low",
    "iqm_high",
    "min",
    "max",
    "reach",
    "seeds_reaching",
    "steps_to_return",
    "steps_of_mean",
    "note",
]
PAIR_COLUMNS = [
    "comparison",
    "a",
    "b",
    "seeds_a",
    "seeds_b",
    "evaluations_a",
    "evaluations_b",
    "to_step",
    "mean_a",
    "mean_b",
    "difference",
    "difference_low",
    "difference_high",
    "welch_t",
    "welch_df",
    "welch_p",
    "probability_of_improvement",
    "probability_of_improvement_low",
    "probability_of_improvement_high",
    "detectable_difference",
    "seeds_to_settle",
    "note",
]


@dataclasses.dataclass(frozen=True)
class Group:
    """The seeds of one experiment or reference.

    `runs` holds every seed's curve (columns `seed` and `curves.COLUMNS.values()`), or `published`
    the mean and the standard deviation over seeds (divisor n, as Spinning Up draws it) per
    evaluation, which its publisher `smoothed` over that many epochs; the other one is None. An
    experiment that has not run has `runs` without rows.
    """

    name: str
    label: str
    env: str
    ours: bool
    seeds: int
    runs: pd.DataFrame | None = None
    published: pd.DataFrame | None = None
    smoothed: int = 1

    @property
    def legend(self) -> str:
        """Label, environment and number of seeds."""
        return f"{self.label}, {self.detail}"

    @property
    def detail(self) -> str:
        """Environment, where one is known, and number of seeds."""
        seeds = f"{self.seeds} seed{'' if self.seeds == 1 else 's'}"
        return f"{self.env} ({seeds})" if self.env else seeds

    @property
    def steps(self) -> np.ndarray:
        """Environment steps of the evaluations (T,)."""
        table = self.runs if self.published is None else self.published
        return np.unique(table["env_interacts"].to_numpy(dtype=float))

    def matrix(self, column: str = "test_return_mean", smooth: int = 1) -> np.ndarray | None:
        """One column of every seed (T, seeds), each smoothed on its own; None without such data."""
        if self.runs is None or self.runs.empty or self.runs[column].isna().all():
            return None
        values = self.runs.pivot(index="env_interacts", columns="seed", values=column)
        return np.apply_along_axis(curves.smooth, 0, values.to_numpy(dtype=float), smooth)

    def mean_and_sd(
        self, column: str = "test_return_mean", smooth: int = 1
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and standard deviation over seeds (T,), (T,), as Spinning Up draws them.

        The divisor is n: `tsplot(ci='sd')` of Spinning Up's plot.py takes NumPy's default. A
        published curve is returned as it is, smoothed or not. None without such data.
        """
        if self.published is not None and column == "test_return_mean":
            return self.published["mean"].to_numpy(), self.published["sd"].to_numpy()
        values = self.matrix(column, smooth)
        return None if values is None else (values.mean(axis=1), values.std(axis=1))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Groups to compare; `smooth` is the width in epochs of the moving average of drawn seeds.

    `reach` is the return whose first reaching counts as sample efficiency, judged on curves
    smoothed over `reach_smooth` epochs, or None. `experiment_figures`: whether the experiments' own
    figures belong to it.
    """

    name: str
    title: str
    groups: tuple[Group, ...]
    smooth: int = 1
    reach: float | None = None
    reach_smooth: int = 1
    experiment_figures: bool = True

    @property
    def ours(self) -> tuple[Group, ...]:
        """The groups that are experiments of this package."""
        return tuple(group for group in self.groups if group.ours)

    def group(self, name: str) -> Group | None:
        """The group of that name which has seeds, or None."""
        found = [group for group in self.groups if group.name == name and group.seeds]
        return found[0] if found else None


@dataclasses.dataclass(frozen=True)
class Final:
    """Final performance: the mean of the last evaluations, per seed where seeds are known."""

    moments: Moments
    values: np.ndarray | None
    evaluations: int
    first_step: float
    last_step: float


def load(name: str, spec: dict, runs: pd.DataFrame, root: Path | str = ".") -> Comparison:
    """Build the comparison `name` of the configuration from our runs and the files it names.

    `spec` is `comparisons.<name>` of config.yaml, `runs` an `aggregate` table; paths are relative
    to `root`. An experiment without runs becomes a group of 0 seeds. Raises UserError for
    references that cannot be read and for our runs of different evaluation steps. Labels are
    brought on one line; groups of equal labels are told apart by their names.
    """
    ours = [_experiment(key, label, runs) for key, label in spec["experiments"].items()]
    run = [
        (group.name, group.runs.drop_duplicates("env_interacts")) for group in ours if group.seeds
    ]
    if run:
        curves.check_same_steps(run)
    references = []
    for key, reference in spec.get("references", {}).items():
        try:
            references.append(_reference(key, reference, Path(root)))
        except UserError as error:
            raise UserError(f"comparisons.{name}.references.{key}: {error}") from None
    reach = spec.get("reach", {})
    return Comparison(
        name=name,
        title=_one_line(spec["title"]) or name,
        groups=_told_apart([*ours, *references]),
        smooth=spec.get("smooth", 1),
        reach=reach.get("return"),
        reach_smooth=reach.get("smooth", 1),
        experiment_figures=spec.get("experiment_figures", True),
    )


def final(group: Group, other: Group | None = None) -> Final | None:
    """Final performance of a group of seeds; None if it has no evaluation to take it from.

    It is the mean of the last `curves.final_evaluations` evaluations. With `other`, both groups are
    cut to the steps that both have (the last evaluation may miss the other's by half the distance
    of two: some loggers count from 0), for the later evaluations are the better ones.
    """
    if not group.seeds:
        return None
    kept = np.ones(len(group.steps), dtype=bool)
    if other is not None:
        slack = np.diff(group.steps).min() / 2 if len(kept) > 1 else group.steps[0] / 2
        kept = group.steps < other.steps[-1] + slack
    if not kept.any():
        return None
    wanted = curves.final_evaluations(int(kept.sum()))
    last = np.flatnonzero(kept)[-wanted:]
    values = group.matrix()
    if values is None:
        mean, sd = group.published["mean"].iloc[last], group.published["sd"].iloc[last]
        known = Moments(float(mean.mean()), _unbiased(float(sd.mean()), group.seeds), group.seeds)
    else:
        values = values[last].mean(axis=0)
        known = statistics.moments(values)
    first_step, last_step = group.steps[last[0]], group.steps[last[-1]]
    return Final(known, values, wanted, float(first_step), float(last_step))


def group_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per group: final performance over seeds, and sample efficiency.

    Returns are undiscounted sums of rewards per episode, `_low` and `_high` 95 % intervals over
    seeds, `sd` has divisor n - 1, steps are environment steps. `steps_to_return` is the median over
    the seeds that reach `reach`, `seeds_reaching` their number, `steps_of_mean` the step at which
    the mean curve does, known also where the seeds are not.
    """
    rows = [
        _group_row(comparison, group) for comparison in comparisons for group in comparison.groups
    ]
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def pair_table(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per experiment of ours (`a`) and later experiment or reference (`b`): a minus b.

    Final performance is that of the steps both have. `detectable_difference` is what these numbers
    of seeds show with power 0.8, `seeds_to_settle` the number of seeds a side with which a true
    difference as large as the observed one would show, both at the 5 % level.
    """
    rows = []
    for comparison in comparisons:
        for position, a in enumerate(comparison.ours):
            rows += [_pair_row(comparison, a, b) for b in comparison.groups[position + 1 :]]
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _group_row(comparison: Comparison, group: Group) -> dict:
    result = final(group)
    known = result.moments if result else Moments(NAN, NAN, 0)
    values = result.values if result else None
    row = {
        "comparison": comparison.name,
        "group": group.name,
        "label": group.label,
        "env": group.env,
        "seeds": group.seeds,
        "evaluations": result.evaluations if result else 0,
        "from_step": result.first_step if result else NAN,
        "to_step": result.last_step if result else NAN,
        **_interval("mean", _bootstrap(np.mean, values, value=known.mean)),
        "sd": known.sd,
        **_interval("iqm", _bootstrap(statistics.interquartile_mean, values)),
        "min": NAN if values is None else values.min(),
        "max": NAN if values is None else values.max(),
        **_efficiency(comparison, group),
        "note": _note(group),
    }
    return row


def _note(group: Group) -> str:
    if group.published is not None:
        smoothed = f", smoothed over {group.smoothed} epochs" if group.smoothed > 1 else ""
        return f"{group.name}: {ONLY_MOMENTS}{smoothed}"
    if group.seeds >= statistics.FEWEST_RESAMPLED:
        return ""
    return f"{group.name}: {({0: NO_SEEDS, 1: ONE_SEED}).get(group.seeds, NO_INTERVAL)}"


def _efficiency(comparison: Comparison, group: Group) -> dict:
    row = {"reach": NAN, "seeds_reaching": NAN, "steps_to_return": NAN, "steps_of_mean": NAN}
    if comparison.reach is None or not group.seeds:
        return row
    row["reach"] = comparison.reach
    mean, _ = group.mean_and_sd()
    if group.smoothed == 1:
        mean = curves.smooth(mean, comparison.reach_smooth)
    row["steps_of_mean"] = statistics.steps_to_return(group.steps, mean, comparison.reach)
    values = group.matrix(smooth=comparison.reach_smooth)
    if values is not None:
        steps = np.array(
            [statistics.steps_to_return(group.steps, v, comparison.reach) for v in values.T]
        )
        reached = steps[~np.isnan(steps)]
        row["seeds_reaching"] = len(reached)
        row["steps_to_return"] = np.median(reached) if len(reached) else NAN
    return row


def _pair_row(comparison: Comparison, a: Group, b: Group) -> dict:
    row = {"comparison": comparison.name, "a": a.name, "b": b.name}
    row |= {"seeds_a": a.seeds, "seeds_b": b.seeds}
    both = (final(a, b), final(b, a)) if a.seeds and b.seeds else (None, None)
    if None in both:
        empty = [_note(group) for group in (a, b) if not group.seeds]
        return row | {"note": "; ".join(empty) or NO_COMMON_STEPS}
    of_a, of_b = (result.moments for result in both)
    test = statistics.welch(of_a, of_b)
    better = Estimate(NAN)
    if both[0].values is not None and both[1].values is not None:
        better = statistics.bootstrap(statistics.improvement, both[0].values, both[1].values)
    return row | {
        "evaluations_a": both[0].evaluations,
        "evaluations_b": both[1].evaluations,
        "to_step": min(result.last_step for result in both),
        "mean_a": of_a.mean,
        "mean_b": of_b.mean,
        "difference": test.difference,
        "difference_low": test.low,
        "difference_high": test.high,
        "welch_t": test.t,
        "welch_df": test.df,
        "welch_p": test.p,
        **_interval("probability_of_improvement", better),
        "detectable_difference": statistics.detectable_difference(of_a, of_b),
        "seeds_to_settle": statistics.seeds_to_detect(test.difference, of_a, of_b),
        "note": "; ".join(filter(None, (_note(a), _note(b)))),
    }


def _experiment(name: str, label: str, runs: pd.DataFrame) -> Group:
    own = runs[runs["experiment"] == name]
    env = own["env"].iloc[0] if len(own) else ""
    return Group(name, label, env, ours=True, seeds=own["seed"].nunique(), runs=own)


def _reference(name: str, spec: dict, root: Path) -> Group:
    common = {"name": name, "label": spec["label"], "env": spec["env"], "ours": False}
    if "curve" in spec:
        curve = spec["curve"]
        path = root / file_name(curve["file"])
        published = curves.read_published(path, spec["env"], curve["implementation"])
        smoothed = curve.get("smoothed", 1)
        return Group(**common, seeds=curve["seeds"], published=published, smoothed=smoothed)
    if "table" in spec:
        runs = curves.read_per_seed(root / file_name(spec["table"]))
    else:
        runs = curves.read_external(root / file_name(path) for path in spec["runs"])
    return Group(**common, seeds=runs["seed"].nunique(), runs=runs)


def _one_line(text: str) -> str:
    """The text without line breaks, and without characters that are not printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _told_apart(groups: list[Group]) -> tuple[Group, ...]:
    """The groups with labels on one line, the name added to those that are equal otherwise."""
    labels = [_one_line(group.label) or group.name for group in groups]
    while len(set(labels)) < len(labels):
        labels = [
            f"{label} ({group.name})" if labels.count(label) > 1 else label
            for label, group in zip(labels, groups, strict=True)
        ]
    return tuple(
        dataclasses.replace(group, label=label, env=_one_line(group.env))
        for label, group in zip(labels, groups, strict=True)
    )


def _bootstrap(statistic, values: np.ndarray | None, value: float = NAN) -> Estimate:
    return Estimate(value) if values is None else statistics.bootstrap(statistic, values)


def _interval(name: str, estimate: Estimate) -> dict:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _unbiased(sd: float, n: int) -> float:
    """A standard deviation of divisor n - 1 from one of divisor n; NaN for one seed."""
    return sd * math.sqrt(n / (n - 1)) if n > 1 else NAN
