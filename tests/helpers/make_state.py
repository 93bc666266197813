"""Make states of runs, replay buffers and checkpoints."""

import dataclasses
from pathlib import Path

import numpy as np

from ddpg.core.replay import ReplayBuffer
from ddpg.core.snapshot import Snapshot
from ddpg.runs.checkpoint import Checkpoints
from ddpg.runs.record import Identity
from ddpg.runs.run_state import RunState

IDENTITY = Identity("pendulum-demo", 0, {}, {}, arithmetic_version=2)


def make_state(
    identity: Identity = IDENTITY, steps: int = 2500, tables: dict[str, list[str]] | None = None
) -> RunState:
    """A state whose numbers follow from `steps`."""
    snapshot = Snapshot(
        steps=steps,
        streams={"replay": {"state": 2**100 + steps}},
        agent=[np.full(3, steps, np.float32), np.array(steps, np.int32)],
        episode_seed=steps,
        episode_return=0.1 + steps,
        episode_actions=np.zeros((0, 1), np.float32),
        episode_rewards=np.zeros(0),
        obs=np.array([steps], np.float32),
        statistics_episodes=np.ones((2, 2)),
        statistics_updates=np.ones((1, 6)),
        replay_digest="d",
        replay_digested=steps,
    )
    return RunState(identity, (), 1.5, tables or {"table": ["a\tb", "c"]}, snapshot)


def make_replay(transitions: int = 0) -> ReplayBuffer:
    """A replay buffer of 50 with transitions in which every number is unique."""
    replay = ReplayBuffer(50, 2, 1)
    add_transitions(replay, transitions)
    return replay


def add_transitions(replay: ReplayBuffer, count: int) -> None:
    """Add transitions in which every number is unique."""
    for i in range(replay.added, replay.added + count):
        replay.add([i, i + 0.1], [i + 0.2], i + 0.3, [i + 0.4, i + 0.5], i % 2)


def save_checkpoint(checkpoints: Checkpoints, replay: ReplayBuffer) -> None:
    """Save a checkpoint whose seed and steps are the number of transitions."""
    identity = dataclasses.replace(IDENTITY, seed=replay.added)
    checkpoints.save(make_state(identity, replay.added), replay)


def save_two_checkpoints(checkpoints: Checkpoints) -> list[Path]:
    """Save after 10 and after 20 transitions; returns the two files that the second save wrote."""
    replay = make_replay(10)
    save_checkpoint(checkpoints, replay)
    add_transitions(replay, 10)
    save_checkpoint(checkpoints, replay)
    return [checkpoints.directory / n for n in ("state_0000000020", "replay_0000000010_0000000020")]
