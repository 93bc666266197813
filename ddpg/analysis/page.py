"""The first page: the central figure, what was reached, and what became of the claims.

One HTML file that needs no other and no network: the figures are in it.
"""

import base64
import html
from pathlib import Path

import pandas as pd

from ddpg.analysis import claims
from ddpg.analysis.comparison import Comparison, group_table
from ddpg.analysis.statistics_report import readable_range, with_interval
from ddpg.analysis.tables import number
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
.claims td:nth-child(n+4) {{ white-space: nowrap; }}
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
    "Returns are undiscounted sums of rewards of the policy without noise; final is the mean of a "
    "seed's last ten tests (of a short run, of its last third). Intervals are over seeds, at 95 %."
)
_STYLES = {
    claims.AGREES: "good",
    claims.DISAGREES: "bad",
    claims.CANNOT_TELL: "open",
    PASS: "good",
    FAIL: "bad",
    TOO_FEW: "open",
    NO_RUNS: "open",
}


def render(
    title: str,
    comparisons: list[Comparison],
    figures: Path,
    verdict: Verdict | None = None,
) -> str:
    """The page as HTML: `comparisons` in this order, the first one large with all claims beside it.

    `figures` is where `figures.draw_all` put their pictures. Raises OSError where one is missing.
    """
    first, *others = comparisons
    judged = claims.claim_table(comparisons)
    known = judged[judged["comparison"].isin([given.name for given in comparisons])]
    beside = _verdict(verdict) if verdict else ""
    beside += _claims(known) if len(known) else ""
    parts = [_part(_picture(figures, first) + _results(first))]
    parts += [_part(beside)] if beside else []
    parts += [_part(_picture(figures, given) + _results(given)) for given in others]
    return _PAGE.format(title=html.escape(title), lead=_LEAD, body="\n".join(parts))


def _part(content: str) -> str:
    return f"<section>\n{content}</section>"


def _picture(figures: Path, given: Comparison) -> str:
    picture = base64.b64encode((figures / given.name / "comparison.svg").read_bytes()).decode()
    title = html.escape(given.title)
    return f'<img alt="{title}" src="data:image/svg+xml;base64,{picture}">\n'


def _results(given: Comparison) -> str:
    found = group_table([given])
    table = {
        "final return of": found["label"],
        "environment": found["env"],
        "seeds": found["seeds"],
        "mean": with_interval(found, "mean"),
        "sd between seeds": [number(value) for value in found["sd"]],
    }
    return _table(pd.DataFrame(table).replace("n/a", ""), "results")


def _claims(found: pd.DataFrame) -> str:
    ranges = zip(found["agrees_from"], found["agrees_to"], strict=True)
    table = {
        "the notes of 2019 say": found["statement"],
        "of": found["group"],
        "the data": found["verdict"],
        "measured": with_interval(found, "measured"),
        "agrees if": [readable_range(low, high) for low, high in ranges],
        "": found["note"],
    }
    heading = "Claims: " + ", ".join(
        f"{words} {(found['verdict'] == verdict).sum()}"
        for verdict, words in {
            claims.AGREES: "the data agrees with",
            claims.DISAGREES: "does not agree with",
            claims.CANNOT_TELL: "cannot tell of",
        }.items()
    )
    return _heading(heading) + _table(pd.DataFrame(table), "claims")


def _verdict(verdict: Verdict) -> str:
    table = [
        {"experiment": name, "result": outcome.result, "why": outcome.reason}
        for name, outcome in verdict.experiments.items()
    ]
    sentence = f"<p>{html.escape(verdict.sentence())}</p>\n"
    return _heading(f"Verdict: {verdict.result}") + sentence + _table(pd.DataFrame(table))


def _heading(text: str) -> str:
    return f"<h2>{html.escape(text)}</h2>\n"


def _table(table: pd.DataFrame, name: str | None = None) -> str:
    """A table in HTML; outcomes in the colours of `_STYLES`."""
    with pd.option_context("display.max_colwidth", None):
        text = table.to_html(index=False, border=0, justify="left", classes=name)
    for outcome, style in _STYLES.items():
        text = text.replace(f"<td>{outcome}</td>", f'<td class="{style}">{outcome}</td>')
    return f"{text}\n"
