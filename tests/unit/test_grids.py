"""Windows in steps: the same curve has the same mean and smoothing on every grid."""

import numpy as np
import pandas as pd
import pytest

from ddpg.analysis import grids
from ddpg.analysis.grids import Window


def grid(every: int, end: int = 1_000_000) -> np.ndarray:
    return np.arange(every, end + 1, every, dtype=float)


@pytest.mark.parametrize("every", [1000, 4000, 10_000, 50_000, 200_000])
def test_a_straight_line_has_the_same_mean_on_every_grid(every):
    steps = grid(every)
    window = grids.choose_final_window(100_000, steps)
    assert window == Window(900_000, 1_000_000)
    assert grids.compute_weights(steps, window) @ (steps / 1000) == pytest.approx(950)


def test_weights_are_those_of_the_trapezoidal_rule():
    steps = np.array([0.0, 10, 20, 40])
    weights = grids.compute_weights(steps, Window(10, 40))
    np.testing.assert_allclose(weights, [0, 5 / 30, 15 / 30, 10 / 30])
    # From 15 to 30: a quarter of the way through each line.
    values = np.array([5.0, 1, 3, -1])
    expected = np.trapezoid([2, 3, 1], [15, 20, 30]) / 15
    assert grids.compute_weights(steps, Window(15, 30)) @ values == pytest.approx(expected)


def test_a_window_of_no_width_is_the_value_there():
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
def test_two_curves_share_the_last_steps_that_both_cover(ends, window):
    found = grids.choose_final_window(100_000, *(grid(10_000, end) for end in ends))
    assert (found.start, found.end) == window


def test_a_curve_that_begins_inside_the_window_or_after_it():
    early, late = grid(1000, 300_000), grid(250_000, 500_000)
    assert grids.choose_final_window(100_000, early, late) == Window(250_000, 300_000)
    assert grids.choose_final_window(100_000, grid(1000, 200_000), late) is None


@pytest.mark.parametrize("epochs", [1, 3, 11])
def test_smoothing_is_spinning_ups_on_its_grid(epochs):
    x = np.random.default_rng(0).normal(size=30)
    y = np.ones(epochs)
    expected = np.convolve(x, y, "same") / np.convolve(np.ones(30), y, "same")
    steps = np.arange(1, 31) * 10_000.0
    np.testing.assert_allclose(grids.smooth_curve(steps, x, epochs * 10_000), expected)


def test_smoothing_leaves_a_straight_line_and_works_on_each_seed():
    steps = grid(1000, 100_000)
    lines = np.stack([steps, -2 * steps], axis=1)
    smoothed = grids.smooth_curve(steps, lines, 21_000)
    np.testing.assert_allclose(smoothed[10:-10], lines[10:-10])
    assert grids.smooth_curve(steps, lines, 0) is lines


def test_smoothing_a_curve_shorter_than_the_window():
    steps = np.array([10.0, 20, 30])
    np.testing.assert_allclose(grids.smooth_curve(steps, np.array([1.0, 2, 6]), 1000), [3, 3, 3])


def seeds(*curves: list[float]) -> pd.DataFrame:
    """Seeds whose return is their step over ten, evaluated at these steps."""
    tables = [
        pd.DataFrame({"seed": seed, "env_interacts": steps, "test_return_mean": steps}).assign(
            test_return_mean=lambda table: table["test_return_mean"] / 10
        )
        for seed, steps in enumerate(curves)
    ]
    return pd.concat(tables, ignore_index=True)


def test_seeds_at_the_same_steps_stay_as_they_are():
    table = seeds([10, 20], [10, 20])
    assert grids.align_seeds(table) is table


def test_seeds_whose_steps_differ_by_one_are_read_off_at_the_same_steps():
    aligned = grids.align_seeds(seeds([40, 80, 120], [39, 79, 119]))
    assert aligned["env_interacts"].tolist() == [79, 119] * 2
    np.testing.assert_allclose(aligned["test_return_mean"], [7.9, 11.9] * 2)


def test_seeds_on_coarser_grids_and_with_earlier_ends():
    aligned = grids.align_seeds(seeds([10, 20, 30, 40, 50], [20, 40], [10, 40, 60]))
    assert aligned["env_interacts"].tolist() == [20, 40] * 3
    np.testing.assert_allclose(aligned["test_return_mean"], [2, 4] * 3)
    assert grids.align_seeds(seeds([10, 20], [30, 40])).empty
