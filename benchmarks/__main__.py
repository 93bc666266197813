"""Run the benchmarks, each in a separate process: python -m benchmarks [NAME ...]."""

import argparse
import platform
import subprocess
import sys
from importlib import metadata

from benchmarks import common
from ddpg.runs import provenance

BENCHMARKS = (
    "throughput portable side_by_side notes_history scale memory startup trajectory container"
).split()
PACKAGES = "tensorflow numpy gymnasium mujoco stable-baselines3 torch sbx-rl jax".split()


def main() -> None:
    """Run those named, or all, then draw the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = ", ".join(BENCHMARKS)
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"one or more of {known}")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    common.write_table("machine", [{"what": k, "value": v} for k, v in describe_machine().items()])
    for name in [*names, "figures"]:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


def describe_machine() -> dict[str, str]:
    """What the numbers depend on: the processor, the system, the versions."""
    cpu = provenance.read_processor()
    return {
        "processor": cpu.model,
        "type": cpu.type,
        "instruction sets": " ".join(f for f in cpu.flags if f.startswith(("avx", "fma"))),
        "system": platform.platform(),
        "python": platform.python_version(),
    } | {package: metadata.version(package) for package in PACKAGES}


if __name__ == "__main__":
    main()
