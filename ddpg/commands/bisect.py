"""`bisect`: the first epoch, part of the state and update in which two runs differ."""

import functools
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ddpg.commands.retraining import begin_retraining
from ddpg.config import Experiment
from ddpg.core import ARITHMETIC_VERSION
from ddpg.errors import UserError
from ddpg.runs import provenance
from ddpg.runs.differences import describe_differences
from ddpg.runs.directory import RunDirectory

if TYPE_CHECKING:  # imported where they are needed: each takes long
    import numpy as np

    from ddpg.core.agent import DDPG, UpdateMetrics
    from ddpg.core.replay import ReplayBuffer

HELP = "find where two runs diverge; trains them again up to there"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("first", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("second", type=Path, metavar="RUN", help="another one")


def run(options: Namespace) -> None:
    """Print where the two runs diverge, each line as soon as it is known."""
    for line in bisect_runs(options.first, options.second):
        print(line, flush=True)


def bisect_runs(a: Path, b: Path) -> Iterator[str]:
    """Yields where two runs diverge: the epoch and part of the state, then the update.

    If both runs have finished, with the arithmetic version and packages installed here, retrains
    them up to the epoch that differs and names the first update after which the agents differ; else
    says why not. UserError for a directory without state digests.
    """
    from ddpg.runs.state_digests import describe_divergence, find_divergence, read_digests

    found = find_divergence(a, b)
    epochs = min(len(read_digests(a)), len(read_digests(b)))
    if found is None:
        yield f"{a} and {b}: the states are equal after each of the {epochs} epochs in both runs"
        return
    yield f"{a} and {b}: the states differ {describe_divergence(*found)}"
    epoch, _ = found
    try:
        settings = (RunDirectory(path).read_config() for path in (a, b))
        if changed := describe_differences(*settings):
            yield f"the settings differ, too: {', '.join(changed)}"
        runs = [_load_retrainable(path) for path in (a, b)]
        yield _find_first_update([a, b], runs, epoch)
    except UserError as error:  # what was found is worth more than what is missing for the rest
        yield f"not retrained: {error}"


def _load_retrainable(directory: Path) -> tuple[Experiment, int]:
    """The experiment and seed of a finished run.

    UserError if it has not finished, or its arithmetic or packages are not those installed here.
    """
    run = RunDirectory(directory)
    identity = run.read_record().identity
    here = (ARITHMETIC_VERSION, provenance.find_versions(provenance.EXACT_PACKAGES))
    if (identity.arithmetic_version, identity.packages) != here:
        raise UserError(f"{directory}: its arithmetic version or packages are not those installed")
    return run.read_experiment()


def _find_first_update(
    directories: list[Path], runs: list[tuple[Experiment, int]], epoch: int
) -> str:
    """Describe the first update of `epoch` after which the retrained agents differ."""
    from ddpg.core.training import train_epochs  # TensorFlow takes seconds to import
    from ddpg.runs.state_digests import read_digests

    updates = []
    for directory, (experiment, seed) in zip(directories, runs, strict=True):
        digests_of_updates: list[str] = []
        with begin_retraining(experiment, seed) as (training, _):
            digests = [result.digest for result in train_epochs(training, epoch - 1)]
            update = functools.partial(_update_and_digest, training.agent, digests_of_updates)
            training.agent.update = update  # type: ignore[method-assign]  # observe each update
            digests += [result.digest for result in train_epochs(training, epoch)]
        if digests != read_digests(directory)[:epoch]:
            return f"retraining {directory} here gives different digests"
        updates.append(digests_of_updates)
    for number, (first, second) in enumerate(zip(*updates, strict=False), start=1):
        if first != second:
            return f"the agents first differ after update {number} of epoch {epoch}"
    return f"the agents are equal after every update of epoch {epoch} that both made"


def _update_and_digest(
    agent: "DDPG",
    digests: list[str],
    replay: "ReplayBuffer",
    rng: "np.random.Generator",
    updates: int,
) -> "UpdateMetrics":
    """DDPG.update one update at a time, with a digest of the agent after each."""
    import numpy as np

    from ddpg.core.agent import DDPG, UpdateMetrics
    from ddpg.core.digests import digest_arrays

    metrics = []
    for _ in range(updates):
        metrics.append(DDPG.update(agent, replay, rng, 1))
        digests.append(digest_arrays(agent.arrays()))
    return UpdateMetrics(*map(np.concatenate, zip(*metrics, strict=True)))
