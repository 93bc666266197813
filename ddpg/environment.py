"""Make environments, check that DDPG can learn on them, and report their errors in one line."""

import contextlib
import hashlib
import inspect
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from ddpg.core.action_space import ActionSpace
from ddpg.errors import EnvironmentFailed, UserError, get_first_line, suggest_spelling
from ddpg.files import hash_file

# HalfCheetah's model file in Gymnasium uses an attribute that MuJoCo 4 deprecates. Users of this
# package cannot change that file, and MuJoCo would also leave a MUJOCO_LOG.TXT behind.
_MUJOCO_WARNING = "compiler attribute 'settotalmass' is deprecated"


def make(name: str, **options: Any) -> gym.Env:
    """Make the Gymnasium environment `name`.

    Raises UserError unless it exists, `name` gives its version, its observation space is a numeric
    Box of shape (n,), and its action space is a floating-point Box of shape (n,) with finite bounds
    that float32 can hold. Raises EnvironmentFailed, a UserError, for any exception of its own code
    and for results outside its spaces, here or later in `reset`, `step`, `render` and `close`.
    """
    _import_mujoco()
    try:
        # Back to the working directory afterwards: environments may leave it to load their files,
        # and the paths of runs and policies are relative to it.
        with contextlib.chdir("."), warnings.catch_warnings():
            # A name without a version, which is refused below.
            warnings.filterwarnings("ignore", ".*Using the latest versioned environment")
            env = gym.make(name, disable_env_checker=True, **options)
    except gym.error.DependencyNotInstalled as error:
        reason = get_first_line(error)
        raise UserError(f"environment {name!r} needs a package that is missing: {reason}") from None
    except (gym.error.Error, ModuleNotFoundError) as error:
        module, _, own_name = name.rpartition(":")
        if own_name in gym.registry:
            raise _make_failure(name, "cannot be made", error) from error
        prefix = f"{module}:" if module else ""
        hint = suggest_spelling(name, [f"{prefix}{known}" for known in gym.registry])
        reason = get_first_line(error)
        if hint:  # in place of Gymnasium's own
            reason = reason.partition(" Did you mean")[0]
        raise UserError(f"no environment {name!r} ({reason.rstrip('.')}){hint}") from None
    except (Exception, SystemExit) as error:
        raise _make_failure(name, "cannot be made", error) from error
    if env.spec and env.spec.id != name.rpartition(":")[2]:
        chosen = f"{name[: name.rfind(':') + 1]}{env.spec.id}"
        raise UserError(f"environment {name!r}: no version, so it could change; write {chosen}")
    _check_observations(name, _get_space(name, env, "observation"))
    _check_actions(name, _get_space(name, env, "action"))
    return OneLineErrors(env, name)


def digest_code(env: gym.Env) -> str | None:
    """SHA-256 of the files with the code of an environment; None for one of Gymnasium's own.

    They are the files of its class, of that class's bases, of its wrappers, and of the function
    that makes it. The versions of the packages say which code Gymnasium's environments have. None,
    too, for code that is in no file, as in a notebook.
    """
    parts: list[Any] = []
    layer = env
    while layer is not env.unwrapped:
        parts += type(layer).__mro__
        layer = layer.env
    parts += type(layer).__mro__
    maker = env.spec and env.spec.entry_point
    parts.append(gym.envs.registration.load_env_creator(maker) if isinstance(maker, str) else maker)
    digests = sorted({hash_file(path) for part in parts if (path := _find_own_file(part))})
    if len(digests) < 2:
        return digests[0] if digests else None
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _find_own_file(part: Any) -> Path | None:
    """The file of a class or function that is not of Gymnasium, this package or Python itself."""
    package = getattr(part, "__module__", "").partition(".")[0]
    if package in {gym.__name__, "ddpg", *sys.stdlib_module_names}:
        return None
    try:
        path = inspect.getsourcefile(part)
    except TypeError:
        return None
    return Path(path) if path and Path(path).is_file() else None


# As a float64 of NumPy: with a number of Python's, NumPy compares float16 in float16, in which this
# is infinite.
LARGEST = np.float64(np.finfo(np.float32).max)


