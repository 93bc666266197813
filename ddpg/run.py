"""One run: everything that training changes, built from an experiment and a seed."""

from pathlib import Path

import numpy as np

from ddpg import environment
from ddpg.agent import DDPG
from ddpg.errors import UserError
from ddpg.logger import Logger
from ddpg.memory import refuse_beyond_memory
from ddpg.replay import ReplayBuffer, bytes_needed

# Each purpose draws from a stream of its own, so that a change to one never shifts another.
# New purposes go to the end: a stream is known by its place.
PURPOSES = "initial_weights environment random_actions exploration replay evaluation".split()

# The most updates in one compiled call. Longer trajectories take several, shorter ones pad.
MOST_UPDATES_A_CALL = 1000


class Run:
    """The agent, its replay buffer, its environments, its random streams and its logger."""

    def __init__(self, experiment, seed: int, directory: Path):
        self.experiment, self.seed = experiment, seed
        self.rng = streams(seed)
        self.env = environment.make(experiment.env)
        self.tests = environment.TestEpisodes(
            experiment.env, experiment.num_test_episodes, experiment.max_ep_len
        )
        space = self.env.action_space
        obs_dim, act_dim = self.env.observation_space.shape[0], space.shape[0]
        self.longest = environment.longest_episode(self.env, experiment.max_ep_len)
        per_episode = experiment.update_every == "episode"
        burst = self.longest if per_episode else experiment.update_every
        size = experiment.replay_size
        needed = bytes_needed(size, obs_dim, act_dim)
        refuse_beyond_memory(needed, "replay_size", f"{size:,} transitions")
        self.replay = ReplayBuffer(size, obs_dim, act_dim)
        self.agent = DDPG(
            experiment,
            obs_dim,
            space.low,
            space.high,
            capacity=min(burst, experiment.total_steps, MOST_UPDATES_A_CALL),
            rng=self.rng["initial_weights"],
        )
        most_updates = experiment.steps_per_epoch + min(burst, experiment.total_steps)
        self.logger = Logger(
            directory, experiment.name, seed, experiment.steps_per_epoch, most_updates
        )
        self.steps = 0
        self.seconds = 0.0
        self.begin_episode()

    def begin_episode(self) -> None:
        """Reset the environment with a new seed and forget the episode before."""
        (self.episode_seed,) = environment.draw_seeds(self.rng["environment"], 1)
        self.episode_return = 0.0
        self.episode_actions: list[np.ndarray] = []
        obs, _ = self.env.reset(seed=self.episode_seed)
        self.obs = obs.astype(np.float32)

    def random_action(self) -> np.ndarray:
        """An action drawn uniformly from the action space, float32 of shape (act_dim,)."""
        space = self.env.action_space
        return self.rng["random_actions"].uniform(space.low, space.high).astype(np.float32)

    def noisy_action(self, policy) -> np.ndarray:
        """The policy's action plus Gaussian noise, within the bounds; float32, (act_dim,)."""
        space = self.env.action_space
        noise = self.rng["exploration"].standard_normal(space.shape[0], dtype=np.float32)
        action = policy(self.obs) + np.float32(self.experiment.act_noise) * noise
        return np.minimum(np.maximum(action, space.low), space.high)

    def step(self, action: np.ndarray) -> bool:
        """Take one step and store its transition; True where the episode is over."""
        obs, reward, terminated, truncated, _ = self.env.step(action)
        obs = obs.astype(np.float32)
        self.replay.add(self.obs, action, reward, obs, terminated)
        self.obs = obs
        self.episode_return += float(reward)
        self.episode_actions.append(action)
        self.steps += 1
        return terminated or truncated or len(self.episode_actions) == self.longest

    def updates_due(self, episode_over: bool) -> int:
        """How many updates follow the step just taken."""
        if self.steps < self.experiment.update_after:
            return 0
        if self.experiment.update_every == "episode":
            return len(self.episode_actions) if episode_over else 0
        return self.experiment.update_every if self.steps % self.experiment.update_every == 0 else 0

    def snapshot(self) -> tuple[dict, dict[str, np.ndarray]]:
        """The state but for the replay buffer: (JSON values, arrays)."""
        about = {
            "steps": self.steps,
            "seconds": self.seconds,
            "episode_seed": self.episode_seed,
            "episode_return": self.episode_return,
            "rng": {name: rng.bit_generator.state for name, rng in self.rng.items()},
        }
        arrays = {f"agent_{i}": array for i, array in enumerate(self.agent.arrays())}
        arrays |= {f"logger_{name}": array for name, array in self.logger.snapshot().items()}
        arrays["obs"] = self.obs
        arrays["episode_actions"] = np.array(self.episode_actions, np.float32)
        return about, arrays

    def restore(self, about: dict, arrays: dict[str, np.ndarray]) -> None:
        """Go back to what `snapshot` gave; the replay buffer is the checkpoint's part.

        An environment's inner state cannot be copied in general. So the episode is played again
        from its seed with the actions it saw, and must arrive at the same observation.
        """
        self.steps, self.seconds = about["steps"], about["seconds"]
        self.episode_seed = about["episode_seed"]
        self.episode_return = about["episode_return"]
        self.episode_actions = list(arrays["episode_actions"])
        obs, _ = self.env.reset(seed=self.episode_seed)
        for action in self.episode_actions:
            obs, *_ = self.env.step(action)
        self.obs = obs.astype(np.float32)
        if self.obs.tobytes() != arrays["obs"].tobytes():
            raise UserError(
                f"environment {self.experiment.env!r} did not come to the same state from the same "
                "seed and actions: the run cannot be resumed exactly; start it anew with --restart"
            )
        for name, rng in self.rng.items():
            rng.bit_generator.state = about["rng"][name]
        parts = len(self.agent.arrays())
        self.agent.restore([arrays[f"agent_{i}"] for i in range(parts)])
        logged = {
            k.removeprefix("logger_"): v for k, v in arrays.items() if k.startswith("logger_")
        }
        self.logger.restore(logged)


def streams(seed: int) -> dict[str, np.random.Generator]:
    """One independent random stream for each purpose, all from `seed`."""
    children = np.random.SeedSequence(seed).spawn(len(PURPOSES))
    return {name: np.random.default_rng(s) for name, s in zip(PURPOSES, children, strict=True)}
