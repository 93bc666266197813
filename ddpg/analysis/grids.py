"""Curves that are evaluated at different steps: windows in steps, smoothing, a common grid.

A learning curve is known at the steps of its evaluations, and others log theirs every 1,000, 4,000
or 10,000 steps. "The last ten evaluations" of each are then different parts of training. Here
curves are interpolated linearly between evaluations and averaged over a range of environment steps,
so curves with different evaluation intervals can be compared.
"""

import dataclasses
import math

import numpy as np
import pandas as pd

# The final window covers at most 1 / WINDOWS_IN_CURVE of the curve.
WINDOWS_IN_CURVE = 3


@dataclasses.dataclass(frozen=True)
class Window:
    """The environment steps from `start` to `end`, both included."""

    start: float
    end: float


def choose_final_window(width: float, *grids: np.ndarray, end: float = math.inf) -> Window | None:
    """The last `width` steps that all `grids` (evaluation steps, (T,) each) cover.

    It ends where the first of them ends, at `end` at the latest. Of curves shorter than three times
    `width` it is the last third. None where one begins after that end.
    """
    end = min(end, *(float(grid[-1]) for grid in grids))
    begin = max(float(grid[0]) for grid in grids)
    if begin > end:
        return None
    return Window(max(begin, end - min(width, end / WINDOWS_IN_CURVE)), end)


def compute_weights(steps: np.ndarray, window: Window) -> np.ndarray:
    """The weight of each evaluation (T,) in the mean of a curve over a window; they sum to 1.

    The mean is the integral of the straight lines between the evaluations at `steps` (T,) (the
    trapezoidal rule), divided by the window's width. A window of no width is the curve's value
    there. The window must lie within the steps.
    """
    weights = np.zeros(len(steps))
    if window.start == window.end:
        after = int(np.clip(np.searchsorted(steps, window.end), 0, len(steps) - 1))
        before = max(after - 1, 0)
        share = 1.0
        if before != after:
            share = (window.end - steps[before]) / (steps[after] - steps[before])
        weights[before] += 1 - share
        weights[after] += share
        return weights
    low = np.clip(steps[:-1], window.start, window.end)
    high = np.clip(steps[1:], window.start, window.end)
    shares = (high - low) / (window.end - window.start)
    # A straight line's mean over a piece of it is its value in the middle of the piece.
    middles = ((low + high) / 2 - steps[:-1]) / np.diff(steps)
    weights[:-1] += shares * (1 - middles)
    weights[1:] += shares * middles
    return weights


def smooth_curve(steps: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    """Moving average of `values` (T,) or (T, n): all evaluations within `width` / 2 steps of each.

    At the ends it is the mean of those that there are. On a regular grid, with a width of an odd
    number of epochs, it is `np.convolve(x, y, 'same') / np.convolve(z, y, 'same')` of Spinning Up's
    `spinup/utils/plot.py`. A width of 0 leaves the values as they are.
    """
    if not width:
        return values
    first = np.searchsorted(steps, steps - width / 2, side="left")
    last = np.searchsorted(steps, steps + width / 2, side="right")
    return np.array([values[i:j].mean(axis=0) for i, j in zip(first, last, strict=True)])


def align_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """The curves of all seeds (columns `seed`, `env_interacts` and numbers) at the same steps.

    Curves that are evaluated at the same steps are returned unchanged. Others are interpolated
    linearly at the steps of the curve that ends first (of several, of the one with the fewest
    evaluations), from the first step that all seeds have reached. No rows where there is none.
    """
    curves = [(seed, curve) for seed, curve in table.groupby("seed", sort=True)]
    grids = [curve["env_interacts"].to_numpy(dtype=float) for _, curve in curves]
    if all(np.array_equal(grid, grids[0]) for grid in grids):
        return table
    common = min(grids, key=lambda grid: (grid[-1], len(grid)))
    common = common[common >= max(grid[0] for grid in grids)]
    names = [name for name in table.columns if name not in ("seed", "env_interacts")]
    aligned = [
        pd.DataFrame(
            {name: np.interp(common, grid, curve[name].to_numpy(dtype=float)) for name in names}
        ).assign(seed=seed, env_interacts=common)
        for (seed, curve), grid in zip(curves, grids, strict=True)
    ]
    return pd.concat(aligned, ignore_index=True)[table.columns]
