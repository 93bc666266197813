"""The state of a run as a checkpoint holds it, and its form on the disk."""

import dataclasses
import json
from typing import Any

import numpy as np

from ddpg.core.snapshot import Snapshot
from ddpg.runs.record import Identity, Session
from ddpg.runs.typed_json import from_json, to_json

# The fields of a snapshot that are written as they are; `agent` is a list of arrays, and
# `previous_episode` comes last because it was added later.
_FIELDS = dataclasses.fields(Snapshot)
_ARRAYS = tuple(field.name for field in _FIELDS if field.type is np.ndarray)
_VALUES = tuple(
    field.name for field in _FIELDS if field.name not in (*_ARRAYS, "agent", "previous_episode")
)


@dataclasses.dataclass(frozen=True)
class RunState:
    """The content of a checkpoint besides the replay buffer.

    That is its identity, sessions, elapsed time, tables, and the training's Snapshot.
    """

    identity: Identity
    sessions: tuple[Session, ...]
    seconds: float  # that the run has taken so far
    tables: dict[str, list[str]]  # the lines of each of the run's tables, by file name
    snapshot: Snapshot

    def to_parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON values, arrays), which `from_parts` reads."""
        snapshot = self.snapshot
        values = {name: getattr(snapshot, name) for name in _VALUES} | {
            "identity": to_json(self.identity),
            "sessions": to_json(self.sessions),
            "seconds": self.seconds,
            "previous_episode": snapshot.previous_episode,
        }
        arrays = {name: getattr(snapshot, name) for name in _ARRAYS}
        arrays |= {f"agent_{i}": array for i, array in enumerate(snapshot.agent)}
        arrays["tables"] = np.array(json.dumps(self.tables))
        return values, arrays

    @classmethod
    def from_parts(cls, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> "RunState":
        """The state from the output of `to_parts`; KeyError or ValueError for anything else."""
        count = sum(name.startswith("agent_") for name in arrays)
        fields: dict[str, Any] = {name: values[name] for name in _VALUES}
        fields |= {name: arrays[name] for name in _ARRAYS}
        fields["previous_episode"] = values.get("previous_episode")  # older checkpoints have none
        return cls(
            identity=from_json(Identity, values["identity"]),
            sessions=from_json(tuple[Session, ...], values["sessions"]),
            seconds=values["seconds"],
            tables=json.loads(str(arrays["tables"])),
            snapshot=Snapshot(agent=[arrays[f"agent_{i}"] for i in range(count)], **fields),
        )
