"""Train a run again from its beginning, to compare it with what is recorded of it."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ddpg.config import Experiment
from ddpg.core import ARITHMETIC_VERSION
from ddpg.errors import Mismatch
from ddpg.runs import provenance
from ddpg.runs.differences import describe_differences
from ddpg.runs.record import LAST_REVISIONS, RunRecord
from ddpg.runs.typed_json import to_json

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


def replay_epochs(
    directory: Path,
    record: RunRecord,
    experiment: Experiment,
    seed: int,
    epochs: int,
    show_progress: bool = True,
) -> tuple[str, bool]:
    """Train the first epochs again; returns (the outcome in words, whether it is as expected)."""
    if record.arithmetic_version != ARITHMETIC_VERSION:
        revision = LAST_REVISIONS.get(record.arithmetic_version)
        return (
            f"not possible: the run is of version {record.arithmetic_version} of the arithmetic, "
            f"and this package computes version {ARITHMETIC_VERSION}; "
            f"{f'revision {revision}' if revision else 'a newer version of this package'} replays "
            "it"
        ), True
    from ddpg import environment, progress
    from ddpg.core.training import train_epochs  # TensorFlow takes seconds to import
    from ddpg.runs.logger import Logger
    from ddpg.runs.state_digests import describe_divergence, find_divergence
    from ddpg.training import Clock

    epochs = min(epochs, experiment.epochs)
    shown: contextlib.AbstractContextManager[progress.Report]
    shown = contextlib.nullcontext(lambda steps, new, row: None)
    if show_progress:
        shown = progress.show_progress(dataclasses.replace(experiment, epochs=epochs), seed)
    with (
        tempfile.TemporaryDirectory() as temporary,
        shown as report,
        begin_retraining(experiment, seed) as (training, platform),
    ):
        logger, clock = Logger(Path(temporary), experiment.name, seed), Clock()
        for result in train_epochs(training, epochs):
            report(training.steps, training.steps, logger.add_epoch(result, clock.tick()))
        names = _find_differing_tables(
            directory, Path(temporary), epochs, experiment.num_test_episodes
        )
        diverged = find_divergence(directory, Path(temporary), epochs)
        code = environment.digest_code(training.env)
    if not names:
        return f"the first {epochs} epoch(s) are the same, byte for byte", True
    here = provenance.make_identity(experiment, seed, platform, code)
    found = f"{names} differ"
    if diverged:
        found += f", {describe_divergence(*diverged)}"
    changed = describe_differences(to_json(record.identity), to_json(here))
    if record.identity.platform != platform:
        return f"{found}; compare statistically, because these differ: {'; '.join(changed)}", True
    if changed:
        return f"{found}; these differ too: {'; '.join(changed)}", False
    return f"{found}, though configuration, packages, platform and arithmetic are the same", False


def _find_differing_tables(recorded: Path, replayed: Path, epochs: int, episodes: int) -> str:
    """The names of the tables that differ in the first `epochs`, with `episodes` per evaluation."""
    from ddpg.runs.directory import EVALUATION_EPISODES, PROGRESS, STATE_DIGESTS

    def read(directory: Path, name: str) -> list[bytes]:
        rows = epochs * episodes if name == EVALUATION_EPISODES else epochs
        lines = (directory / name).read_bytes().split(b"\n")[: 1 + rows]
        # The last column of progress.txt is the time that it took.
        return [line.rpartition(b"\t")[0] for line in lines] if name == PROGRESS else lines

    tables = (PROGRESS, EVALUATION_EPISODES, STATE_DIGESTS)
    return " and ".join(n for n in tables if read(recorded, n) != read(replayed, n))
