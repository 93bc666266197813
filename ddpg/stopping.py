"""The signals on which a run saves a checkpoint and ends."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from ddpg.standard_streams import discard_output

log = logging.getLogger(__name__)

# kill and schedulers (TERM), Ctrl-C (INT), a closed terminal or connection (HUP), a scheduler's
# warning before it kills a job (USR1, USR2), and the limit on processor time (XCPU).
SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
)
# A parent process may forward the Ctrl-C that this process also got from the terminal.
SECONDS_OF_ONE_CTRL_C = 1

# Standard output and standard error, where they were terminals when the program started.
_terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]


class Stop:
    """Whether a signal has asked the run to save and end."""

    asked = False


@contextlib.contextmanager
def catch_stop_signals() -> Iterator[Stop]:
    """Yields a `Stop` that each of SIGNALS sets, instead of ending the process.

    A second Ctrl-C ends the process at once, without saving; the run then resumes from its last
    checkpoint. SIGHUP stays ignored under nohup, which ignores it. The other signals are handled
    even if the parent ignores them, as the shell of a SLURM job does to outlive the training.
    """
    stop, asked_at = Stop(), 0.0
    handlers: dict[signal.Signals, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked_at
        discard_closed_terminals()
        now = time.monotonic()
        if not stop.asked:
            stop.asked, asked_at = True, now
            log.warning("asked to stop (%s): saving first", signal.Signals(number).name)
        elif number == signal.SIGINT and now - asked_at > SECONDS_OF_ONE_CTRL_C:
            raise KeyboardInterrupt

    taken = [s for s in SIGNALS if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN]
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        handlers = {s: signal.signal(s, ask) for s in taken}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def discard_closed_terminals() -> None:
    """Discard output once its terminal is closed: writing there would raise an error."""
    for descriptor in [d for d in _terminals if not os.isatty(d)]:
        _terminals.remove(descriptor)
        discard_output(descriptor)
