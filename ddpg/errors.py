"""Expected failures of commands and their exit codes."""


class UserError(Exception):
    """Bad input: one line that says what is wrong, where, and what to write instead (exit 2)."""

    exit_code = 2


class EnvironmentFailed(UserError):
    """An environment's own code raised something; its traceback is the cause."""


class OtherRun(UserError):
    """The directory holds a run of another experiment or seed, or of other values."""


class Diverged(Exception):
    """A loss or a weight became NaN or infinite; the last good checkpoint is kept (exit 3)."""

    exit_code = 3


class Interrupted(Exception):
    """The run stopped before its end and continues when started again (exit 75, EX_TEMPFAIL)."""

    exit_code = 75


class Mismatch(Exception):
    """A run is not, or does not become again, what its files say it is (exit 1)."""

    exit_code = 1


# Exit codes of what ends in the same way however often the same command is given. Python's own for
# a crash of the program is 1.
FINAL = {UserError.exit_code, Diverged.exit_code}
