"""Adam (Kingma and Ba, 2015) as a pure function of parameters, gradients and state."""

from typing import NamedTuple

from ddpg.tensorflow import tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam(NamedTuple):
    """The optimiser's state: how many steps it took, and the moments of each parameter."""

    step: tf.Tensor  # float32, shape ()
    first: list
    second: list


def start(parameters) -> Adam:
    """The state before the first step."""
    zeros = [tf.zeros_like(p) for p in parameters]
    return Adam(step=tf.constant(0.0), first=zeros, second=zeros)


def descend(parameters, gradients, state: Adam, learning_rate: float) -> tuple[list, Adam]:
    """One step downhill: (new parameters, new state), lists in the order of `parameters`.

    The form of the paper's section 2 (and of TensorFlow 1, hence of Spinning Up): epsilon is added
    to the root of the second moment as it stands, the bias corrections go into the step size.
    """
    step = state.step + 1
    size = learning_rate * tf.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    first = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(state.first, gradients, strict=True)]
    second = [
        BETA_2 * v + (1 - BETA_2) * g**2 for v, g in zip(state.second, gradients, strict=True)
    ]
    parameters = [
        p - size * m / (tf.sqrt(v) + EPSILON)
        for p, m, v in zip(parameters, first, second, strict=True)
    ]
    return parameters, Adam(step, first, second)
