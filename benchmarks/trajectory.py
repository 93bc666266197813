"""Where does the time of a trajectory go?

The parts of the training loop are timed by wrapping the functions that do them, whole trajectories
long; the compiled updates are looked into with TensorFlow's profiler, operation by operation.
"""

import collections
import functools
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import common
from benchmarks.throughput import fill_replay

if TYPE_CHECKING:
    from ddpg.core.training import Training

STEPS = {common.LARGE: 1000, common.SMALL: 1050}
REPEATS = {common.LARGE: 8, common.SMALL: 30}

# XLA names an operation after what it fused; the first pattern that matches tells its kind.
OPERATIONS = {
    "matrix products": r"(?i)matmul|dot",
    "Adam and targets": r"divide_subtract|multiply_add|bitcast_add",
    "copies": r"copy",
    "activations, losses, batches": r"",
}


def main() -> None:
    """Profile both networks; write trajectory.csv."""
    common.pin()
    rows = []
    for name in STEPS:
        with tempfile.TemporaryDirectory() as directory:
            rows += measure(name, Path(directory))
    common.write_table("trajectory", rows)


def measure(name: str, directory: Path) -> list[dict]:
    """Rows of microseconds per step, by part of the loop and within the updates."""
    from ddpg.core import training

    evaluate = training.evaluate_policy
    segment = common.make_training_segment(name, STEPS[name], directory, evaluation=True)
    run = segment.run
    fill_replay(run.replay)
    spent = collections.Counter()
    parts = {
        "environment": (run.env, "step"),
        "acting": (run, "noisy_action"),
        "storing transitions": (run.replay, "add"),
        "sampling batches": (run.replay, "sample"),
        "updates": (run.agent, "_update_loop"),
        "test episodes": (training, "evaluate_policy"),
        "statistics": (run.statistics, "add_updates"),
        "digests of the state": (run, "digest"),
        "writing the tables": (segment.logger, "add_epoch"),
        "resets": (run, "begin_episode"),
    }
    for part, (owner, method) in parts.items():
        setattr(owner, method, _timed(getattr(owner, method), part, spent))
    segment.train()  # compiles
    spent.clear()
    steps = STEPS[name] * REPEATS[name]
    seconds = sum(segment.train() for _ in range(REPEATS[name]))
    training.evaluate_policy = evaluate  # the next experiment's is timed for itself
    spent["the loop itself"] = seconds - spent.total()
    of_step = spent.most_common()  # before the profiler's own updates are added
    operations = profile_update(run, STEPS[name], directory)
    rows = []
    print(f"{name}: {1e6 * seconds / steps:,.0f} microseconds per step")
    for part, value in of_step:
        rows.append(_row(name, "step", part, value / steps, value / seconds))
        if part == "updates":
            total = operations.total()
            for kind, share in operations.most_common():
                rows.append(
                    _row(name, "update", kind, value / steps * share / total, share / total)
                )
    return rows


def profile_update(run: "Training", updates: int, directory: Path) -> collections.Counter:
    """Seconds of one compiled update in each kind of operation, by its median over updates."""
    from ddpg.core.tensorflow import tf

    count = min(updates, len(run.agent.batches.reward))
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)
    with tf.profiler.experimental.Profile(str(directory / "profile"), options=options):
        run.agent._update_loop(tf.constant(count), run.agent.state, run.agent.batches)
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    (path,) = (directory / "profile").rglob("*.xplane.pb")
    space.ParseFromString(path.read_bytes())
    durations = collections.defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                durations[name].append(event.duration_ps / 1e12)
    seconds = collections.Counter()
    for name, values in durations.items():
        # An operation of the loop runs once an update; the profiler also sees what surrounds it.
        if len(values) == count and not name.startswith(("Thunk", "end:")):
            kind = next(k for k, pattern in OPERATIONS.items() if re.search(pattern, name))
            seconds[kind] += common.median(values)
    return seconds


def _timed(function: Callable, part: str, spent: collections.Counter) -> Callable:
    @functools.wraps(function)
    def timed(*args, **kwargs):
        start = time.process_time()
        result = function(*args, **kwargs)
        spent[part] += time.process_time() - start
        return result

    return timed


def _row(name: str, of: str, part: str, seconds: float, share: float) -> dict:
    indent = "    " if of == "update" else "  "
    print(f"{indent}{part:46s}{1e6 * seconds:9.1f}  {share:6.1%} of the {of}")
    return {
        "experiment": name,
        "of": of,
        "part": part,
        "microseconds_per_step": 1e6 * seconds,
        "share": share,
    }


if __name__ == "__main__":
    main()
