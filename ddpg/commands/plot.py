"""`plot`: the figures of the comparisons."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_comparisons

HELP = "draw the figures of the comparisons"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_comparisons(parser)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="directory to write to"
    )


def run(options: Namespace) -> None:
    """Draw every figure of the comparisons into the output directory."""
    from ddpg.analysis.figures import draw_figures
    from ddpg.commands.comparisons import load_comparisons

    draw_figures(load_comparisons(options), options.output)
