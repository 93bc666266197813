"""run.json: the record of a finished run."""

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from ddpg.errors import UserError
from ddpg.runs import typed_json

# The last revision of this package that computes an earlier version of the arithmetic.
LAST_REVISIONS = {1: "2b12505"}


@dataclasses.dataclass(frozen=True)
class Session:
    """One process that trained the run: when it started, at which step, on which hardware."""

    started: datetime
    from_step: int
    model: str
    type: str
    gpu: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Identity:
    """What two runs must share to have the same bytes."""

    experiment: str
    seed: int
    config: dict[str, Any]
    packages: dict[str, str]
    arithmetic_version: int = 1
    platform: str = ""  # where bytes are equal; see ddpg.portability
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    environment_code: str | None = None  # SHA-256 of the user's own file; see `environment`


@dataclasses.dataclass(frozen=True)
class Processor:
    """The processor's name, its type (vendor, family, model, instructions) and all its flags."""

    model: str
    type: str
    flags: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Revision:
    """The git revision of the sources, and whether they had changes that are not in it."""

    revision: str
    dirty: bool

    def __str__(self) -> str:
        return self.revision + (" with uncommitted changes" if self.dirty else "")


@dataclasses.dataclass(frozen=True)
class Image:
    """A container image, as its build recorded it: `id` is a digest of its contents."""

    id: str
    variant: str
    version: str
    revision: str
    lock: str

    def __str__(self) -> str:
        return f"{self.variant} {self.id}"


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine that finished the run. `git` is None outside a clone or without git."""

    cpu: Processor
    gpu: tuple[str, ...]
    threads: int
    platform: str
    python: str
    packages: dict[str, str]
    variables: dict[str, str]
    git: Revision | None
    image: Image | None


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """A finished run: what it trained, what produced it, how long it took, and its checksums.

    Fields with a default were added later; the default holds for earlier runs.
    """

    experiment: str
    seed: int
    config_digest: str
    finished: datetime
    sessions: tuple[Session, ...]
    steps: int
    seconds: float
    steps_per_second: float
    peak_memory_bytes: int
    # Of DDPG.arrays(): both networks, their targets and Adam's state, as "agent" in
    # state_digests.txt; not of policy.npz.
    weights_sha256: str
    identity: Identity
    machine: Machine
    files: dict[str, str]  # the SHA-256 of each result file by its name
    core_digest: str | None = None  # of the code of ddpg.core, for information
    kernels: str | None = None  # how kernels were chosen

    @property
    def arithmetic_version(self) -> int:
        """The version of the arithmetic that computed the run."""
        return self.identity.arithmetic_version

    def describe_revision(self) -> str:
        """The revision of the code, in words."""
        return str(self.machine.git or "not recorded")

    def describe_packages(self) -> str:
        """The versions of Python and of the packages, separated by commas."""
        versions = {"python": self.machine.python, **self.machine.packages}
        return ", ".join(f"{name} {version}" for name, version in versions.items())

    @classmethod
    def read(cls, path: Path) -> "RunRecord":
        """The record in a run.json. UserError with one line for what is missing or mistyped."""
        record = typed_json.read_dataclass(cls, path, "run.json")
        if not record.sessions:
            raise UserError(f"{path}: not a run.json of this package: sessions is empty")
        return record

    def to_json(self) -> dict:
        """The content of run.json, as `read` takes it."""
        return typed_json.to_json(self)


def have_other_code(records: Iterable[RunRecord]) -> bool:
    """Whether runs are of different code of a user's environment, as far as that was recorded."""
    return len({record.identity.environment_code for record in records} - {None}) > 1
