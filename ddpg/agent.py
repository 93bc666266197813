"""DDPG (Lillicrap et al., 2016): the networks, their targets, and one update, on one screen."""

from typing import NamedTuple

import numpy as np

from ddpg import adam
from ddpg.networks import actor, critic, glorot_uniform
from ddpg.policy import Policy, action_bounds
from ddpg.replay import Batch
from ddpg.tensorflow import tf


class State(NamedTuple):
    """Everything that an update changes. Each network is a list of weights and biases."""

    actor: list
    critic: list
    target_actor: list
    target_critic: list
    actor_adam: adam.Adam
    critic_adam: adam.Adam


class Metrics(NamedTuple):
    """What updates report, one row each, before they change the networks."""

    q: np.ndarray  # (updates, B): the critic's values of its batch
    loss_q: np.ndarray  # (updates,): mean squared Bellman error
    loss_pi: np.ndarray  # (updates,): minus the mean value of the actor's actions


class DDPG:
    """An agent: its state, and the compiled loop that updates it.

    `low`, `high`: the action bounds, of shape (act_dim,). `capacity`: the most updates of one
    compiled call, for which the loop is compiled once.
    """

    def __init__(self, experiment, obs_dim, low, high, capacity, rng: np.random.Generator):
        self.discount, self.polyak = experiment.discount, experiment.polyak
        self.pi_lr, self.q_lr = experiment.pi_lr, experiment.q_lr
        self.scale, self.offset = action_bounds(low, high)
        hidden, act_dim = list(experiment.hidden_sizes), len(self.scale)
        pi = tf.nest.map_structure(tf.constant, glorot_uniform(rng, [obs_dim, *hidden, act_dim]))
        q = tf.nest.map_structure(tf.constant, glorot_uniform(rng, [obs_dim + act_dim, *hidden, 1]))
        self.state = State(pi, q, pi, q, adam.start(pi), adam.start(q))
        sizes = (capacity, experiment.batch_size)
        self.batches = Batch(
            obs=np.zeros((*sizes, obs_dim), np.float32),
            action=np.zeros((*sizes, act_dim), np.float32),
            reward=np.zeros(sizes, np.float32),
            next_obs=np.zeros((*sizes, obs_dim), np.float32),
            terminated=np.zeros(sizes, np.float32),
        )

    def one_update(self, state: State, batch: Batch) -> tuple[State, Metrics]:
        """One step of critic, actor and targets, in this order, on a batch of B transitions."""
        # The critic towards r + discount * Q'(s', mu'(s')), which ends where the episode did.
        next_action = actor(state.target_actor, batch.next_obs, self.scale, self.offset)
        next_q = critic(state.target_critic, batch.next_obs, next_action)
        backup = batch.reward + self.discount * (1 - batch.terminated) * next_q
        with tf.GradientTape() as tape:
            tape.watch(state.critic)
            q = critic(state.critic, batch.obs, batch.action)
            loss_q = mean_squared_error(q, backup)
        gradients = tape.gradient(loss_q, state.critic)
        new_critic, critic_adam = adam.descend(
            state.critic, gradients, state.critic_adam, self.q_lr
        )

        # The actor uphill on the critic just updated.
        with tf.GradientTape() as tape:
            tape.watch(state.actor)
            action = actor(state.actor, batch.obs, self.scale, self.offset)
            loss_pi = -tf.reduce_mean(critic(new_critic, batch.obs, action))
        gradients = tape.gradient(loss_pi, state.actor)
        new_actor, actor_adam = adam.descend(state.actor, gradients, state.actor_adam, self.pi_lr)

        # The targets a little of the way.
        target_actor = self.follow(state.target_actor, new_actor)
        target_critic = self.follow(state.target_critic, new_critic)
        new = State(new_actor, new_critic, target_actor, target_critic, actor_adam, critic_adam)
        return new, Metrics(q, loss_q, loss_pi)

    def follow(self, target, network):
        """The target's weights moved by 1 - polyak of the way to the network's."""
        pairs = zip(target, network, strict=True)
        return [self.polyak * t + (1 - self.polyak) * w for t, w in pairs]

    def update(self, replay, rng: np.random.Generator, updates: int) -> Metrics:
        """Make `updates` updates on batches sampled from `replay`, and report each."""
        reports = []
        while updates > 0:
            count = min(updates, len(self.batches.reward))
            replay.sample(rng, self.batches, count)
            self.state, metrics = self._updates(tf.constant(count), self.state, self.batches)
            reports.append([m.numpy()[:count] for m in metrics])
            updates -= count
        return Metrics(*map(np.concatenate, zip(*reports, strict=True)))

    @tf.function(jit_compile=True, autograph=False)
    def _updates(self, count, state, batches):
        """The first `count` of `batches`, one after another, in one compiled loop."""
        capacity = batches.reward.shape[0]

        def step(i, state, metrics):
            state, new = self.one_update(state, tf.nest.map_structure(lambda x: x[i], batches))
            return (
                i + 1,
                state,
                Metrics(*(m.write(i, x) for m, x in zip(metrics, new, strict=True))),
            )

        metrics = Metrics(*(tf.TensorArray(tf.float32, capacity) for _ in Metrics._fields))
        _, state, metrics = tf.while_loop(lambda i, *_: i < count, step, (0, state, metrics))
        return state, Metrics(*(m.stack() for m in metrics))

    def policy(self) -> Policy:
        """A snapshot of the actor in NumPy."""
        weights = [np.asarray(w) for w in self.state.actor]
        return Policy(weights[::2], weights[1::2], self.scale, self.offset)

    def arrays(self) -> list[np.ndarray]:
        """The state as a flat list of float32 arrays, always in the same order."""
        return [np.asarray(x) for x in tf.nest.flatten(self.state)]

    def restore(self, arrays: list[np.ndarray]) -> None:
        """Set the state to what `arrays` gave."""
        tensors = [tf.constant(x) for x in arrays]
        self.state = tf.nest.pack_sequence_as(self.state, tensors)


def mean_squared_error(q, backup):
    """The mean of (q - backup)**2, both of shape (B,): a (B, 1) would broadcast in silence."""
    if q.shape.rank != 1 or backup.shape.rank != 1:
        raise ValueError(f"Q-values and backups have shape (B,), not {q.shape} and {backup.shape}")
    q.shape.assert_is_compatible_with(backup.shape)
    return tf.reduce_mean((q - backup) ** 2)
