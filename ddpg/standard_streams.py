"""Standard output and error that are closed, full, or a pipe whose reader has ended."""

import os
import sys


def open_closed_streams() -> None:
    """Open on the null device what the parent closed (`>&-`).

    Python has no stream there (None), and the next file that is opened would get its descriptor,
    in which C++ code then writes its messages.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = open(descriptor, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def discard_unwritable_output() -> None:
    """Discard what cannot be written; Python would fail with it once more when it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            discard_output(stream.fileno())


def discard_output(descriptor: int) -> None:
    """Send to the null device what is written to a descriptor from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
