"""How fast is training, and what share of the processor's own matrix-product speed is that?

Segments of the whole training loop alternate, on one core, with matrix products alone by OpenBLAS's
native kernels, in another process: those of the updates' shapes (the bound), and of two 512 x 512
matrices (about the most that the processor can do). Each segment is compared with the products just
before and just after it.
"""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import bound, common

if TYPE_CHECKING:
    from ddpg.core.replay import ReplayBuffer
    from ddpg.core.training import Training

# Steps per segment and number of segments (about 3.4 s and 0.3 s per segment).
SEGMENTS = {common.LARGE: (1000, 16), common.SMALL: (1050, 40)}


def main() -> None:
    """Measure both networks; write throughput.csv."""
    common.pin()
    rows = []
    for name, (steps, segments) in SEGMENTS.items():
        with tempfile.TemporaryDirectory() as directory:
            rows += measure(name, steps, segments, Path(directory))
    common.write_table("throughput", rows)


def measure(name: str, steps: int, segments: int, directory: Path) -> list[dict]:
    """Rows of whole-loop, update-loop and product rates for one experiment."""
    segment = common.make_training_segment(name, steps, directory, evaluation=True)
    run = segment.run
    fill_replay(run.replay)
    shapes = bound.list_product_shapes(
        run.experiment.hidden_sizes,
        run.experiment.batch_size,
        run.replay.data.obs.shape[1],
        run.replay.data.action.shape[1],
    )
    mflop = bound.count_flop(shapes) / 1e6
    products = bound.NativeProducts(shapes, common.make_native_environment())
    segment.train()  # compiles
    seconds = 0.1 * segment.train()
    rows, before = [], products.measure(seconds)
    for _ in range(segments):
        whole = steps / segment.train()
        after = products.measure(seconds)
        updates = measure_update_rate(run, steps)
        last = products.measure(seconds)
        row = {
            "experiment": name,
            "openblas_kernels": products.kernels,
            "mflop_per_update": mflop,
            "steps_per_second": whole,
            "updates_per_second": updates,
            "bound_per_second": (before[0] + 2 * after[0] + last[0]) / 4,
            "square_gflops": (before[1] + 2 * after[1] + last[1]) / 4,
            "loop_share": whole / ((before[0] + after[0]) / 2),
            "updates_share": updates / ((after[0] + last[0]) / 2),
            "loop_share_of_square": whole * mflop / 1e3 / ((before[1] + after[1]) / 2),
            "updates_share_of_square": updates * mflop / 1e3 / ((after[1] + last[1]) / 2),
        }
        rows.append(row)
        before = last
    products.close()
    print(f"{name}: medians of {segments} segments of {steps:,} steps (lowest to highest)")
    print(f"  OpenBLAS's native kernels: {products.kernels}")
    for key, text, digits in (
        ("steps_per_second", "whole loop, steps/s", 0),
        ("updates_per_second", "updates alone, updates/s", 0),
        ("bound_per_second", "bound, updates/s", 0),
        ("square_gflops", "512 x 512, GFLOP/s", 0),
        ("loop_share", "whole loop / bound", 2),
        ("updates_share", "updates alone / bound", 2),
        ("loop_share_of_square", "whole loop / 512 x 512", 2),
        ("updates_share_of_square", "updates alone / 512 x 512", 2),
    ):
        print(f"  {text:27s}{common.format_median_and_range([row[key] for row in rows], digits)}")
    return rows


def measure_update_rate(run: "Training", updates: int) -> float:
    """Updates per second of the agent alone, sampling included."""
    start = time.process_time()
    run.agent.update(run.replay, run.streams["replay"], updates)
    return updates / (time.process_time() - start)


def fill_replay(replay: "ReplayBuffer") -> None:
    """Fill the replay buffer with random transitions, so that sampling reaches all its memory."""
    import numpy as np  # after this package, which pins NumPy's kernels

    rng = np.random.default_rng(0)
    for array in replay.data:
        rng.standard_normal(array.shape, dtype=np.float32, out=array)
    replay.data.terminated[:] = 0
    replay.added = replay.size


if __name__ == "__main__":
    main()
