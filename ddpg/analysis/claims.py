"""What the development notes of 2019 say, each statement beside what the data says.

A statement is a range of values. The data agrees where the measured value lies in the range, as the
statements themselves are about measured values; it does not where the value's whole 95 % interval
lies outside; between the two, without an interval and without data, nobody can tell.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd

from ddpg.analysis import comparison as comparisons
from ddpg.analysis import statistics
from ddpg.analysis.comparison import Comparison, Group
from ddpg.analysis.statistics import Estimate

AGREES, DISAGREES, CANNOT_TELL = "agrees", "does not agree", "cannot tell"

# A value read off a drawn curve is no exact number: a stated range counts 5 % wider on both sides,
# "about x" as within a quarter of x.
RANGE_SLACK = 0.05
ABOUT_SLACK = 0.25

# The comparisons of config.yaml, and the groups in them, that the notes speak of.
HC, EX = "halfcheetah-2018", "exercise-2-2"
OURS, SPINUP, RUN_OF_2019 = "halfcheetah-benchmark", "spinup-2018", "drl-tf2"
OURS_EX, SPINUP_EX, SPINUP_RERUN = "spinup-exercise-2-2", "spinup-2018", "spinup-pytorch"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement about the group `subject`, the range that bears it out, and what to measure."""

    statement: str
    comparison: str
    subject: str
    measure: Callable[[Comparison, str], Estimate | None]
    low: float
    high: float


def judge(estimate: Estimate | None, low: float, high: float) -> str:
    """AGREES, DISAGREES or CANNOT_TELL; an unknown interval (NaN) is nowhere outside the range."""
    if estimate is not None and low <= estimate.value <= high:
        return AGREES
    if estimate is not None and (estimate.high < low or high < estimate.low):
        return DISAGREES
    return CANNOT_TELL


def claim_table(given: Iterable[Comparison]) -> pd.DataFrame:
    """One row per statement: the range that agrees, the measured value, the verdict."""
    by_name = {comparison.name: comparison for comparison in given}
    rows = []
    for claim in CLAIMS:
        where = by_name.get(claim.comparison)
        group = where and where.group(claim.subject)
        measured = claim.measure(where, claim.subject) if group else None
        verdict = judge(measured, claim.low, claim.high)
        rows.append(
            {
                "comparison": claim.comparison,
                "group": claim.subject,
                "statement": claim.statement,
                "agrees_from": claim.low,
                "agrees_to": claim.high,
                "measured": measured.value if measured else math.nan,
                "measured_low": measured.low if measured else math.nan,
                "measured_high": measured.high if measured else math.nan,
                "verdict": verdict,
                "note": _note(verdict, measured, claim, group),
            }
        )
    return pd.DataFrame(rows)


def _note(verdict: str, measured: Estimate | None, claim: Claim, group: Group | None) -> str:
    if measured is None:
        return "no data"
    if group.seeds < statistics.FEWEST_RESAMPLED:
        return f"{group.seeds} seed{'' if group.seeds == 1 else 's'} only"
    if verdict == AGREES and (measured.low < claim.low or claim.high < measured.high):
        return "but its interval reaches beyond the range"
    return ""


def _over_seeds(
    comparison: Comparison,
    subject: str,
    *,
    deviations: float = 0.0,
    column: str = "test_return_mean",
    last: int | None = None,
) -> Estimate | None:
    """Mean over seeds plus `deviations` standard deviations, averaged over the last evaluations.

    They are those of the final performance, or the `last` ones. The standard deviation is the drawn
    one (divisor n).
    """
    group = comparison.group(subject)
    drawn = group and group.mean_and_sd(column)
    if not drawn:
        return None
    last = last or comparisons.final(group).evaluations
    values = group.matrix(column)
    if values is None:
        mean, sd = drawn
        return Estimate(float(np.mean((mean + deviations * sd)[-last:])))

    def statistic(seeds: np.ndarray, axis: int) -> np.ndarray:
        chosen = np.moveaxis(values[-last:][:, seeds], 0, -1)
        mean, sd = chosen.mean(axis=axis - 1), chosen.std(axis=axis - 1)
        return (mean + deviations * sd).mean(axis=-1)

    return statistics.bootstrap(statistic, np.arange(group.seeds))


