"""`train`: train one seed of an experiment, or resume it."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg import config
from ddpg.commands.arguments import add_config, parse_positive_number, parse_seed
from ddpg.config import Experiment
from ddpg.errors import UserError
from ddpg.runs.directory import format_seed_directory, get_name, is_named_for, is_set_aside

HELP = "train one seed of an experiment, or resume it"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("experiment", help="a name under `experiments:` of the configuration")
    parser.add_argument(
        "--seed", required=True, type=parse_seed, help="one of the experiment's seeds"
    )
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="DIR",
        help="directory of the run; an interrupted run there is resumed",
    )
    add_config(parser)
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="other values for keys of the experiment, such as epochs=2 pi_lr=0.0005",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=parse_positive_number,
        default=1,
        metavar="EPOCHS",
        help="epochs between checkpoints (default: 1)",
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="train from the beginning; move the files of an earlier run to set_aside_<n>",
    )
    parser.add_argument(
        "--restart-edited",
        action="store_true",
        help="like --restart, but only if the earlier run has another configuration or seed; if a "
        "run with these values was set aside before, it is moved back and continued",
    )


def run(options: Namespace) -> None:
    """Train the run to its end. Raises UserError, Diverged or Interrupted."""
    experiment = _read_experiment(options)
    _check_name(options.output, options.seed)
    from ddpg.progress import show_progress
    from ddpg.training import train  # TensorFlow takes seconds to import

    with show_progress(experiment, options.seed) as report:
        record = train(
            experiment,
            options.seed,
            options.output,
            checkpoint_every=options.checkpoint_every,
            restart=options.restart,
            restart_edited=options.restart_edited,
            report=report,
        )
    print(f"{options.output}: {record.steps:,} steps, {record.steps_per_second:,.0f} steps/s")


def _check_name(output: Path, seed: int) -> None:
    """UserError if the run's directory would not be taken for one of this seed."""
    if is_set_aside(get_name(output)):
        raise UserError(f"{output}: a run that was set aside has this name; give another --output")
    if not is_named_for(output, seed):
        proper = Path(os.path.abspath(output)).with_name(format_seed_directory(seed))  # noqa: PTH100
        raise UserError(
            f"{output}: a directory of this name is for another seed than {seed}; give --output "
            f"{proper if output.name in ('', '..') else output.with_name(proper.name)}"
        )


def _read_experiment(options: Namespace) -> Experiment:
    """The experiment with the overrides of --set; UserError if it does not have the seed."""
    settings = config.read(*options.config)
    overrides = config.parse_overrides(options.set)
    experiment = config.resolve_experiment(settings, options.experiment, overrides)
    if options.seed not in experiment.seeds:
        path = ("experiments", experiment.name, "seeds")
        where = "--set" if "seeds" in overrides else settings.file_of(path)
        raise UserError(
            f"{where}: seed {options.seed} is not among {experiment.name}'s seeds "
            f"({', '.join(map(str, experiment.seeds))}); add it to `seeds:` or give --set "
            f"seeds=[{options.seed}]"
        )
    return experiment
