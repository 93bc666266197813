"""`publish`: copy finished runs to the published ones."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_runs

HELP = "copy finished runs to results/published and update its manifest"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "runs", "finished run directories")
    parser.add_argument(
        "--to", type=Path, default=Path("results/published"), metavar="DIR",
        help="default: results/published",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Publish each run and print the directory of its copy."""
    from ddpg.runs.published import publish_run

    for directory in options.runs:
        print(publish_run(directory, options.to))
