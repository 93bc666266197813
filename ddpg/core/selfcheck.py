"""Check the active kernels against reference implementations."""

import itertools

import numpy as np

from ddpg.core.digests import digest_arrays
from ddpg.core.networks import list_layer_sizes
from ddpg.core.products import compute_product, ordered_product
from ddpg.core.tensorflow import defer_signals, tf

# How many of the first, the middle and the last rows of a product to compare. Kernels handle the
# rows that do not fill a register separately, at the end.
FIRST, LAST = 4, 8


def find_differing_products(
    hidden_sizes: tuple[int, ...], batch_size: int, obs_dim: int, act_dim: int
) -> list[str]:
    """The matrix products of an update, as text, that differ from their definition in some bit.

    Tries every layer of actor and critic, forwards and backwards, on random numbers.
    """
    networks = list_layer_sizes(obs_dim, act_dim, hidden_sizes)
    layers = sorted({layer for sizes in networks for layer in itertools.pairwise(sizes)})
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float64).astype(np.float32)

    operands = []
    for inputs, outputs in layers:
        x, w, dy = draw(batch_size, inputs), draw(inputs, outputs), draw(batch_size, outputs)
        operands += [(x, w, False), (dy, np.ascontiguousarray(w.T), False), (x, dy, True)]
    differing = []
    for (a, b, transpose_a), computed in zip(operands, _compute(operands), strict=True):
        rows = _choose_rows(len(computed)) if b.shape[1] > 1 else np.arange(len(computed))
        chosen = a[:, rows] if transpose_a else a[rows]
        if not np.array_equal(computed[rows], ordered_product(chosen, b, transpose_a)):
            differing.append(f"{a.T.shape if transpose_a else a.shape} x {b.shape}")
    return differing


def _choose_rows(count: int) -> np.ndarray:
    middle = count // 2
    rows = np.unique(np.r_[:FIRST, middle : middle + FIRST, count - LAST : count])
    return rows[(rows >= 0) & (rows < count)]


@defer_signals()
def _compute(operands: list[tuple[np.ndarray, np.ndarray, bool]]) -> list[np.ndarray]:
    """The products, computed as an update computes them."""
    transposes = [transpose for *_, transpose in operands]

    @tf.function(jit_compile=True, autograph=False)
    def compute(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[tf.Tensor]:
        return [
            compute_product(a, b, transpose_a=transpose)
            for (a, b), transpose in zip(pairs, transposes, strict=True)
        ]

    return [product.numpy() for product in compute([(a, b) for a, b, _ in operands])]


# Digests of functions that are not products, on the pinned kernels.
FUNCTIONS = {
    "NumPy's tanh": "b5288f3f0373f7d2",
    "OpenBLAS's products": "b5d88b6828c72513",
    "XLA's tanh": "cd0213b58fafbafd",
    "XLA's sums": "b32f4ecd57563ba1",
}


def find_differing_functions() -> list[str]:
    """The names of FUNCTIONS whose digests differ in this process."""
    found = compute_functions()
    return [name for name, digest in FUNCTIONS.items() if digest != found[name]]


@defer_signals()
def compute_functions() -> dict[str, str]:
    """Digests of tanh, sums and the policy's products, on fixed numbers."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 300)).astype(np.float32)
    w = rng.standard_normal((300, 17)).astype(np.float32)

    @tf.function(jit_compile=True, autograph=False)
    def compute(x: np.ndarray) -> tuple[tf.Tensor, ...]:
        return tf.tanh(x), tf.reduce_sum(x, axis=0), tf.reduce_mean(x[:, 0] ** 2)

    tanh, *sums = (array.numpy() for array in compute(x))
    arrays = {
        "NumPy's tanh": [np.tanh(x)],
        "OpenBLAS's products": [x @ w, x[0] @ w, x[:7] @ w],
        "XLA's tanh": [tanh],
        "XLA's sums": sums,
    }
    return {name: digest_arrays(values)[:16] for name, values in arrays.items()}
