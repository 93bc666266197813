"""progress.txt, a run's table in Spinning Up's format: a row per epoch, cells separated by tabs."""

import math
from collections.abc import Iterable
from pathlib import Path

from ddpg.errors import UserError

# The columns in the files of every off-policy algorithm of Spinning Up.
REQUIRED = ("Epoch", "TotalEnvInteracts", "AverageTestEpRet")


def parse_progress(
    text: str, source: Path | str, also_required: Iterable[str] = ()
) -> list[dict[str, float]]:
    """The rows of a progress.txt, by column name; an empty cell is NaN.

    A file with only a header has no rows. Raises UserError, naming the file `source`, if the text
    is empty, cut off, lacks a column, or has a cell that is not a number.
    """
    if not text.strip():
        raise UserError(f"{source}: empty; the run has not finished its first epoch")
    header, *lines = text.split("\n")
    names = header.split("\t")
    missing = [name for name in (*REQUIRED, *also_required) if name not in names]
    if missing:
        raise UserError(
            f"{source}: not Spinning Up's progress.txt of an off-policy run: "
            f"no column {', '.join(missing)} in its first line (tab separated)"
        )
    check_no_column_twice(source, names)
    if not lines or lines.pop() != "":
        raise UserError(f"{source}: cut off: no newline after its last line; resume the run")
    return [
        _parse_row(line, names, f"{source}, line {number}")
        for number, line in enumerate(lines, start=2)
    ]


def _parse_row(line: str, names: list[str], where: str) -> dict[str, float]:
    cells = line.split("\t")
    if len(cells) != len(names):
        raise UserError(
            f"{where}: {len(cells)} cells under {len(names)} column names; "
            "the file is cut off or edited: resume or repeat the run"
        )
    row = {name: _parse_cell(cell, where) for name, cell in zip(names, cells, strict=True)}
    for name in ("Epoch", "TotalEnvInteracts"):
        if not math.isfinite(row[name]):
            raise UserError(f"{where}: {name} is {row[name]}, not a number; repeat the run")
    return row


def _parse_cell(cell: str, where: str) -> float:
    if not cell.strip():
        return math.nan
    try:
        if "_" in cell:  # in Python, but not in a table, 1_000 is a number
            raise ValueError
        return float(cell)
    except ValueError:
        raise UserError(f"{where}: a cell is not a number: {cell!r}") from None


def check_no_column_twice(source: Path | str, names: list[str]) -> None:
    """UserError if two columns of a table have the same name."""
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"{source}: the column {twice[0]!r} appears twice; remove one")
