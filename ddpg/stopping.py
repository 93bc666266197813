"""Stopping a run from outside: SIGTERM and SIGINT ask it to save and end."""

import contextlib
import logging
import signal
import time

log = logging.getLogger(__name__)

# Whoever started the program may pass on the Ctrl-C that the terminal sent to it as well.
SECONDS_OF_ONE_CTRL_C = 1


class Stop:
    """Whether a signal asked the run to save and end."""

    asked = False


@contextlib.contextmanager
def stop_signals():
    """Yields a `Stop` that SIGTERM and SIGINT set, instead of ending the process.

    A second Ctrl-C ends it at once, without saving: then it goes on from its last checkpoint.
    """
    stop, handlers, asked_at = Stop(), {}, 0.0

    def ask(number, frame) -> None:
        nonlocal asked_at
        now = time.monotonic()
        if not stop.asked:
            stop.asked, asked_at = True, now
            log.warning("asked to stop (%s): saving first", signal.Signals(number).name)
        elif number == signal.SIGINT and now - asked_at > SECONDS_OF_ONE_CTRL_C:
            raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        handlers = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
