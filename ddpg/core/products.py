"""Matrix products with one defined result, whichever processor computes them.

Every element of a product is the sum of x[i, k] * w[k, j] in the order of k, each step one fused
multiply-add in float32, in pieces of at most 256 terms whose results are added in order. oneDNN's
AVX2 and AVX-512 kernels both compute exactly this if they get no more than 256 terms and no narrow
remainders of rows and columns: otherwise they split the sum in ways that depend on the processor's
registers and caches.

A product with a single column is computed by code that XLA generates for AVX2: x @ w, the critic's
output, by eight interleaved sums, x.T @ dy in the order of k. `ordered_product` defines all of this
in NumPy.
"""

import itertools
from collections.abc import Callable

import numpy as np

from ddpg.core.tensorflow import tf, xla_optimization_barrier

MAX_TERMS = 256
# oneDNN's AVX2 kernel computes blocks of 6 rows and 16 columns. A remainder must have 4 or 5 rows,
# and 9 to 15 columns.
ROWS, MIN_ROWS, COLUMNS = 6, 4, 16


@tf.custom_gradient
def matmul(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """The product (B, outputs) of x (B, inputs) and w (inputs, outputs), with its gradient."""

    def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return compute_product(dy, _transpose(w)), compute_product(x, dy, transpose_a=True)

    return compute_product(x, w), gradient


def split_sum(terms: int) -> list[tuple[int, int]]:
    """The ranges (first, end) into which a sum of `terms` terms is cut."""
    count = -(-terms // MAX_TERMS)
    cuts = [terms * i // count for i in range(count + 1)]
    return list(itertools.pairwise(cuts))


def compute_product(a: tf.Tensor, b: tf.Tensor, transpose_a: bool = False) -> tf.Tensor:
    """a @ b, or a.T @ b, of static shapes."""
    rows, terms = (a.shape[1], a.shape[0]) if transpose_a else (a.shape[0], a.shape[1])
    columns = b.shape[1]
    if _is_single_column(rows, columns, transpose_a):
        return tf.matmul(a, b, transpose_a=transpose_a)
    # Pad narrow remainders with zeros: kernels disagree on the order of their sums.
    more_rows = max(0, MIN_ROWS - rows % ROWS) if rows % ROWS else 0
    more_columns = -columns % COLUMNS if 1 <= columns % COLUMNS <= COLUMNS // 2 else 0
    if more_rows:
        a = tf.pad(a, [[0, 0], [0, more_rows]] if transpose_a else [[0, more_rows], [0, 0]])
    if more_columns:
        b = tf.pad(b, [[0, 0], [0, more_columns]])
    total = None
    for y in _piece_products(a, b, transpose_a, split_sum(terms)):
        total = y if total is None else total + y
    return total[:rows, :columns] if more_rows or more_columns else total


def _piece_products(
    a: tf.Tensor, b: tf.Tensor, transpose_a: bool, ranges: list[tuple[int, int]]
) -> list[tf.Tensor]:
    """The products of each range of terms."""
    lengths = {end - first for first, end in ranges}
    if len(ranges) > 1 and len(lengths) == 1 and not transpose_a:
        # As one batch, which reads the pieces of b where they are; slices would be copied.
        (length,) = lengths
        a = tf.transpose(tf.reshape(a, [a.shape[0], len(ranges), length]), [1, 0, 2])
        return tf.unstack(tf.matmul(a, tf.reshape(b, [len(ranges), length, b.shape[1]])))
    return [
        tf.matmul(a[i:j] if transpose_a else a[:, i:j], b[i:j], transpose_a=transpose_a)
        for i, j in ranges
    ]


def _is_single_column(rows: int, columns: int, transpose_a: bool) -> bool:
    """Whether XLA's own code computes the product.

    False for 1x1 products, and for x.T @ dy with one or two rows beyond a multiple of eight: that
    code has no fixed order for them, so they are padded to matrices.
    """
    return columns == 1 and rows > 1 and not (transpose_a and 1 <= rows % 8 <= 2)


def _transpose(w: tf.Tensor) -> tf.Tensor:
    """w.T as a matrix in memory.

    XLA would fold the transposition into the product, which is slow in oneDNN if the row stride is
    a power of two: (100, 256) times (256, 256) transposed takes 110 instead of 69 microseconds.
    """
    return xla_optimization_barrier([tf.transpose(w)])[0]


def ordered_product(a: np.ndarray, b: np.ndarray, transpose_a: bool = False) -> np.ndarray:
    """a (n, k) @ b (k, m), or a.T @ b, float32, by the definition; slow, for checks."""
    rows, columns = a.shape[1] if transpose_a else a.shape[0], b.shape[1]
    single_column = _is_single_column(rows, columns, transpose_a)
    if single_column and not transpose_a:
        return _interleaved_sums(a, b[:, 0])[:, None]
    a = a.T if transpose_a else a
    total = np.zeros((rows, columns), np.float32)
    for piece, (first, end) in enumerate([(0, len(b))] if single_column else split_sum(len(b))):
        y = np.zeros_like(total)
        for k in range(first, end):
            y = _fused_multiply_add(a[:, k : k + 1], b[k : k + 1], y)
        total = total + y if piece else y
    return total


def _interleaved_sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a (n, k) @ b (k,): eight sums, of every eighth term; these added up; then the last k mod 8.

    Eight rows at a time, the eight sums are added to their neighbours; in the last n mod 8 rows the
    first four are added to the last four instead.
    """
    whole = len(b) // 8 * 8
    sums, rest = np.zeros((len(a), 8), np.float32), np.zeros(len(a), np.float32)
    for k in range(0, whole, 8):
        sums = _fused_multiply_add(a[:, k : k + 8], b[k : k + 8], sums)
    for k in range(whole, len(b)):
        rest = _fused_multiply_add(a[:, k], b[k], rest)
    neighbours, halves = sums, sums
    while neighbours.shape[1] > 1:
        neighbours = neighbours[:, ::2] + neighbours[:, 1::2]
        middle = halves.shape[1] // 2
        halves = halves[:, :middle] + halves[:, middle:]
    blocks = len(a) // 8 * 8
    total = np.concatenate([neighbours[:blocks, 0], halves[blocks:, 0]])
    return total + rest if len(b) > whole else total


def _fused_multiply_add(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a * b + c in float32, rounded once.

    The product of two float32 is exact in float64. Their sum with c is rounded to odd there, which
    makes the second rounding, to float32, that of the exact sum (Boldo and Melquiond, 2008).
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    from_addend = total - product
    error = (product - (total - from_addend)) + (addend - from_addend)  # Knuth's two-sum
    bits = total.view(np.int64)
    inexact_and_even = (error != 0) & (bits & 1 == 0)
    away_from_zero = (error > 0) == (total > 0)
    bits = np.where(inexact_and_even, np.where(away_from_zero, bits + 1, bits - 1), bits)
    return bits.view(np.float64).astype(np.float32)
