"""A workflow's last lines: the verdict or the final returns, and the paths of the results."""

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.table import Table

from ddpg.analysis.comparison import Comparison
from ddpg.analysis.groups import FinalSteps, SeedGroup, explain_missing, measure_final
from ddpg.analysis.tables import format_number
from ddpg.analysis.verdict import Verdict
from ddpg.progress import make_console

WIDTH = 100  # columns; fixed: the workflow writes the summary to a file before printing it


def tabulate_final_returns(comparisons: Iterable[Comparison]) -> Table:
    """The final returns of each experiment (`groups.measure_final`) over its seeds.

    An experiment of several comparisons has the row of the first of them.
    """
    table = _make_table("experiment", ("seeds", "mean", "lowest seed", "highest seed"))
    rows: dict[str, tuple[str, ...]] = {}
    for comparison in comparisons:
        for group in comparison.ours:
            returns = _format_returns(group, comparison.final)
            rows.setdefault(group.name, (group.name, str(group.seeds), *returns))
    for row in rows.values():
        table.add_row(*row)
    return table


def tabulate_outcomes(verdict: Verdict) -> Table:
    """Each experiment's outcome in a verdict, and why."""
    table = _make_table("experiment", (), "result", "why")
    for name, outcome in verdict.experiments.items():
        table.add_row(name, outcome.result, outcome.reason)
    return table


def print_summary(
    comparisons: list[Comparison], verdict: Verdict | None, paths: dict[str, Path | str]
) -> None:
    """Print the verdict, or without one the final returns, then the `paths` by name."""
    out = make_console(width=WIDTH, highlight=False, markup=False, soft_wrap=False)
    if verdict:
        out.print(f"Verdict: {verdict.result}", verdict.describe(), sep="\n")
        out.print(tabulate_outcomes(verdict))
    else:
        out.print("Final returns: mean of each seed over its last steps")
        out.print(tabulate_final_returns(comparisons))
    longest = max(map(len, paths))
    for what, path in paths.items():
        print(f"{what:<{longest}}  {path}")  # whole, however long


def _format_returns(group: SeedGroup, final: FinalSteps) -> list[str]:
    result = measure_final(group, final)
    if result is None:
        return [explain_missing(group, final.end), "", ""]
    values = result.values
    return [format_number(value) for value in (result.moments.mean, values.min(), values.max())]


def _make_table(first: str, right: Iterable[str], *left: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first, overflow="fold")  # a long name takes lines, not the numbers' place
    for heading in right:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in left:
        table.add_column(heading)
    return table
