import contextlib
import os
import signal

import pytest
from checkout import Checkout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout; what it has started is ended with the test, also where the test fails."""
    checkout, started, start = Checkout(tmp_path), [], Checkout.start

    def note_start(*arguments):
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(Checkout, "start", note_start)
    yield checkout
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
