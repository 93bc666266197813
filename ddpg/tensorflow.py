"""TensorFlow, imported once, with its threads pinned and its start-up messages off.

Import it as `from ddpg.tensorflow import tf`. One thread a run: many seeds then scale over the
cores, and no sum is ever split in a way that depends on how many cores there are.
"""

import contextlib
import ctypes
import os
import sys

# Matrix products on the calling thread. XLA's pool would only hand the work over and back.
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"

_flags = os.environ.get("XLA_FLAGS", "").split()
if XLA_FLAGS not in _flags:  # a parent process may have set it
    os.environ["XLA_FLAGS"] = " ".join([*_flags, XLA_FLAGS])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Keras, which nothing here needs, costs 80 MB and 2 s: asked for the old one, which is not there,
# TensorFlow imports none.
os.environ["TF_USE_LEGACY_KERAS"] = "1"


@contextlib.contextmanager
def _silence():
    """Send the C++ side's messages nowhere: no setting stops what it says before it is set up."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


with _silence():
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.list_logical_devices()  # sets the runtime up, which is the second occasion to talk


def give_back_memory() -> None:
    """Return freed memory to the system: compiling the updates leaves 130 MB of it (glibc only)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


__all__ = ["give_back_memory", "tf"]