def _against(comparison: Comparison, subject: str, *, other: str, quantity: Callable):
    """`quantity` of the final performances of two groups at the steps that both have."""
    a, b = comparison.group(subject), comparison.group(other)
    both = (comparisons.final(a, b), comparisons.final(b, a)) if a and b else (None, None)
    return None if None in both else quantity(both[0].moments, both[1].moments)


def _difference(a, b) -> Estimate:
    test = statistics.welch(a, b)
    return Estimate(test.difference, test.low, test.high)


def _effect_size(a, b) -> Estimate:
    return Estimate(statistics.effect_size(a, b))


def _seeds_to_settle(a, b) -> Estimate:
    return Estimate(statistics.seeds_to_detect(a.mean - b.mean, a, b))


def _seconds_per_5000_steps(comparison: Comparison, subject: str) -> Estimate | None:
    group = comparison.group(subject)
    times = group and group.matrix("time")
    return None if times is None else Estimate(float(times[-1].mean() / group.steps[-1] * 5000))


def _between(low: float, high: float) -> tuple[float, float]:
    """A range read off a drawn curve."""
    return low - RANGE_SLACK * abs(low), high + RANGE_SLACK * abs(high)


def _about(value: float) -> tuple[float, float]:
    """A single value given as "about"."""
    return value - ABOUT_SLACK * abs(value), value + ABOUT_SLACK * abs(value)


_lower_band = partial(_over_seeds, deviations=-1.0)
_upper_band = partial(_over_seeds, deviations=1.0)
_q_loss = partial(_over_seeds, column="loss_q", last=1)
_policy_loss = partial(_over_seeds, column="loss_pi", last=1)
_difference_to_spinup = partial(_against, other=SPINUP, quantity=_difference)
_effect_against_spinup = partial(_against, other=SPINUP, quantity=_effect_size)
_seeds_against_spinup = partial(_against, other=SPINUP, quantity=_seeds_to_settle)

_LOWER = "one standard deviation below the mean ends at"
_UPPER = "one standard deviation above the mean ends at"
_LAST = "return in the last three epochs"
_ANY = math.inf

CLAIMS = (
    Claim("average return ends above 6,000", HC, OURS, _over_seeds, 6000, _ANY),
    Claim("average return stays below 6,000 but for bumps", HC, SPINUP, _over_seeds, -_ANY, 6000),
    Claim("average return is above Spinning Up's", HC, OURS, _difference_to_spinup, 0, _ANY),
    Claim(
        "the difference to Spinning Up, in standard deviations between seeds, is a usual one",
        HC,
        OURS,
        _effect_against_spinup,
        -1,
        1,
    ),
    Claim("100 seeds of each would settle it", HC, OURS, _seeds_against_spinup, 0, 100),
    Claim(f"{_LOWER} 3,300 to 3,500", HC, OURS, _lower_band, *_between(3300, 3500)),
    Claim(f"{_UPPER} 9,000 to 10,000", HC, OURS, _upper_band, *_between(9000, 10000)),
    Claim(f"{_LOWER} 3,700 to 3,900", HC, SPINUP, _lower_band, *_between(3700, 3900)),
    Claim(f"{_UPPER} 7,000 to 8,000", HC, SPINUP, _upper_band, *_between(7000, 8000)),
    Claim(
        "a 5,000-step epoch takes 38.8 s on their laptop",
        HC,
        RUN_OF_2019,
        _seconds_per_5000_steps,
        *_between(38.8, 38.8),
    ),
    Claim(f"{_LAST}: 200 to 300", EX, OURS_EX, _over_seeds, *_between(200, 300)),
    Claim(f"{_LAST}: 400 to 600", EX, SPINUP_EX, _over_seeds, *_between(400, 600)),
    Claim(f"{_LAST}: 400 to 600", EX, SPINUP_RERUN, _over_seeds, *_between(400, 600)),
    Claim("final Q loss about 10", EX, OURS_EX, _q_loss, *_about(10)),
    Claim("final Q loss about 20", EX, SPINUP_RERUN, _q_loss, *_about(20)),
    Claim("final policy loss about -200", EX, OURS_EX, _policy_loss, *_about(-200)),
    Claim("final policy loss about -400", EX, SPINUP_RERUN, _policy_loss, *_about(-400)),
)
