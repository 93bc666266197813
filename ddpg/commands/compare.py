"""`compare`: statistics of the comparisons, as tables."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_comparisons

HELP = "compute the statistics of the comparisons, as tables"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_comparisons(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="directory to write to"
    )


def run(options: Namespace) -> None:
    """Write groups, pairs, effects and claims as CSV, and statistics.md, into a directory."""
    from ddpg.analysis import comparison, factorial, judging, tables
    from ddpg.analysis.statistics_report import format_statistics
    from ddpg.commands.comparisons import load_claims, load_comparisons

    comparisons = load_comparisons(options)
    found = {
        "groups": comparison.tabulate_groups(comparisons),
        "pairs": comparison.tabulate_pairs(comparisons),
        "effects": factorial.tabulate_effects(comparisons),
        "claims": judging.judge_claims(load_claims(options), comparisons),
    }
    text = format_statistics(**found)
    for name, table in found.items():
        tables.write_csv(options.output / f"{name}.csv", table)
    tables.write_document(options.output / "statistics", text)
