"""Action bounds, scaling and rounding: agent, buffer and environment use the same values."""

import gymnasium as gym
import numpy as np


class ActionSpace:
    """A bounded box of actions (act_dim,), for a tanh policy.

    The agent computes in float32, the environment may declare another type. Actions are rounded to
    values that both types represent exactly and that lie inside the box, so the action which is
    stored and learned from is the one that was taken.

    `scale` and `offset`, float32 (act_dim,), map tanh's [-1, 1] into the box, each dimension to its
    own bounds. ValueError if no number of both types lies between the bounds of a dimension.
    """

    def __init__(self, box: gym.spaces.Box):
        self.dtype = box.dtype
        self.exact_type = np.float16 if box.dtype == np.float16 else np.float32
        self.box_low, self.box_high = box.low, box.high
        self.low = _round_inward(box.low, self.exact_type, np.inf)
        self.high = _round_inward(box.high, self.exact_type, -np.inf)
        if (self.low > self.high).any():
            raise ValueError(f"no {self.exact_type.__name__} lies between the bounds {box}")
        self.scale, self.offset = compute_scale_and_offset(box.low, box.high)

    @property
    def dim(self) -> int:
        """act_dim."""
        return len(self.low)

    def clip(self, action: np.ndarray) -> np.ndarray:
        """Actions (..., act_dim) rounded and clipped into the box, float32."""
        rounded = action.astype(self.exact_type)
        clipped = np.minimum(np.maximum(rounded, self.low), self.high)
        return clipped.astype(np.float32, copy=False)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """An action drawn uniformly from the box, float32 (act_dim,)."""
        return self.clip(rng.uniform(self.box_low, self.box_high))

    def for_env(self, action: np.ndarray) -> np.ndarray:
        """The same numbers in the environment's type."""
        return action.astype(self.dtype, copy=False)


def compute_scale_and_offset(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(scale, offset), float32 (act_dim,), such that offset ± scale are the bounds.

    Where rounding would put a bound outside the box, `scale` is the next smaller float32 that does
    not: rounding is monotonic, so that scale * tanh(x) + offset never leaves [low, high].
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    offset = ((high + low) / 2).astype(np.float32)
    offset = np.minimum(np.maximum(offset, _round_inward(low, np.float32, np.inf)),
                        _round_inward(high, np.float32, -np.inf))  # fmt: skip
    scale = ((high - low) / 2).astype(np.float32)
    while (outside := (offset + scale > high) | (offset - scale < low)).any():
        scale = np.where(outside, np.nextafter(scale, np.float32(-1)), scale)
    return scale, offset


def _round_inward(bound: np.ndarray, dtype: type, inward: float) -> np.ndarray:
    """The number of type `dtype` that is nearest to `bound`, not beyond it."""
    rounded = np.asarray(bound, np.float64).astype(dtype)
    beyond = rounded < bound if inward > 0 else rounded > bound
    return np.where(beyond, np.nextafter(rounded, dtype(inward)), rounded)
