"""What does it cost that the bytes are the same on every processor?

The whole training loop of this tree is interleaved, on one core, with that of the last revision
whose bytes depended on the processor (arithmetic 1), each in a separate process: for all three
networks, with oneDNN's native kernels and with oneDNN held to AVX2. Arithmetic 1 hands matrix
products to kernels of XLA that cannot be held to AVX2. On a processor with AVX-512 the second
comparison is therefore of AVX2 kernels now with AVX-512 kernels before. On a processor with AVX2
alone both comparisons are the same.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import common

REVISION = "2b12505"  # the last of arithmetic 1
# Steps per round (whole episodes).
STEPS = {common.LARGE: 1000, "halfcheetah-benchmark-2020": 1000, common.SMALL: 1050}
KERNELS = {"native": {}, "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
ROUNDS = 10

# What each tree runs: its own benchmarks set its own training loop up, in that revision's words.
SERVE = """
import json, sys, tempfile
from pathlib import Path
from benchmarks import common
name, steps, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
{set_up}
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    print(json.dumps(train()), flush=True)
"""
SET_UP = {
    "before": """
train = common.training_segments(name, steps, directory, tests=True)
from benchmarks.throughput import fill
fill(train.run.replay)
""",
    "now": """
segment = common.make_training_segment(name, steps, directory, evaluation=True)
from benchmarks.throughput import fill_replay
fill_replay(segment.run.replay)
train = segment.train
""",
}


class TreeWorker(common.JsonProcess):
    """A process that trains with the package of one tree, a segment when asked."""

    def __init__(self, when: str, tree: Path, name: str, variables: dict[str, str]):
        self.directory = tempfile.TemporaryDirectory()
        serve = SERVE.format(set_up=SET_UP[when])
        super().__init__(
            [sys.executable, "-c", serve, name, str(STEPS[name]), self.directory.name],
            {**common.make_native_environment(), **variables},
            cwd=tree,
        )

    def measure(self) -> float:
        """Do one segment and return the seconds that it took."""
        return self.ask("segment")

    def close(self) -> None:
        """End the process and delete its files."""
        super().close()
        self.directory.cleanup()


def main() -> None:
    """Measure; write portable.csv."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portable", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="measurements of each tree")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds: write a number from 1")
    common.pin()
    rows = []
    with check_out(REVISION) as tree:
        for name in STEPS:
            for kernels in KERNELS:
                rows += measure(tree, name, kernels, rounds)
    common.write_table("portable", rows)


def measure(tree: Path, name: str, kernels: str, rounds: int) -> list[dict]:
    """Rows of steps per second before and now, one for each round."""
    workers = {}
    try:
        for when, where in (("before", tree), ("now", common.ROOT)):
            workers[when] = TreeWorker(when, where, name, KERNELS[kernels])
        rates = {"before": [], "now": []}
        for _, when, seconds in common.interleave(workers, rounds):
            rates[when].append(STEPS[name] / seconds)
    finally:
        for worker in workers.values():
            worker.close()
    rows = [
        {
            "experiment": name,
            "onednn_kernels": kernels,
            "round": round_,
            "before_steps_per_second": before,
            "now_steps_per_second": now,
            "ratio": now / before,
        }
        for round_, (before, now) in enumerate(zip(*rates.values(), strict=True), 1)
    ]
    before, now = (common.format_median_and_range(values, 0) for values in rates.values())
    ratio = common.format_median_and_range([row["ratio"] for row in rows])
    print(
        f"{name}, oneDNN {kernels}: steps/s before {before}, now {now}; now / before {ratio}",
        flush=True,
    )
    return rows


@contextlib.contextmanager
def check_out(revision: str) -> Iterator[Path]:
    """The tree of a revision, in a git worktree that is removed at the end."""
    git = ["git", "-C", str(common.ROOT)]
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory, "tree")
        add = [*git, "worktree", "add", "--quiet", "--detach", str(tree), revision]
        subprocess.run(add, check=True, stdout=subprocess.DEVNULL)
        try:
            yield tree
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=True)


if __name__ == "__main__":
    main()
