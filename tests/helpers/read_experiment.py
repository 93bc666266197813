"""Read experiments of config.yaml."""

from helpers.checkout import ROOT

from ddpg import config


def read_experiment(name: str, **overrides: object) -> config.Experiment:
    """An experiment of config.yaml with some values replaced."""
    return config.resolve_experiment(config.read(ROOT / "config.yaml"), name, overrides)
