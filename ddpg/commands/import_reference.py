"""`import-reference`: others' logs as a table of curves per seed, with its source and checksums."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.errors import UserError

HELP = "convert logs of other implementations to a reference table"
FORMATS = {
    "spinup": "Spinning Up's progress.txt files or directories containing them, one per seed",
    "tianshou": "a CSV of tianshou's tools.py with a column per seed",
    "wide": "a CSV whose first column is the environment step, with another column per seed",
    "sb3": "evaluations.npz of Stable-Baselines3, one per seed",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    formats = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
    parser.add_argument("format", choices=list(FORMATS), metavar="FORMAT", help=formats)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--source", required=True, metavar="TEXT", help="who measured it, and where it is from"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="CSV", help="table to write")


def run(options: Namespace) -> None:
    """Write the table and, beside it, its source; print what is in it and what it lacks."""
    from ddpg.analysis.imports import import_curves, write_import

    if not options.source.strip():
        raise UserError("--source is empty; say who measured it, and where it is from")
    table = import_curves(options.format, options.files)
    print(write_import(table, options.output, options.source, options.format, options.files))
