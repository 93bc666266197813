"""Which runs must have equal bytes: the platform of a run, decided when it starts."""

import logging
import sys
from typing import NamedTuple

from ddpg import kernels
from ddpg.core.selfcheck import find_differing_functions, find_differing_products
from ddpg.core.training import Training
from ddpg.errors import UserError
from ddpg.runs import provenance

log = logging.getLogger(__name__)

# Every x86-64 processor with AVX2 and FMA whose kernels pass the self-check.
PORTABLE = "x86-64-v3"
CONSEQUENCE = "its runs are not bitwise equal to those of other processors"


class Platform(NamedTuple):
    """Runs on equal `name`s are bitwise equal; `kernels`: how they were chosen, for run.json."""

    name: str
    kernels: str


def determine_platform(training: Training) -> Platform:
    """Determine the platform of a run before it starts.

    Tests the kernels in use on the matrix products of this run's networks. If AVX-512 kernels
    differ, restarts the command with oneDNN limited to AVX2; UserError if this process is not such
    a command.
    """
    if gpus := provenance.find_gpus():  # TensorFlow computes on the first
        return Platform(f"GPU {gpus[0]}, float32", "the GPU's own, none chosen by timing")
    own = provenance.read_processor().type
    if not kernels.is_portable():
        log.warning("this processor lacks AVX2 or FMA: %s", CONSEQUENCE)
        return Platform(own, "this processor's own: it lacks AVX2 or FMA")
    experiment = training.experiment
    differing = find_differing_functions() + find_differing_products(
        tuple(experiment.hidden_sizes),
        experiment.batch_size,
        training.env.observation_space.shape[0],
        training.action_space.dim,
    )
    if not differing:
        capped = ", oneDNN limited to AVX2" if kernels.is_capped() else ""
        return Platform(PORTABLE, f"pinned{capped}")
    what = f"{differing[0]}{f' and {len(differing) - 1} more' if len(differing) > 1 else ''}"
    if not kernels.is_capped() and "avx512f" in kernels.read_processor_flags():
        message = f"this processor's AVX-512 kernels differ ({what})"
        if _is_command():
            log.warning("%s: restarting with oneDNN limited to AVX2", message)
            kernels.restart_capped()
        raise UserError(f"{message}; set {kernels.CAP_VARIABLE}={kernels.CAP} before Python starts")
    log.warning("this processor computes %s differently: %s", what, CONSEQUENCE)
    return Platform(own, f"this processor's own: {what} differ")


def _is_command() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and spec.name == "ddpg.__main__"
