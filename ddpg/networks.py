"""Actor and critic: fully connected networks as functions of their parameters.

A network's parameters are the list [weight_0, bias_0, weight_1, bias_1, ...], so that a network,
its target and its optimiser's moments are lists of the same order, and the same function serves
the network and its target.
"""

import itertools

import numpy as np

from ddpg.tensorflow import tf


def glorot_uniform(rng: np.random.Generator, sizes: list[int]) -> list[np.ndarray]:
    """Initial parameters of a network whose layers have `sizes` units, the inputs first.

    Weights are uniform in +-sqrt(6 / (inputs + outputs)) (Glorot and Bengio, 2010), biases zero:
    what TensorFlow's dense layers, and so Spinning Up's, start from.
    """
    parameters = []
    for inputs, outputs in itertools.pairwise(sizes):
        limit = np.sqrt(6 / (inputs + outputs))
        parameters += [
            rng.uniform(-limit, limit, (inputs, outputs)).astype(np.float32),
            np.zeros(outputs, np.float32),
        ]
    return parameters


def actor(parameters, obs, scale, offset):
    """Actions (B, act_dim) for observations (B, obs_dim): a tanh stretched to the action bounds."""
    return scale * tf.tanh(_layers(parameters, obs)) + offset


def critic(parameters, obs, action):
    """Q-values (B,) of observations (B, obs_dim) and actions (B, act_dim)."""
    return tf.squeeze(_layers(parameters, tf.concat([obs, action], axis=-1)), axis=-1)


def _layers(parameters, x):
    *hidden, (weight, bias) = zip(parameters[::2], parameters[1::2], strict=True)
    for hidden_weight, hidden_bias in hidden:
        x = tf.nn.relu(x @ hidden_weight + hidden_bias)
    return x @ weight + bias
