"""Film the policies that README.md and docs/results.md show; `make docs` calls it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import ddpg  # noqa: E402, F401  (pins NumPy's kernels, before NumPy is imported)

# isort: split
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from ddpg.analysis import curves  # noqa: E402
from ddpg.analysis.groups import measure_runs  # noqa: E402
from ddpg.evaluation import load_trained  # noqa: E402
from ddpg.filming import film_episode  # noqa: E402
from ddpg.runs.directory import format_seed_directory  # noqa: E402

PUBLISHED = ROOT / "results/published"
WIDTH = 200


def main() -> None:
    """Write the films to docs/images."""
    benchmark = PUBLISHED / "halfcheetah-benchmark-2020"
    best, median = choose_best_and_median(curves.aggregate_runs(benchmark.glob("seed_*")))
    for run, name, seconds in (
        (PUBLISHED / "pendulum-demo/seed_0", "pendulum", 7),
        (benchmark / format_seed_directory(best), "cheetah-best", 3),
        (benchmark / format_seed_directory(median), "cheetah-median", 3),
    ):
        film = ROOT / f"docs/images/{name}.gif"
        film_episode(load_trained(run), film, seed=0, width=WIDTH, seconds=seconds)


def choose_best_and_median(runs: pd.DataFrame) -> tuple[int, int]:
    """The seeds with the highest and the median final return; of an even number, the lower one.

    `runs` holds the curves of one experiment's seeds (`curves.aggregate_runs`).
    """
    ranked = np.unique(runs["seed"])[np.argsort(measure_runs(runs).values)]
    return int(ranked[-1]), int(ranked[(len(ranked) - 1) // 2])


if __name__ == "__main__":
    main()
