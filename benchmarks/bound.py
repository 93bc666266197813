"""The bound: how many updates a second if the processor did nothing but their matrix products."""

import itertools
import time

import numpy as np


def products(hidden_sizes, batch: int, obs_dim: int, act_dim: int) -> list[tuple]:
    """The matrix products of one update, as (a, b, out) of random float32 arrays.

    A layer of i inputs and o outputs multiplies (B, i) by (i, o) forwards; backwards, (i, B) by
    (B, o) for the gradient of its weights and (B, o) by (o, i) for that of its inputs.
    """
    actor = list(itertools.pairwise([obs_dim, *hidden_sizes, act_dim]))
    critic = list(itertools.pairwise([obs_dim + act_dim, *hidden_sizes, 1]))
    forwards = 2 * actor + 3 * critic  # each target; critic, actor; critic of the actor's actions
    weights = actor + critic
    # Into the actor's actions the gradient passes all of the critic, elsewhere all but the first.
    inputs = actor[1:] + critic[1:] + critic
    shapes = [(batch, i, o) for i, o in forwards]
    shapes += [(i, batch, o) for i, o in weights]
    shapes += [(batch, o, i) for i, o in inputs]
    rng = np.random.default_rng(0)
    return [
        (_random(rng, rows, inner), _random(rng, inner, columns), np.empty((rows, columns), "f"))
        for rows, inner, columns in shapes
    ]


def flop(operands: list[tuple]) -> int:
    """Floating-point operations of the products, a multiplication and an addition each."""
    return sum(2 * a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in operands)


def updates_per_second(operands: list[tuple], seconds: float) -> float:
    """How often NumPy's BLAS does all of the products a second, measured for `seconds`."""
    count, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < seconds:
        for a, b, out in operands:
            np.matmul(a, b, out=out)
        count += 1
    return count / elapsed


def _random(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.standard_normal((rows, columns), dtype=np.float32)
