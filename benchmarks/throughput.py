"""How fast is training, and what share of the processor's own matrix-product speed is that?

Segments of the whole training loop alternate in one process, on one core, with the bound: the
matrix products of its updates alone, by OpenBLAS. Each segment is compared with the bound just
before and just after it.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import bound, common

# Steps of a segment and how many there are: about 5 s, and about 0.5 s, each.
SEGMENTS = {common.LARGE: (1000, 16), common.SMALL: (1050, 40)}


def main() -> None:
    """Measure both networks; write throughput.csv."""
    common.pin()
    rows = []
    for name, (steps, segments) in SEGMENTS.items():
        with tempfile.TemporaryDirectory() as directory:
            rows += measure(name, steps, segments, Path(directory))
    common.write("throughput", rows)


def measure(name: str, steps: int, segments: int, directory: Path) -> list[dict]:
    """Rows of whole-loop, update-loop and bound rates for one experiment."""
    segment = common.training_segments(name, steps, directory, tests=True)
    run = segment.run
    fill(run.replay)
    operands = bound.products(
        run.experiment.hidden_sizes,
        run.experiment.batch_size,
        run.replay.data.obs.shape[1],
        run.replay.data.action.shape[1],
    )
    segment()  # compiles
    seconds = 0.1 * segment()
    rows, before = [], bound.updates_per_second(operands, seconds)
    for _ in range(segments):
        whole = steps / segment()
        after = bound.updates_per_second(operands, seconds)
        updates = update_rate(run, steps)
        last = bound.updates_per_second(operands, seconds)
        rows.append(
            {
                "experiment": name,
                "mflop_per_update": bound.flop(operands) / 1e6,
                "steps_per_second": whole,
                "updates_per_second": updates,
                "bound_per_second": (before + 2 * after + last) / 4,
                "loop_share": whole / ((before + after) / 2),
                "updates_share": updates / ((after + last) / 2),
            }
        )
        before = last
    print(f"{name}: medians of {segments} segments of {steps:,} steps (lowest to highest)")
    for key, text, digits in (
        ("steps_per_second", "whole loop, steps/s", 0),
        ("updates_per_second", "updates alone, updates/s", 0),
        ("bound_per_second", "bound, updates/s", 0),
        ("loop_share", "whole loop / bound", 2),
        ("updates_share", "updates alone / bound", 2),
    ):
        print(f"  {text:26s}{common.median_and_range([row[key] for row in rows], digits)}")
    return rows


def update_rate(run, updates: int) -> float:
    """Updates a second of the agent alone, sampling included."""
    start = time.process_time()
    run.agent.update(run.replay, run.rng["replay"], updates)
    return updates / (time.process_time() - start)


def fill(replay) -> None:
    """Fill the replay buffer with random transitions, so that sampling reaches all its memory."""
    rng = np.random.default_rng(0)
    for array in replay.data:
        rng.standard_normal(array.shape, dtype=np.float32, out=array)
    replay.data.terminated[:] = 0
    replay.added = replay.size


if __name__ == "__main__":
    main()
