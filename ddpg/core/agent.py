"""DDPG (Lillicrap et al., 2016): the losses, one update and the compiled loop of updates."""

from typing import NamedTuple, Protocol

import numpy as np

from ddpg.core import adam
from ddpg.core.action_space import ActionSpace
from ddpg.core.networks import Params, actor, critic, init_params, list_layer_sizes
from ddpg.core.policy import Policy
from ddpg.core.replay import Batch, ReplayBuffer
from ddpg.core.tensorflow import defer_signals, tf


class Hyperparameters(Protocol):
    """The hyperparameters of an update."""

    hidden_sizes: tuple[int, ...]
    batch_size: int
    discount: float
    polyak: float
    pi_lr: float
    q_lr: float


class TrainState(NamedTuple):
    """Everything that an update changes."""

    actor_params: Params
    critic_params: Params
    target_actor_params: Params
    target_critic_params: Params
    actor_opt_state: adam.AdamState
    critic_opt_state: adam.AdamState


class UpdateMetrics(NamedTuple):
    """Metrics of updates, each computed before the gradient step that it belongs to.

    Of one update (`update_once`) they are tensors of shapes (B,), () and ().
    """

    q: np.ndarray  # (updates, B): Q(s, a) of the batch, before the critic's step
    loss_q: np.ndarray  # (updates,): the critic's loss, before its step
    loss_pi: np.ndarray  # (updates,): the actor's loss, before its step, with the updated critic


def td_target(next_q: tf.Tensor, batch: Batch, discount: float) -> tf.Tensor:
    """TD targets y = r + γ (1 - d) Q'(s', μ'(s')), (B,): no bootstrapping past terminal states."""
    return batch.reward + discount * (1 - batch.terminated) * next_q


