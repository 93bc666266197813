"""The end of a workflow in a few lines: the verdict or the final returns, and where to look."""

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ddpg.analysis.comparison import Comparison, Group, final
from ddpg.analysis.tables import number
from ddpg.analysis.verdict import Verdict

WIDTH = 100  # columns of a terminal, where none says how wide it is


def final_returns(comparisons: Iterable[Comparison]) -> Table:
    """Each experiment's final returns (see `comparison.final`), over its seeds; once, wherever."""
    table = _table("experiment", ("seeds", "mean", "lowest seed", "highest seed"))
    experiments = {group.name: group for given in comparisons for group in given.ours}
    for name, group in experiments.items():
        table.add_row(name, str(group.seeds), *_returns(group))
    return table


def outcomes(verdict: Verdict) -> Table:
    """Each experiment's outcome in a verdict, and why."""
    table = _table("experiment", (), "result", "why")
    for name, outcome in verdict.experiments.items():
        table.add_row(name, outcome.result, outcome.reason)
    return table


def show(
    comparisons: list[Comparison], verdict: Verdict | None, paths: dict[str, Path | str]
) -> None:
    """Print the verdict, or without one the final returns, then `paths` by what they are."""
    out = Console(width=WIDTH, highlight=False, markup=False, soft_wrap=False)
    if verdict:
        out.print(f"Verdict: {verdict.result}", verdict.sentence(), sep="\n")
        out.print(outcomes(verdict))
    else:
        out.print("Final returns: mean of each seed's last tests")
        out.print(final_returns(comparisons))
    longest = max(map(len, paths))
    for what, path in paths.items():
        print(f"{what:<{longest}}  {path}")  # whole, however long


def _returns(group: Group) -> list[str]:
    result = final(group)
    if result is None:
        return ["no runs", "", ""]
    values = result.values
    return [number(value) for value in (result.moments.mean, values.min(), values.max())]


def _table(first: str, right: Iterable[str], *left: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in left:
        table.add_column(heading)
    return table
