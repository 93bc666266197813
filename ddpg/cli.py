"""The command line: python -m ddpg COMMAND."""

import argparse
import logging
import sys
from pathlib import Path

from ddpg import config
from ddpg.errors import Diverged, Interrupted, Mismatch, UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 or what `ddpg.errors` says."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = parser().parse_args(arguments)
    try:
        options.command(options)
        return 0
    except (UserError, Diverged, Interrupted, Mismatch) as error:
        print(f"ddpg: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("ddpg: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, `head` say, has left
        sys.stderr.close()
        return 0


def parser() -> argparse.ArgumentParser:
    """The parser of every command, each with `command` set to its function."""
    top = argparse.ArgumentParser(prog="python -m ddpg", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("train", help="train one seed of an experiment, or resume it")
    command.set_defaults(command=train)
    command.add_argument("experiment", help="a name under `experiments:` of the configuration")
    command.add_argument("--seed", required=True, type=int, help="one of the experiment's seeds")
    command.add_argument("--output", required=True, type=Path, metavar="DIR", help="run directory")
    add_config(command)
    command.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="override keys, as epochs=2"
    )
    command.add_argument(
        "--checkpoint-every", type=_positive, default=1, metavar="EPOCHS", help="default: 1"
    )
    command.add_argument(
        "--restart", action="store_true", help="start anew; what is there is set aside"
    )

    command = commands.add_parser("verify", help="check a finished run; say what produced it")
    command.set_defaults(command=verify)
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories")
    command.add_argument(
        "--replay", type=_positive, default=0, metavar="N", help="train the first N epochs again"
    )
    return top


def add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        nargs="+",
        default=["config.yaml"],
        metavar="FILE",
        help="configuration files, later ones overriding earlier ones (default: config.yaml)",
    )


def train(options) -> None:
    settings = config.read(*options.config)
    experiment = config.experiment(
        settings, options.experiment, config.parse_overrides(options.set), options.config[-1]
    )
    if options.seed not in experiment.seeds:
        raise UserError(
            f"{options.config[-1]}: seed {options.seed} is not among {experiment.name}'s seeds "
            f"({', '.join(map(str, experiment.seeds))}); add it to `seeds:` or give --set "
            f"seeds=[{options.seed}]"
        )
    from ddpg import training  # TensorFlow takes seconds to import, other commands do without
    from ddpg.progress import show

    with show(experiment, options.seed) as report:
        about = training.train(
            experiment,
            options.seed,
            options.output,
            checkpoint_every=options.checkpoint_every,
            restart=options.restart,
            report=report,
        )
    print(f"{options.output}: {about['steps']:,} steps, {about['steps_per_second']:,.0f} a second")


def verify(options) -> None:
    from ddpg.verify import verify as verify_runs

    verify_runs(options.runs, options.replay)


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return value
