"""`aggregate`: the learning curves of many runs in one table."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_runs

HELP = "gather the curves of many runs in one table"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "--runs", "run directories (default: none, an empty table)", nargs="*")
    parser.add_argument("--output", type=Path, required=True, metavar="CSV", help="table to write")
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="refuse runs that this manifest does not list"
    )


def run(options: Namespace) -> None:
    """Write the table; UserError for runs that do not fit together or are not in the manifest."""
    from ddpg.analysis import curves, tables
    from ddpg.runs.published import check_manifest

    if options.manifest:
        check_manifest(options.manifest, options.runs)
    tables.write_csv(options.output, curves.aggregate_runs(options.runs))
