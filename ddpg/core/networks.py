"""Actor μ(s) and critic Q(s, a): fully connected networks as functions of their parameters.

The parameters of a network are the list [weight_0, bias_0, weight_1, bias_1, ...], in float32;
weights have the shape (inputs, outputs), biases (outputs,). A network, its target and its
optimiser's moments are lists of the same order, and one function serves them all.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from ddpg.core.products import matmul
from ddpg.core.tensorflow import tf

Params = list[tf.Tensor]


def list_layer_sizes(
    obs_dim: int, act_dim: int, hidden_sizes: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The units of each layer of (actor, critic), inputs first; the critic sees (s, a)."""
    return [obs_dim, *hidden_sizes, act_dim], [obs_dim + act_dim, *hidden_sizes, 1]


def init_params(rng: np.random.Generator, sizes: Sequence[int]) -> list[np.ndarray]:
    """Initial parameters, float32, of a network whose layers have `sizes` units, inputs first.

    Weights are uniform in ±sqrt(6 / (inputs + outputs)) (Glorot and Bengio, 2010) and biases zero,
    as in TensorFlow's dense layers, and so in Spinning Up's code of 2018.
    """
    params = []
    for inputs, outputs in itertools.pairwise(sizes):
        limit = np.sqrt(6 / (inputs + outputs))
        params += [
            rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32),
            np.zeros(outputs, np.float32),
        ]
    return params


def actor(params: Params, obs: tf.Tensor, scale: np.ndarray, offset: np.ndarray) -> tf.Tensor:
    """Actions μ(s), (B, act_dim), for observations (B, obs_dim): scale * tanh(...) + offset.

    `scale` and `offset` are (act_dim,), from `ActionSpace`.
    """
    return scale * tf.tanh(_mlp(params, obs)) + offset


def critic(params: Params, obs: tf.Tensor, action: tf.Tensor) -> tf.Tensor:
    """Q-values Q(s, a), (B,), of observations (B, obs_dim) and actions (B, act_dim)."""
    return tf.squeeze(_mlp(params, tf.concat([obs, action], axis=-1)), axis=-1)


def _mlp(params: Params, x: tf.Tensor) -> tf.Tensor:
    *hidden, (last_weight, last_bias) = zip(params[::2], params[1::2], strict=True)
    for weight, bias in hidden:
        x = tf.nn.relu(matmul(x, weight) + bias)
    return matmul(x, last_weight) + last_bias
