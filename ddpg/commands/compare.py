"""`compare`: statistics of the comparisons, as tables."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_comparisons

HELP = "statistics of the comparisons, as tables"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_comparisons(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")


def run(options: Namespace) -> None:
    """Write groups.csv, pairs.csv, claims.csv and statistics.md into the output directory."""
    from ddpg.analysis import claims, comparison, tables
    from ddpg.analysis.statistics_report import statistics_markdown
    from ddpg.commands.comparisons import load_comparisons

    comparisons = load_comparisons(options)
    found = {
        "groups": comparison.group_table(comparisons),
        "pairs": comparison.pair_table(comparisons),
        "claims": claims.claim_table(comparisons),
    }
    text = statistics_markdown(**found)
    for name, table in found.items():
        tables.write_csv(options.output / f"{name}.csv", table)
    tables.write_document(options.output / "statistics", text)
