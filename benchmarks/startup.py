"""How long do the commands take that a person waits for?"""

import subprocess
import sys
import time

from benchmarks import common

REPEATS = 7
COMMANDS = {
    "python -m ddpg --help": [sys.executable, "-m", "ddpg", "--help"],
    "python -m ddpg plot --help": [sys.executable, "-m", "ddpg", "plot", "--help"],
    "python -m ddpg status results/published": [
        *(sys.executable, "-m", "ddpg", "status", "results/published")
    ],
    "snakemake -n": [sys.executable, "-m", "snakemake", "-n", "all"],
}


def main() -> None:
    """Time each command; write startup.csv."""
    common.pin()
    rows = []
    for name, command in COMMANDS.items():
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            subprocess.run(command, cwd=common.ROOT, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        rows += [{"command": name, "seconds": seconds} for seconds in times]
        print(f"  {name:28s}{common.format_median_and_range(times)} s")
    common.write_table("startup", rows)


if __name__ == "__main__":
    main()
