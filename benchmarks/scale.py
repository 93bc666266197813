"""Do two seeds on two cores train at twice the rate of one?

One seed alone on each of two cores, then both at once, three times.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import common

STEPS, ROUNDS = 3000, 3


def main() -> None:
    """Measure; write scale.csv."""
    cores = sorted(os.sched_getaffinity(0))[-2:]
    if len(cores) < 2:
        print("scale: needs two cores; not measured")
        return
    with tempfile.TemporaryDirectory() as directory:
        workers = [common.Worker(set_up_seed, core, directory) for core in cores]
        for worker in workers:
            worker.measure()  # compiles
        rows = []
        for round_ in range(1, ROUNDS + 1):
            alone = [STEPS / worker.measure() for worker in workers]
            for worker in workers:
                worker.start()
            together = [STEPS / worker.result() for worker in workers]
            rows.append(
                {
                    "round": round_,
                    "first_alone": alone[0],
                    "second_alone": alone[1],
                    "first_of_both": together[0],
                    "second_of_both": together[1],
                    "efficiency": sum(together) / sum(alone),
                }
            )
        for worker in workers:
            worker.close()
    common.write_table("scale", rows)
    efficiency = common.format_median_and_range([row["efficiency"] for row in rows])
    print(f"rate of two seeds at once / sum of their rates alone: {efficiency}")


def set_up_seed(core: int, directory: str) -> Callable[[], float]:
    """Set up a run of the HalfCheetah benchmark on its own core."""
    common.pin(core)
    segment = common.make_training_segment(common.LARGE, STEPS, Path(directory), evaluation=True)
    return segment.train


if __name__ == "__main__":
    main()
