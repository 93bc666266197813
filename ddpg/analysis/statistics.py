"""Statistics over seeds. Episodes of one run are not independent runs and are never counted here.

Two kinds of sample occur: the final return of every seed, and, for a curve of which only mean and
standard deviation were published, those two numbers (`Moments`). Every interval is two-sided with
95 % confidence. What too few seeds cannot tell is NaN, not zero: with one seed the standard
deviation, with fewer than FEWEST_TESTED in a group whatever compares groups by their standard
deviations.
"""

import bisect
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import special, stats

ALPHA = 0.05
POWER = 0.8
RESAMPLES = 9999
# For normal values, the "95 %" percentile interval of a mean covers 50 % with two seeds (their
# range), 75 % with three, 84 % with five, 90 % with ten. Below five there is no interval.
FEWEST_RESAMPLED = 5
# The standard deviation of two seeds is often far too small by chance, and Welch's test relies on
# it: against ten or twenty seeds of equal mean it finds a difference in up to 12 % of cases instead
# of 5 % (three seeds: 7.5 %, four: 6.1 %, five: 5.6 %; 200,000 simulated tests of normal values
# each, the few seeds' standard deviation 0.5 to 4 times that of the others).
FEWEST_TESTED = 3
# A fixed seed of the resampling, so that the same runs give the same bytes.
BOOTSTRAP_SEED = 0
# Upper bound of the search for a number of seeds; beyond it the result is infinite.
MOST_SEEDS = 1_000_000
# Numbers that differ by less than this share of the largest are equal: that much is rounding noise.
ROUNDING = 1e-12

NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean, standard deviation (divisor n - 1; NaN for one seed) and number of seeds."""

    mean: float
    sd: float
    n: int


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval (NaN where there are too few seeds for one).

    All three are arrays of one shape where the statistic is computed at each point of a curve.
    """

    value: float
    low: float = NAN
    high: float = NAN


@dataclasses.dataclass(frozen=True)
class Welch:
    """A difference or contrast of means, its interval, and Welch's test of whether it is zero."""

    estimate: float
    low: float
    high: float
    t: float
    df: float
    p: float


