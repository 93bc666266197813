"""Train a run again from its beginning, to compare it with what is recorded of it."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ddpg.config import Experiment
from ddpg.errors import Mismatch

if TYPE_CHECKING:  # TensorFlow takes seconds to import
    from ddpg.core.training import Training


@contextlib.contextmanager
def begin_retraining(experiment: Experiment, seed: int) -> Iterator[tuple["Training", str]]:
    """(the training before its first step, its platform), in one thread as `train` has it.

    UserError if it does not fit into memory or this process cannot be limited to portable kernels,
    Mismatch if it diverges.
    """
    from threadpoolctl import threadpool_limits

    from ddpg.core.training import NonFinite
    from ddpg.portability import determine_platform
    from ddpg.training import make_training

    with threadpool_limits(1):
        training = make_training(experiment, seed)
        platform, _ = determine_platform(training)
        try:
            yield training, platform
        except NonFinite as error:
            raise Mismatch(
                f"{experiment.name} seed {seed}: diverged when it was trained again: {error} "
                f"after step {training.steps:,}"
            ) from None
