"""A 2x2 of experiments: the effects of networks and of the schedule of updates.

With cell means m, rows for the networks and columns for the schedule, the effects and their
interaction are

    networks     (m10 + m11) / 2 - (m00 + m01) / 2
    schedule     (m01 + m11) / 2 - (m00 + m10) / 2
    interaction  (m11 - m10) - (m01 - m00)

each with Welch's interval and test of a contrast, which does not assume equal variances. Nothing is
estimated before every cell has seeds, and the table says how many seeds are missing.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ddpg.analysis import statistics
from ddpg.analysis.comparison import NO_COMMON_STEPS, Comparison, Factorial
from ddpg.analysis.groups import (
    SeedFinal,
    SeedGroup,
    describe_seed_count,
    is_incomplete,
    measure_final,
)
from ddpg.analysis.statistics import NAN

# Weights of the cells 00, 01, 10, 11.
EFFECTS = {
    "networks": (-0.5, -0.5, 0.5, 0.5),
    "schedule": (-0.5, 0.5, -0.5, 0.5),
    "interaction": (1.0, -1.0, -1.0, 1.0),
}
COLUMNS = [
    "comparison",
    "effect",
    "of",
    "seeds",
    "from_step",
    "to_step",
    "estimate",
    "estimate_low",
    "estimate_high",
    "t",
    "df",
    "p",
    "p_adjusted",
    "detectable",
    "verdict",
    "note",
]
HOLDS, UNDECIDED, INCOMPLETE = "holds", "undecided", "incomplete"


def measure_cells(comparison: Comparison, factorial: Factorial) -> list[SeedFinal | None]:
    """The final returns of the cells 00, 01, 10 and 11; None for a cell without seeds.

    All are measured over the last steps that those with seeds cover.
    """
    groups = _find_groups(comparison, factorial)
    trained = [group for group in groups if group.seeds]
    return [measure_final(group, comparison.final, *trained) for group in groups]


def list_missing(comparison: Comparison, factorial: Factorial) -> list[str]:
    """One phrase for each cell whose seeds are not all there yet."""
    return [
        f"{group.name}: {describe_seed_count(group)}"
        for group in _find_groups(comparison, factorial)
        if is_incomplete(group)
    ]


def tabulate_effects(comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """One row per effect of each comparison that is a 2x2; no rows where none is.

    `p_adjusted` adjusts the three tests of a 2x2 together (`statistics.adjust_p_values`). `verdict`
    on the hypothesis that there is an effect: HOLDS if `p_adjusted` is below `statistics.ALPHA`,
    else UNDECIDED; INCOMPLETE while seeds are missing (docs/preregistration.md).
    `detectable` is the minimum detectable effect of these seeds (80 % power at the 5 % level). An
    effect is NaN while a cell has no seeds; its interval and tests are NaN while a cell has fewer
    than `statistics.FEWEST_TESTED`.
    """
    tables = [
        _make_rows(comparison, comparison.factorial)
        for comparison in comparisons
        if comparison.factorial
    ]
    return pd.concat(tables) if tables else pd.DataFrame(columns=COLUMNS)


def _make_rows(comparison: Comparison, factorial: Factorial) -> pd.DataFrame:
    cells = measure_cells(comparison, factorial)
    groups = _find_groups(comparison, factorial)
    missing = list_missing(comparison, factorial)
    notes = [f"incomplete: {'; '.join(missing)}"] if missing else []
    if factorial.also_differ:
        notes.append(f"the cells differ in {', '.join(factorial.also_differ)}, too")
    if all(group.seeds for group in groups) and None in cells:
        notes.append(NO_COMMON_STEPS)
    if not missing and min(group.seeds for group in groups) < statistics.FEWEST_TESTED:
        notes.append(f"fewer than {statistics.FEWEST_TESTED} seeds in a cell, so no test")
    differences = {
        "networks": f"{factorial.networks[1]} minus {factorial.networks[0]}",
        "schedule": f"{factorial.schedule[1]} minus {factorial.schedule[0]}",
        "interaction": f"effect of the schedule with {factorial.networks[1]} minus that with "
        f"{factorial.networks[0]}",
    }
    common = {
        "comparison": comparison.name,
        "seeds": ", ".join(str(group.seeds) for group in groups),
        "note": "; ".join(notes),
    }
    rows = [
        {**common, "effect": effect, "of": differences[effect], **_estimate(weights, cells)}
        for effect, weights in EFFECTS.items()
    ]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    adjusted = statistics.adjust_p_values(table["p"].to_numpy(dtype=float))
    decided = np.where(adjusted < statistics.ALPHA, HOLDS, UNDECIDED)
    return table.assign(p_adjusted=adjusted, verdict=INCOMPLETE if missing else decided)


def _estimate(weights: Sequence[float], cells: Sequence[SeedFinal | None]) -> dict[str, float]:
    found = [cell for cell in cells if cell is not None]
    if len(found) < len(cells):
        return dict.fromkeys(
            ("from_step", "to_step", "estimate", "estimate_low", "estimate_high", "p"), NAN
        )
    moments = [cell.moments for cell in found]
    test = statistics.test_contrast(weights, moments)
    return {
        "from_step": found[0].window.start,
        "to_step": found[0].window.end,
        "estimate": test.estimate,
        "estimate_low": test.low,
        "estimate_high": test.high,
        "t": test.t,
        "df": test.df,
        "p": test.p,
        "detectable": statistics.compute_detectable_contrast(weights, moments),
    }


def _find_groups(comparison: Comparison, factorial: Factorial) -> list[SeedGroup]:
    by_name = {group.name: group for group in comparison.ours}
    return [by_name[name] for name in factorial.cells]


def compute_cell_intervals(cells: Iterable[SeedFinal | None]) -> list[tuple[float, float, float]]:
    """Mean and the ends of its 95 % interval (Student's t) of each cell; NaN where unknown.

    The interval needs `statistics.FEWEST_TESTED` seeds.
    """
    intervals = []
    for cell in cells:
        if cell is None:
            intervals.append((NAN, NAN, NAN))
            continue
        test = statistics.test_contrast((1.0,), [cell.moments])
        intervals.append((test.estimate, test.low, test.high))
    return intervals
