"""`completion`: a script that lets a shell complete this command line, under the name `ddpg`."""

import argparse
import shlex
import sys
from types import ModuleType

from ddpg.errors import UserError

HELP = "print a script for bash, zsh, fish or tcsh that defines and completes the command ddpg"

NAME = "ddpg"
# How each shell calls `python -m ddpg` by a name; only names can be completed.
_FUNCTIONS = {
    "bash": '{name}() {{ {python} -m ddpg "$@"; }}',
    "zsh": '{name}() {{ {python} -m ddpg "$@"; }}',
    "fish": "function {name}; {python} -m ddpg $argv; end",
    "tcsh": "alias {name} '{python} -m ddpg \\!*'",
}
DIRECTORIES = ("RUN", "DIR")
FILES = ("FILE", "CSV", "JSON", "HTML")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "shell", choices=tuple(_FUNCTIONS),
        help='bash and zsh: eval "$(python -m ddpg completion bash)", or zsh; fish: python -m ddpg '
        "completion fish | source; tcsh: write the output to a file, and source that",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Print the script: the function `ddpg`, and how to complete its words."""
    print(make_script(options.shell))


def make_script(shell: str) -> str:
    """The script for a shell; UserError if shtab is not installed."""
    try:
        import shtab
    except ImportError:
        raise UserError(
            "the package shtab is not installed; use the environment that `make` sets up"
        ) from None
    from ddpg.cli import build_parser

    top = build_parser(NAME)
    _complete_paths(top, shtab)
    function = _FUNCTIONS[shell].format(name=NAME, python=shlex.quote(sys.executable))
    return f"{shtab.complete(top, shell)}\n{function}"


def _complete_paths(parser: argparse.ArgumentParser, shtab: ModuleType) -> None:
    """Let arguments that are paths be completed as such, in all commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command, shtab)
        elif action.metavar in DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # shtab's way
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
