"""The parser of the command line, and the arguments that several commands have.

argparse silently keeps the last of two equal options, and prints a page of usage for a wrong word.
`Parser` refuses both with one line.
"""

import argparse
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ddpg.config import LARGEST_SEED
from ddpg.errors import UserError, suggest_spelling


class Parser(ArgumentParser):
    """A parser that refuses repeated options, but concatenates lists; errors are UserErrors."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.register("action", None, _StoreOnce)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the nearest choice; argparse would list them all."""
        if action.choices is None or value in action.choices:
            return
        choices = list(map(str, action.choices))
        hint = suggest_spelling(str(value), choices) or f"; give {', '.join(choices)}"
        raise argparse.ArgumentError(action, f"invalid choice: {value!r}{hint}")

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Refuse an empty path, as of a shell variable without a value: Path("") is the current
        directory.
        """
        if action.type is Path and not arg_string:
            raise argparse.ArgumentError(action, "is empty; give a path, or . for this directory")
        return super()._get_value(action, arg_string)

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


class _StoreOnce(argparse.Action):
    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("given", set())
        if self.dest not in given:
            given.add(self.dest)
        elif isinstance(values, list):
            values = getattr(namespace, self.dest) + values
        else:
            raise UserError(f"{option_string} appears twice; give it once")
        setattr(namespace, self.dest, values)


def parse_whole_number(text: str) -> int:
    """A number of at least 0, written in digits only: int() would also accept 1_0."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 10**18 - 1")
    return int(text)


def parse_seed(text: str) -> int:
    """A seed of an experiment."""
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {LARGEST_SEED}")
    return int(text)


def parse_positive_number(text: str) -> int:
    """A whole number of at least 1."""
    number = parse_whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return number


def add_runs(
    parser: ArgumentParser, name: str, what: str, nargs: str = "+", **options: Any
) -> None:
    """Add a list of run directories. `options` are those of argparse."""
    parser.add_argument(
        name, nargs=nargs, type=Path, default=[], metavar="RUN", help=what, **options
    )


def add_policy(parser: ArgumentParser) -> None:
    """Add `policy`, --env and --seed, of a command that plays a policy."""
    parser.add_argument(
        "policy", type=Path, metavar="RUN", help="a run directory, published or not, or policy.npz"
    )
    parser.add_argument(
        "--env",
        help="environment (default: the one in config.json; required without that file, and then "
        "episodes end at its own limit, or after 1,000 steps if it has none)",
    )
    parser.add_argument(
        "--seed",
        type=parse_whole_number,
        default=0,
        help="seed of the episodes (default: 0)",
    )


def add_comparisons(parser: ArgumentParser) -> None:
    """Add --config, --curves and --only, which `load_comparisons` reads."""
    add_config(parser)
    parser.add_argument(
        "--curves",
        nargs="*",
        type=Path,
        required=True,
        metavar="CSV",
        help="tables of learning curves, which `aggregate` writes",
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="only these comparisons (default: all)"
    )


def add_output_directory(parser: ArgumentParser) -> None:
    """Add --output, a directory."""
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="directory to write to"
    )


def add_outcome(parser: ArgumentParser) -> None:
    """Add --figures and --verdict."""
    parser.add_argument(
        "--figures", type=Path, required=True, metavar="DIR", help="directory that `plot` wrote"
    )
    parser.add_argument(
        "--verdict", type=Path, metavar="JSON", help="verdict.json, which `verdict` wrote"
    )


def add_config(parser: ArgumentParser) -> None:
    """Add --config: configuration files."""
    parser.add_argument(
        "--config",
        nargs="+",
        type=Path,
        default=[Path("config.yaml")],
        metavar="FILE",
        help="configuration files, later ones overriding earlier ones (default: config.yaml)",
    )
