"""`page`: one HTML page with the outcome."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg import config
from ddpg.commands.arguments import add_comparisons, add_outcome

HELP = "write one page with the outcome: figures, results, claims"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_comparisons(parser)
    add_outcome(parser)
    parser.add_argument(
        "--title", default="DDPG, trained and compared", metavar="TEXT", help="its title"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="HTML", help="page to write")


def run(options: Namespace) -> None:
    """Write the page, the headline comparison first."""
    from ddpg.analysis.claims import read_claims
    from ddpg.analysis.page import render_page
    from ddpg.commands.comparisons import load_headline_first, read_verdict
    from ddpg.files import write_text

    settings = config.read(*options.config)
    comparisons, verdict = load_headline_first(settings, options), read_verdict(options)
    text = render_page(options.title, comparisons, read_claims(settings), options.figures, verdict)
    write_text(options.output, text)
