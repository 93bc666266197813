"""Film an episode of a trained policy."""

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from threadpoolctl import threadpool_limits

from ddpg import environment
from ddpg.core.action_space import ActionSpace
from ddpg.core.evaluation import get_time_limit
from ddpg.errors import EnvironmentFailed, UserError, get_first_line
from ddpg.evaluation import Trained
from ddpg.files import write_atomically
from ddpg.memory import refuse_beyond_memory

# The widest film in pixels: a mistyped number would take all memory.
WIDEST = 4096


def film_episode(
    trained: Trained, output: Path, seed: int, width: int | None, seconds: float
) -> float:
    """Film one episode as `output` (.gif or .mp4), at most `seconds` long; returns its return.

    Frames are scaled to `width` pixels where that is given. Rendering is off-screen.
    """
    if output.suffix not in (".gif", ".mp4"):
        raise UserError(f"{output}: --output must end in .gif or .mp4")
    # Both renderers open a window unless these are set before they are imported.
    os.environ.setdefault("MUJOCO_GL", "egl")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    from PIL import Image

    with _explain_renderer(trained.env):  # it may fail where the environment is made, too
        env = environment.make(trained.env, render_mode="rgb_array")
        follow_body(env)
    obs, _ = env.reset(seed=seed)
    with _explain_renderer(trained.env):
        first = _draw_frame(env, trained.env)
    size = _compute_size(first, width) if width else (first.shape[1], first.shape[0])
    rate = _get_rate(env, trained.env)
    longest = get_time_limit(env, trained.max_ep_len)
    most = math.ceil(min(seconds * rate, longest + 1))
    key = "--width" if width else "--seconds"
    # Encoding copies them.
    refuse_beyond_memory(2 * most * size[0] * size[1] * 3, key, f"{most:,} frames")

    def scale(frame: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(frame).resize(size)) if width else frame

    actions = ActionSpace(env.action_space)
    frames, total, over = [scale(first)], 0.0, False
    with threadpool_limits(1):  # BLAS rounds by the number of threads
        while not over and len(frames) < seconds * rate:
            action = actions.clip(trained.policy(obs.astype(np.float32)))
            obs, reward, terminated, truncated, _ = env.step(actions.for_env(action))
            total += float(reward)
            frames.append(scale(_draw_frame(env, trained.env, first.shape)))  # first: of the reset
            over = terminated or truncated or len(frames) > longest
    env.close()
    film = _encode(frames, rate, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(output, film)
    return total


def _encode(frames: list[np.ndarray], rate: float, output: Path) -> bytes:
    """The content of the film `output`, at `rate` frames per second.

    UserError if it cannot be read again: ffmpeg does not report that the disk of its temporary
    files is full.
    """
    import imageio.v3 as iio

    options: dict[str, dict[str, Any]] = {
        ".gif": {"duration": 1000 / rate, "loop": 0},
        ".mp4": {"fps": rate, "codec": "libx264", "macro_block_size": 2},  # H.264 takes even sizes
    }
    film: bytes = iio.imwrite("<bytes>", frames, extension=output.suffix, **options[output.suffix])
    try:
        iio.imread(film, index=0, extension=output.suffix)
    except Exception as error:
        raise UserError(
            f"{output}: could not be encoded ({get_first_line(error)}); is the disk of "
            f"{tempfile.gettempdir()} full?"
        ) from None
    return film


def _draw_frame(env: gym.Env, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """A frame (height, width, 3) of the environment, of that `shape` if it is given."""
    frame = env.render()
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.shape[2:] != (3,):
        is_array = isinstance(frame, np.ndarray)
        found = f"{frame.dtype} {frame.shape}" if is_array else type(frame).__name__
        raise UserError(
            f"environment {name!r} cannot be filmed: its render returned {found} instead of an "
            "array (height, width, 3) of uint8; implement the render mode rgb_array"
        )
    if shape not in (None, frame.shape):
        raise UserError(
            f"environment {name!r} cannot be filmed: its frames change from {shape} to "
            f"{frame.shape}; draw all of one size"
        )
    return frame


def _get_rate(env: gym.Env, name: str) -> float:
    """Frames per second."""
    rate = env.metadata.get("render_fps", 30)
    if not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise UserError(
            f"environment {name!r} cannot be filmed: render_fps in its metadata is {rate!r}, not a "
            "number above 0"
        )
    return rate


def _compute_size(frame: np.ndarray, width: int) -> tuple[int, int]:
    """(width, height) of a frame scaled to `width` pixels; the height is even, as H.264 needs it.

    UserError if nothing is left of the height, and beyond WIDEST.
    """
    if width > WIDEST:
        raise UserError(f"--width {width}: give at most {WIDEST:,} pixels")
    height = round(width * frame.shape[0] / frame.shape[1]) // 2 * 2
    if height == 0:
        raise UserError(
            f"--width {width}: the film would be less than 2 pixels high; give a larger one (the "
            f"environment draws {frame.shape[1]})"
        )
    return width, height


@contextlib.contextmanager
def _explain_renderer(env: str) -> Iterator[None]:
    """Turn any exception but other UserErrors into one about the renderer.

    MuJoCo and OpenGL raise whatever their loaders raise.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) and not isinstance(error, EnvironmentFailed):
            raise
        raise UserError(
            f"no off-screen renderer for {env} ({get_first_line(error)}); set MUJOCO_GL=egl "
            "(Debian: libegl1 libgl1) or MUJOCO_GL=osmesa (libosmesa6)"
        ) from None


def follow_body(env: gym.Env) -> None:
    """Film with the camera of a MuJoCo model that follows its body, where it has one.

    Gymnasium 1.4 uses a fixed camera, and a cheetah runs out of its view.
    """
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    if renderer is not None:
        import mujoco

        camera = mujoco.mjtObj.mjOBJ_CAMERA
        renderer.camera_id = mujoco.mj_name2id(env.unwrapped.model, camera, "track")
