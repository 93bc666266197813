"""Random streams: one generator for each purpose, so that a change to one never shifts another."""

import numpy as np

# New purposes go to the end: a stream is determined by its position.
PURPOSES = (
    "initial_weights",
    "environment",
    "random_actions",
    "exploration",
    "replay",
    "evaluation",
)


def spawn_streams(seed: int) -> dict[str, np.random.Generator]:
    """An independent random generator for each of PURPOSES, all derived from `seed`."""
    children = np.random.SeedSequence(seed).spawn(len(PURPOSES))
    return {name: np.random.default_rng(s) for name, s in zip(PURPOSES, children, strict=True)}


def draw_seeds(rng: np.random.Generator, count: int) -> list[int]:
    """`count` seeds of 31 bits each, for resets of environments."""
    return [int(seed) for seed in rng.integers(2**31, size=count)]
