"""Make run records for tests."""

from datetime import UTC, datetime
from typing import Any

from ddpg.runs.record import (
    Identity,
    Image,
    Machine,
    Processor,
    Revision,
    RunRecord,
    Session,
)

XEON = "GenuineIntel-6-85-4 avx2 fma"
IMAGE = Image("sha256:0123456789abcdef", "cpu", version="0.1.0", revision="89", lock="34")


def make_record(
    *,
    experiment: str = "demo",
    seed: int = 0,
    processor: Processor = Processor("Xeon", XEON, ("avx2", "fma", "md_clear")),  # noqa: B008
    gpu: tuple[str, ...] = (),
    git: Revision | None = Revision("0123456789abcdef", dirty=False),  # noqa: B008
    image: Image | None = None,
    variables: dict[str, str] | None = None,
    packages: dict[str, str] | None = None,
    arithmetic_version: int = 2,
    platform: str = "x86-64-v3",
    **fields: Any,
) -> RunRecord:
    """A record of a short run on one processor; `fields` are further ones of RunRecord."""
    packages = packages or {"numpy": "2.4.6", "tensorflow": "2.21.0"}
    variables = variables or {}
    started = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    defaults = {
        "config_digest": "c" * 64,
        "finished": started.replace(hour=11),
        "sessions": (Session(started, 0, processor.model, processor.type, gpu),),
        "steps": 1000,
        "seconds": 10.0,
        "steps_per_second": 100.0,
        "peak_memory_bytes": 10**9,
        "weights_sha256": "w" * 64,
        "identity": Identity(
            experiment, seed, {"epochs": 2}, packages, arithmetic_version, platform, variables
        ),
        "machine": Machine(
            cpu=processor, gpu=gpu, threads=1, platform="Linux", python="3.11.2",
            packages=packages, variables=variables, git=git, image=image,
        ),
        "files": {"policy.npz": "p" * 64},
    }  # fmt: skip
    return RunRecord(experiment=experiment, seed=seed, **(defaults | fields))
