"""`summary`: the outcome in a few lines, and in the exit code."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg import config
from ddpg.commands.arguments import add_comparisons, add_outcome
from ddpg.errors import Mismatch, UserError

HELP = "print the outcome; exit code 1 if the verdict is a fail"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_comparisons(parser)
    add_outcome(parser)
    parser.add_argument("--page", type=Path, metavar="HTML", help="from `page`")


def run(options: Namespace) -> None:
    """Print the outcome; Mismatch if the verdict is that an experiment was not reproduced."""
    from ddpg.analysis.summary import print_summary
    from ddpg.analysis.verdict import FAIL
    from ddpg.commands.comparisons import load_headline_first, read_verdict

    settings = config.read(*options.config)
    comparisons, verdict = load_headline_first(settings, options), read_verdict(options)
    paths = {"all figures": options.figures}
    if comparisons:
        paths = {"main figure": comparisons[0].find_figure(options.figures, ".png"), **paths}
    if options.page:
        if not options.page.exists():
            raise UserError(f"{options.page}: no such file; write it with the command page")
        paths["page"] = options.page
    print_summary(comparisons, verdict, paths)
    if verdict and verdict.result == FAIL:
        failed = [name for name, found in verdict.experiments.items() if found.result == FAIL]
        raise Mismatch(f"{options.verdict}: not reproduced: {', '.join(failed)}")
