"""Make learning curves for tests of comparisons."""

import numpy as np
import pandas as pd
from helpers.checkout import ROOT

from ddpg.analysis import curves

RERUN = "results/reference/spinup_pytorch_exercise_2_2_rerun.csv"


def make_our_runs(offset: float = 0.0, experiment: str = "ours") -> pd.DataFrame:
    """The 20 reference runs as runs of our experiment, with `offset` added to the return."""
    runs = curves.read_per_seed(ROOT / RERUN)
    runs["test_return_mean"] += offset
    return runs.assign(experiment=experiment, env="HalfCheetah-v5")


def make_seeds(seeds: int, **columns: object) -> pd.DataFrame:
    """Curves of some seeds, evaluated at the same 30 steps, with equal values in `columns`."""
    curve = pd.DataFrame({"env_interacts": 1000.0 * np.arange(1, 31)}).assign(**columns)
    return pd.concat([curve.assign(seed=seed) for seed in range(seeds)])
