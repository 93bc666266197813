"""Make states of runs for tests of checkpoints."""

import numpy as np

from ddpg.core.snapshot import Snapshot
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
