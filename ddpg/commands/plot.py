"""`plot`: the figures of the comparisons."""

from argparse import ArgumentParser, Namespace

from ddpg import config
from ddpg.commands.arguments import add_comparisons, add_output_directory

HELP = "draw the figures of the comparisons"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_comparisons(parser)
    add_output_directory(parser)


def run(options: Namespace) -> None:
    """Draw every figure of the comparisons into the output directory."""
    from ddpg.analysis.figures import draw_figures
    from ddpg.commands.comparisons import load_comparisons

    draw_figures(load_comparisons(config.read(*options.config), options), options.output)
