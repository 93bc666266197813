"""What does it cost that the bytes are the same on every processor?

The whole training loop of this tree takes turns, on one core, with that of the last revision
whose bytes depended on the processor (arithmetic 1), each in a process of its own: for all three
networks, with oneDNN's native kernels and with oneDNN held to AVX2. Arithmetic 1 hands matrix
products to kernels of XLA that cannot be held to AVX2. On a processor with AVX-512 the second
comparison is therefore of AVX2 kernels now with AVX-512 kernels before. On a processor with AVX2
alone both comparisons are the same.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import common

REVISION = "2b12505"  # the last of arithmetic 1
# Steps of a turn (whole episodes).
STEPS = {common.LARGE: 1000, "halfcheetah-benchmark-2020": 1000, common.SMALL: 1050}
KERNELS = {"native": {}, "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
ROUNDS = 10

# What each tree runs: its own benchmarks set its own training loop up.
SERVE = """
import json, sys, tempfile
from pathlib import Path
from benchmarks import common
name, steps = sys.argv[1], int(sys.argv[2])
with tempfile.TemporaryDirectory() as directory:
    segment = common.training_segments(name, steps, Path(directory), tests=True)
    from benchmarks.throughput import fill
    fill(segment.run.replay)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(segment()), flush=True)
"""


class TreeWorker:
    """A process that trains with the package of one tree, a segment when asked."""

    def __init__(self, tree: Path, name: str, variables: dict[str, str]):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, name, str(STEPS[name])],
            cwd=tree,
            env={**common.native_environment(), **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def measure(self) -> float:
        """Do one segment and return the seconds that it took."""
        self.process.stdin.write("segment\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process that trains ended with {self.process.wait()}")
        return json.loads(line)


def main() -> None:
    """Measure; write portable.csv."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portable", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each tree")
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error("--rounds: write a number from 1")
    common.pin()
    rows = []
    with checked_out(REVISION) as tree:
        for name in STEPS:
            for kernels in KERNELS:
                rows += measure(tree, name, kernels, rounds)
    common.write("portable", rows)


def measure(tree: Path, name: str, kernels: str, rounds: int) -> list[dict]:
    """Rows of steps a second before and now, one for each round."""
    workers = {}
    try:
        for when, where in (("before", tree), ("now", common.ROOT)):
            workers[when] = TreeWorker(where, name, KERNELS[kernels])
        rates = {"before": [], "now": []}
        for _, when, seconds in common.take_turns(workers, rounds):
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
    print(
        f"{name}, oneDNN {kernels}: steps/s before {common.median_and_range(rates['before'], 0)}, "
        f"now {common.median_and_range(rates['now'], 0)}; "
        f"now / before {common.median_and_range([row['ratio'] for row in rows])}",
        flush=True,
    )
    return rows


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Path]:
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
