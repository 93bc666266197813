"""Stop training as a kill does: nothing more is saved."""

from pathlib import Path

import pytest

from ddpg.config import Experiment
from ddpg.training import train


class Stopped(Exception):
    """Ends the training in which it is raised."""


def train_one_epoch(experiment: Experiment, directory: Path) -> None:
    """Train seed 0 until the first epoch is saved, and stop."""

    def stop(steps, new, row):
        raise Stopped

    with pytest.raises(Stopped):
        train(experiment, 0, directory, report=stop)
