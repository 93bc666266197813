"""A checkout whose experiments take seconds: one of each environment."""

from pathlib import Path

import yaml
from helpers.checkout import Checkout

# For `smoke` the same values as for `all`, so that both train to the same bytes.
TINY = {
    "defaults": {
        "hidden_sizes": [16], "epochs": 3, "steps_per_epoch": 300, "start_steps": 100,
        "update_after": 100, "update_every": "episode", "batch_size": 50, "replay_size": 1000,
        "discount": 0.99, "polyak": 0.995, "pi_lr": 0.001, "q_lr": 0.001, "act_noise": 0.1,
        "max_ep_len": 100, "num_test_episodes": 2,
    },
    "experiments": {
        "pendulum-demo": {"env": "Pendulum-v1", "seeds": [0, 10]},
        "halfcheetah-benchmark": {"env": "HalfCheetah-v5", "seeds": [0]},
    },
    "smoke": {"epochs": 3},
    "headline": "halfcheetah-2018",
}  # fmt: skip
COMPARISONS = ["halfcheetah-2018", "pendulum"]
RUNS = ["halfcheetah-benchmark/seed_0", "pendulum-demo/seed_0", "pendulum-demo/seed_10"]


def make_tiny(directory: Path) -> None:
    """Write config.yaml with `TINY` and those of the project's comparisons that it can make."""
    project = yaml.safe_load((directory / "config.yaml").read_text())
    comparisons = {name: project["comparisons"][name] for name in COMPARISONS}
    claims = yaml.safe_load((directory / project["claims"]).read_text())["claims"]
    claims = [claim for claim in claims if claim["comparison"] in comparisons]
    (directory / "claims.yaml").write_text(yaml.safe_dump({"claims": claims}))
    settings = {**TINY, "comparisons": comparisons, "claims": "claims.yaml"}
    text = yaml.safe_dump(settings, sort_keys=False)
    (directory / "config.yaml").write_text(text)


def make_tiny_checkout(directory: Path) -> Checkout:
    """A checkout of tiny experiments; none of its runs is published."""
    checkout = Checkout(directory, without="results/published")
    make_tiny(directory)
    return checkout