@dataclasses.dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests.

    `low` to `high` is the 90 % interval of the difference, p is the larger of the two p-values.
    """

    margin: float
    low: float
    high: float
    p: float


def compute_moments(values: np.ndarray) -> Moments:
    """Mean, standard deviation and number of the seeds' values (n,).

    The standard deviation is 0 where the values differ by rounding noise only.
    """
    values = np.asarray(values, dtype=float)
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else NAN
    if len(values) > 1 and np.ptp(values) <= ROUNDING * np.abs(values).max():
        sd = 0.0
    return Moments(float(np.mean(values)), sd, len(values))


def bootstrap(
    statistic: Callable[..., Any], *samples: np.ndarray, resamples: int = RESAMPLES
) -> Estimate:
    """`statistic(*samples, axis=-1)` with its percentile bootstrap interval over seeds.

    Every sample is (..., n) with the seeds last and is resampled on its own; `statistic` reduces
    the axis it is given. value, low and high are then (...). Percentiles, as in rliable (Agarwal et
    al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice").
    A sample of fewer than FEWEST_RESAMPLED seeds gives no interval.
    """
    value = statistic(*samples, axis=-1)
    if any(np.shape(sample)[-1] < FEWEST_RESAMPLED for sample in samples):
        nothing: Any = np.full(np.shape(value), NAN)[()]  # a number where `value` is one
        return Estimate(value, nothing, nothing)
    interval = stats.bootstrap(
        samples,
        statistic,
        n_resamples=resamples,
        axis=-1,
        vectorized=True,
        paired=False,
        confidence_level=1 - ALPHA,
        method="percentile",
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    ).confidence_interval
    return Estimate(value, interval.low, interval.high)


def compute_interquartile_mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean without the lowest and the highest quarter, each rounded down to whole seeds.

    NaN for fewer than four seeds, of which none would be left out.
    """
    mean = stats.trim_mean(values, 0.25, axis=axis)
    return mean if np.shape(values)[axis] >= 4 else mean * NAN


def compute_improvement_probability(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Probability that a seed of `a` (..., n) beats one of `b` (..., m), ties counting half.

    It is Mann and Whitney's U divided by n m. Values that differ by rounding noise only are ties.
    """
    a = np.moveaxis(a, axis, -1)[..., :, None]
    b = np.moveaxis(b, axis, -1)[..., None, :]
    tied = np.abs(a - b) <= ROUNDING * np.maximum(np.abs(a), np.abs(b))
    return (np.where(tied, 0, np.sign(a - b)).mean(axis=(-2, -1)) + 1) / 2


def estimate_improvement_probability(a: np.ndarray, b: np.ndarray) -> Estimate:
    """`compute_improvement_probability` of seeds (n,) and (m,) with its bootstrap interval.

    Where all seeds of one group are above all of the other, every resample gives 0 or 1, so the
    bootstrap cannot tell how uncertain that is, and there is no interval.
    """
    estimate = bootstrap(compute_improvement_probability, a, b)
    return Estimate(estimate.value) if estimate.value in (0, 1) else estimate


def find_step_reaching(
    env_interacts: np.ndarray, smoothed_returns: np.ndarray, threshold: float
) -> float:
    """The first environment step at which a (smoothed) curve (T,) reaches `threshold`, or NaN."""
    reached = smoothed_returns >= threshold
    return float(env_interacts[np.argmax(reached)]) if reached.any() else NAN


def test_difference(a: Moments, b: Moments) -> Welch:
    """Welch's t test of mean(a) - mean(b), which does not assume equal variances.

    From means, standard deviations and numbers alone, so that published curves can take part. All
    but the estimate is NaN where a group has fewer than FEWEST_TESTED seeds.
    """
    return test_contrast((1, -1), (a, b))


def test_contrast(weights: Sequence[float], groups: Sequence[Moments]) -> Welch:
    """Welch's t test of whether a weighted sum of the groups' means is zero.

    The weights of a difference of two means are 1 and -1. The degrees of freedom are those of
    Satterthwaite 1946, "An Approximate Distribution of Estimates of Variance Components". Where
    the estimate and its standard error are 0 there is nothing to test: t and p are NaN. All but the
    estimate is NaN where a group has fewer than FEWEST_TESTED seeds.
    """
    estimate = _sum_means(weights, groups)
    error, df = _compute_standard_error(groups, weights)
    half = float(stats.t.isf(ALPHA / 2, df) * error)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = float(np.float64(estimate) / error)
    p = float(2 * stats.t.sf(abs(t), df))
    return Welch(estimate, estimate - half, estimate + half, t, df, p)


def adjust_p_values(p: np.ndarray) -> np.ndarray:
    """p-values (n,) adjusted together for the false discovery rate; NaN stays NaN.

    Benjamini and Hochberg 1995, "Controlling the False Discovery Rate": of the tests with an
    adjusted p below 0.05, at most 5 % are expected to be false discoveries, if the tests are
    independent or positively dependent.
    """
    adjusted = np.full(len(p), NAN)
    known = ~np.isnan(p)
    if known.any():
        adjusted[known] = stats.false_discovery_control(p[known], method="bh")
    return adjusted


def estimate_effect_size(a: Moments, b: Moments) -> Estimate:
    """Cohen's d: the difference of means divided by the root mean square of the two sds.

    The interval is that of Bonett 2008, "Confidence Intervals for Standardized Linear Contrasts of
    Means", which does not assume equal variances. NaN where both sds are 0 and where a group has
    fewer than FEWEST_TESTED seeds.
    """
    variance = (a.sd**2 + b.sd**2) / 2
    if variance == 0 or min(a.n, b.n) < FEWEST_TESTED:
        return Estimate(NAN)
    d = (a.mean - b.mean) / math.sqrt(variance)
    of_sds = sum(group.sd**4 / (group.n - 1) for group in (a, b)) / (8 * variance**2)
    of_means = sum(group.sd**2 / (group.n - 1) for group in (a, b)) / variance
    half = float(stats.norm.isf(ALPHA / 2)) * math.sqrt(d**2 * of_sds + of_means)
    return Estimate(d, d - half, d + half)


def compute_detectable_difference(a: Moments, b: Moments) -> float:
    """The true difference that Welch's test at ALPHA detects with probability POWER.

    The test statistic follows the noncentral t distribution (Cohen 1988, "Statistical Power
    Analysis", chapter 2). NaN where a group has fewer than FEWEST_TESTED seeds.
    """
    return compute_detectable_contrast((1, -1), (a, b))


def compute_detectable_contrast(weights: Sequence[float], groups: Sequence[Moments]) -> float:
    """The true weighted sum of means that `test_contrast` detects with probability POWER."""
    error, df = _compute_standard_error(groups, weights)
    return float(_compute_noncentrality(df, ALPHA / 2, POWER) * error)


def count_seeds_to_detect(difference: float, a: Moments, b: Moments) -> float:
    """Seeds per group with which Welch's test detects a true `difference` with probability POWER.

    Assumes the standard deviations of `a` and `b`. Infinite beyond MOST_SEEDS; NaN where a group
    has fewer than FEWEST_TESTED seeds, and where neither varies.
    """
    return _find_fewest_seeds(compute_detectable_difference, abs(difference), a, b)


def estimate_seeds_to_detect(a: Moments, b: Moments) -> Estimate:
    """`count_seeds_to_detect` of the observed difference, and of the ends of its interval.

    The interval is wide: an interval of differences that contains 0 has no upper end here.
    """
    test = test_difference(a, b)
    ends = (abs(test.low), abs(test.high))
    smallest = 0.0 if test.low <= 0 <= test.high else min(ends)
    value, low, high = (
        count_seeds_to_detect(difference, a, b)
        for difference in (test.estimate, max(ends), smallest)
    )
    return Estimate(value, low, high)


def test_equivalence(a: Moments, b: Moments, margin: float) -> Equivalence:
    """Welch's two one-sided tests that mean(a) - mean(b) lies within plus and minus `margin`.

    Schuirmann 1987; the means are equivalent at ALPHA where the 90 % interval lies inside. Interval
    and p are NaN where a group has fewer than FEWEST_TESTED seeds.
    """
    difference = _sum_means((1, -1), (a, b))
    error, df = _compute_standard_error((a, b))
    half = float(stats.t.isf(ALPHA, df) * error)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = float(stats.t.sf(np.float64(margin - abs(difference)) / error, df))
    return Equivalence(margin, difference - half, difference + half, p)


def count_seeds_for_equivalence(margin: float, a: Moments, b: Moments) -> float:
    """Seeds per group with which equal means pass `test_equivalence` with probability POWER.

    Both one-sided tests must reject, which they do with probability 2 P(one rejects) - 1.
    """

    def provable(a: Moments, b: Moments) -> float:
        error, df = _compute_standard_error((a, b))
        return float(_compute_noncentrality(df, ALPHA, (1 + POWER) / 2) * error)

    return _find_fewest_seeds(provable, margin, a, b)


def _find_fewest_seeds(
    resolution: Callable[[Moments, Moments], float], difference: float, a: Moments, b: Moments
) -> float:
    """The smallest n for which `resolution` of groups of n seeds is at most `difference`."""
    if math.isnan(difference) or min(a.n, b.n) < FEWEST_TESTED or not a.sd + b.sd > 0:
        return NAN
    numbers = range(FEWEST_TESTED, MOST_SEEDS + 1)
    found = bisect.bisect_left(
        numbers, True, key=lambda n: resolution(_replace_n(a, n), _replace_n(b, n)) <= difference
    )
    return float(numbers[found]) if found < len(numbers) else math.inf


def _compute_noncentrality(df: float, tail: float, power: float) -> float:
    """How far t must be shifted to exceed its upper `tail` quantile with probability `power`."""
    return special.nctdtrinc(df, 1 - power, stats.t.isf(tail, df))


def _sum_means(weights: Sequence[float], groups: Sequence[Moments]) -> float:
    """The weighted sum of the groups' means; 0 where only rounding noise is left of them."""
    parts = [weight * group.mean for weight, group in zip(weights, groups, strict=True)]
    total = sum(parts)
    return 0.0 if abs(total) <= ROUNDING * max(map(abs, parts)) else total


def _compute_standard_error(
    groups: Sequence[Moments], weights: Sequence[float] = (1, -1)
) -> tuple[float, float]:
    """Standard error of a weighted sum of means, and its degrees of freedom (Satterthwaite).

    NaN with fewer than FEWEST_TESTED seeds in a group. For one group this is Student's t.
    """
    if any(group.n < FEWEST_TESTED for group in groups):
        return NAN, NAN
    pairs = list(zip(weights, groups, strict=True))
    variances = [weight**2 * group.sd**2 / group.n for weight, group in pairs]
    total = sum(variances)
    if total == 0:
        return 0.0, float(sum(group.n - 1 for group in groups))
    squares = sum(v**2 / (group.n - 1) for v, group in zip(variances, groups, strict=True))
    return math.sqrt(total), total**2 / squares


def _replace_n(group: Moments, n: int) -> Moments:
    return dataclasses.replace(group, n=n)
