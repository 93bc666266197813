"""Signals that arrive during an update must not corrupt the memory of the process."""

import os
import signal
import subprocess
import sys
import time

from helpers.checkout import ROOT

from ddpg.stopping import SIGNALS

# While TensorFlow computed a matrix product, a signal frame once overwrote memory on the heap. Such
# corruption shows at random or never; the C library's malloc checks find it at once. Signals that
# arrive while a process waits for a processor are handled all at once, so here it is stopped.
CHECKS = {
    "LD_PRELOAD": "libc_malloc_debug.so.0",
    "GLIBC_TUNABLES": "glibc.malloc.check=3",
    "MALLOC_CHECK_": "3",
}
UPDATES = """
import functools, signal
from ddpg import config, environment
from ddpg.core.digests import digest_arrays
from ddpg.core.training import Training
from ddpg.stopping import SIGNALS

experiment = config.resolve_experiment(config.read("config.yaml"), "pendulum-demo", {})
training = Training(experiment, 0, functools.partial(environment.make, experiment.env))
while training.steps < 200:
    training.step(training.random_action())
training.agent.update(training.replay, training.streams["replay"], 1)
initial, rng = training.agent.arrays(), training.streams["replay"]
stream = rng.bit_generator.state

def digest_updates():
    training.agent.restore(initial)
    rng.bit_generator.state = stream
    training.agent.update(training.replay, rng, 200)
    return digest_arrays(training.agent.arrays())

expected, received = digest_updates(), []
for number in SIGNALS:
    signal.signal(number, lambda *_: received.append(1))
print("ready", flush=True)
for _ in range(200):
    assert digest_updates() == expected
assert len(received) > 100
for number in SIGNALS:
    signal.signal(number, signal.SIG_IGN)
"""


def test_signals_during_updates_do_not_corrupt_memory():
    process = subprocess.Popen(
        [sys.executable, "-c", UPDATES],
        cwd=ROOT,
        env={**os.environ, **CHECKS},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = process.stdout.readline()
    deadline = time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        for number in (signal.SIGSTOP, *SIGNALS, signal.SIGCONT):
            process.send_signal(number)
        time.sleep(0.01)
    process.kill()
    assert process.wait() == 0, said + process.stdout.read()
