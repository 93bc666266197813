"""state_digests.txt: digests of the state after each epoch, and where those of two runs differ."""

from pathlib import Path

from ddpg.core.digests import StateDigest
from ddpg.errors import UserError
from ddpg.runs.directory import STATE_DIGESTS
from ddpg.runs.logger import DIGEST_COLUMNS


def read_digests(directory: Path) -> list[StateDigest]:
    """The digests of a run's state after each epoch; UserError if there are none."""
    path = directory / STATE_DIGESTS
    try:
        header, *rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        raise UserError(
            f"{path}: missing or unreadable; runs have it since version 2 of the arithmetic"
        ) from None
    fields = [row.split("\t") for row in rows]
    epochs = [row[0] for row in fields]
    if header.split("\t") != DIGEST_COLUMNS or epochs != [str(i + 1) for i in range(len(rows))]:
        raise UserError(f"{path}: not the digests of a run; its columns are {DIGEST_COLUMNS}")
    try:
        return [StateDigest(*row[1:]) for row in fields]
    except TypeError:
        raise UserError(f"{path}: a row does not have {len(DIGEST_COLUMNS)} columns") from None


def find_divergence(a: Path, b: Path, epochs: int | None = None) -> tuple[int, list[str]] | None:
    """(first epoch whose states differ, the parts that differ in it); None if none differs.

    Compares the epochs that both have, at most the first `epochs`.
    """
    pairs = list(zip(read_digests(a), read_digests(b), strict=False))[:epochs]
    for epoch, (first, second) in enumerate(pairs, start=1):
        parts = [n for n in StateDigest._fields if getattr(first, n) != getattr(second, n)]
        if parts:
            return epoch, parts
    return None


def describe_divergence(epoch: int, parts: list[str]) -> str:
    """What `find_divergence` found, in words."""
    return f"first after epoch {epoch}, in {', '.join(part.replace('_', ' ') for part in parts)}"
