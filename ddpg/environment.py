"""Make, check and step environments: one for training, several side by side for testing."""

import difflib
import warnings

import gymnasium as gym
import numpy as np

from ddpg.errors import UserError

# HalfCheetah's model file of Gymnasium uses an attribute that MuJoCo 4 calls deprecated. Nobody
# who runs this package can mend it, and MuJoCo would also leave a MUJOCO_LOG.TXT behind.
_MUJOCO_NOISE = "compiler attribute 'settotalmass' is deprecated"


def make(name: str, **options) -> gym.Env:
    """Make the Gymnasium environment `name` and check that DDPG can learn on it.

    Raises UserError unless it exists, observes a box of one dimension, and acts in a box of one
    dimension with finite bounds.
    """
    _quieten_mujoco()
    try:
        env = gym.make(name, disable_env_checker=True, **options)
    except gym.error.DependencyNotInstalled as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"environment {name!r} needs a package that is missing: {reason}") from None
    except (gym.error.Error, ModuleNotFoundError) as error:
        close = difflib.get_close_matches(name, gym.registry, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"no environment {name!r} ({reason}){hint}") from None
    _check_box(name, "observation", env.observation_space)
    _check_box(name, "action", env.action_space)
    if not env.action_space.is_bounded():
        raise UserError(
            f"environment {name!r}: its action bounds are infinite; DDPG's tanh policy needs "
            "finite ones (wrap it with gymnasium.wrappers.RescaleAction or choose another)"
        )
    return env


def longest_episode(env: gym.Env, max_ep_len: int) -> int:
    """Steps after which an episode is cut: `max_ep_len` or the environment's own limit."""
    limit = env.spec.max_episode_steps if env.spec else None
    return min(max_ep_len, limit) if limit else max_ep_len


class TestEpisodes:
    """The noise-free policy on several episodes that step together.

    Every episode has an environment of its own, and one forward pass of the policy serves all
    that still run.
    """

    __test__ = False  # pytest would collect it by its name

    def __init__(self, name: str, episodes: int, max_ep_len: int):
        self.envs = [make(name) for _ in range(episodes)]
        self.max_ep_len = longest_episode(self.envs[0], max_ep_len)

    def run(self, policy, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Play one episode in each environment, each reset with a seed drawn from `rng`.

        Returns (returns, lengths): float64 and int64 arrays of shape (episodes,); a return is
        the undiscounted sum of rewards.
        """
        seeds = draw_seeds(rng, len(self.envs))
        returns = np.zeros(len(self.envs))
        lengths = np.zeros(len(self.envs), np.int64)
        obs = np.stack([env.reset(seed=s)[0] for env, s in zip(self.envs, seeds, strict=True)])
        obs = obs.astype(np.float32)
        running = list(range(len(self.envs)))
        while running:
            for i, action in zip(list(running), policy(obs[running]), strict=True):
                obs[i], reward, terminated, truncated, _ = self.envs[i].step(action)
                returns[i] += reward
                lengths[i] += 1
                if terminated or truncated or lengths[i] == self.max_ep_len:
                    running.remove(i)
        return returns, lengths


def draw_seeds(rng: np.random.Generator, count: int) -> list[int]:
    """`count` seeds for environments' resets, of 31 bits each."""
    return [int(seed) for seed in rng.integers(2**31, size=count)]


def _check_box(name: str, kind: str, space: gym.Space) -> None:
    if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
        shape = f" of shape {space.shape}" if isinstance(space, gym.spaces.Box) else ""
        raise UserError(
            f"environment {name!r}: its {kind} space is {type(space).__name__}{shape}; DDPG here "
            "needs a Box of one dimension, as Pendulum-v1 and HalfCheetah-v5 have"
        )


def _quieten_mujoco() -> None:
    try:
        import mujoco
    except ModuleNotFoundError:  # Pendulum needs no MuJoCo
        return

    def report(message: str) -> None:
        if _MUJOCO_NOISE not in message:
            warnings.warn(f"MuJoCo: {message}", stacklevel=2)

    mujoco.set_mju_user_warning(report)
