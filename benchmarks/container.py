"""What does the container cost: in training speed, and in seconds per job?

One seed is trained by the same command on the host and in the Apptainer image, interleaved on one
core. The time of a job outside training is start-up and shutdown.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import common
from ddpg.runs.directory import RunDirectory

IMAGE = common.ROOT / "containers/ddpg.sif"
ROUNDS = 6
TRAIN = (
    *("-m", "ddpg", "train", common.SMALL, "--seed", "0", "--set", "epochs=3"),
    *("--config", str(common.CONFIG)),
)


def main() -> None:
    """Measure both; write container.csv."""
    if not shutil.which("apptainer") or not IMAGE.exists():
        print("container: needs Apptainer and containers/ddpg.sif (make image); not measured")
        return
    common.pin()
    # Some machines forbid root to mount an image outside a user namespace.
    userns = ["--userns"] if os.geteuid() == 0 else []
    mount = ["--bind", str(common.ROOT)]
    in_image = ("apptainer", "exec", "--cleanenv", *userns, *mount, str(IMAGE), "python")
    jobs = {"host": Job((sys.executable,)), "image": Job(in_image)}
    rows = [
        {"where": where, "round": round_, **measured}
        for round_, where, measured in common.interleave(jobs, ROUNDS)
    ]
    common.write_table("container", rows)
    host, image = ([row for row in rows if row["where"] == where] for where in jobs)
    for key, text in (
        ("steps_per_second", "training, steps/s"),
        ("other_seconds", "start-up and shutdown per job, s"),
    ):
        values = [[row[key] for row in side] for side in (host, image)]
        print(f"  {text}: host {common.format_median_and_range(values[0], 1)}")
        print(f"  {' ' * len(text)}  image {common.format_median_and_range(values[1], 1)}")
    slower = [
        100 - 100 * i["steps_per_second"] / h["steps_per_second"]
        for h, i in zip(host, image, strict=True)
    ]
    longer = [i["other_seconds"] - h["other_seconds"] for h, i in zip(host, image, strict=True)]
    print(f"  the image trains slower by {common.format_median_and_range(slower, 1)} %")
    print(
        f"  and adds {common.format_median_and_range(longer, 1)} s of start-up and shutdown per job"
    )


@dataclasses.dataclass(frozen=True)
class Job:
    """A training in a process of its own, by the command line of a Python."""

    python: tuple[str, ...]

    def measure(self) -> dict[str, float]:
        """Train once; its speed, and the seconds that were not training."""
        with tempfile.TemporaryDirectory() as directory:
            output = Path(directory, "run")
            start = time.perf_counter()
            command = [*self.python, *TRAIN, "--output", str(output)]
            subprocess.run(command, cwd=common.ROOT, check=True, capture_output=True)
            seconds = time.perf_counter() - start
            record = RunDirectory(output).read_record()
        return {
            "steps_per_second": record.steps_per_second,
            "other_seconds": seconds - record.seconds,
        }


if __name__ == "__main__":
    main()
