"""A command line of which nothing that was written is ignored.

Of an option that stands twice, argparse keeps the last in silence, and of a word that is wrong it
prints a page of usage.
"""

import argparse
import difflib
import re

from ddpg.errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser whose options stand once, or combine if they take lists; errors are UserErrors."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.register("action", None, _StoreOnce)

    def _check_value(self, action, value):
        """Name the nearest choice, where argparse lists them all."""
        if action.choices is None or value in action.choices:
            return
        near = difflib.get_close_matches(str(value), list(map(str, action.choices)), n=1)
        known = f"did you mean {near[0]!r}?" if near else f"give {', '.join(action.choices)}"
        raise argparse.ArgumentError(action, f"invalid choice: {value!r}; {known}")

    def error(self, message: str):
        raise UserError(f"{message}; see {self.prog} --help")


class _StoreOnce(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        given = vars(namespace).setdefault("given", set())
        if self.dest not in given:
            given.add(self.dest)
        elif isinstance(values, list):
            values = getattr(namespace, self.dest) + values
        else:
            raise UserError(f"{option_string} is there twice; give it once")
        setattr(namespace, self.dest, values)


def whole_number(text: str) -> int:
    """A number of at least 0 written in digits only; int() reads 1_0 as 10, too."""
    if not re.fullmatch("[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def positive_number(text: str) -> int:
    """A whole number of at least 1."""
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)
