"""`compare`: statistics of the comparisons, as tables."""

from argparse import ArgumentParser, Namespace

from ddpg import config
from ddpg.commands.arguments import add_comparisons, add_output_directory

HELP = "compute the statistics of the comparisons, as tables"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_comparisons(parser)
    add_output_directory(parser)


def run(options: Namespace) -> None:
    """Write groups, pairs, effects and claims as CSV, and statistics.md, into a directory."""
    from ddpg.analysis import comparison, factorial, judging, tables
    from ddpg.analysis.claims import read_claims
    from ddpg.analysis.statistics_report import format_statistics
    from ddpg.commands.comparisons import load_comparisons

    settings = config.read(*options.config)
    comparisons = load_comparisons(settings, options)
    found = {
        "groups": comparison.tabulate_groups(comparisons),
        "pairs": comparison.tabulate_pairs(comparisons),
        "effects": factorial.tabulate_effects(comparisons),
        "claims": judging.judge_claims(read_claims(settings), comparisons),
    }
    text = format_statistics(**found)
    for name, table in found.items():
        tables.write_csv(options.output / f"{name}.csv", table)
    tables.write_document(options.output / "statistics", text)
