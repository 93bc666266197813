"""Judge claims: each statement beside what the data says.

The data agrees where the measured value lies in the expected range (of the test `interval`: where
its whole 95 % interval does), for statements are mostly about measured values themselves. It does
not agree where the whole interval lies outside. Anything else is undecided, and so is every claim
about an experiment whose seeds are not all there: looking before the data are complete finds
differences by chance more often than the confidence level says.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd

from ddpg.analysis import grids, statistics
from ddpg.analysis.claims import Claim
from ddpg.analysis.comparison import Comparison
from ddpg.analysis.groups import (
    Final,
    Group,
    PublishedGroup,
    SeedGroup,
    describe_seed_count,
    is_incomplete,
    measure_final,
)
from ddpg.analysis.statistics import Estimate
from ddpg.analysis.tables import format_count

AGREES, DISAGREES, UNDECIDED = "agrees", "does not agree", "undecided"
UNDEFINED = (
    f"undefined for fewer than {statistics.FEWEST_TESTED} seeds, and for seeds that do not vary"
)
COLUMNS = [
    "comparison",
    "group",
    "statement",
    "source",
    "quantity",
    "against",
    "test",
    "agrees_from",
    "agrees_to",
    "measured",
    "measured_low",
    "measured_high",
    "verdict",
    "note",
]


def judge_estimate(estimate: Estimate | None, low: float, high: float, test: str = "value") -> str:
    """AGREES, DISAGREES or UNDECIDED; an unknown interval (NaN) is neither in nor outside."""
    if estimate is None:
        return UNDECIDED
    known = (estimate.value, estimate.value)
    if test == "interval":
        known = (estimate.low, estimate.high)
    if low <= known[0] and known[1] <= high:
        return AGREES
    if estimate.high < low or high < estimate.low:
        return DISAGREES
    return UNDECIDED


def judge_claims(claims: Iterable[Claim], comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per claim about these comparisons: the agreeing range, the measured value, a verdict.

    Claims about other comparisons are left out.
    """
    by_name = {comparison.name: comparison for comparison in comparisons}
    rows = [
        _judge_claim(claim, by_name[claim.comparison])
        for claim in claims
        if claim.comparison in by_name
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _judge_claim(claim: Claim, comparison: Comparison) -> dict[str, object]:
    group = comparison.find_group(claim.group)
    other = comparison.find_group(claim.against) if claim.against else None
    measured = _measure_claim(claim, comparison, group, other) if group else None
    groups = [group, other] if claim.against else [group]
    verdict = judge_estimate(measured, claim.low, claim.high, claim.test)
    if any(each and is_incomplete(each) for each in groups):
        verdict = UNDECIDED
    return {
        "comparison": claim.comparison,
        "group": claim.group,
        "statement": claim.statement,
        "source": claim.source,
        "quantity": claim.quantity,
        "against": claim.against or "",
        "test": claim.test,
        "agrees_from": claim.low,
        "agrees_to": claim.high,
        "measured": measured.value if measured else math.nan,
        "measured_low": measured.low if measured else math.nan,
        "measured_high": measured.high if measured else math.nan,
        "verdict": verdict,
        "note": _explain(verdict, measured, claim, groups),
    }


def _explain(
    verdict: str, measured: Estimate | None, claim: Claim, groups: list[Group | None]
) -> str:
    present = [group for group in groups if group]
    if measured is None or len(present) < len(groups):
        return "no data"
    if incomplete := [group for group in present if is_incomplete(group)]:
        return "; ".join(
            f"incomplete, {describe_seed_count(group)}" + _name_other(group, groups)
            for group in incomplete
        )
    smallest = min(present, key=lambda group: group.seeds)
    if math.isnan(measured.value) and smallest.seeds >= statistics.FEWEST_TESTED:
        return UNDEFINED
    if smallest.seeds < statistics.FEWEST_RESAMPLED:
        return f"{format_count(smallest.seeds, 'seed')}{_name_other(smallest, groups)} only"
    if math.isnan(measured.low) and any(isinstance(group, PublishedGroup) for group in present):
        return "only mean and standard deviation are published, so no interval"
    if verdict == AGREES and (measured.low < claim.low or claim.high < measured.high):
        return "but its interval reaches beyond the range"
    return ""


def _name_other(group: Group, groups: list[Group | None]) -> str:
    """Whose seeds these are, if not those of the group that the claim is about."""
    return "" if group is groups[0] else f" of {group.label}"


def _measure_claim(
    claim: Claim, comparison: Comparison, group: Group, other: Group | None
) -> Estimate | None:
    if claim.against is None:
        return MEASURES_OF_ONE[claim.quantity](comparison, group)
    if other is None:
        return None
    a = measure_final(group, comparison.final, other)
    b = measure_final(other, comparison.final, group)
    return None if a is None or b is None else MEASURES_OF_TWO[claim.quantity](a, b)


def _measure_return(comparison: Comparison, group: Group, deviations: float = 0) -> Estimate | None:
    """Mean over seeds plus `deviations` standard deviations, over the window of the final return.

    The standard deviation is the drawn one (divisor n). It is NaN with fewer than FEWEST_TESTED
    seeds, because one seed has none and that of two is often far too small by chance.
    """
    final = measure_final(group, comparison.final)
    if final is None:
        return None
    if deviations and group.seeds < statistics.FEWEST_TESTED:
        return Estimate(math.nan)
    weights = grids.compute_weights(group.steps, final.window)
    if isinstance(group, PublishedGroup):
        mean, sd = group.compute_return_band()
        return Estimate(float(weights @ (mean + deviations * sd)))
    # Only the window: the resamples of a whole curve need much memory.
    used = weights != 0
    values, weights = group.get_returns()[used], weights[used]

    def statistic(seeds: np.ndarray, axis: int) -> np.ndarray:
        # (..., seeds) -> (..., T, seeds), reduced over the seeds and then over the steps.
        chosen = np.moveaxis(values[:, seeds], 0, -2)
        return (chosen.mean(axis=-1) + deviations * chosen.std(axis=-1)) @ weights

    return statistics.bootstrap(statistic, np.arange(group.seeds))


def _measure_last(comparison: Comparison, group: Group, column: str) -> Estimate | None:
    """The mean over seeds of a column of progress.txt, of each in its last epoch with a value."""
    values = group.get_values(column) if isinstance(group, SeedGroup) else None
    if values is None:
        return None
    known = [seed[np.isfinite(seed)] for seed in values.T]
    last = np.array([seed[-1] for seed in known if len(seed)])
    return statistics.bootstrap(np.mean, last) if len(last) else None


def _measure_seconds(comparison: Comparison, group: Group) -> Estimate | None:
    """Mean wall-clock seconds for 5,000 environment steps."""
    times = group.get_values("time") if isinstance(group, SeedGroup) else None
    if times is None or not np.isfinite(times[-1]).all():
        return None
    return Estimate(float(times[-1].mean() / group.steps[-1] * 5000))


def _measure_difference(a: Final, b: Final) -> Estimate:
    test = statistics.test_difference(a.moments, b.moments)
    return Estimate(test.estimate, test.low, test.high)


def _measure_effect_size(a: Final, b: Final) -> Estimate:
    return statistics.estimate_effect_size(a.moments, b.moments)


def _measure_seeds_to_settle(a: Final, b: Final) -> Estimate:
    return statistics.estimate_seeds_to_detect(a.moments, b.moments)


def _measure_improvement(a: Final, b: Final) -> Estimate | None:
    if a.values is None or b.values is None:
        return None
    return statistics.estimate_improvement_probability(a.values, b.values)


MEASURES_OF_ONE: dict[str, Callable[[Comparison, Group], Estimate | None]] = {
    "final_return": _measure_return,
    "final_return_minus_sd": partial(_measure_return, deviations=-1.0),
    "final_return_plus_sd": partial(_measure_return, deviations=1.0),
    "last_q_loss": partial(_measure_last, column="loss_q"),
    "last_policy_loss": partial(_measure_last, column="loss_pi"),
    "seconds_per_5000_steps": _measure_seconds,
}
MEASURES_OF_TWO: dict[str, Callable[[Final, Final], Estimate | None]] = {
    "difference": _measure_difference,
    "effect_size": _measure_effect_size,
    "seeds_to_settle": _measure_seeds_to_settle,
    "probability_of_improvement": _measure_improvement,
}
