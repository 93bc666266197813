"""Read experiments of config.yaml."""

from helpers.checkout import ROOT

from ddpg import config

# Settings of a run that takes a moment: without updates, nothing is compiled.
WITHOUT_UPDATES = {
    "hidden_sizes": [4], "epochs": 3, "steps_per_epoch": 20, "max_ep_len": 15, "start_steps": 30,
    "update_after": 1000, "replay_size": 40, "num_test_episodes": 1,
}  # fmt: skip


def read_experiment(name: str, **overrides: object) -> config.Experiment:
    """An experiment of config.yaml with some values replaced."""
    return config.resolve_experiment(config.read(ROOT / "config.yaml"), name, overrides)
