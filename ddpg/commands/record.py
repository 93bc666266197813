"""`record`: a video of an episode of a trained policy."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ddpg.commands.arguments import add_policy, parse_positive_number

HELP = "film an episode of a trained policy"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_policy(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help=".gif or .mp4")
    parser.add_argument(
        "--width",
        type=parse_positive_number,
        metavar="PIXELS",
        help="scale the frames to this width",
    )
    parser.add_argument(
        "--seconds",
        type=parse_positive_number,
        default=60,
        help="stop the film after this many seconds (default: 60)",
    )


def run(options: Namespace) -> None:
    """Write the video and print the return of what it shows."""
    from ddpg.evaluation import load_trained
    from ddpg.filming import film_episode

    trained = load_trained(options.policy, options.env)
    total = film_episode(trained, options.output, options.seed, options.width, options.seconds)
    print(f"{options.output}: return {total:.1f}")
