"""A checkout whose experiments take seconds: one of each environment, everything else as it is."""

from pathlib import Path

import yaml
from checkout import Checkout

# For `smoke` the same values as for `all`, so that both train to the same bytes.
TINY = {
    "defaults": {
        "hidden_sizes": [16], "epochs": 3, "steps_per_epoch": 300, "start_steps": 100,
        "update_after": 100, "update_every": "episode", "batch_size": 50, "replay_size": 1000,
        "discount": 0.99, "polyak": 0.995, "pi_lr": 0.001, "q_lr": 0.001, "act_noise": 0.1,
        "max_ep_len": 100, "num_test_episodes": 2, "seeds": [0, 10],
    },
    "experiments": {
        "pendulum-demo": {"env": "Pendulum-v1"},
        "halfcheetah-benchmark": {"env": "HalfCheetah-v5"},
    },
    "smoke": {"epochs": 3},
    "headline": "halfcheetah-2018",
}  # fmt: skip
EXPERIMENTS, SEEDS = list(TINY["experiments"]), TINY["defaults"]["seeds"]
COMPARISONS = ["pendulum", "halfcheetah-2018"]
RUNS = [f"{experiment}/seed_{seed}" for experiment in EXPERIMENTS for seed in SEEDS]


def make_tiny(directory: Path) -> None:
    """Write config.yaml with `TINY` and those of the project's comparisons that it can make."""
    comparisons = yaml.safe_load((directory / "config.yaml").read_text())["comparisons"]
    values = {**TINY, "comparisons": {name: comparisons[name] for name in COMPARISONS}}
    (directory / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def tiny_checkout(directory: Path) -> Checkout:
    """A checkout of tiny experiments; none of its runs is published."""
    checkout = Checkout(directory, without="results/published")
    make_tiny(directory)
    return checkout
