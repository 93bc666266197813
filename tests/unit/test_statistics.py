"""Statistics against textbook values, hand calculations and SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from ddpg.analysis import statistics
from ddpg.analysis.statistics import Moments

A = np.array([3.0, 5.0, 4.0, 8.0, 5.0])
B = np.array([1.0, 2.0, 6.0, 2.0])
ONE = Moments(7.0, math.nan, 1)


def standard(n: int, sd: float = 1.0) -> Moments:
    return Moments(0.0, sd, n)


def test_moments_use_the_sample_standard_deviation():
    values = [2, 4, 4, 4, 5, 5, 7, 9]
    assert statistics.compute_moments(values) == Moments(5.0, math.sqrt(32 / 7), 8)


def test_standard_deviation_of_one_seed_is_nan():
    found = statistics.compute_moments([7.0])
    assert (found.mean, found.n) == (7.0, 1) and math.isnan(found.sd)


def test_rounding_noise_is_no_standard_deviation():
    noisy = np.full(10, -50.0)
    noisy[3] = np.nextafter(-50.0, 0)
    assert statistics.compute_moments(noisy).sd == 0
    assert statistics.compute_moments(np.zeros(3)).sd == 0
    assert statistics.compute_moments([1.0, 1.0 + 1e-9]).sd > 0


def test_equal_constants_do_not_differ():
    a, b = Moments(-50.0, 0.0, 5), Moments(-50.0 + 7e-15, 0.0, 10)
    test = statistics.test_difference(a, b)
    assert (test.estimate, test.low, test.high) == (0, 0, 0)
    assert math.isnan(test.t) and math.isnan(test.p)
    found = statistics.test_equivalence(a, b, 1.0)
    assert (found.low, found.high, found.p) == (0, 0, 0)
    assert statistics.test_difference(a, Moments(-51.0, 0.0, 10)).p == 0


def test_interquartile_mean_drops_lowest_and_highest_quarter():
    values = np.array([100.0, 1, 2, 3, 4, 5, 6, -50])
    assert statistics.compute_interquartile_mean(values) == 3.5
    assert np.isnan(statistics.compute_interquartile_mean(values[:3]))


def test_bootstrap_is_deterministic_and_matches_the_normal_interval():
    values = np.random.default_rng(1).normal(10, 2, size=40)
    first, again = (statistics.bootstrap(np.mean, values) for _ in range(2))
    assert first == again
    # The percentile interval of a mean is close to mean +- 1.96 sd / sqrt(n) (divisor n).
    half = 1.96 * values.std() / math.sqrt(40)
    assert first.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert first.high == pytest.approx(values.mean() + half, abs=0.1 * half)


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_bootstrap_of_fewer_than_five_seeds_has_no_interval(seeds):
    found = statistics.bootstrap(np.mean, np.arange(float(seeds)))
    assert found.value == (seeds - 1) / 2 and math.isnan(found.low) and math.isnan(found.high)
    enough, few = np.arange(5.0), np.arange(4.0)
    assert math.isnan(
        statistics.bootstrap(statistics.compute_improvement_probability, enough, few).low
    )
    assert not math.isnan(
        statistics.bootstrap(statistics.compute_improvement_probability, enough, enough).low
    )


def test_bootstrap_coverage_matches_the_stated_coverage():
    rng = np.random.default_rng(0)
    for seeds, stated in ((5, 0.84), (10, 0.90), (20, 0.93)):
        found = statistics.bootstrap(np.mean, rng.normal(size=(2000, seeds)), resamples=500)
        assert np.mean(found.low * found.high <= 0) == pytest.approx(stated, abs=0.02)


def test_bootstrap_keeps_leading_axes():
    found = statistics.bootstrap(np.mean, np.arange(15.0).reshape(3, 5), resamples=200)
    assert found.low.shape == found.value.shape == (3,)
    assert (found.low < found.value).all() and (found.value < found.high).all()


def test_probability_of_improvement_equals_mann_whitney_u():
    expected = stats.mannwhitneyu(A, B).statistic / (len(A) * len(B))
    assert statistics.compute_improvement_probability(A, B) == expected == 16 / 20
    assert statistics.compute_improvement_probability(A, A) == 0.5
    rounded = np.array(A) * (1 + 1e-15)
    assert statistics.compute_improvement_probability(rounded, A) == 0.5


def test_improvement_probability_of_separate_groups_has_no_interval():
    low, high = np.arange(6.0), np.arange(10.0, 17.0)
    for a, b, value in ((low, high, 0), (high, low, 1)):
        found = statistics.estimate_improvement_probability(a, b)
        assert found.value == value
        assert np.isnan([found.low, found.high]).all()
    overlapping = statistics.estimate_improvement_probability(low, low + 1)
    assert overlapping.low < overlapping.value < overlapping.high


def test_steps_to_return_is_the_first_step_at_the_threshold():
    steps, returns = np.array([10, 20, 30, 40]), np.array([0.0, 5.0, 4.0, 6.0])
    assert statistics.find_step_reaching(steps, returns, 5.0) == 20
    assert math.isnan(statistics.find_step_reaching(steps, returns, 7.0))


def test_welch_equals_scipy():
    expected = stats.ttest_ind(A, B, equal_var=False)
    found = statistics.test_difference(statistics.compute_moments(A), statistics.compute_moments(B))
    assert found.t == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_welch_equals_hand_calculation():
    # Means 20 and 15, squared errors 4^2/16 = 1 and 6^2/9 = 4: t = 5 / sqrt(5), and
    # df = 5^2 / (1/15 + 16/8) = 12.0968.
    found = statistics.test_difference(Moments(20, 4, 16), Moments(15, 6, 9))
    assert found.t == pytest.approx(math.sqrt(5))
    assert found.df == pytest.approx(12.0968, abs=1e-4)


@pytest.mark.parametrize("few", [ONE, Moments(7.0, 0.5, 2)])
def test_tests_with_one_or_two_seeds_are_nan(few):
    test = statistics.test_difference(few, standard(10))
    assert test.estimate == 7.0
    assert np.isnan([test.low, test.high, test.t, test.df, test.p]).all()
    assert math.isnan(statistics.compute_detectable_difference(few, standard(10)))
    assert math.isnan(statistics.count_seeds_to_detect(7.0, few, standard(10)))
    assert math.isnan(statistics.estimate_effect_size(few, standard(10)).value)
    assert math.isnan(statistics.test_equivalence(few, standard(10), 100.0).p)
    assert math.isnan(statistics.count_seeds_for_equivalence(1.0, few, standard(10)))


def test_one_group_of_three_seeds_or_more_has_students_interval():
    found = statistics.test_contrast((1.0,), [Moments(7.0, 0.5, 3)])
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, 7, 0.5 / 3**0.5))
    # That of two seeds is so wide that a figure would show nothing else.
    assert math.isnan(statistics.test_contrast((1.0,), [Moments(7.0, 0.5, 2)]).low)


@pytest.mark.filterwarnings("ignore:Precision loss")  # drawn seeds may all be equal
@pytest.mark.parametrize(("seeds", "at_most"), [(3, 0.13), (5, 0.09), (10, 0.1)])
def test_failed_seeds_make_differences_of_equal_means_more_frequent(seeds, at_most):
    """The shares of false positives that statistics.md states: two seeds in ten fail."""
    rng = np.random.default_rng(0)
    # The published final returns of the settings of 2020 and of 2018, in units of 1,000.
    failing = np.array([6.7, 8.0, 11.6, 11.8, 12.0, 12.3, 12.3, 12.4, 12.5, 12.6])
    spread = np.array([3.3, 3.4, 3.4, 4.1, 4.4, 5.9, 6.8, 7.2, 9.1, 9.4])
    others = [rng.choice(spread - spread.mean(), (100000, 10))]
    if seeds == 10:  # with the standard deviation of Spinning Up's PyTorch curve
        others.append(rng.normal(0, 0.94, (100000, 10)))
    a = rng.choice(failing - failing.mean(), (100000, seeds))
    for b in others:
        false = stats.ttest_ind(a, b, equal_var=False, axis=1).pvalue < 0.05
        assert false.mean() < at_most


@pytest.mark.parametrize(("seeds", "at_most"), [(3, 0.08), (5, 0.06)])
def test_few_seeds_of_equal_means_rarely_differ(seeds, at_most):
    """The shares of false positives that `statistics.FEWEST_TESTED` and statistics.md state."""
    assert seeds >= statistics.FEWEST_TESTED
    rng = np.random.default_rng(0)
    for sd in (0.5, 1.0, 2.0, 4.0):
        for others in (10, 20):
            a, b = rng.normal(0, sd, (20000, seeds)), rng.normal(0, 1, (20000, others))
            false = stats.ttest_ind(a, b, equal_var=False, axis=1).pvalue < 0.05
            assert false.mean() < at_most


def test_effect_size_is_cohens_d():
    found = statistics.estimate_effect_size(Moments(8, 3, 5), Moments(4, 5, 5))
    assert found.value == pytest.approx(4 / math.sqrt(17))


@pytest.mark.parametrize("effect", [0.0, 0.8])
def test_intervals_of_effect_sizes_have_95_percent_coverage(effect):
    rng = np.random.default_rng(0)
    sds, spread = (1.0, 1.5), math.sqrt((1 + 1.5**2) / 2)
    covered = 0
    for _ in range(2000):
        a, b = rng.normal(effect * spread, sds[0], 10), rng.normal(0, sds[1], 10)
        found = statistics.estimate_effect_size(*map(statistics.compute_moments, (a, b)))
        covered += found.low <= effect <= found.high
    assert 0.93 < covered / 2000 < 0.98


def test_effect_size_of_seeds_that_do_not_vary_is_nan():
    assert math.isnan(statistics.estimate_effect_size(Moments(8, 0, 5), Moments(4, 0, 5)).value)
    assert statistics.estimate_effect_size(Moments(8, 0, 5), Moments(4, 2, 5)).value > 0


@pytest.mark.parametrize(("difference", "seeds"), [(0.2, 394), (0.5, 64), (0.8, 26)])
def test_seeds_to_detect_match_cohen_1992(difference, seeds):
    # Cohen (1992), "A power primer": the t test's group sizes for power 0.8 at 0.05 (393 by his
    # rounding for the small effect).
    assert statistics.count_seeds_to_detect(difference, standard(10), standard(10)) == seeds


def test_seeds_to_detect_the_observed_difference_have_an_interval():
    a, b = Moments(1.0, 1.0, 10), Moments(0.5, 1.0, 10)
    found, test = statistics.estimate_seeds_to_detect(a, b), statistics.test_difference(a, b)
    assert test.low < 0 < test.high
    assert found.value == statistics.count_seeds_to_detect(0.5, a, b) == 64
    assert (found.low, found.high) == (statistics.count_seeds_to_detect(test.high, a, b), math.inf)
    far = Moments(5.0, 1.0, 10)
    found, test = statistics.estimate_seeds_to_detect(b, far), statistics.test_difference(b, far)
    assert found.low <= found.value <= found.high
    assert found.high == statistics.count_seeds_to_detect(test.high, b, far) < math.inf


def test_seeds_to_detect_zero_difference_is_infinite():
    assert statistics.count_seeds_to_detect(0.0, standard(10), standard(10)) == math.inf


def test_minimum_detectable_difference_of_ten_benchmark_seeds():
    group = standard(10, sd=1700)
    found = statistics.compute_detectable_difference(group, group)
    # The normal approximation, (1.960 + 0.842) sd sqrt(2 / 10), is 2,130; that the standard
    # deviation is itself estimated makes it 1.325 standard deviations.
    approximation = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * 1700 * math.sqrt(0.2)
    assert approximation == pytest.approx(2130, abs=1)
    assert found == pytest.approx(1.325 * 1700, rel=1e-3)


def test_power_matches_simulation():
    rng = np.random.default_rng(0)
    groups = standard(6, sd=2.0), standard(12, sd=1.0)
    difference = statistics.compute_detectable_difference(*groups)
    a = rng.normal(difference, 2.0, size=(20000, 6))
    b = rng.normal(0.0, 1.0, size=(20000, 12))
    found = stats.ttest_ind(a, b, equal_var=False, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.02)


def test_equivalence_equals_two_one_sided_t_tests():
    margin = 4.0
    a, b = statistics.compute_moments(A), statistics.compute_moments(B)
    lower = stats.ttest_ind(A + margin, B, equal_var=False, alternative="greater").pvalue
    upper = stats.ttest_ind(A - margin, B, equal_var=False, alternative="less").pvalue
    found = statistics.test_equivalence(a, b, margin)
    assert found.p == pytest.approx(max(lower, upper))
    interval = stats.ttest_ind(A, B, equal_var=False).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_seeds_for_equivalence_match_simulated_power():
    seeds = int(statistics.count_seeds_for_equivalence(1.0, standard(10), standard(10)))
    assert seeds == 18
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20000, seeds))
    interval = stats.ttest_ind(a, b, equal_var=False, axis=1).confidence_interval(0.9)
    passed = (interval.low > -1) & (interval.high < 1)
    assert passed.mean() == pytest.approx(0.8, abs=0.02)
