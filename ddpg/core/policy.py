"""The actor in plain NumPy, for acting, for evaluation and for the published policy.npz.

One call through TensorFlow costs about fifteen times a step of the environment; this one costs
less than the step.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Policy:
    """The deterministic policy μ: observation -> action.

    `weights` and `biases` hold one array per layer, float32, of shape (inputs, outputs) and
    (outputs,). `scale` and `offset`, (act_dim,), map tanh's [-1, 1] to the action bounds.
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def from_params(
        cls, params: Sequence[np.ndarray], scale: np.ndarray, offset: np.ndarray
    ) -> "Policy":
        """The policy of the parameters [weight_0, bias_0, weight_1, bias_1, ...]."""
        return cls(list(params[::2]), list(params[1::2]), scale, offset)

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions (act_dim,) for an observation (obs_dim,), or (B, act_dim) for (B, obs_dim).

        Computed in float32, as in training, also if the observation is in float64.
        """
        *hidden, (last_weight, last_bias) = zip(self.weights, self.biases, strict=True)
        x = np.asarray(obs, dtype=np.float32)
        for weight, bias in hidden:
            x = np.maximum(x @ weight + bias, 0)
        return self.scale * np.tanh(x @ last_weight + last_bias) + self.offset
