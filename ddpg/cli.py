"""The command line: python -m ddpg COMMAND."""

import codecs
import io
import logging
import sys

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
from ddpg.errors import Diverged, Interrupted, Mismatch, UserError
from ddpg.runs.provenance import check_image

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
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("ddpg").setLevel(logging.INFO)
    _configure_output_encoding()
    try:
        options = build_parser().parse_args(arguments)
        check_image()
        options.command(options)
        return 0
    except (UserError, Diverged, Interrupted, Mismatch) as error:
        print("ddpg:", str(error).replace("\n", " "), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("ddpg: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of stdout, such as `head`, has exited
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        advice = "check its permissions and the disk, or give another path"
        print(f"ddpg: {error.filename}: {error.strerror}; {advice}", file=sys.stderr)
        return UserError.exit_code


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
    top = Parser(prog=prog, description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        command = commands.add_parser(name, help=module.HELP)
        command.set_defaults(command=module.run)
        module.add_arguments(command)
    return top
