"""`evaluate`: returns of a trained policy."""

from argparse import ArgumentParser, Namespace

from ddpg.commands.arguments import add_policy, parse_positive_number

HELP = "evaluate a trained policy: mean return over episodes, without noise"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_policy(parser)
    parser.add_argument(
        "--episodes", type=parse_positive_number, default=100, help="how many (default: 100)"
    )


def run(options: Namespace) -> None:
    """Evaluate the policy and print the distribution of its returns."""
    from ddpg.evaluation import SATURATED, evaluate_trained, load_trained

    trained = load_trained(options.policy, options.env)
    returns, lengths, saturation = evaluate_trained(trained, options.episodes, options.seed)
    what = f"1 episode: return {returns[0]:.1f}; length {lengths[0]} steps"
    if options.episodes > 1:
        what = (
            f"{options.episodes} episodes: mean return {returns.mean():.1f}, standard deviation "
            f"{returns.std():.1f}, from {returns.min():.1f} to {returns.max():.1f}; mean length "
            f"{lengths.mean():.1f} steps"
        )
    print(
        f"{options.policy} on {trained.env}, {what}; {100 * saturation:.0f} % of the action "
        f"components saturated (|tanh| above {SATURATED})"
    )
