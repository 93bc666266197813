"""Provenance of a run: code, versions, machine. Written to run.json, checked when resuming."""

import ast
import ctypes
import hashlib
import json
import logging
import os
import platform
import resource
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from ddpg import kernels
from ddpg.config import Experiment
from ddpg.core import ARITHMETIC_VERSION
from ddpg.errors import UserError
from ddpg.files import hash_file
from ddpg.runs.record import Identity, Image, Machine, Processor, Revision
from ddpg.runs.typed_json import from_json

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).parent.parent

# Packages whose versions must be equal for equal bytes. The others are only recorded.
EXACT_PACKAGES = "gymnasium mujoco numpy tensorflow".split()
OTHER_PACKAGES = "keras box2d scipy pandas matplotlib snakemake".split()

# Environment variables that can change bytes, besides those that `ddpg.kernels` sets.
KERNEL_VARIABLES = "TF_XLA_FLAGS NVIDIA_TF32_OVERRIDE GLIBC_TUNABLES".split()
# The flags of a processor by which libraries choose kernels.
VECTOR_FLAGS = (
    "sse4_1 sse4_2 avx f16c fma avx2 avx512f avx512dq avx512bw avx512vl avx512_vnni avx512_bf16 "
    "avx512_fp16 avx_vnni amx_tile amx_bf16"
).split()
# Variables that redirect git to another repository, its files or its objects.
GIT_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CEILING_DIRECTORIES GIT_COMMON_DIR GIT_CONFIG "
    "GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS GIT_DIR GIT_GRAFT_FILE GIT_IMPLICIT_WORK_TREE "
    "GIT_INDEX_FILE GIT_INTERNAL_SUPER_PREFIX GIT_NAMESPACE GIT_NO_REPLACE_OBJECTS "
    "GIT_OBJECT_DIRECTORY GIT_PREFIX GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE GIT_WORK_TREE"
).split()


def make_identity(
    experiment: Experiment, seed: int, platform: str, environment_code: str | None = None
) -> Identity:
    """The identity of a run: what two runs must share to have the same bytes.

    `environment_code` is `environment.digest_code` of its environment.
    """
    return Identity(
        experiment=experiment.name,
        seed=seed,
        config=experiment.hyperparameters(),
        packages=find_versions(EXACT_PACKAGES),
        arithmetic_version=ARITHMETIC_VERSION,
        platform=platform,
        variables=read_kernel_variables(),
        environment_code=environment_code,
    )


def digest_core() -> str:
    """SHA-256 of the code of `ddpg.core`, without comments, docstrings and layout.

    For information: what decides whether bytes are equal is ARITHMETIC_VERSION. Equal code has
    another digest from Python 3.13 on, whose `ast.dump` leaves out empty lists.
    """
    digest = hashlib.sha256()
    for path in sorted((PACKAGE / "core").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
                node, clean=False
            ):
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def describe_machine() -> Machine:
    """This machine, the installed versions and the environment variables."""
    return Machine(
        cpu=read_processor(),
        gpu=tuple(find_gpus()),
        threads=1,
        platform=platform.platform(),
        python=platform.python_version(),
        packages=find_versions(EXACT_PACKAGES + OTHER_PACKAGES),
        variables=read_kernel_variables(),
        git=read_revision(),
        image=read_image(),
    )


def read_kernel_variables() -> dict[str, str]:
    """Environment variables of the user that can change bytes, including XLA flags."""
    found = {name: os.environ[name] for name in KERNEL_VARIABLES if name in os.environ}
    if flags := kernels.list_user_xla_flags():
        found["XLA_FLAGS"] = " ".join(flags)
    return found


def read_image() -> Image | None:
    """The container image of this Python, as its build recorded it; None outside an image.

    The file is beside the interpreter, where no mount or variable can replace it. `id` is a digest
    of the image's contents: the image file itself is not visible inside a container. Raises
    UserError for a file that this package did not write.
    """
    note = Path(sys.prefix, "image.json")
    if not note.exists():
        return None
    try:
        return from_json(Image, json.loads(note.read_text()))
    except ValueError as error:
        raise UserError(f"{note}: {error}; build the image again with `make image`") from None


