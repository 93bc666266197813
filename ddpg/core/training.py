"""Training: the state of one run in memory, and the loop that changes it."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Protocol

import gymnasium as gym
import numpy as np

from ddpg.core.action_space import ActionSpace
from ddpg.core.agent import DDPG, Hyperparameters, UpdateMetrics
from ddpg.core.digests import StateDigest, digest_arrays, digest_streams, extend_digest
from ddpg.core.epoch import EpochResult, EpochStatistics
from ddpg.core.evaluation import MOST_AT_ONCE, evaluate_policy, get_time_limit
from ddpg.core.policy import Policy
from ddpg.core.replay import Batch, ReplayBuffer
from ddpg.core.snapshot import Snapshot
from ddpg.core.streams import draw_seeds, spawn_streams

# The most updates in one compiled call. More take several calls; fewer leave the rest of the
# arrays unused.
MAX_UPDATES_PER_CALL = 1000


class Experiment(Hyperparameters, Protocol):
    """The hyperparameters of training."""

    epochs: int
    steps_per_epoch: int
    start_steps: int
    update_after: int
    update_every: int | str
    replay_size: int
    act_noise: float
    max_ep_len: int
    num_test_episodes: int


class NonFinite(ArithmeticError):
    """A loss or a weight is NaN or infinite."""


class NotRestored(Exception):
    """The environment did not return to its state from the episode's seed and actions."""


@dataclasses.dataclass
class Episode:
    """The episode in progress: seed and actions to replay it, rewards to check the replay."""

    seed: int
    total: float = 0.0
    actions: list[np.ndarray] = dataclasses.field(default_factory=list)  # each (act_dim,)
    rewards: list[float] = dataclasses.field(default_factory=list)


