"""Tables as CSV and Markdown."""

import math
import re
from pathlib import Path

import pandas as pd
from markdown_it import MarkdownIt

from ddpg.files import write_text

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


def write_document(stem: Path | str, text: str) -> None:
    """Write Markdown as `stem`.md and, for the report, as a page `stem`.html."""
    body = MarkdownIt("commonmark").enable("table").render(text)
    write_text(f"{stem}.md", text)
    write_text(f"{stem}.html", _PAGE.format(title=Path(stem).name, body=body))


def write_csv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table; numbers in full, so that reading it back is exact."""
    write_text(path, format_csv(table))


def format_csv(table: pd.DataFrame) -> str:
    """A table as CSV, without its index."""
    return table.to_csv(index=False, lineterminator="\n")


def format_markdown(table: pd.DataFrame) -> str:
    """A table in Markdown; columns of numbers are right-aligned, missing ones are n/a."""
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    lines = [
        list(table.columns),
        ["--:" if right else "---" for right in numeric],
        *([_format_cell(value) for value in row] for row in table.itertuples(index=False)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def format_number(value: float) -> str:
    """A number with four significant digits, or all digits before the point; n/a for NaN.

    An infinite one is "unbounded", with its sign where that is negative.
    """
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "unbounded" if value > 0 else "-unbounded"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.4g}"


def format_count(n: int, noun: str) -> str:
    """A number and its noun, which takes an s in the plural."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _format_cell(value: str | float) -> str:
    """A value in Markdown; characters that have a meaning there are escaped."""
    if not isinstance(value, str):
        return format_number(value)
    # Not an underscore between letters or digits: it has no meaning there.
    escaped = re.sub(r"[\\|`*<&]|\](?=\()|_(?![^\W_])|(?<![^\W_])_", r"\\\g<0>", value)
    return " ".join(escaped.split())
