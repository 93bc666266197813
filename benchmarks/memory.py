"""How much memory does a run take, with a full replay buffer of a million transitions?

A real run of the HalfCheetah benchmark, checkpoints included, but without updates until its buffer
is full (`update_after`), which shortens a million steps from hours to minutes.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import common

EPOCHS = 102  # of 10,000 steps: the buffer fills, then two epochs train


def main() -> None:
    """Train; write memory.csv with the resident memory at the end of each epoch."""
    # TensorFlow imports JAX if it is installed, and only the benchmark environment has it.
    sys.modules["jax"] = None
    from ddpg import environment, training
    from ddpg.core.replay import compute_replay_bytes
    from ddpg.runs import provenance

    common.pin()
    experiment = common.read_experiment(
        common.LARGE, epochs=EPOCHS, update_after=1_000_000, num_test_episodes=1
    )
    env = environment.make(experiment.env)
    replay_bytes = compute_replay_bytes(
        experiment.replay_size, env.observation_space.shape[0], env.action_space.shape[0]
    )
    rows = []

    def report(steps: int, new: int, row: dict) -> None:
        rows.append(
            {
                "env_interacts": steps,
                "transitions": min(steps, experiment.replay_size),
                "replay_bytes": replay_bytes,
                "resident_bytes": read_resident_memory("VmRSS"),
                "library_bytes": read_resident_memory("RssFile"),
                "peak_bytes": provenance.measure_peak_memory(),
            }
        )

    with tempfile.TemporaryDirectory() as directory:
        training.train(experiment, 0, Path(directory), report=report)
    common.write_table("memory", rows)
    filled = next(row for row in rows if row["transitions"] == experiment.replay_size)
    kinds = ("resident", "library", "replay", "peak")
    for text, row in (("first epoch", rows[0]), ("buffer full", filled), ("trained", rows[-1])):
        mb = {key: f"{row[f'{key}_bytes'] / 1e6:,.0f} MB" for key in kinds}
        print(
            f"  {text:12s} {row['env_interacts']:>9,} steps: "
            f"resident {mb['resident']}, library files {mb['library']}, "
            f"replay {mb['replay']}; peak {mb['peak']}"
        )


def read_resident_memory(field: str) -> int:
    """Resident memory of this process in bytes: all (VmRSS), or mapped files (RssFile); Linux."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text("utf-8").splitlines()
    )
    return int(fields[field].split()[0]) * 1024


if __name__ == "__main__":
    main()
