"""Comparisons as `config.yaml` declares them, and their statistics as tables.

A comparison holds groups of seeds (`ddpg.analysis.groups`): our own experiments first, then the
references.
"""

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ddpg.analysis import curves, grids, statistics
from ddpg.analysis.groups import (
    DEFAULT_FINAL,
    NOT_TRAINED,
    FinalSteps,
    Group,
    PublishedGroup,
    SeedGroup,
    describe_seed_count,
    explain_missing,
    is_incomplete,
    measure_final,
)
from ddpg.analysis.statistics import NAN, Estimate, Moments
from ddpg.errors import UserError
from ddpg.files import encode_file_name

PLANNED, EXPLORATORY = "planned", "exploratory"

ONE_SEED = "one seed, so no interval and no test"
NO_TEST = "two seeds, so no bootstrap interval and no test"
NO_INTERVAL = f"fewer than {statistics.FEWEST_RESAMPLED} seeds, so no bootstrap interval"
NO_COMMON_STEPS = "no overlapping environment steps"
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
    "planned",
    "seeds_a",
    "seeds_b",
    "evaluations_a",
    "evaluations_b",
    "from_step",
    "to_step",
    "mean_a",
    "mean_b",
    "difference",
    "difference_low",
    "difference_high",
    "welch_t",
    "welch_df",
    "welch_p",
    "welch_p_adjusted",
    "probability_of_improvement",
    "probability_of_improvement_low",
    "probability_of_improvement_high",
    "detectable_difference",
    "seeds_to_settle",
    "seeds_to_settle_low",
    "seeds_to_settle_high",
    "note",
]


@dataclasses.dataclass(frozen=True)
class Pair:
    """The names of two groups whose difference, `a` minus `b`, is tested.

    `planned`: whether the configuration calls the test planned; config.yaml says since when.
    """

    a: str
    b: str
    planned: bool = False


@dataclasses.dataclass(frozen=True)
class Reach:
    """Return threshold for sample efficiency.

    That is the number of environment steps until the learning curve, smoothed over `smooth` steps,
    first reaches it. Steps after the end of `FinalSteps` do not count. As in the figures, and like
    what others have smoothed, curves are smoothed before they are cut there.
    """

    test_return: float
    smooth: int = 0


