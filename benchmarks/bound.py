"""The bound: how many updates per second if the processor did nothing but their matrix products.

And the processor's own limit: one product of two 512 x 512 matrices. Both by OpenBLAS with the
kernels it chooses for the processor, in a separate process that imports NumPy alone: this package
pins other kernels in the process that imports it.
"""

import argparse
import contextlib
import itertools
import json
import sys
import time
from collections.abc import Sequence

from benchmarks.common import JsonProcess

SQUARE = (512, 512, 512)

# Rows and inner dimension of the left matrix, columns of the right one.
Shape = tuple[int, int, int]


def list_product_shapes(
    hidden_sizes: Sequence[int], batch: int, obs_dim: int, act_dim: int
) -> list[Shape]:
    """The shapes of the matrix products of one update, of B = `batch` transitions.

    A layer of i inputs and o outputs multiplies (B, i) by (i, o) forwards; backwards, (i, B) by
    (B, o) for the gradient of its weights and (B, o) by (o, i) for that of its inputs.
    """
    actor = list(itertools.pairwise([obs_dim, *hidden_sizes, act_dim]))
    critic = list(itertools.pairwise([obs_dim + act_dim, *hidden_sizes, 1]))
    forwards = 2 * actor + 3 * critic  # each target; critic, actor; critic of the actor's actions
    weights = actor + critic
    # The actor loss propagates through every critic layer to the action; the other two backward
    # passes need no input gradient of their first layer.
    inputs = actor[1:] + critic[1:] + critic
    shapes = [(batch, i, o) for i, o in forwards]
    shapes += [(i, batch, o) for i, o in weights]
    shapes += [(batch, o, i) for i, o in inputs]
    return shapes


def count_flop(shapes: list[Shape]) -> int:
    """Floating-point operations of the products, a multiplication and an addition each."""
    return sum(2 * rows * inner * columns for rows, inner, columns in shapes)


class NativeProducts(JsonProcess):
    """A process that does matrix products with OpenBLAS's own choice of kernels, when asked.

    `environment` is the process's, without variables that choose kernels. `kernels` is the name of
    those that OpenBLAS chose.
    """

    def __init__(self, shapes: list[Shape], environment: dict[str, str]):
        command = [sys.executable, "-m", "benchmarks.bound", json.dumps(shapes)]
        super().__init__(command, {**environment, "OPENBLAS_NUM_THREADS": "1"})
        self.kernels: str = self.first_answer["kernels"]

    def measure(self, seconds: float) -> tuple[float, float]:
        """Updates per second, and GFLOP/s of the 512 x 512 product, each measured for `seconds`."""
        measured = self.ask(str(seconds))
        return measured["updates_per_second"], measured["square_gflops"]


def serve(shapes: list[Shape]) -> None:
    """Measure for as many seconds as each line of stdin says; a line of JSON for each."""
    import numpy as np
    import threadpoolctl

    rng = np.random.default_rng(0)

    def operands(shape: Shape) -> tuple:
        rows, inner, columns = shape
        return (
            rng.standard_normal((rows, inner), dtype=np.float32),
            rng.standard_normal((inner, columns), dtype=np.float32),
            np.empty((rows, columns), np.float32),
        )

    def rate(products: list[tuple], seconds: float) -> float:
        count, start = 0, time.process_time()
        while (elapsed := time.process_time() - start) < seconds:
            for a, b, out in products:
                np.matmul(a, b, out=out)
            count += 1
        return count / elapsed

    update, square = [operands(shape) for shape in shapes], [operands(SQUARE)]
    (blas,) = (x for x in threadpoolctl.threadpool_info() if x["user_api"] == "blas")
    print(json.dumps({"kernels": blas["architecture"]}), flush=True)
    for line in sys.stdin:
        measured = {
            "updates_per_second": rate(update, float(line)),
            "square_gflops": rate(square, float(line)) * count_flop([SQUARE]) / 1e9,
        }
        print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bound", description=__doc__)
    parser.add_argument("shapes", type=json.loads, help="[[rows, inner, columns], ...] as JSON")
    with contextlib.suppress(KeyboardInterrupt):
        serve(parser.parse_args().shapes)
