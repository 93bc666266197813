"""The actor as plain NumPy: it acts between updates, is tested, stored and shipped.

One call through TensorFlow costs about fifteen times a step of the environment; this one costs
less than the step.
"""

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np

from ddpg.errors import UserError


@dataclasses.dataclass(frozen=True)
class Policy:
    """A deterministic policy: observation -> action.

    `weights` and `biases` hold one array per layer, float32, of shape (inputs, outputs) and
    (outputs,). `scale` and `offset`, of shape (act_dim,), map tanh's (-1, 1) to the action bounds,
    each dimension to its own.
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    scale: np.ndarray
    offset: np.ndarray

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions (act_dim,) for an observation (obs_dim,), or (B, act_dim) for (B, obs_dim)."""
        *hidden, last = zip(self.weights, self.biases, strict=True)
        x = obs
        for weight, bias in hidden:
            x = np.maximum(x @ weight + bias, 0)
        weight, bias = last
        return self.scale * np.tanh(x @ weight + bias) + self.offset

    def to_bytes(self) -> bytes:
        """The policy as an .npz archive that `load` reads, the same bytes every time."""
        arrays = {"scale": self.scale, "offset": self.offset}
        arrays |= {f"weight_{i}": w for i, w in enumerate(self.weights)}
        arrays |= {f"bias_{i}": b for i, b in enumerate(self.biases)}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in arrays.items():
                with archive.open(_Member(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array)
        return buffer.getvalue()


class _Member(zipfile.ZipInfo):
    """A file in an .npz archive, with the header that Python 3.11.4 and later write.

    Earlier ones, as Debian 12's, write another, so that `np.savez` would not give the same bytes.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.create_version = self.extract_version = zipfile.ZIP64_VERSION

    def FileHeader(self, zip64=None) -> bytes:  # noqa: N802  (ZipFile calls it so)
        header = super().FileHeader(zip64)
        # The version, and instead of the two sizes that they are in the field for 64 bits.
        return (
            header[:4] + bytes([zipfile.ZIP64_VERSION]) + header[5:18] + b"\xff" * 8 + header[26:]
        )


def load(path: Path) -> Policy:
    """Read a policy that `Policy.to_bytes` gave; UserError if it is missing or something else."""
    try:
        with np.load(path) as archive:
            layers = sum(name.startswith("weight_") for name in archive)
            return Policy(
                weights=[archive[f"weight_{i}"] for i in range(layers)],
                biases=[archive[f"bias_{i}"] for i in range(layers)],
                scale=archive["scale"],
                offset=archive["offset"],
            )
    except FileNotFoundError:
        raise UserError(f"{path}: no such policy; a finished run leaves policy.npz") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a policy of this package ({error})") from None


def action_bounds(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(scale, offset), float32 of shape (act_dim,): scale * (-1, 1) + offset is (low, high)."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    return ((high - low) / 2).astype(np.float32), ((high + low) / 2).astype(np.float32)
