"""A signal that arrives during an update must not corrupt the memory of the process."""

import os
import signal
import subprocess
import sys
import time

from helpers.checkout import ROOT

# While TensorFlow computed a matrix product, a signal frame once overwrote memory on the heap. Such
# corruption shows at random or never; the C library's malloc checks find it at once.
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
signal.signal(signal.SIGUSR1, lambda *_: received.append(1))
print("ready", flush=True)
while len(received) < 3000:
    assert digest_updates() == expected
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
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
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.001)
    process.kill()
    assert process.wait() == 0, said + process.stdout.read()
