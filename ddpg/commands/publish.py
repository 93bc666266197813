"""`publish`: copy finished runs to the published ones."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_runs
from ddpg.runs.published import PUBLISHED, publish_runs

HELP = "copy finished runs to results/published and update its manifest"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "runs", "finished run directories")
    parser.add_argument(
        "--to", type=Path, default=PUBLISHED, metavar="DIR",
        help=f"copy them below this directory (default: {PUBLISHED})",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Publish the runs and print the directories of the copies; nothing if one is refused."""
    copies = []
    try:
        for copy in publish_runs(options.runs, options.to):
            copies.append(copy)
    finally:  # not in between: if nobody reads the output, printing ends the command
        for copy in copies:
            print(copy)
