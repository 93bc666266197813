"""Pin the numerical kernels: the same bytes on every x86-64 processor with AVX2 and FMA.

NumPy, OpenBLAS, XLA and oneDNN choose their kernels by the processor and by environment variables,
once, when they are loaded. `pin` therefore runs on `import ddpg`, before NumPy and TensorFlow are
imported, and overrides whatever the environment says:

- OpenBLAS computes with its Haswell kernels;
- NumPy's own loops (tanh, sums) stay at AVX2;
- XLA generates AVX2 code and hands matrix products to Eigen and oneDNN, not to YNNPACK, which
  chooses by processor and cannot be capped;
- oneDNN keeps its fastest kernels: those of AVX-512 and AVX2 give the same bytes for products of
  the form that `ddpg.core.products` uses. `ddpg.core.selfcheck` tests this when a run starts.

On a GPU, XLA neither chooses kernels by timing them, which may choose others in the next process,
nor sums in an order that varies. So a run that resumes in another process computes the same bytes.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import MutableMapping
from pathlib import Path

from ddpg.errors import UserError

XLA_FLAGS = (
    "--xla_cpu_max_isa=AVX2",
    "--xla_cpu_experimental_ynn_fusion_type=",  # none: no product goes to YNNPACK
    "--xla_cpu_multi_thread_eigen=false",  # products on the calling thread
    "--xla_gpu_autotune_level=0",
    "--xla_gpu_deterministic_ops=true",
)
VARIABLES = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4,AVX512_ICL,AVX512_SPR",
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
UNSET = (
    "OPENBLAS_L2_SIZE",
    "NPY_ENABLE_CPU_FEATURES",  # NumPy refuses to start with both lists
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_CPU_ISA_HINTS",
    "DNNL_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "TF_SET_ONEDNN_FPMATH_MODE",
)
# The only value of ONEDNN_MAX_CPU_ISA that is kept: the same bytes, computed more slowly.
CAP_VARIABLE, CAP = "ONEDNN_MAX_CPU_ISA", "AVX2"
NEEDED = {"avx2", "fma"}

_imported_before: list[str] = []  # packages imported before `pin` ran


def pin(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables that choose kernels. Does nothing on a processor without AVX2 and FMA.

    XLA_FLAGS that cannot be read stay as they are: `ddpg.cli` and `check_xla_flags`, without which
    this package imports no TensorFlow, refuse them. NumPy does not read them.
    """
    if not is_portable():
        return
    wanted: dict[str, str | None] = {**VARIABLES, **dict.fromkeys(UNSET)}
    with contextlib.suppress(UserError):
        wanted["XLA_FLAGS"] = " ".join([*list_user_xla_flags(environ), *XLA_FLAGS])
    if environ.get(CAP_VARIABLE) != CAP:
        wanted[CAP_VARIABLE] = None
    changed = {name: value for name, value in wanted.items() if environ.get(name) != value}
    for name, value in changed.items():
        environ.pop(name, None)
        if value is not None:
            environ[name] = value
    if changed:
        _imported_before.extend(name for name in ("numpy", "tensorflow") if name in sys.modules)


def require_pinned() -> None:
    """UserError if NumPy or TensorFlow was imported first and may compute with other kernels."""
    if _imported_before:
        raise UserError(
            f"{' and '.join(_imported_before)} was imported before ddpg and chose its kernels by "
            "the processor; import ddpg first"
        )


def list_user_xla_flags(environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """The flags of XLA_FLAGS that this package does not set; XLA_FLAGS may also name a file.

    UserError if it is neither.
    """
    text = environ.get("XLA_FLAGS", "").strip()
    if text and not text.startswith("-"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise UserError(
                f"XLA_FLAGS={text}: neither flags nor a file of flags; write --FLAG=VALUE or unset "
                "XLA_FLAGS"
            ) from None
    ours = {flag.partition("=")[0] for flag in XLA_FLAGS}
    return [flag for flag in text.split() if flag.partition("=")[0] not in ours]


def check_xla_flags() -> None:
    """UserError if XLA does not know a flag of the user's, which would abort the process.

    Tests them in a subprocess, which takes seconds, and only if the user has set any.
    """
    flags = list_user_xla_flags()
    if not flags:
        return
    compile_nothing = (
        "import tensorflow as tf; tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1.0))"
    )
    tried = subprocess.run(
        [sys.executable, "-c", compile_nothing],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if tried.returncode:
        unknown = [line for line in tried.stderr.splitlines() if "flag" in line.lower()]
        reason = unknown[-1].rpartition("] ")[2] if unknown else "it cannot start with them"
        raise UserError(f"XLA_FLAGS: XLA refuses {' '.join(flags)} ({reason}); correct or unset it")


def is_portable() -> bool:
    """Whether this processor has AVX2 and FMA, as bitwise equality across processors requires."""
    return read_processor_flags() >= NEEDED


def read_processor_flags() -> set[str]:
    """The instruction sets that the system lets programs use (Linux on x86-64; else none)."""
    return set(read_processor_fields().get("flags", "").split())


def read_processor_fields() -> dict[str, str]:
    """What Linux says of the first processor, by the names in /proc/cpuinfo; else nothing."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    lines = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def is_capped() -> bool:
    """Whether oneDNN is limited to its AVX2 kernels."""
    return os.environ.get(CAP_VARIABLE) == CAP


def restart_capped() -> None:
    """Replace this process by the same command with oneDNN limited to AVX2. Does not return."""
    os.environ[CAP_VARIABLE] = CAP
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # its reader has exited; training continues
            stream.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
