"""The statistics as a text to read: how to read each table, the table, and what it can decide."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from ddpg.analysis import statistics
from ddpg.analysis.tables import format_markdown, format_number

_HOW_TO_READ = """\
Returns are undiscounted sums of rewards per episode of the policy without noise. The final return
of a seed is the mean of its learning curve over a window of environment steps, which the column
"steps" states: the last 100,000, or those that `final` of the comparison names; of a short curve,
its last third. Curves are interpolated linearly between evaluations and averaged over a range of
environment steps, so curves with different evaluation intervals can be compared. All statistics are
over seeds, never over episodes. Brackets hold 95 % intervals: of means and interquartile means by
percentile bootstrap, of differences of means by Welch's method. Where only mean and standard
deviation were published, the standard deviation is averaged over the window and rescaled to divisor
n - 1; unless the curve was smoothed, this can only overestimate that of the final returns, so the
test is conservative. With fewer than five seeds no bootstrap interval is given: it would be far too
narrow. A bootstrap interval of nominally 95 % covers the mean of a normal distribution in about 84
% of cases with five seeds, 90 % with ten and 93 % with twenty, of a skewed one in fewer. "Reached
by" counts the seeds whose smoothed curve reaches the "return to reach". "At step (median)" is the
median over all seeds of the first step at which it does, "mean curve at step" the first step at
which the mean curve does. The smoothing averages evaluations before and after a step, so a curve
can reach a return up to half its width early.
"""

_HOW_TO_READ_PAIRS = """\
Two groups are compared over the last steps that both cover. "Adjusted p" controls the false
discovery rate over all tests of this table (Benjamini and Hochberg): of the tests with an adjusted
p below 0.05, at most 5 % are expected to be false discoveries, if the tests are independent or
positively dependent. "Planned" tests ask whether a benchmark is replicated, or were declared before
their runs; all others are exploratory. "P(a better than b)" is the probability that a seed drawn
from a has a higher final return than one drawn from b, with its 95 % bootstrap interval; where it
is 0 or 1, the bootstrap gives none. "Detectable" is the minimum detectable effect: the true
difference that Welch's two-sided test at the 5 % level detects with 80 % power at these numbers of
seeds, before adjustment and if the observed standard deviations are the true ones. "Seeds to
settle" is the number per group at which the observed difference would be the minimum detectable
effect; the brackets hold that number for the ends of the difference's interval. No interval is
adjusted for the number of tests. With fewer than three seeds in a group there is no test: the
standard deviation of two is often far too small by chance. If the returns are normally distributed,
the test finds a difference between equal means in up to 7.5 % of cases with three seeds and 5.6 %
with five. Where a few seeds fail and the others do not, as on HalfCheetah with the settings of
2020, it was up to 13 % with three, 9 % with five and 10 % with ten in simulations.
"""

_HOW_TO_READ_EFFECTS = """\
Four experiments with two networks and two schedules of updates. The effect of the networks is the
difference of the final returns averaged over the schedules, and vice versa for the schedule; the
interaction is the effect of the schedule with the second networks minus that with the first.
Intervals and tests are Welch's for such sums of means; the three tests of a 2x2 are adjusted
together, the intervals are not. "Seeds" are those of the four experiments: both schedules of the
first networks, then of the second. "Detectable" is the minimum detectable effect (80 % power at the
5 % level, before adjustment). "There is an effect" holds if the adjusted p is below 0.05. Otherwise
that is undecided, and the interval says how large the effect may still be. The figure's intervals
of the four means are Student's t, which are wider than the bootstrap's for so few seeds.
"""

_HOW_TO_READ_CLAIMS = """\
A claim agrees if the measured value, or where the table says so its whole 95 % interval, lies in
the range. It does not agree if the whole interval lies outside. Otherwise, for a value outside the
range without an interval, and while seeds are missing, the result is undecided. The file named by
`claims` in the configuration states the ranges, and the slack for values read off a figure. The
bootstrap makes standard deviations too small: the intervals of a mean plus or minus one standard
deviation cover about 85 % with ten seeds, and mostly miss on the side of the mean.
"""


def format_statistics(
    groups: pd.DataFrame, pairs: pd.DataFrame, effects: pd.DataFrame, claims: pd.DataFrame
) -> str:
    """The tables of `comparison`, `factorial` and `judging` as one Markdown text."""
    return "\n".join(
        [
            "# Statistics\n",
            "## Final returns\n",
            _HOW_TO_READ,
            format_markdown(_make_readable_groups(groups)),
            "## Differences\n",
            _HOW_TO_READ_PAIRS,
            format_markdown(_make_readable_pairs(pairs)),
            *(
                f"- {state_power(row)}"
                # Without spread between seeds there is no power to speak of.
                for row in pairs.dropna(subset="seeds_to_settle").to_dict("records")
            ),
            "",
            *_format_effects(effects),
            "## Claims\n",
            _HOW_TO_READ_CLAIMS,
            format_markdown(make_readable_claims(claims)),
        ]
    )


def state_power(row: Mapping[Hashable, Any]) -> str:
    """The minimum detectable effect of a row of `tabulate_pairs`, and the seeds that it needs.

    The row's `seeds_to_settle` must be known.
    """
    subject = f"{row['comparison']}, {row['a']} against {row['b']}"
    settle = row["seeds_to_settle"]
    needed = f"{settle:,.0f} seeds" if math.isfinite(settle) else "more than a million seeds"
    detectable, difference = map(format_number, (row["detectable_difference"], row["difference"]))
    return (
        f"{subject}: with {row['seeds_a']} and {row['seeds_b']} seeds the minimum detectable "
        f"effect ({100 * statistics.POWER:.0f} % power) is {detectable}; the observed difference "
        f"is {difference} (p = {row['welch_p']:.2g}), which would need {needed} per group."
    )


def _make_readable_groups(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "comparison": table["comparison"],
            "group": table["label"] + table["env"].map(lambda env: f", {env}" if env else ""),
            "seeds": table["seeds"],
            "steps": format_windows(table),
            "mean": format_intervals(table, "mean"),
            "sd": table["sd"],
            "interquartile mean": format_intervals(table, "iqm"),
            "return to reach": table["reach"],
            "reached by": table["seeds_reaching"],
            "at step (median)": table["steps_to_return"],
            "mean curve at step": table["steps_of_mean"],
            "note": table["note"],
        }
    )


def _make_readable_pairs(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "comparison": table["comparison"],
            "a - b": table["a"] + " - " + table["b"],
            "test": table["planned"],
            "seeds": table["seeds_a"].astype(str) + " and " + table["seeds_b"].astype(str),
            "steps": format_windows(table),
            "difference": format_intervals(table, "difference"),
            "Welch's t": table["welch_t"],
            "p": table["welch_p"],
            "adjusted p": table["welch_p_adjusted"],
            "P(a better than b)": format_intervals(table, "probability_of_improvement"),
            "detectable": table["detectable_difference"],
            "seeds to settle": format_intervals(table, "seeds_to_settle"),
            "note": table["note"],
        }
    )


def _format_effects(effects: pd.DataFrame) -> list[str]:
    """The section about 2x2 comparisons; nothing where there is none."""
    if effects.empty:
        return []
    table = format_markdown(make_readable_effects(effects))
    return ["## Effects\n", _HOW_TO_READ_EFFECTS, table]


def make_readable_effects(table: pd.DataFrame) -> pd.DataFrame:
    """The effects of 2x2 comparisons as a table to read."""
    return pd.DataFrame(
        {
            "comparison": table["comparison"],
            "effect": table["effect"],
            "difference": table["of"],
            "seeds": table["seeds"],
            "steps": format_windows(table),
            "estimate": format_intervals(table, "estimate"),
            "p": table["p"],
            "adjusted p": table["p_adjusted"],
            "detectable": table["detectable"],
            "there is an effect": table["verdict"],
            "note": table["note"],
        }
    )


def make_readable_claims(table: pd.DataFrame) -> pd.DataFrame:
    """The claims of `judging.judge_claims` as a table to read."""
    return pd.DataFrame(
        {
            "statement": table["statement"],
            "source": table["source"],
            "group": table["comparison"] + ": " + table["group"],
            "agrees if": format_ranges(table),
            "measured": format_intervals(table, "measured"),
            "verdict": table["verdict"],
            "note": table["note"],
        }
    )


def format_intervals(table: pd.DataFrame, name: str) -> list[str]:
    """The column `name` with its interval, from `name`_low and `name`_high, where it has one."""
    columns = (table[name], table[f"{name}_low"], table[f"{name}_high"])
    return [
        format_number(value)
        if math.isnan(low)
        else f"{format_number(value)} [{format_number(low)}, {format_number(high)}]"
        for value, low, high in zip(*columns, strict=True)
    ]


def format_windows(table: pd.DataFrame) -> list[str]:
    """The windows of final returns, from `from_step` to `to_step`."""
    columns = (table["from_step"], table["to_step"])
    return [
        "n/a" if math.isnan(start) else f"{start:,.0f} to {end:,.0f}"
        for start, end in zip(*columns, strict=True)
    ]


def format_ranges(claims: pd.DataFrame) -> list[str]:
    """What must lie in which range for the data to agree with each claim."""
    rows = zip(claims["agrees_from"], claims["agrees_to"], claims["test"], strict=True)
    return [
        ("whole interval " if test == "interval" else "") + _format_range(low, high)
        for low, high, test in rows
    ]


def _format_range(low: float, high: float) -> str:
    """A range of values, which may be open at one end."""
    if math.isinf(low):
        return f"at most {format_number(high)}"
    if math.isinf(high):
        return f"at least {format_number(low)}"
    return f"{format_number(low)} to {format_number(high)}"
