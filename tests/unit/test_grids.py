"""Windows, smoothing and alignment in environment steps, for any evaluation interval."""

import numpy as np
import pandas as pd
import pytest

from ddpg.analysis import grids
from ddpg.analysis.grids import Window


def grid(every: int, end: int = 1_000_000) -> np.ndarray:
    return np.arange(every, end + 1, every, dtype=float)


@pytest.mark.parametrize("every", [1000, 4000, 10_000, 50_000, 200_000])
def test_mean_over_a_window_does_not_depend_on_the_evaluation_interval(every):
    steps = grid(every)
    window = grids.choose_final_window(100_000, steps)
    assert window == Window(900_000, 1_000_000)
    assert grids.compute_weights(steps, window) @ (steps / 1000) == pytest.approx(950)


def test_weights_equal_the_trapezoidal_rule():
    steps = np.array([0.0, 10, 20, 40])
    weights = grids.compute_weights(steps, Window(10, 40))
    np.testing.assert_allclose(weights, [0, 5 / 30, 15 / 30, 10 / 30])
    # The curve is 2 at step 15, 3 at step 20 and 1 at step 30.
    values = np.array([5.0, 1, 3, -1])
    expected = np.trapezoid([2, 3, 1], [15, 20, 30]) / 15
    assert grids.compute_weights(steps, Window(15, 30)) @ values == pytest.approx(expected)


def test_window_of_zero_width_interpolates_the_curve():
    steps = np.array([10.0, 20, 40])
    for at, expected in ((10, [1, 0, 0]), (25, [0, 0.75, 0.25]), (40, [0, 0, 1])):
        np.testing.assert_allclose(grids.compute_weights(steps, Window(at, at)), expected)
    assert grids.compute_weights(np.array([7.0]), Window(7, 7)).tolist() == [1]


@pytest.mark.parametrize(
    ("ends", "window"),
    [
        ((3_000_000, 3_000_000), (2_900_000, 3_000_000)),
        ((3_000_000, 2_990_000), (2_890_000, 2_990_000)),
        ((150_000, 3_000_000), (100_000, 150_000)),  # a third of a short curve
    ],
)
def test_final_window_ends_at_the_earlier_of_two_ends(ends, window):
    found = grids.choose_final_window(100_000, *(grid(10_000, end) for end in ends))
    assert (found.start, found.end) == window


def test_final_window_starts_at_the_later_of_two_starts():
    early, late = grid(1000, 300_000), grid(250_000, 500_000)
    assert grids.choose_final_window(100_000, early, late) == Window(250_000, 300_000)
    assert grids.choose_final_window(100_000, grid(1000, 200_000), late) is None


@pytest.mark.parametrize("epochs", [1, 3, 11])
def test_smoothing_equals_spinning_up_on_a_regular_grid(epochs):
    x = np.random.default_rng(0).normal(size=30)
    y = np.ones(epochs)
    expected = np.convolve(x, y, "same") / np.convolve(np.ones(30), y, "same")
    steps = np.arange(1, 31) * 10_000.0
    np.testing.assert_allclose(grids.smooth_curve(steps, x, epochs * 10_000), expected)


def test_smoothing_preserves_straight_lines_per_seed():
    steps = grid(1000, 100_000)
    lines = np.stack([steps, -2 * steps], axis=1)
    smoothed = grids.smooth_curve(steps, lines, 21_000)
    np.testing.assert_allclose(smoothed[10:-10], lines[10:-10])
    assert grids.smooth_curve(steps, lines, 0) is lines


def test_smoothing_wider_than_the_curve_is_its_mean():
    steps = np.array([10.0, 20, 30])
    np.testing.assert_allclose(grids.smooth_curve(steps, np.array([1.0, 2, 6]), 1000), [3, 3, 3])


def seeds(*curves: list[float]) -> pd.DataFrame:
    """One seed per list of evaluation steps; the return at a step is a tenth of the step."""
    tables = [
        pd.DataFrame({"seed": seed, "env_interacts": steps, "test_return_mean": steps}).assign(
            test_return_mean=lambda table: table["test_return_mean"] / 10
        )
        for seed, steps in enumerate(curves)
    ]
    return pd.concat(tables, ignore_index=True)


def test_align_seeds_returns_aligned_table_unchanged():
    table = seeds([10, 20], [10, 20])
    assert grids.align_seeds(table) is table


def test_align_seeds_interpolates_steps_offset_by_one():
    aligned = grids.align_seeds(seeds([40, 80, 120], [39, 79, 119]))
    assert aligned["env_interacts"].tolist() == [79, 119] * 2
    np.testing.assert_allclose(aligned["test_return_mean"], [7.9, 11.9] * 2)


def test_align_seeds_uses_the_steps_of_the_shortest_curve():
    aligned = grids.align_seeds(seeds([10, 20, 30, 40, 50], [20, 40], [10, 40, 60]))
    assert aligned["env_interacts"].tolist() == [20, 40] * 3
    np.testing.assert_allclose(aligned["test_return_mean"], [2, 4] * 3)
    assert grids.align_seeds(seeds([10, 20], [30, 40])).empty
