"""policy.npz: a policy on the disk."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ddpg.core.policy import Policy
from ddpg.errors import UserError
from ddpg.files import load_arrays


def serialize_policy(policy: Policy) -> bytes:
    """The policy as an .npz archive that `load_policy` reads, the same bytes every time."""
    arrays = {"scale": policy.scale, "offset": policy.offset}
    arrays |= {f"weight_{i}": w for i, w in enumerate(policy.weights)}
    arrays |= {f"bias_{i}": b for i, b in enumerate(policy.biases)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(_Member(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)
    return buffer.getvalue()


class _Member(zipfile.ZipInfo):
    """A file in an .npz archive, with the header that Python 3.11.4 and later write.

    Earlier versions, such as Debian 12's, write a different header, so `np.savez` would not give
    the same bytes.
    """

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.create_version = self.extract_version = zipfile.ZIP64_VERSION

    def FileHeader(self, zip64: bool | None = None) -> bytes:  # noqa: N802  (named by ZipFile)
        header = super().FileHeader(zip64)
        # Version needed to extract; 0xFFFFFFFF for both sizes, which are in the ZIP64 extra field.
        return (
            header[:4] + bytes([zipfile.ZIP64_VERSION]) + header[5:18] + b"\xff" * 8 + header[26:]
        )


def load_policy(path: Path) -> Policy:
    """Read a policy that `serialize_policy` wrote; UserError if it is missing or something else."""
    try:
        arrays = load_arrays(path)
        for name, array in arrays.items():
            if array.dtype != np.float32:
                raise ValueError(f"the array {name} is of {array.dtype}, not of float32")
        layers = sum(name.startswith("weight_") for name in arrays)
        return Policy(
            weights=[arrays[f"weight_{i}"] for i in range(layers)],
            biases=[arrays[f"bias_{i}"] for i in range(layers)],
            scale=arrays["scale"],
            offset=arrays["offset"],
        )
    except FileNotFoundError:
        raise UserError(f"{path}: no such policy; a finished run leaves policy.npz") from None
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: not a policy of this package ({error})") from None
