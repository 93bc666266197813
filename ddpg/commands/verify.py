"""`verify`: check the files of runs, say what produced them, repeat their first epochs."""

import contextlib
import dataclasses
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_runs, parse_positive_number
from ddpg.commands.retraining import begin_retraining
from ddpg.config import Experiment
from ddpg.core import ARITHMETIC_VERSION
from ddpg.errors import Mismatch, UserError
from ddpg.runs import provenance
from ddpg.runs.directory import RunDirectory
from ddpg.runs.record import LAST_REVISIONS, RunRecord
from ddpg.runs.typed_json import to_json

HELP = "check a finished run; say what produced it"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "runs", "run directories")
    parser.add_argument(
        "--replay",
        type=parse_positive_number,
        default=0,
        metavar="N",
        help="train the first N epochs again and compare them with the run's",
    )


def run(options: Namespace) -> None:
    """Verify each run. Raises Mismatch or UserError."""
    verify_runs(options.runs, options.replay)


def verify_runs(directories: list[Path], replay: int = 0) -> None:
    """Print what is known about each run, and train its first `replay` epochs again.

    Checks all runs, then raises Mismatch if a file is missing or has other bytes than the run
    wrote, or if a replay that must be bitwise equal differs; otherwise UserError if one of the
    directories is not a finished run.
    """
    wrong, unchecked = [], []
    for directory in directories:
        try:
            wrong += _verify_run(directory, replay)
        except Mismatch as error:  # its replay diverged
            print(f"  replay     {error}")
            wrong.append(f"{directory}: {error}")
        except UserError as error:
            print(f"{directory}: cannot be checked\n  {error}")
            unchecked.append(str(error))
    failure = Mismatch if wrong else UserError
    if found := wrong + unchecked:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise failure(f"{found[0]}{more}")


def _verify_run(directory: Path, replay: int) -> list[str]:
    """Print what is known about a run; returns its problems, one line each."""
    run = RunDirectory(directory)
    record = run.read_record()
    problems = run.find_mismatches(record)
    print(_describe(directory, record, problems))
    if replay and not problems:
        experiment, seed = run.read_experiment()
        verdict, same = replay_epochs(directory, record, experiment, seed, replay)
        print(f"  replay     {verdict}")
        if not same:
            problems.append(f"{directory}: {verdict}")
    return problems


def _describe(directory: Path, record: RunRecord, problems: list[str]) -> str:
    """A block of lines: whether the files match the record, and what produced them."""
    from ddpg.progress import format_duration  # rich takes long to import

    machine = record.machine
    stops = len(record.sessions) - 1
    how_often = {0: "never interrupted", 1: "interrupted once"}.get(
        stops, f"interrupted {stops} times"
    )
    started, finished = record.sessions[0].started, record.finished
    lines = {
        "run": f"{record.experiment} seed {record.seed}, {record.steps:,} steps",
        "arithmetic": f"version {record.arithmetic_version}",
        "kernels": record.kernels or "chosen by the processor",
        "code": record.describe_revision(),
        "versions": record.describe_packages(),
        "image": str(machine.image or "none"),
        "processor": f"{machine.cpu.model} ({machine.cpu.type.partition(' ')[0]})",
        "gpu": ", ".join(machine.gpu) or "none",
        "variables": ", ".join(f"{k}={v}" for k, v in machine.variables.items()) or "none",
        "when": f"{started:%Y-%m-%d %H:%M} to {finished:%Y-%m-%d %H:%M %Z}, {how_often}",
        "how long": f"{format_duration(record.seconds)} at {record.steps_per_second:,} steps/s",
        "weights": record.weights_sha256,
    }
    state = f"{len(problems)} problem(s)" if problems else "every file is what the run wrote"
    block = [f"{directory}: {state}", *(f"  {problem}" for problem in problems)]
    return "\n".join([*block, *(f"  {name:<10} {text}" for name, text in lines.items())])


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
    from ddpg.runs.state_digests import describe_divergence
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
        where = describe_divergence(directory, Path(temporary), epochs)
        code = environment.digest_code(training.env)
    if not names:
        return f"the first {epochs} epoch(s) are the same, byte for byte", True
    here = provenance.make_identity(experiment, seed, platform, code)
    found = f"{names} differ{f', {where}' if where else ''}"
    changed = provenance.describe_differences(to_json(record.identity), to_json(here))
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
