"""The first page: the central figure, the results, and the verdicts on the claims.

One HTML file that needs no other and no network: the figures are in it.
"""

import base64
import html
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ddpg.analysis import judging
from ddpg.analysis.claims import Claim
from ddpg.analysis.comparison import Comparison, tabulate_groups
from ddpg.analysis.factorial import HOLDS, INCOMPLETE, tabulate_effects
from ddpg.analysis.groups import count_seeds
from ddpg.analysis.statistics_report import (
    format_intervals,
    format_ranges,
    format_windows,
    make_readable_effects,
)
from ddpg.analysis.tables import format_number
from ddpg.analysis.verdict import FAIL, NO_RUNS, PASS, TOO_FEW, Verdict

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 sans-serif; margin: 1.2em auto; max-width: 100em; padding: 0 1.5em;
  color: #222; background: #fff; }}
h1 {{ font-size: 20px; margin: 0 0 .2em; }}
h2 {{ font-size: 15px; margin: 0 0 .4em; }}
p {{ margin: 0 0 .8em; color: #555; }}
main {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 40em), 1fr));
  gap: 1em 2em; }}
section {{ min-width: 0; overflow-x: auto; }}
img {{ display: block; width: 100%; max-width: 46em; margin: 0 auto .5em; }}
table {{ border-collapse: collapse; font-size: 12px; margin: 0 0 1.2em; width: 100%; }}
th, td {{ border-bottom: 1px solid #ddd; padding: 2px 8px 2px 0; text-align: left;
  vertical-align: top; }}
th {{ color: #555; font-weight: normal; }}
.claims {{ font-size: 11px; }}
.claims td:first-child {{ min-width: 15em; }}
.claims td:nth-child(4) {{ white-space: nowrap; }}
.claims td:nth-child(5) {{ min-width: 8em; }}
.results td:nth-child(n+3), .results th:nth-child(n+3) {{ text-align: right !important; }}
.good {{ color: #00694b; }} .bad {{ color: #a33c00; }} .open {{ color: #666; }}
.good, .bad, .open {{ white-space: nowrap; font-weight: bold; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{lead}</p>
<main>
{body}
</main>
</body>
</html>
"""

_LEAD = (
    "Returns are undiscounted sums of rewards of the policy without noise. The final return is "
    "the mean of a seed's learning curve over its last steps. Brackets hold 95 % confidence "
    "intervals over seeds: percentile bootstrap for means (with five seeds it covers about 84 %, "
    "with ten 90 %), Welch's method for differences and effects."
)
_STYLES = {
    judging.AGREES: "good",
    judging.DISAGREES: "bad",
    judging.UNDECIDED: "open",
    PASS: "good",
    FAIL: "bad",
    TOO_FEW: "open",
    NO_RUNS: "open",
    HOLDS: "good",
    INCOMPLETE: "open",
}


def render_page(
    title: str,
    comparisons: list[Comparison],
    claims: Iterable[Claim],
    figures: Path,
    verdict: Verdict | None = None,
) -> str:
    """The page as HTML: `comparisons` in this order, the first one large with all claims beside it.

    `figures` is the directory that `draw_figures` wrote. Raises UserError where one is missing.
    """
    judged = judging.judge_claims(claims, comparisons)
    beside = _render_verdict(verdict) if verdict else ""
    beside += _render_claims(judged) if len(judged) else ""
    parts = [_render_comparison(figures, comparison) for comparison in comparisons]
    parts[1:1] = [_render_section(beside)] if beside else []  # beside the first one
    return _PAGE.format(title=html.escape(title), lead=_LEAD, body="\n".join(parts))


def _render_section(content: str) -> str:
    return f"<section>\n{content}</section>"


def _render_comparison(figures: Path, comparison: Comparison) -> str:
    effects = _render_effects(comparison) if comparison.factorial else ""
    picture = _embed_figure(figures, comparison)
    return _render_section(picture + _render_results(comparison) + effects)


def _render_effects(comparison: Comparison) -> str:
    found = tabulate_effects([comparison])
    table = make_readable_effects(found).drop(columns=["comparison", "note"])
    table[["p", "adjusted p", "detectable"]] = table[["p", "adjusted p", "detectable"]].map(
        format_number
    )
    note = "".join(f"<p>{html.escape(text)}</p>\n" for text in found["note"].unique() if text)
    return _render_table(table) + note


def _embed_figure(figures: Path, comparison: Comparison) -> str:
    path = comparison.find_figure(figures, ".svg")
    picture = base64.b64encode(path.read_bytes()).decode()
    title = html.escape(comparison.title)
    return f'<img alt="{title}" src="data:image/svg+xml;base64,{picture}">\n'


def _render_results(comparison: Comparison) -> str:
    found = tabulate_groups([comparison])
    table = {
        "final return of": found["label"],
        "environment": found["env"],
        "seeds": [count_seeds(group) for group in comparison.groups],
        "mean over steps": format_windows(found),
        "mean": format_intervals(found, "mean"),
        "sd between seeds": [format_number(value) for value in found["sd"]],
    }
    return _render_table(pd.DataFrame(table).replace("n/a", ""), "results")


def _render_claims(found: pd.DataFrame) -> str:
    table = {
        "claim": found["statement"],
        "group": found["group"],
        "the data": found["verdict"],
        "measured": format_intervals(found, "measured"),
        "agrees if": format_ranges(found),
        "": found["note"],
    }
    heading = "Claims: " + ", ".join(
        f"{(found['verdict'] == verdict).sum()} {word}"
        for verdict, word in {
            judging.AGREES: "agree",
            judging.DISAGREES: "disagree",
            judging.UNDECIDED: "undecided",
        }.items()
    )
    sources = "; ".join(found["source"].unique())
    sentence = f"<p>Stated in: {html.escape(sources)}.</p>\n" if sources else ""
    return _render_heading(heading) + sentence + _render_table(pd.DataFrame(table), "claims")


def _render_verdict(verdict: Verdict) -> str:
    table = [
        {"experiment": name, "result": outcome.result, "why": outcome.reason}
        for name, outcome in verdict.experiments.items()
    ]
    sentence = f"<p>{html.escape(verdict.describe())}</p>\n"
    return (
        _render_heading(f"Verdict: {verdict.result}")
        + sentence
        + _render_table(pd.DataFrame(table))
    )


def _render_heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>\n"


def _render_table(table: pd.DataFrame, name: str | None = None) -> str:
    """A table in HTML; outcomes in the colours of `_STYLES`."""
    with pd.option_context("display.max_colwidth", None):
        text = table.to_html(index=False, border=0, justify="left", classes=name)
    for outcome, style in _STYLES.items():
        text = text.replace(f"<td>{outcome}</td>", f'<td class="{style}">{outcome}</td>')
    return f"{text}\n"
