"""Verify runs: are their files what was written, what produced them, do they come out again?"""

import dataclasses
import tempfile
from pathlib import Path

from threadpoolctl import threadpool_limits

from ddpg import config, provenance, run_directory
from ddpg.errors import Mismatch
from ddpg.files import read_json
from ddpg.logger import PROGRESS, TEST_EPISODES
from ddpg.progress import duration, show
from ddpg.runs.record import RunRecord
from ddpg.runs.typed_json import to_json


def verify(directories: list[Path], replay: int = 0) -> None:
    """Print what is known about each run, and train its first `replay` epochs again.

    Goes through all of them, then raises Mismatch if a file is not what the run wrote, or if a
    replay on the same type of processor gives other bytes; UserError for what is no run.
    """
    wrong = []
    for directory in directories:
        record = RunRecord.read(directory / run_directory.RUN)
        settings = read_json(directory / run_directory.CONFIG)
        experiment, seed = config.recorded(settings, str(directory / run_directory.CONFIG))
        problems = run_directory.mismatches(directory, record)
        if (record.config_digest, record.seed) != (experiment.digest(), seed):
            problems.append(f"{directory}: config.json and run.json are not of the same run")
        print(_describe(directory, record, problems))
        if replay and not problems:
            verdict, same = _replay(directory, record, experiment, seed, replay)
            print(f"  replay     {verdict}")
            if not same:
                problems.append(f"{directory}: {verdict}")
        wrong += problems
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise Mismatch(f"{wrong[0]}{more}")


def _describe(directory: Path, record: RunRecord, problems: list[str]) -> str:
    """A readable block: whether the files are whole, and what produced them."""
    machine = record.machine
    stops = len(record.sessions) - 1
    how_often = {0: "never interrupted", 1: "interrupted once"}.get(
        stops, f"interrupted {stops} times"
    )
    started, finished = record.sessions[0].started, record.finished
    lines = {
        "run": f"{record.experiment} seed {record.seed}, {record.steps:,} steps",
        "code": str(machine.git or "not recorded"),
        "versions": ", ".join(
            [f"python {machine.python}", *(f"{k} {v}" for k, v in machine.packages.items())]
        ),
        "image": str(machine.image or "none"),
        "processor": f"{machine.cpu.model} ({machine.cpu.type.partition(' ')[0]})",
        "gpu": ", ".join(machine.gpu) or "none",
        "variables": ", ".join(f"{k}={v}" for k, v in machine.variables.items()) or "none",
        "when": f"{started:%Y-%m-%d %H:%M} to {finished:%Y-%m-%d %H:%M %Z}, {how_often}",
        "how long": f"{duration(record.seconds)} at {record.steps_per_second:,} steps/s",
        "weights": record.weights_sha256,
    }
    state = f"{len(problems)} problem(s)" if problems else "every file is what the run wrote"
    block = [f"{directory}: {state}", *(f"  {problem}" for problem in problems)]
    return "\n".join([*block, *(f"  {name:<10} {text}" for name, text in lines.items())])


def _replay(
    directory: Path, record: RunRecord, experiment, seed: int, epochs: int
) -> tuple[str, bool]:
    """Train the first epochs again: (a sentence on what came out, whether that is well)."""
    from ddpg.run import Run  # TensorFlow takes seconds to import
    from ddpg.stopping import Stop
    from ddpg.training import Clock, loop

    epochs = min(epochs, experiment.epochs)
    shown = show(dataclasses.replace(experiment, epochs=epochs), seed)
    with tempfile.TemporaryDirectory() as temporary, threadpool_limits(1), shown as report:
        run = Run(experiment, seed, Path(temporary))
        loop(run, Clock(run), Stop(), epochs, lambda row: report(run, row))
        names = _differing(directory, Path(temporary), epochs, experiment.num_test_episodes)
    if not names:
        return f"the first {epochs} epoch(s) came out the same, byte for byte", True
    here = provenance.processor()
    types = {(session.type, *session.gpu) for session in record.sessions}
    if types != {(here["type"], *here["gpu"])}:
        return f"another processor type, compare statistically ({names} differ)", True
    changed = provenance.differences(
        to_json(record.identity), provenance.identity(experiment, seed)
    )
    why = f", and so do: {'; '.join(changed)}" if changed else ""
    return f"same processor type, bytes differ in {names}{why}", False


def _differing(recorded: Path, replayed: Path, epochs: int, tests: int) -> str:
    """The names of the tables whose first `epochs` differ, each of `tests` test episodes."""

    def progress(directory: Path) -> list[bytes]:  # without the last column, the time it took
        lines = (directory / PROGRESS).read_bytes().split(b"\n")[: 1 + epochs]
        return [line.rpartition(b"\t")[0] for line in lines]

    def test_episodes(directory: Path) -> list[bytes]:
        return (directory / TEST_EPISODES).read_bytes().split(b"\n")[: 1 + epochs * tests]

    tables = {PROGRESS: progress, TEST_EPISODES: test_episodes}
    return " and ".join(n for n, read in tables.items() if read(recorded) != read(replayed))
