"""What did each step of the 2019 notes' optimisation buy, there and here?

The notes brought an epoch of 5,000 steps from over 300 seconds to 38.8. Their steps are made again
from this package's parts, on the networks of the benchmark, and interleaved on one core, one
trajectory each. "outside the debugger" is not reproduced: the notes timed all earlier steps in a
debugger.
"""

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import common

TRAJECTORY, EPOCH = 1000, 5000  # in steps
PER_EPOCH = EPOCH // TRAJECTORY


@dataclasses.dataclass(frozen=True)
class Variant:
    """One state of the code."""

    train_compiled: bool
    target_compiled: bool
    acting_compiled: bool
    statistics: str  # lists, none or preallocated


VARIANTS = {
    "eager": Variant(False, False, False, "lists"),
    "train steps compiled": Variant(True, False, False, "lists"),
    "target update compiled": Variant(True, True, False, "lists"),
    "acting compiled": Variant(True, True, True, "lists"),
    "no logging": Variant(True, True, True, "none"),
    "preallocated statistics": Variant(True, True, True, "preallocated"),
}
# The notes' own seconds for 5,000 steps on their laptop. They say "over 300" and "200 to 220".
NOTES = {
    "eager": 300,
    "train steps compiled": 210,
    "target update compiled": 165,
    "acting compiled": 130,
    "outside the debugger": 80,
    "no logging": 53,
    "preallocated statistics": 38.8,
}
OURS = "one XLA loop per trajectory, NumPy acting"


def main() -> None:
    """Time every variant; write notes_history.csv."""
    common.pin()
    with tempfile.TemporaryDirectory() as directory:
        workers = {name: common.Worker(set_up_stepwise, v) for name, v in VARIANTS.items()}
        workers[OURS] = common.Worker(set_up_ours, directory)
        seconds = {name: [] for name in workers}
        for _, name, measured in common.interleave(workers, rounds=PER_EPOCH):
            seconds[name].append(measured)
        for worker in workers.values():
            worker.close()
    rows: list[dict[str, Any]] = [
        {"variant": name, "notes_seconds": NOTES.get(name, "")} for name in [*NOTES, OURS]
    ]
    print(f"seconds for {EPOCH:,} steps: {PER_EPOCH} x the median trajectory (lowest to highest)")
    for row in rows:
        values = [PER_EPOCH * value for value in seconds.get(row["variant"], [])]
        row |= {
            "seconds": common.median(values) if values else "",
            "lowest": min(values) if values else "",
            "highest": max(values) if values else "",
        }
        text = common.format_median_and_range(values, 1) if values else ""
        print(f"  {row['variant']:42s}{text:24s} the notes: {row['notes_seconds']}")
    common.write_table("notes_history", rows)


def set_up_ours(directory: str) -> Callable[[], float]:
    """Set up the package as it is."""
    segment = common.make_training_segment(
        common.LARGE, TRAJECTORY, Path(directory), evaluation=False
    )
    return segment.train


def set_up_stepwise(variant: Variant) -> Callable[[], float]:
    """Set up training with one call, or many, for each update; returns one trajectory of it."""
    from ddpg.core import agent as agent_module
    from ddpg.core.networks import actor
    from ddpg.core.replay import Batch
    from ddpg.core.tensorflow import tf
    from ddpg.training import make_training

    experiment = common.read_experiment(common.LARGE, start_steps=0, num_test_episodes=1)
    run = make_training(experiment, 0)
    agent, soft_update = run.agent, agent_module.soft_update
    # The notes update the targets in a call of its own.
    agent_module.soft_update = lambda target_params, params, polyak: target_params

    def compiled(function, wanted: bool):
        return tf.function(function) if wanted else function

    train_step = compiled(
        lambda state, batch: agent.update_once(state, batch), variant.train_compiled
    )
    polyak = experiment.polyak
    target_update = compiled(
        lambda state: state._replace(
            target_actor_params=soft_update(state.target_actor_params, state.actor_params, polyak),
            target_critic_params=soft_update(
                state.target_critic_params, state.critic_params, polyak
            ),
        ),
        variant.target_compiled,
    )
    act = compiled(
        lambda params, obs: actor(params, obs, agent.scale, agent.offset),
        variant.acting_compiled,
    )

    def policy(obs: Any) -> Any:
        return act(agent.state.actor_params, tf.constant(obs[None])).numpy()[0]

    batch = Batch(*(array[:1] for array in agent.batches))
    kinds = {"lists": Lists, "none": Nothing, "preallocated": Preallocated}
    statistics = kinds[variant.statistics]()

    def trajectory() -> float:
        start = time.process_time()
        for _ in range(TRAJECTORY):
            run.step(run.noisy_action(policy))  # type: ignore[arg-type]
        for _ in range(TRAJECTORY):
            run.replay.sample(run.streams["replay"], batch, 1)
            state, metrics = train_step(
                agent.state, Batch(*(tf.constant(array[0]) for array in batch))
            )
            agent.state = target_update(state)
            statistics.add(metrics)
        statistics.end_epoch()
        run.begin_episode()
        return time.process_time() - start

    return trajectory


class Nothing:
    """No statistics."""

    def add(self, metrics) -> None:
        """Leave one update's metrics where they are."""

    def end_epoch(self) -> list[float]:
        """Nothing to say of the epoch."""
        return []


class Lists(Nothing):
    """Every value appended to a Python list, as the notes first kept them."""

    def __init__(self):
        self.q, self.loss_q, self.loss_pi = [], [], []

    def add(self, metrics) -> None:
        """Keep one update's metrics."""
        self.q.extend(metrics.q.numpy())
        self.loss_q.append(metrics.loss_q.numpy())
        self.loss_pi.append(metrics.loss_pi.numpy())

    def end_epoch(self) -> list[float]:
        """Mean, spread and extremes of Q and the mean losses; forgets what they are of."""
        row = [f(self.q) for f in (np.mean, np.std, np.max, np.min)]
        row += [np.mean(self.loss_q), np.mean(self.loss_pi)]
        self.__init__()
        return row


class Preallocated(Nothing):
    """The same statistics in arrays that are made once."""

    def __init__(self):
        batch_size = common.read_experiment(common.LARGE).batch_size
        self.q = np.empty((TRAJECTORY, batch_size), np.float32)
        self.losses = np.empty((TRAJECTORY, 2), np.float32)
        self.count = 0

    def add(self, metrics) -> None:
        """Keep one update's metrics."""
        self.q[self.count] = metrics.q
        self.losses[self.count] = metrics.loss_q, metrics.loss_pi
        self.count += 1

    def end_epoch(self) -> list[float]:
        """Mean, spread and extremes of Q and the mean losses; forgets what they are of."""
        self.count = 0
        return [f(self.q) for f in (np.mean, np.std, np.max, np.min)] + list(self.losses.mean(0))


if __name__ == "__main__":
    main()
