"""Adam (Kingma and Ba, 2015) as a pure function of parameters, gradients and state."""

from typing import NamedTuple

from ddpg.core.networks import Params
from ddpg.core.tensorflow import tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class AdamState(NamedTuple):
    """The number of steps taken, and both moments of each parameter."""

    t: tf.Tensor  # int32, shape ()
    m: Params
    v: Params


def init(params: Params) -> AdamState:
    """The state before the first step."""
    zeros = [tf.zeros_like(p) for p in params]
    return AdamState(t=tf.constant(0), m=zeros, v=zeros)


def update(
    params: Params, grads: Params, state: AdamState, learning_rate: float
) -> tuple[Params, AdamState]:
    """One step of gradient descent: (new parameters, new state), in the order of `params`.

    The form at the end of the paper's section 2, used by TensorFlow 1 and so by Spinning Up's code
    of 2018: epsilon is added to the root of the uncorrected second moment; the step size has the
    bias corrections.
    """
    t = state.t + 1
    step_size = learning_rate * tf.sqrt(1 - _power(BETA_2, t)) / (1 - _power(BETA_1, t))
    m = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(state.m, grads, strict=True)]
    v = [BETA_2 * v + (1 - BETA_2) * g**2 for v, g in zip(state.v, grads, strict=True)]
    params = [
        p - step_size * m / (tf.sqrt(v) + EPSILON) for p, m, v in zip(params, m, v, strict=True)
    ]
    return params, AdamState(t, m, v)


def _power(base: float, exponent: tf.Tensor) -> tf.Tensor:
    """base**exponent, float32, for an int32 exponent >= 0, by repeated squaring.

    The C library's pow, which XLA calls otherwise, may round differently in its next version.
    """
    power = tf.constant(1.0)
    for bit in range(31):
        is_set = tf.bitwise.bitwise_and(exponent, 1 << bit) != 0
        power = tf.where(is_set, base * power, power)
        base *= base
    return power
