"""`verify`: check the files of runs, say what produced them, repeat their first epochs."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_runs, parse_positive_number
from ddpg.commands.retraining import replay_epochs
from ddpg.errors import Mismatch, UserError
from ddpg.runs.directory import RunDirectory
from ddpg.runs.record import RunRecord

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


def verify_runs(directories: list[Path], replay: int) -> None:
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