def check_image() -> None:
    """UserError in an image whose packages are not those that these sources pin.

    Does nothing outside an image. Skips the check of packages if the sources have no lock files.
    Warns if the image is for a GPU and there is no driver.
    """
    built = read_image()
    if built is None:
        return
    lock = PACKAGE.parent / "containers/locks" / f"{built.variant}.txt"
    if lock.exists() and hash_file(lock) != built.lock:
        target = "image" if built.variant == "cpu" else f"image-{built.variant}"
        raise UserError(
            f"the image (revision {built.revision[:12]}) was built from a different "
            f"{lock.relative_to(PACKAGE.parent)}; build it again with `make {target}`"
        )
    if built.variant == "gpu" and not has_nvidia_driver():
        log.warning(
            "the GPU image, but no NVIDIA driver: TensorFlow will use the CPU. Where `nvidia-smi` "
            "shows a GPU, give Apptainer --nv or Docker --gpus all"
        )


def has_nvidia_driver() -> bool:
    """Whether NVIDIA's driver library can be loaded, as TensorFlow loads it."""
    try:
        ctypes.CDLL("libcuda.so.1")
        return True
    except OSError:
        return False


def find_versions(packages: list[str]) -> dict[str, str]:
    """The installed versions of packages; those not installed are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def read_processor() -> Processor:
    """The processor's name, type and instruction sets (Linux).

    Processors of one type run the same kernels: its vendor, family, model and stepping, and the
    vector instructions that it (or a virtual machine) lets programs see.
    """
    fields = kernels.read_processor_fields()
    kind = [fields.get(k, "?") for k in ("vendor_id", "cpu family", "model", "stepping")]
    flags = sorted(fields.get("flags", "").split())
    return Processor(
        model=fields.get("model name", platform.processor()),
        type=" ".join(["-".join(kind), *(flag for flag in VECTOR_FLAGS if flag in flags)]),
        flags=tuple(flags),
    )


def find_gpus() -> list[str]:
    """The names of the GPUs that TensorFlow would use; empty without TensorFlow loaded."""
    if "tensorflow" not in sys.modules:
        return []
    config = sys.modules["tensorflow"].config
    devices = config.list_physical_devices("GPU")
    return [config.experimental.get_device_details(d).get("device_name", d.name) for d in devices]


def read_revision() -> Revision | None:
    """The revision of the sources and whether they have changes.

    None if the sources are not the root of a git repository, as in an image, or if that
    repository does not track them. None with a warning if the revision cannot be determined.
    """
    root = PACKAGE.parent
    if not (root / ".git").exists():  # a directory, or a file in a worktree or a submodule
        return None

    def ask(*command: str) -> str:
        # Reads only, so it may trust a repository of another owner. The caller's variables, which
        # git sets for its hooks, would name another repository.
        others = {key: value for key, value in os.environ.items() if key not in GIT_VARIABLES}
        options = ("--no-optional-locks", "-c", "safe.directory=*", "-C", str(root))
        answer = subprocess.run(
            ["git", *options, *command], capture_output=True, check=True, env=others
        )
        return os.fsdecode(answer.stdout.rstrip(b"\n"))

    try:
        if not root.samefile(ask("rev-parse", "--show-toplevel")):
            raise OSError(f"{root / '.git'} is not a repository")
        if not ask("ls-files", f"{PACKAGE.name}/__init__.py"):
            return None
        # A new file outside the package, such as a configuration of the user's, changes no code.
        changed = ask("status", "--porcelain", "--untracked-files=no")
        changed += ask("status", "--porcelain", "--", PACKAGE.name)
        return Revision(ask("rev-parse", "HEAD"), dirty=bool(changed))
    except FileNotFoundError:
        reason = "git is not installed"
    except subprocess.CalledProcessError as error:
        reason = (os.fsdecode(error.stderr).splitlines() or ["git failed"])[0]
    except OSError as error:
        reason = str(error)
    log.warning("the revision of the sources is not recorded: %s", reason)
    return None


def measure_peak_memory() -> int:
    """The largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
