"""Digests of the state of a run, by which two runs are compared epoch by epoch."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class StateDigest(NamedTuple):
    """SHA-256, in hex, of each part of a run's state."""

    agent: str  # weights, targets and optimiser states
    random_streams: str
    replay: str  # the transitions in the buffer at the end of each epoch, chained over epochs
    environment: str  # the episode in progress


def digest_arrays(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 of arrays' bytes, in hex."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def digest_streams(streams: dict[str, np.random.Generator]) -> str:
    """SHA-256 of the generators' states, in hex."""
    states = {name: rng.bit_generator.state for name, rng in streams.items()}
    return hashlib.sha256(repr(states).encode()).hexdigest()


def extend_digest(digest: str, arrays: Iterable[np.ndarray]) -> str:
    """SHA-256, in hex, of an earlier digest followed by the digest of `arrays`, both in hex."""
    return hashlib.sha256((digest + digest_arrays(arrays)).encode()).hexdigest()