class OneLineErrors(gym.Wrapper):
    """Raises EnvironmentFailed, which names the environment, for any exception of its code.

    Also for observations and rewards that do not match the spaces or are not finite.
    """

    def __init__(self, env: gym.Env, name: str):
        super().__init__(env)
        self.name, self.shape = name, env.observation_space.shape

    def reset(self, **options: Any) -> tuple[np.ndarray, dict]:
        """Reset the environment."""
        try:
            with contextlib.chdir("."):  # as in `make`
                result = self.env.reset(**options)
            if not isinstance(result, tuple) or len(result) != 2:
                raise _WrongResult(f"{_shorten(result)} instead of (observation, info)")
            return self._check_obs(result[0]), result[1]
        except (Exception, SystemExit) as error:
            raise _make_failure(self.name, "failed in reset", error) from error

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Step the environment."""
        try:
            # A copy: some environments clip or scale their action in place, and the caller learns
            # from the array.
            obs, reward, terminated, truncated, info = self.env.step(action.copy())
            number = float(reward)
            if not abs(number) <= LARGEST:  # nor NaN
                raise _WrongResult(f"a reward of {number}, which is not a finite float32 number")
            return self._check_obs(obs), number, bool(terminated), bool(truncated), info
        except (Exception, SystemExit) as error:
            raise _make_failure(self.name, "failed in step", error) from error

    def render(self) -> Any:
        """Draw the environment."""
        try:
            return self.env.render()
        except (Exception, SystemExit) as error:
            raise _make_failure(self.name, "failed in render", error) from error

    def close(self) -> None:
        """Close the environment."""
        try:
            self.env.close()
        except (Exception, SystemExit) as error:
            raise _make_failure(self.name, "failed in close", error) from error

    def _check_obs(self, obs: Any) -> np.ndarray:
        array = np.asarray(obs)
        if array.shape != self.shape or not (np.abs(array) <= LARGEST).all():
            wanted = f"an observation of {self.shape[0]} finite float32 numbers"
            raise _WrongResult(f"{_shorten(obs)} instead of {wanted}")
        return array


class _WrongResult(Exception):
    """An environment returned a value outside its spaces."""


def _shorten(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _make_failure(name: str, what: str, error: BaseException) -> EnvironmentFailed:
    if isinstance(error, _WrongResult):
        return EnvironmentFailed(f"environment {name!r} {what}: it returned {error}")
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return EnvironmentFailed(
        f"environment {name!r} {what}: {type(error).__name__}: {get_first_line(error)} "
        f"({os.path.basename(frame.filename)}, line {frame.lineno})"  # noqa: PTH119
    )


def _get_space(name: str, env: gym.Env, kind: str) -> gym.Space:
    try:
        return getattr(env, f"{kind}_space")
    except AttributeError:
        raise UserError(
            f"environment {name!r}: it has no {kind} space; set self.{kind}_space in its __init__"
        ) from None


def _check_observations(name: str, space: gym.Space) -> None:
    _check_box(name, "observation", space)
    if not np.issubdtype(space.dtype, np.number) and space.dtype != bool:
        raise UserError(f"environment {name!r}: its observations are {space.dtype}, not numbers")


def _check_actions(name: str, space: gym.Space) -> None:
    _check_box(name, "action", space)
    if not np.issubdtype(space.dtype, np.floating):
        raise UserError(
            f"environment {name!r}: its actions are integers ({space.dtype}); DDPG needs "
            "continuous ones. Choose an environment whose action space is a Box of float32"
        )
    if not space.is_bounded():
        raise UserError(
            f"environment {name!r}: its action bounds are infinite; DDPG's tanh policy needs "
            "finite ones. Register it with a wrapper that bounds them, such as "
            "gymnasium.wrappers.TransformAction with a bounded Box, or choose another"
        )
    if max(np.abs(space.low).max(), np.abs(space.high).max()) > np.finfo(np.float32).max / 2:
        raise UserError(f"environment {name!r}: its action bounds are beyond float32")
    try:
        ActionSpace(space)
    except ValueError as error:
        raise UserError(f"environment {name!r}: {error}") from None


def _check_box(name: str, kind: str, space: gym.Space) -> None:
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1 or space.shape[0] == 0:
        shape = f" of shape {space.shape}" if isinstance(space, gym.spaces.Box) else ""
        raise UserError(
            f"environment {name!r}: its {kind} space is {type(space).__name__}{shape}; DDPG "
            "needs a Box of shape (n,), as Pendulum-v1 and HalfCheetah-v5 have"
        )


def _import_mujoco() -> None:
    """Import MuJoCo, if it is installed, without its renderer and its warning.

    MuJoCo loads a renderer on import, which may be missing on a machine that draws nothing.
    Gymnasium loads the renderer that MUJOCO_GL names when an environment first draws.
    """
    renderer = os.environ.get("MUJOCO_GL")
    os.environ["MUJOCO_GL"] = "disable"
    try:
        import mujoco
    except ImportError:  # Pendulum needs no MuJoCo
        return
    finally:
        del os.environ["MUJOCO_GL"]
        if renderer is not None:
            os.environ["MUJOCO_GL"] = renderer

    def report(message: str) -> None:
        if _MUJOCO_WARNING not in message:
            warnings.warn(f"MuJoCo: {message}", stacklevel=2)

    mujoco.set_mju_user_warning(report)
