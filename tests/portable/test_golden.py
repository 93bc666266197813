"""The golden digests on this processor, whatever the environment says."""

import pytest
from portable.digests import compute_digests, select_golden_digests

EVERYTHING = ("noise", "steps", "updates", "run")

# A hostile environment: variables by which the libraries would choose other kernels.
HOSTILE = {
    "OPENBLAS_CORETYPE": "Sandybridge",
    "OPENBLAS_L2_SIZE": "64",
    "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2 --xla_cpu_multi_thread_eigen=true",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "NPY_ENABLE_CPU_FEATURES": "X86_V4",
    "OMP_NUM_THREADS": "3",
}


def test_bytes_change_only_with_the_version():
    """If this fails, undo the change, or raise ARITHMETIC_VERSION and renew the digests:

    python -m tests.portable.golden noise steps updates run > tests/portable/golden.json
    """
    assert compute_digests(EVERYTHING) == select_golden_digests(EVERYTHING)


@pytest.mark.parametrize("isa", ["AVX2", "SSE41"])
def test_the_environment_does_not_choose_kernels(isa):
    """With oneDNN limited to AVX2, and with variables that ask for what would change bytes."""
    names = ("noise", "updates", "run HalfCheetah-v5")
    assert compute_digests(
        names, **(HOSTILE | {"ONEDNN_MAX_CPU_ISA": isa})
    ) == select_golden_digests(names)
