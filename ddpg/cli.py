"""The command line: python -m ddpg COMMAND."""

import codecs
import contextlib
import errno
import io
import logging
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from ddpg import kernels
from ddpg.commands import (
    aggregate,
    bisect,
    card,
    check,
    compare,
    completion,
    crate,
    evaluate,
    export,
    import_reference,
    page,
    plan,
    plot,
    provenance,
    publish,
    record,
    status,
    summary,
    train,
    verdict,
    verify,
)
from ddpg.commands.arguments import Parser
from ddpg.errors import Diverged, Interrupted, Mismatch, UserError, get_first_line
from ddpg.files import DISK_ERRORS
from ddpg.runs.directory import refuse_file_of_run
from ddpg.runs.provenance import check_image
from ddpg.standard_streams import discard_unwritable_output, open_closed_streams

_DESCRIPTION = "Train DDPG; check, evaluate, compare and publish what was trained."
_EXIT_CODES = """\
exit codes:
  0    success
  1    a check or a replay failed, `summary` was given a verdict that failed, or a bug (a traceback)
  2    bad input: one line says what to change
  3    training diverged: a loss or a weight became NaN or infinite; DIR/failure.txt has the details
  75   interrupted: the same command, without --restart, resumes a training from its checkpoint;
       `plan --measure` starts again
  130  interrupted before a training saved anything, or another command was interrupted
  141  the output of `verify` or `check` was not read to its end, so not everything was checked
"""
SIGPIPE_EXIT_CODE = 141  # 128 + 13, as of a Unix tool that SIGPIPE ends

# In the order of --help. A command has the name of its module, with hyphens.
COMMANDS = (
    train,
    verify,
    bisect,
    status,
    evaluate,
    record,
    publish,
    aggregate,
    compare,
    plot,
    page,
    summary,
    import_reference,
    provenance,
    verdict,
    plan,
    check,
    export,
    card,
    crate,
    completion,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 or what `ddpg.errors` says."""
    open_closed_streams()
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("ddpg").setLevel(logging.INFO)
    _configure_output_encoding()
    if_not_read = 0
    try:
        options = _parse(arguments)
        if options.command in (verify.run, check.run):
            if_not_read = SIGPIPE_EXIT_CODE
        _refuse_deleted_directory()
        for option in ("output", "measure"):
            refuse_file_of_run(getattr(options, option, None))
        kernels.list_user_xla_flags()  # raises on flags that `import ddpg` could not read
        check_image()
        options.command(options)
        sys.stdout.flush()  # here rather than at Python's exit, which prints a traceback
        return 0
    except (UserError, Diverged, Interrupted, Mismatch) as error:
        return _fail(str(error).replace("\n", " "), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:  # the reader of stdout, such as `head`, has exited
        return if_not_read
    except MemoryError as error:
        return _fail(
            f"not enough memory ({get_first_line(error)}); free some. Training takes less with a "
            "lower batch_size, update_every, steps_per_epoch, hidden_sizes or replay_size",
            UserError.exit_code,
        )
    except OSError as error:
        where, advice = error.filename, "check its permissions and the disk, or give another path"
        if where is None:
            if error.errno == errno.ENOENT and "temporary directory" in str(error.strerror):
                return _fail(f"{error.strerror}; free space, or set TMPDIR", UserError.exit_code)
            if error.errno not in {*DISK_ERRORS, errno.EBADF}:
                raise
            # Errors of files have their names.
            where, advice = "standard output", "write it elsewhere"
        return _fail(f"{where}: {error.strerror}; {advice}", UserError.exit_code)
    finally:
        discard_unwritable_output()


def _parse(arguments: list[str] | None) -> Namespace:
    try:
        return build_parser().parse_args(arguments)
    finally:  # --help prints and exits
        sys.stdout.flush()


def _refuse_deleted_directory() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        raise UserError("the working directory no longer exists; change to another one") from None


def _fail(message: str, exit_code: int) -> int:
    with contextlib.suppress(OSError):  # stderr is full, or the terminal or the reader is gone
        try:
            print("ddpg:", message, file=sys.stderr)
        except UnicodeEncodeError:  # a surrogate, from an escape in a JSON file
            print("ddpg:", ascii(message)[1:-1], file=sys.stderr)
    return exit_code


def _configure_output_encoding() -> None:
    """Print UTF-8, as in all files, whatever the locale and the names of files contain.

    Only a terminal of another encoding gets that encoding, and \\x escapes for what it lacks.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):  # closed, or taken by a test or a notebook
            continue
        if stream.isatty() and codecs.lookup(stream.encoding).name not in ("ascii", "utf-8"):
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def build_parser(prog: str = "python -m ddpg") -> Parser:
    """The parser of every command, each with `command` set to its `run`."""
    top = Parser(
        prog=prog,
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        description = f"{module.HELP[0].upper()}{module.HELP[1:]}."
        command = commands.add_parser(name, help=module.HELP, description=description)
        command.set_defaults(command=module.run)
        module.add_arguments(command)
    return top