@dataclasses.dataclass(frozen=True)
class Factorial:
    """What the two networks and the two schedules are called, and the experiments of the cells.

    `cells` holds the names of the experiments 00, 01, 10 and 11. `also_differ` names other
    hyperparameters in which these differ: then the effects may be theirs.
    """

    networks: tuple[str, str]
    schedule: tuple[str, str]
    cells: tuple[str, str, str, str]
    also_differ: tuple[str, ...] = ()

    def change_names(self, change: Callable[[str], str]) -> "Factorial":
        """The 2x2 with `change` applied to the names of networks and schedules."""
        (a, b), (c, d) = self.networks, self.schedule
        return dataclasses.replace(
            self, networks=(change(a), change(b)), schedule=(change(c), change(d))
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Groups to compare.

    Final returns are measured over the environment steps `final`. `smooth` is the width in
    steps of the moving average of drawn seeds. `pairs` are the differences to test, besides those
    of every experiment with each later group. `experiment_figures`: whether the experiments' own
    figures belong to it. `factorial`: the 2x2 design of the experiments, or None.
    """

    name: str
    title: str
    groups: tuple[Group, ...]
    final: FinalSteps = DEFAULT_FINAL
    smooth: int = 0
    reach: Reach | None = None
    pairs: tuple[Pair, ...] = ()
    experiment_figures: bool = True
    factorial: Factorial | None = None

    @property
    def ours(self) -> tuple[SeedGroup, ...]:
        """The groups that are experiments of this package."""
        return tuple(g for g in self.groups if isinstance(g, SeedGroup) and g.ours)

    def make_figure_path(self, directory: Path | str, figure: str, suffix: str = "") -> Path:
        """The path of one of its figures below `directory`, as `figures.draw_figures` names it."""
        return Path(directory, self.name, f"{figure}{suffix}")

    def find_figure(self, directory: Path | str, suffix: str) -> Path:
        """The path of its first figure below `directory`; UserError if that is not drawn."""
        path = self.make_figure_path(directory, "comparison", suffix)
        if not path.is_file():
            raise UserError(
                f"{path}: missing; draw it with `plot` or, in Snakemake, add "
                "--forcerun=figures_of_comparison"
            )
        return path

    def find_group(self, name: str) -> Group | None:
        """The group of that name which has seeds, or None."""
        found = [group for group in self.groups if group.name == name and group.seeds]
        return found[0] if found else None

    def list_pairs(self) -> list[tuple[Group, Group, bool]]:
        """The differences to test, as (a, b, planned): planned ones first.

        Each experiment is tested against the later experiments and every reference.
        """
        by_name = {group.name: group for group in self.groups}
        pairs = sorted(self.pairs, key=lambda pair: not pair.planned)
        for position, a in enumerate(self.ours):
            pairs += [Pair(a.name, b.name) for b in self.groups[position + 1 :]]
        chosen: dict[frozenset[str], Pair] = {}
        for pair in pairs:
            chosen.setdefault(frozenset((pair.a, pair.b)), pair)
        return [(by_name[pair.a], by_name[pair.b], pair.planned) for pair in chosen.values()]


def load_comparison(
    name: str,
    spec: dict[str, Any],
    runs: pd.DataFrame,
    root: Path | str = ".",
    configured_seeds: Mapping[str, tuple[int, ...]] | None = None,
) -> Comparison:
    """Build the comparison `name` of the configuration from our runs and the files it names.

    `spec` is `comparisons.<name>` of config.yaml, `runs` an `aggregate` table, `configured_seeds`
    the seeds that the configuration lists for each experiment; paths are relative to `root`. An
    experiment without runs becomes a group of 0 seeds. Raises UserError for references that cannot
    be read. Labels are put on one line; groups with equal labels get their names added.
    """
    configured = configured_seeds or {}
    groups: list[Group] = [
        _load_experiment(key, label, runs, configured.get(key, ()))
        for key, label in spec["experiments"].items()
    ]
    for key, reference in spec.get("references", {}).items():
        try:
            groups.append(_load_reference(key, reference, Path(root)))
        except UserError as error:
            raise UserError(f"comparisons.{name}.references.{key}: {error}") from None
    reach, factorial = spec.get("reach"), spec.get("factorial")
    return Comparison(
        name=name,
        title=_join_lines(spec["title"]) or name,
        groups=_distinguish(groups),
        final=_load_final(spec.get("final", {})),
        smooth=_get_width(spec, "smooth"),
        reach=Reach(reach["return"], _get_width(reach, "smooth")) if reach else None,
        pairs=tuple(
            Pair(a, b, planned=kind == "planned")
            for kind, listed in spec.get("pairs", {}).items()
            for a, b in listed
        ),
        experiment_figures=spec.get("experiment_figures", True),
        factorial=_load_factorial(factorial) if factorial else None,
    )


def tabulate_groups(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per group: final returns over seeds, and sample efficiency.

    Returns are undiscounted sums of rewards per episode, `_low` and `_high` 95 % intervals over
    seeds, `sd` has divisor n - 1, steps are environment steps. `steps_to_return` is the median over
    seeds of the step at which they reach `reach`, NaN unless more than half of them do,
    `seeds_reaching` the number that do, `steps_of_mean` the step at which the mean curve reaches
    it, also defined for published curves.
    """
    rows = [
        _make_group_row(comparison, group)
        for comparison in comparisons
        for group in comparison.groups
    ]
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def tabulate_pairs(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per pair of `Comparison.list_pairs`: group `a` minus group `b`.

    Final returns are those of the last steps that both groups cover. `welch_p_adjusted` holds
    the false discovery rate among all distinct tests of the table at the level of `welch_p`
    (Benjamini and Hochberg 1995). Several comparisons may hold the same test, in either order: it
    counts once, and is planned if one of them plans it. `detectable_difference` is the minimum
    detectable effect of these numbers of seeds (80 % power at the 5 % level), `seeds_to_settle` the
    number of seeds per group at which the observed difference would be the minimum detectable
    effect; its `_low` and `_high` are that number for the ends of the difference's interval.
    """
    rows = [
        _make_pair_row(comparison, a, b, planned)
        for comparison in comparisons
        for a, b, planned in comparison.list_pairs()
    ]
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    tests = [_identify_test(row) for row in table.to_dict("records")]
    kinds = list(zip(tests, table["planned"], strict=True))
    distinct = [test for test in dict.fromkeys(tests) if not math.isnan(test.p)]
    planned = {test for test, kind in kinds if kind == PLANNED}.intersection(distinct)
    p = statistics.adjust_p_values(np.array([test.p for test in distinct]))
    adjusted = dict(zip(distinct, p, strict=True))
    return table.assign(
        planned=[PLANNED if test in planned else kind for test, kind in kinds],
        welch_p_adjusted=[adjusted.get(test, NAN) for test in tests],
    )


class _Test(NamedTuple):
    """What distinguishes a test from others of the table, whichever group is named first."""

    groups: frozenset[str]
    from_step: float
    to_step: float
    p: float


def _identify_test(row: Mapping[Hashable, Any]) -> _Test:
    groups = frozenset((row["a"], row["b"]))
    return _Test(groups, row["from_step"], row["to_step"], row["welch_p"])


def _make_group_row(comparison: Comparison, group: Group) -> dict[str, object]:
    result = measure_final(group, comparison.final)
    known = result.moments if result else Moments(NAN, NAN, 0)
    values = result.values if result else None
    return {
        "comparison": comparison.name,
        "group": group.name,
        "label": group.label,
        "env": group.env,
        "seeds": group.seeds,
        "evaluations": result.evaluations if result else 0,
        "from_step": result.window.start if result else NAN,
        "to_step": result.window.end if result else NAN,
        **_name_interval("mean", _bootstrap(np.mean, values, value=known.mean)),
        "sd": known.sd,
        **_name_interval("iqm", _bootstrap(statistics.compute_interquartile_mean, values)),
        "min": NAN if values is None else values.min(),
        "max": NAN if values is None else values.max(),
        **_measure_efficiency(comparison, group),
        "note": _describe_limits(group) if result else _note_missing(group, comparison.final.end),
    }


def _note_missing(group: Group, end: float) -> str:
    return f"{group.name}: {explain_missing(group, end)}"


def _describe_limits(group: Group) -> str:
    """What a reader must know of a group's seeds before reading its numbers; often nothing."""
    if isinstance(group, PublishedGroup):
        few = ", too few seeds for a test" if group.seeds < statistics.FEWEST_TESTED else ""
        smoothed = f", smoothed over {group.smoothed:,} steps" if group.smoothed else ""
        return f"{group.name}: {ONLY_MOMENTS}{few}{smoothed}"
    few = {0: NOT_TRAINED, 1: ONE_SEED, 2: NO_TEST}.get(group.seeds, NO_INTERVAL)
    notes = [
        f"incomplete, {describe_seed_count(group)}" if group.seeds and is_incomplete(group) else "",
        few if group.seeds < statistics.FEWEST_RESAMPLED else "",
        group.note,
    ]
    return "; ".join(f"{group.name}: {note}" for note in notes if note)


def _measure_efficiency(comparison: Comparison, group: Group) -> dict[str, float]:
    row = {"reach": NAN, "seeds_reaching": NAN, "steps_to_return": NAN, "steps_of_mean": NAN}
    if comparison.reach is None or not group.seeds:
        return row
    reach, kept = comparison.reach, group.steps <= comparison.final.end
    steps = group.steps[kept]
    row["reach"] = reach.test_return
    mean, _ = group.compute_return_band()
    if not (isinstance(group, PublishedGroup) and group.smoothed):
        mean = grids.smooth_curve(group.steps, mean, reach.smooth)
    row["steps_of_mean"] = statistics.find_step_reaching(steps, mean[kept], reach.test_return)
    if isinstance(group, SeedGroup):
        of_seeds = np.array(
            [
                statistics.find_step_reaching(steps, curve, reach.test_return)
                for curve in group.get_returns(smooth=reach.smooth)[kept].T
            ]
        )
        row["seeds_reaching"] = int(np.count_nonzero(~np.isnan(of_seeds)))
        # A seed that does not reach it would need more steps than it has made.
        median = np.median(np.nan_to_num(of_seeds, nan=math.inf))
        row["steps_to_return"] = median if math.isfinite(median) else NAN
    return row


def _make_pair_row(comparison: Comparison, a: Group, b: Group, planned: bool) -> dict[str, object]:
    row = {
        "comparison": comparison.name,
        "a": a.name,
        "b": b.name,
        "planned": PLANNED if planned else EXPLORATORY,
        "seeds_a": a.seeds,
        "seeds_b": b.seeds,
    }
    final_a, final_b = measure_final(a, comparison.final, b), measure_final(b, comparison.final, a)
    if final_a is None or final_b is None:
        empty = [_describe_limits(group) for group in (a, b) if not group.seeds]
        return row | {"note": "; ".join(empty) or NO_COMMON_STEPS}
    test = statistics.test_difference(final_a.moments, final_b.moments)
    better = Estimate(NAN)
    if final_a.values is not None and final_b.values is not None:
        better = statistics.estimate_improvement_probability(final_a.values, final_b.values)
    settle = statistics.estimate_seeds_to_detect(final_a.moments, final_b.moments)
    return row | {
        "evaluations_a": final_a.evaluations,
        "evaluations_b": final_b.evaluations,
        "from_step": final_a.window.start,
        "to_step": final_a.window.end,
        "mean_a": final_a.moments.mean,
        "mean_b": final_b.moments.mean,
        "difference": test.estimate,
        "difference_low": test.low,
        "difference_high": test.high,
        "welch_t": test.t,
        "welch_df": test.df,
        "welch_p": test.p,
        **_name_interval("probability_of_improvement", better),
        "detectable_difference": statistics.compute_detectable_difference(
            final_a.moments, final_b.moments
        ),
        **_name_interval("seeds_to_settle", settle),
        "note": "; ".join(
            filter(
                None,
                (
                    _describe_limits(a),
                    _describe_limits(b),
                    _note_shorter_group(a, b, comparison.final.end),
                ),
            )
        ),
    }


def _note_shorter_group(a: Group, b: Group, latest: float) -> str:
    """Which of two groups ends before the other, if by more than one evaluation of the latter.

    What comes after the step `latest` does not count.
    """
    ends = {group.name: group.steps[-1] for group in (a, b)}
    first, last = sorted((a, b), key=lambda group: ends[group.name])
    if np.count_nonzero((last.steps > ends[first.name]) & (last.steps <= latest)) <= 1:
        return ""
    return (
        f"{first.name} ends at step {ends[first.name]:,.0f}, {last.name} at step "
        f"{ends[last.name]:,.0f}: compared up to step {ends[first.name]:,.0f}"
    )


def _load_experiment(
    name: str, label: str, runs: pd.DataFrame, configured: tuple[int, ...]
) -> SeedGroup:
    own = runs[runs["experiment"] == name]
    env = own["env"].iloc[0] if len(own) else ""
    return SeedGroup(name, label, env, own, ours=True, configured=configured)


def _load_reference(name: str, spec: dict[str, Any], root: Path) -> Group:
    if "curve" in spec:
        source = spec["curve"]
        path = root / encode_file_name(source["file"])
        curve = curves.read_published(path, spec["env"], source["implementation"])
        smoothed = _get_width(source, "smoothed")
        return PublishedGroup(name, spec["label"], spec["env"], source["seeds"], curve, smoothed)
    if "table" in spec:
        runs = curves.read_per_seed(root / encode_file_name(spec["table"]))
    else:
        runs = curves.read_external(root / encode_file_name(path) for path in spec["runs"])
    aligned = grids.align_seeds(runs)
    if aligned.empty:
        raise UserError("its seeds have no environment steps in common; leave some out")
    return SeedGroup(name, spec["label"], spec["env"], aligned, note=_note_unequal_seeds(runs))


def _note_unequal_seeds(runs: pd.DataFrame) -> str:
    """Where the seeds of a group end, if they do not end within one evaluation of each other."""
    ends = runs.groupby("seed")["env_interacts"].max()
    longest = runs[runs["seed"] == ends.idxmax()]["env_interacts"]
    if np.count_nonzero(longest > ends.min()) <= 1:
        return ""
    return (
        f"seeds end between steps {ends.min():,.0f} and {ends.max():,.0f}, truncated at the "
        "shortest seed"
    )


def _load_factorial(spec: Mapping[str, Any]) -> Factorial:
    """The 2x2 that `factorial` of a comparison declares."""
    (c00, c01), (c10, c11) = spec["cells"]
    return Factorial(
        networks=tuple(spec["networks"]),
        schedule=tuple(spec["schedule"]),
        cells=(c00, c01, c10, c11),
    ).change_names(_join_lines)


def _load_final(spec: dict[str, int]) -> FinalSteps:
    return FinalSteps(
        width=spec.get("steps", DEFAULT_FINAL.width), end=spec.get("end", DEFAULT_FINAL.end)
    )


def _get_width(spec: dict[str, Any], key: str) -> int:
    """The width in steps of a moving average; 0 where there is none."""
    return spec[key]["steps"] if key in spec else 0


def _join_lines(text: str) -> str:
    """The text without line breaks, and without characters that are not printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _distinguish(groups: list[Group]) -> tuple[Group, ...]:
    """The groups with labels on one line, the name added to those that are equal otherwise."""
    labels = [_join_lines(group.label) or group.name for group in groups]
    while len(set(labels)) < len(labels):
        labels = [
            f"{label} ({group.name})" if labels.count(label) > 1 else label
            for label, group in zip(labels, groups, strict=True)
        ]
    return tuple(
        dataclasses.replace(group, label=label, env=_join_lines(group.env))
        for label, group in zip(labels, groups, strict=True)
    )


def _bootstrap(
    statistic: Callable[..., Any], values: np.ndarray | None, value: float = NAN
) -> Estimate:
    return Estimate(value) if values is None else statistics.bootstrap(statistic, values)


def _name_interval(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