def critic_loss(
    critic_params: Params, batch: Batch, target: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean of (Q(s, a) - y)² over the batch, shape (), and Q(s, a), (B,), for targets y (B,).

    ValueError unless both are (B,): (B, 1) minus (B,) would broadcast to (B, B) silently.
    """
    q = critic(critic_params, batch.obs, batch.action)
    if q.shape.rank != 1 or target.shape.rank != 1:
        raise ValueError(f"Q-values and TD targets are (B,), not {q.shape} and {target.shape}")
    q.shape.assert_is_compatible_with(target.shape)
    return tf.reduce_mean((q - target) ** 2), q


def actor_loss(
    actor_params: Params,
    critic_params: Params,
    obs: tf.Tensor,
    scale: np.ndarray,
    offset: np.ndarray,
) -> tf.Tensor:
    """Mean of -Q(s, μ(s)) over observations (B, obs_dim), shape ().

    The negative of its gradient with respect to `actor_params` estimates the deterministic policy
    gradient (equation 6 of the paper) from a batch. `scale` and `offset`, (act_dim,), map tanh to
    the action's bounds.
    """
    return -tf.reduce_mean(critic(critic_params, obs, actor(actor_params, obs, scale, offset)))


def soft_update(target_params: Params, params: Params, polyak: float) -> Params:
    """Polyak averaging: θ' ← ρ θ' + (1 - ρ) θ."""
    pairs = zip(target_params, params, strict=True)
    return [polyak * target + (1 - polyak) * param for target, param in pairs]


class DDPG:
    """An agent: its TrainState, and the compiled loop that updates it.

    `capacity` is the largest number of updates in one call of the compiled loop, which is compiled
    once for it. `rng` draws the initial weights, the actor's first. `batches`, arrays of shape
    (capacity, B, ...), are filled before each call by `ReplayBuffer.sample`.
    """

    def __init__(
        self,
        hyperparameters: Hyperparameters,
        obs_dim: int,
        action_space: ActionSpace,
        capacity: int,
        rng: np.random.Generator,
    ):
        self.hyperparameters = hyperparameters
        self.scale, self.offset = action_space.scale, action_space.offset
        act_dim = action_space.dim
        layer_sizes = list_layer_sizes(obs_dim, act_dim, hyperparameters.hidden_sizes)
        pi, q = ([tf.constant(p) for p in init_params(rng, sizes)] for sizes in layer_sizes)
        self.state = TrainState(pi, q, pi, q, adam.init(pi), adam.init(q))
        sizes = (capacity, hyperparameters.batch_size)
        self.batches = Batch(
            obs=np.zeros((*sizes, obs_dim), np.float32),
            action=np.zeros((*sizes, act_dim), np.float32),
            reward=np.zeros(sizes, np.float32),
            next_obs=np.zeros((*sizes, obs_dim), np.float32),
            terminated=np.zeros(sizes, np.float32),
        )

    def update_once(self, state: TrainState, batch: Batch) -> tuple[TrainState, UpdateMetrics]:
        """One update of critic, actor and targets, in this order, on a batch of B transitions."""
        hp, scale, offset = self.hyperparameters, self.scale, self.offset

        # Critic: regress Q(s, a) onto the TD target of the target networks, a constant here: it is
        # computed outside the tape.
        next_action = actor(state.target_actor_params, batch.next_obs, scale, offset)
        next_q = critic(state.target_critic_params, batch.next_obs, next_action)
        y = td_target(next_q, batch, hp.discount)
        with tf.GradientTape() as tape:
            tape.watch(state.critic_params)
            loss_q, q = critic_loss(state.critic_params, batch, y)
        grads = tape.gradient(loss_q, state.critic_params)
        critic_params, critic_opt_state = adam.update(
            state.critic_params, grads, state.critic_opt_state, hp.q_lr
        )

        # Actor: one gradient step on -Q(s, μ(s)), using the updated critic.
        with tf.GradientTape() as tape:
            tape.watch(state.actor_params)
            loss_pi = actor_loss(state.actor_params, critic_params, batch.obs, scale, offset)
        grads = tape.gradient(loss_pi, state.actor_params)
        actor_params, actor_opt_state = adam.update(
            state.actor_params, grads, state.actor_opt_state, hp.pi_lr
        )

        # Polyak-average the target networks.
        target_actor_params = soft_update(state.target_actor_params, actor_params, hp.polyak)
        target_critic_params = soft_update(state.target_critic_params, critic_params, hp.polyak)
        new_state = TrainState(
            actor_params, critic_params, target_actor_params, target_critic_params,
            actor_opt_state, critic_opt_state,
        )  # fmt: skip
        return new_state, UpdateMetrics(q, loss_q, loss_pi)

    def update(self, replay: ReplayBuffer, rng: np.random.Generator, updates: int) -> UpdateMetrics:
        """Make `updates` updates on batches sampled from `replay`; returns the metrics of each."""
        metrics = []
        while updates > 0:
            count = min(updates, len(self.batches.reward))
            replay.sample(rng, self.batches, count)
            with defer_signals():
                self.state, new = self._update_loop(tf.constant(count), self.state, self.batches)
            metrics.append([array.numpy()[:count] for array in new])
            updates -= count
        return UpdateMetrics(*map(np.concatenate, zip(*metrics, strict=True)))

    @tf.function(jit_compile=True, autograph=False)
    def _update_loop(
        self, count: tf.Tensor, state: TrainState, batches: Batch
    ) -> tuple[TrainState, UpdateMetrics]:
        """Update on the first `count` of `batches`, one after another, in one compiled loop."""
        capacity = batches.reward.shape[0]

        def body(i: tf.Tensor, state: TrainState, metrics: tuple) -> tuple:
            state, new = self.update_once(state, tf.nest.map_structure(lambda x: x[i], batches))
            written = [array.write(i, x) for array, x in zip(metrics, new, strict=True)]
            return i + 1, state, UpdateMetrics(*written)

        metrics = UpdateMetrics(
            *(tf.TensorArray(tf.float32, capacity) for _ in UpdateMetrics._fields)
        )
        _, state, metrics = tf.while_loop(lambda i, *_: i < count, body, (0, state, metrics))
        return state, UpdateMetrics(*(array.stack() for array in metrics))

    def policy(self) -> Policy:
        """A snapshot of the actor in NumPy."""
        params = [np.asarray(p) for p in self.state.actor_params]
        return Policy.from_params(params, self.scale, self.offset)

    def arrays(self) -> list[np.ndarray]:
        """The TrainState as a flat list of arrays, always in the same order, the actor first."""
        return [np.asarray(x) for x in tf.nest.flatten(self.state)]

    def restore(self, arrays: list[np.ndarray]) -> None:
        """Restore the TrainState from the output of `arrays()`."""
        tensors = [tf.constant(x) for x in arrays]
        self.state = tf.nest.pack_sequence_as(self.state, tensors)
