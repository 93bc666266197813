"""Tables as CSV, JSON and Markdown."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from markdown_it import MarkdownIt

from ddpg import run_directory
from ddpg.analysis.comparison import power_statement
from ddpg.files import write_atomically

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px/1.45 sans-serif; margin: 2em; max-width: 90em; }}
p, ul {{ max-width: 60em; }}
table {{ border-collapse: collapse; font-size: 12px; margin: 1em 0; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 4px 10px; text-align: left; }}
th {{ background: #f4f4f4; vertical-align: bottom; }}
td {{ vertical-align: top; }}
</style>
{body}
</html>
"""

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


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all, making the directory if need be."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())


def write_document(stem: Path | str, text: str) -> None:
    """Write Markdown as `stem`.md and, for the report, as a page of its own, `stem`.html."""
    body = MarkdownIt("commonmark").enable("table").render(text)
    write_text(f"{stem}.md", text)
    write_text(f"{stem}.html", _PAGE.format(title=Path(stem).name, body=body))


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table; numbers in full, so that reading it back is exact."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_json(path: Path | str, value: dict | list) -> None:
    """Write indented JSON; numbers must be finite, as JSON knows no others."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def records(table: pd.DataFrame) -> list[dict]:
    """The rows of a table as JSON can hold them: what is not a finite number becomes None."""
    return json.loads(table.to_json(orient="records", double_precision=15))


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; columns of numbers are right-aligned, missing ones are n/a."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    lines = [
        list(table.columns),
        ["--:" if right else "---" for right in numeric],
        *([_cell(value) for value in row] for row in table.itertuples(index=False)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: float) -> str:
    """A number with four significant digits, or all digits before the point; n/a for NaN."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "unbounded"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.4g}"


def report(groups: pd.DataFrame, pairs: pd.DataFrame, claims: pd.DataFrame) -> str:
    """The tables of `comparison` and `claims` as one readable Markdown text."""
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


def provenance(runs: Iterable[Path]) -> pd.DataFrame:
    """One row per finished run: what its run.json says of code, versions, machine and speed."""
    abouts = [run_directory.read_json(run / run_directory.RUN) for run in runs]
    rows = [
        {
            "experiment": about["experiment"],
            "seed": about["seed"],
            "finished": about["finished"],
            "steps": about["steps"],
            "steps per second": about["steps_per_second"],
            "peak memory (MB)": about["peak_memory_bytes"] // 10**6,
            "started": len(about["sessions"]),
            "processor": about["machine"]["cpu"]["model"],
            "processor type": about["machine"]["cpu"]["type"],
            "GPU": ", ".join(about["machine"]["gpu"]),
            "image": about["machine"]["image"] or "",
            "revision": _revision(about["machine"]["git"]),
            "versions": ", ".join(f"{k} {v}" for k, v in about["identity"]["packages"].items()),
            "weights (SHA-256)": about["weights_sha256"][:16],
        }
        for about in abouts
    ]
    return pd.DataFrame(rows)


def _revision(git: dict | None) -> str:
    return f"{git['revision'][:12]}{' and changes' if git['dirty'] else ''}" if git else ""


def _readable_groups(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "comparison": table["comparison"],
            "group": table["label"] + table["env"].map(lambda env: f", {env}" if env else ""),
            "seeds": table["seeds"],
            "mean": _with_interval(table, "mean"),
            "sd": table["sd"],
            "interquartile mean": _with_interval(table, "iqm"),
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
            "difference": _with_interval(table, "difference"),
            "Welch's t": table["welch_t"],
            "p": table["welch_p"],
            "P(a better than b)": _with_interval(table, "probability_of_improvement"),
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
            "agreeing": [_range(low, high) for low, high in ends],
            "measured": _with_interval(table, "measured"),
            "verdict": table["verdict"],
            "note": table["note"],
        }
    )


def _with_interval(table: pd.DataFrame, name: str) -> list[str]:
    columns = (table[name], table[f"{name}_low"], table[f"{name}_high"])
    return [
        number(value) if math.isnan(low) else f"{number(value)} [{number(low)}, {number(high)}]"
        for value, low, high in zip(*columns, strict=True)
    ]


def _range(low: float, high: float) -> str:
    if math.isinf(low):
        return f"at most {number(high)}"
    return f"at least {number(low)}" if math.isinf(high) else f"{number(low)} to {number(high)}"


def _cell(value: str | float) -> str:
    return value.replace("|", "\\|") if isinstance(value, str) else number(value)
