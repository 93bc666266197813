"""The statistics as a text to read: how to read each table, the table, and what it can decide."""

import math

import pandas as pd

from ddpg.analysis import statistics
from ddpg.analysis.tables import markdown, number

_HOW_TO_READ = """\
Returns are undiscounted sums of rewards per episode of the policy without noise. The final
performance of a seed is the mean of its last ten evaluations (of a short run, of its last third);
all statistics are over seeds, never over episodes. Brackets hold 95 % intervals: of means and
interquartile means by percentile bootstrap, of differences of means after Welch. Where only mean
and standard deviation were published, the latter is averaged over the last evaluations and brought
from divisor n to n - 1; it is then at least that of the seeds' final performance, so the test is
cautious. Fewer than five seeds have no bootstrap interval, for it would be far too narrow (of two
seeds their range, which covers the true mean half the time); with five, ten and twenty it covers
about 84, 90 and 93 %.
"""

_HOW_TO_READ_PAIRS = """\
Of two groups that end at different steps, both are taken up to the earlier end. "Detectable" is the
true difference that Welch's two-sided test at the 5 % level shows with probability 0.8 with these
numbers of seeds; "seeds to settle" is the number a side that would show a true difference as large
as the observed one with the same probability.
"""

_HOW_TO_READ_CLAIMS = """\
A range read off a drawn curve counts 5 % wider, "about x" as within a quarter of x. The data agrees
where the measured value lies in the range, does not where its whole interval lies outside; anything
else cannot be told, and so cannot a value outside the range that has no interval.
"""


def statistics_markdown(groups: pd.DataFrame, pairs: pd.DataFrame, claims: pd.DataFrame) -> str:
    """The tables of `comparison` and `claims` as one Markdown text."""
    return "\n".join(
        [
            "# Statistics\n",
            "## Final performance\n",
            _HOW_TO_READ,
            markdown(_readable_groups(groups)),
            "## Differences\n",
            _HOW_TO_READ_PAIRS,
            markdown(_readable_pairs(pairs)),
            *(f"- {power_statement(row)}" for row in pairs.to_dict("records")),
            "",
            "## What the development notes say\n",
            _HOW_TO_READ_CLAIMS,
            markdown(_readable_claims(claims)),
        ]
    )


def power_statement(row: dict) -> str:
    """One sentence for a row of `pair_table`: what its seeds can decide, and what it would take."""
    if math.isnan(row["detectable_difference"]):
        return f"{row['a']} against {row['b']}: {row['note']}."
    settle = row["seeds_to_settle"]
    needed = f"{settle:,.0f} seeds" if math.isfinite(settle) else "more than a million seeds"
    return (
        f"{row['a']} against {row['b']}: {row['seeds_a']} and {row['seeds_b']} seeds detect a true "
        f"difference of {row['detectable_difference']:,.0f} with power {statistics.POWER}; the "
        f"observed one is {row['difference']:,.0f} (p = {row['welch_p']:.2g}), and if it were the "
        f"true one, {needed} a side would show it with that power."
    )


def _readable_groups(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "comparison": table["comparison"],
            "group": table["label"] + table["env"].map(lambda env: f", {env}" if env else ""),
            "seeds": table["seeds"],
            "mean": with_interval(table, "mean"),
            "sd": table["sd"],
            "interquartile mean": with_interval(table, "iqm"),
            "return to reach": table["reach"],
            "reached by": table["seeds_reaching"],
            "at step (median)": table["steps_to_return"],
            "mean curve at step": table["steps_of_mean"],
            "note": table["note"],
        }
    )


def _readable_pairs(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "comparison": table["comparison"],
            "a - b": table["a"] + " - " + table["b"],
            "seeds": table["seeds_a"].astype(str) + " and " + table["seeds_b"].astype(str),
            "difference": with_interval(table, "difference"),
            "Welch's t": table["welch_t"],
            "p": table["welch_p"],
            "P(a better than b)": with_interval(table, "probability_of_improvement"),
            "detectable": table["detectable_difference"],
            "seeds to settle": table["seeds_to_settle"],
            "note": table["note"],
        }
    )


def _readable_claims(table: pd.DataFrame) -> pd.DataFrame:
    ends = zip(table["agrees_from"], table["agrees_to"], strict=True)
    return pd.DataFrame(
        {
            "statement": table["statement"],
            "of": table["comparison"] + ": " + table["group"],
            "agreeing": [readable_range(low, high) for low, high in ends],
            "measured": with_interval(table, "measured"),
            "verdict": table["verdict"],
            "note": table["note"],
        }
    )


def with_interval(table: pd.DataFrame, name: str) -> list[str]:
    """The column `name` with its interval, from `name`_low and `name`_high, where it has one."""
    columns = (table[name], table[f"{name}_low"], table[f"{name}_high"])
    return [
        number(value) if math.isnan(low) else f"{number(value)} [{number(low)}, {number(high)}]"
        for value, low, high in zip(*columns, strict=True)
    ]


def readable_range(low: float, high: float) -> str:
    """A range of values, which may be open at one end."""
    if math.isinf(low):
        return f"at most {number(high)}"
    return f"at least {number(low)}" if math.isinf(high) else f"{number(low)} to {number(high)}"
