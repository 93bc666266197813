"""TensorFlow, imported once, with one thread and without its start-up messages.

Import it as `from ddpg.core.tensorflow import tf`. One thread per run: many seeds then scale over
the cores, and no sum is split in a way that depends on how many cores there are. `ddpg.kernels`
has set XLA's flags before.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator

from ddpg import kernels

kernels.require_pinned()
kernels.check_xla_flags()
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Otherwise one run, also one started by hand, takes all of a GPU's memory.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# Keras is not used and costs 80 MB and 2 s. TensorFlow skips it if legacy Keras is requested but
# not installed.
os.environ["TF_USE_LEGACY_KERAS"] = "1"


# All signals but those of the thread's own faults.
_DEFERRED = signal.valid_signals() - {
    signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP,
}  # fmt: skip


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Let signals wait until the block ends, in this thread and in threads that begin within.

    While oneDNN computes a product, the stack pointer of its thread points into the heap. If a
    signal were handled there, the operating system would write the signal frame over heap data.
    So TensorFlow is imported, and all that is compiled is called, in such a block. An alternate
    signal stack, such as faulthandler's, is not enough: it has room for two or three signals, and
    more may arrive at once.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFERRED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _silence_stderr() -> Iterator[None]:
    """Discard what C++ code writes to stderr: TensorFlow logs before its log level takes effect."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


with _silence_stderr(), defer_signals():
    import tensorflow as tf
    from tensorflow.compiler.tf2xla.ops.gen_xla_ops import xla_optimization_barrier

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if tf.config.list_logical_devices("GPU"):  # initialises the runtime, which also logs
        # TensorFlow's default on GPUs, TF32, rounds the factors of products to 11 bits.
        tf.config.experimental.enable_tensor_float_32_execution(False)
# Several runs in one process retrace the self-check's functions, of which TensorFlow warns.
tf.get_logger().setLevel("ERROR")


def release_memory() -> None:
    """Return freed memory to the system: compiling the updates leaves 130 MB of it (glibc only)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


__all__ = ["defer_signals", "release_memory", "tf", "xla_optimization_barrier"]
