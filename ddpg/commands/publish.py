"""`publish`: copy finished runs to the published ones."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_runs
from ddpg.runs.published import PUBLISHED, publish_run, read_publishable

HELP = "copy finished runs to results/published and update its manifest"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "runs", "finished run directories")
    parser.add_argument(
        "--to", type=Path, default=PUBLISHED, metavar="DIR",
        help=f"copy them below this directory (default: {PUBLISHED})",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Publish each run and print the directories of the copies; nothing if one is unfinished."""
    for directory in options.runs:
        read_publishable(directory)
    copies = []
    try:
        for directory in options.runs:
            copies.append(publish_run(directory, options.to))
    finally:  # not in between: if nobody reads the output, printing ends the command
        for copy in copies:
            print(copy)