class Training:
    """One run: agent, replay buffer, environments, random streams and statistics.

    `make_env` makes the environment; it is called once for training and once for each of the
    episodes that an evaluation plays together.
    """

    def __init__(self, experiment: Experiment, seed: int, make_env: Callable[[], gym.Env]):
        self.experiment = experiment
        self.streams = spawn_streams(seed)
        self.env = make_env()
        together = min(experiment.num_test_episodes, MOST_AT_ONCE)
        self.evaluation_envs = [make_env() for _ in range(together)]
        self.action_space = ActionSpace(self.env.action_space)
        obs_dim = self.env.observation_space.shape[0]
        # The environment's own time limit counts, not only max_ep_len.
        self.longest_episode = get_time_limit(self.env, experiment.max_ep_len)
        per_episode = experiment.update_every == "episode"
        # The most updates that can be due after one step.
        most_due = self.longest_episode if per_episode else experiment.update_every
        most_due = min(most_due, experiment.epochs * experiment.steps_per_epoch)
        self.replay = ReplayBuffer(experiment.replay_size, obs_dim, self.action_space.dim)
        self.agent = DDPG(
            experiment,
            obs_dim,
            self.action_space,
            capacity=min(most_due, MAX_UPDATES_PER_CALL),
            rng=self.streams["initial_weights"],
        )
        self.statistics = EpochStatistics(
            experiment.steps_per_epoch, max_updates=experiment.steps_per_epoch + most_due
        )
        self.steps = 0
        # StateDigest.replay after the last whole epoch, and the transitions added by then.
        self.replay_digest, self.replay_digested = "", 0
        self.episode: Episode | None = None
        self.begin_episode()

    def begin_episode(self) -> None:
        """Reset the environment with a new seed."""
        before = self.episode
        self.previous_episode = (before.seed, len(before.actions)) if before else None
        (seed,) = draw_seeds(self.streams["environment"], 1)
        self.episode = Episode(seed)
        self.obs = self._reset_env(seed)

    def random_action(self) -> np.ndarray:
        """An action drawn uniformly from the action space, float32 (act_dim,)."""
        return self.action_space.sample(self.streams["random_actions"])

    def noisy_action(self, policy: Policy) -> np.ndarray:
        """μ(s) + ε, ε ~ N(0, act_noise²), clipped into the action space; float32 (act_dim,).

        Noise is drawn in float64: NumPy's float32 normals call log1pf, which glibc 2.41 changed.
        """
        noise = self.streams["exploration"].standard_normal(self.action_space.dim)
        return self.action_space.clip(policy(self.obs) + self.experiment.act_noise * noise)

    def step(self, action: np.ndarray) -> bool:
        """Take one step and store the transition; returns whether the episode is over.

        Only `terminated` is stored. A time limit ends the episode, but is not a terminal state.
        """
        next_obs, reward, terminated, truncated = self._step_env(action)
        self.replay.add(self.obs, action, reward, next_obs, terminated)
        self.obs = next_obs
        self.episode.total += reward
        self.episode.actions.append(action)
        self.episode.rewards.append(reward)
        self.steps += 1
        return terminated or truncated or len(self.episode.actions) == self.longest_episode

    def count_due_updates(self, episode_over: bool) -> int:
        """How many updates follow the step just taken."""
        if self.steps < self.experiment.update_after:
            return 0
        if self.experiment.update_every == "episode":
            return len(self.episode.actions) if episode_over else 0
        return self.experiment.update_every if self.steps % self.experiment.update_every == 0 else 0

    def digest(self) -> StateDigest:
        """Digest the state. Call it exactly once per epoch, at its end: the replay digest is
        chained over calls.
        """
        new = min(self.replay.added - self.replay_digested, len(self.replay))
        self.replay_digest = extend_digest(self.replay_digest, self.replay.last(new))
        self.replay_digested = self.replay.added
        episode = self.episode
        total = np.array([episode.seed, len(episode.actions), episode.total])
        return StateDigest(
            agent=digest_arrays(self.agent.arrays()),
            random_streams=digest_streams(self.streams),
            replay=self.replay_digest,
            environment=digest_arrays([self.obs, total]),
        )

    def snapshot(self) -> Snapshot:
        """The state, for `restore`."""
        episode = self.episode
        return Snapshot(
            steps=self.steps,
            streams={name: rng.bit_generator.state for name, rng in self.streams.items()},
            agent=self.agent.arrays(),
            episode_seed=episode.seed,
            episode_return=episode.total,
            episode_actions=np.array(episode.actions, np.float32).reshape(
                len(episode.actions), self.action_space.dim
            ),
            episode_rewards=np.array(episode.rewards),
            obs=self.obs,
            statistics_episodes=self.statistics.episodes.copy(),
            statistics_updates=self.statistics.updates.copy(),
            replay_digest=self.replay_digest,
            replay_digested=self.replay_digested,
            previous_episode=self.previous_episode,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the state from a snapshot; the replay buffer has been restored already.

        The state of an environment cannot be copied in general. So the episode in progress is
        replayed from its seed with its actions. The previous episode is replayed first, to detect
        state that `reset(seed=...)` does not reset. NotRestored if an observation, a reward or the
        end of an episode differs.
        """
        for name, rng in self.streams.items():
            rng.bit_generator.state = snapshot.streams[name]
        self.steps = snapshot.steps
        self.agent.restore(snapshot.agent)
        self.statistics.restore(snapshot.statistics_episodes, snapshot.statistics_updates)
        self.replay_digest = snapshot.replay_digest
        self.replay_digested = snapshot.replay_digested
        self.episode = Episode(
            snapshot.episode_seed,
            snapshot.episode_return,
            list(snapshot.episode_actions),
            snapshot.episode_rewards.tolist(),
        )
        self.previous_episode = snapshot.previous_episode
        if self.previous_episode:
            self._check_episode(*self.previous_episode)
        self.obs = self._reset_env(self.episode.seed)
        for i, action in enumerate(self.episode.actions):
            self.obs, reward, terminated, truncated = self._step_env(action)
            if reward != self.episode.rewards[i]:
                raise NotRestored(
                    f"the reward of step {i + 1} of the episode is {reward!r} instead of "
                    f"{self.episode.rewards[i]!r}"
                )
            if terminated or truncated:
                raise NotRestored(f"the episode ends at step {i + 1}; it did not end there before")
        if self.obs.tobytes() != snapshot.obs.tobytes():
            raise NotRestored("the observation is not the one that was saved")

    def _check_episode(self, seed: int, steps: int) -> None:
        """Replay the previous episode and compare it with its transitions in the replay buffer.

        NotRestored if they differ. Skipped if the buffer no longer holds the whole episode.
        """
        newer = len(self.episode.actions)
        if steps + newer > len(self.replay):
            return
        stored = Batch(*(array[:steps] for array in self.replay.last(steps + newer)))
        obs = self._reset_env(seed)
        for i in range(steps):
            next_obs, reward, terminated, truncated = self._step_env(stored.action[i])
            here = Batch(obs, stored.action[i], np.float32(reward), next_obs, terminated)
            for name, played, before in zip(Batch._fields, here, stored, strict=True):
                if not np.array_equal(played, before[i], equal_nan=True):
                    raise NotRestored(f"{name} of step {i + 1} of the previous episode differs")
            over = terminated or truncated or i + 1 == self.longest_episode
            if over != (i + 1 == steps):
                raise NotRestored(f"the previous episode does not end at step {steps}")
            obs = next_obs

    def _reset_env(self, seed: int) -> np.ndarray:
        """Reset the environment; returns the observation, float32 (obs_dim,)."""
        return self.env.reset(seed=seed)[0].astype(np.float32)

    def _step_env(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        """Step the environment; returns (next_obs, reward, terminated, truncated)."""
        result = self.env.step(self.action_space.for_env(action))
        next_obs, reward, terminated, truncated, _ = result
        return next_obs.astype(np.float32), float(reward), terminated, truncated


def train_epochs(
    training: Training, epochs: int, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[EpochResult]:
    """Train until the end of epoch `epochs`, or until `should_stop()`; yields after each epoch.

    NonFinite if a loss or a weight of the actor is no longer finite.
    """
    experiment = training.experiment
    policy = training.agent.policy()
    while training.steps < epochs * experiment.steps_per_epoch and not should_stop():
        explore = training.steps < experiment.start_steps
        action = training.random_action() if explore else training.noisy_action(policy)
        episode_over = training.step(action)

        if updates := training.count_due_updates(episode_over):
            metrics = training.agent.update(training.replay, training.streams["replay"], updates)
            policy = training.agent.policy()
            _check_finite(metrics, policy)
            training.statistics.add_updates(metrics)

        if episode_over:
            training.statistics.add_episode(training.episode.total, len(training.episode.actions))
            training.begin_episode()

        if training.steps % experiment.steps_per_epoch == 0:
            epoch = training.steps // experiment.steps_per_epoch
            returns, lengths = evaluate_policy(
                policy,
                training.evaluation_envs,
                experiment.num_test_episodes,
                experiment.max_ep_len,
                training.streams["evaluation"],
            )
            row = training.statistics.finish(epoch, training.steps, returns, lengths)
            yield EpochResult(row, returns, lengths, training.digest())


def _check_finite(metrics: UpdateMetrics, policy: Policy) -> None:
    finite = np.isfinite(metrics.loss_q) & np.isfinite(metrics.loss_pi)
    if not finite.all():
        update = int(np.argmin(finite)) + 1
        raise NonFinite(f"a loss is no longer finite in update {update} of {len(finite)}")
    # An action that is NaN may crash the environment.
    check_weights([*policy.weights, *policy.biases])


def check_weights(arrays: list[np.ndarray]) -> None:
    """NonFinite if a weight is NaN or infinite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise NonFinite("a weight is no longer finite")
