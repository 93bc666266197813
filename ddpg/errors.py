"""Expected failures of commands, their exit codes, and parts of their messages."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input: one line that says what is wrong, where, and what to write instead (exit 2)."""

    exit_code = 2


class EnvironmentFailed(UserError):
    """An environment raised an exception (`__cause__`), or returned a value outside its spaces."""


class OtherRun(UserError):
    """The directory holds a run of another experiment or seed, or of other values."""


class Diverged(Exception):
    """A loss or a weight became NaN or infinite; the last good checkpoint is kept (exit 3)."""

    exit_code = 3


class Interrupted(Exception):
    """The run stopped before its end and continues when started again (exit 75, EX_TEMPFAIL)."""

    exit_code = 75


class Mismatch(Exception):
    """A run's files do not match its record, or a replay of it has other bytes (exit 1)."""

    exit_code = 1


# Exit codes of permanent failures: the same command would fail again. Python itself exits with 1 if
# it crashes.
FINAL = {UserError.exit_code, Diverged.exit_code}


def suggest_spelling(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, for the message about an unknown word; empty if none is similar."""
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def get_first_line(error: BaseException) -> str:
    """The first line of an exception's message."""
    return (str(error).strip().splitlines() or ["no message"])[0]
