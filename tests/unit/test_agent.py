"""One update compared with a manual float64 derivation, and common mistakes in DDPG code."""

import dataclasses

import gymnasium as gym
import numpy as np
import pytest
from helpers.read_experiment import read_experiment

from ddpg.core import agent
from ddpg.core.action_space import ActionSpace
from ddpg.core.networks import critic
from ddpg.core.replay import Batch, ReplayBuffer
from ddpg.core.tensorflow import tf

OBS_DIM, ACT_DIM, BATCH = 5, 3, 8
LOW, HIGH = np.array([-1.0, -2.0, 0.0]), np.array([1.0, 4.0, 0.5])


@pytest.fixture(scope="module")
def experiment():
    settings = read_experiment("pendulum-demo")
    return dataclasses.replace(
        settings, hidden_sizes=(16, 12), batch_size=BATCH, polyak=0.9, pi_lr=0.01, q_lr=0.02
    )


def make_agent(experiment, act_dim=ACT_DIM):
    rng = np.random.default_rng(0)
    box = gym.spaces.Box(LOW[:act_dim], HIGH[:act_dim], dtype=np.float64)
    return agent.DDPG(experiment, OBS_DIM, ActionSpace(box), capacity=10, rng=rng)


def make_batch(seed=1, act_dim=ACT_DIM):
    rng = np.random.default_rng(seed)
    shapes = ((BATCH, OBS_DIM), (BATCH, act_dim), (BATCH,), (BATCH, OBS_DIM))
    batch = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    return Batch(*batch, terminated=(np.arange(BATCH) % 3 == 0).astype(np.float32))


def filled_replay(act_dim=ACT_DIM):
    replay = ReplayBuffer(100, OBS_DIM, act_dim)
    batch = make_batch(act_dim=act_dim)
    for i in range(BATCH):
        replay.add(*(array[i] for array in batch))
    return replay


# A network in float64 without TensorFlow: the output, and the gradients by backpropagation.


def forward(parameters, x):
    inputs = []
    for i in range(0, len(parameters), 2):
        inputs.append(x)
        x = x @ parameters[i] + parameters[i + 1]
        if i < len(parameters) - 2:
            x = np.maximum(x, 0)
    return x, inputs


def backward(parameters, inputs, grad):
    gradients = []
    for i in reversed(range(0, len(parameters), 2)):
        x = inputs[i // 2]
        gradients = [x.T @ grad, grad.sum(0), *gradients]
        grad = grad @ parameters[i].T
        if i:
            grad = grad * (x > 0)
    return gradients, grad


class NumpyAdam:
    def __init__(self, parameters):
        self.t = 0
        self.m = [np.zeros_like(p) for p in parameters]
        self.v = [np.zeros_like(p) for p in parameters]

    def step(self, parameters, gradients, lr):
        self.t += 1
        self.m = [0.9 * m + 0.1 * g for m, g in zip(self.m, gradients, strict=True)]
        self.v = [0.999 * v + 0.001 * g * g for v, g in zip(self.v, gradients, strict=True)]
        lr = lr * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        return [
            p - lr * m / (np.sqrt(v) + 1e-8)
            for p, m, v in zip(parameters, self.m, self.v, strict=True)
        ]


def test_updates_equal_a_float64_derivation(experiment):
    ddpg = make_agent(experiment)
    scale, offset = (HIGH - LOW) / 2, (HIGH + LOW) / 2
    pi, q = ([np.asarray(w, np.float64) for w in net] for net in ddpg.state[:2])
    pi_target, q_target = list(pi), list(q)
    pi_adam, q_adam = NumpyAdam(pi), NumpyAdam(q)
    state = ddpg.state
    update = tf.function(ddpg.update_once, jit_compile=True)

    for seed in range(1, 4):
        batch = make_batch(seed)
        state, metrics = update(state, Batch(*map(tf.constant, batch)))
        obs, act, reward, next_obs, terminated = (np.asarray(x, np.float64) for x in batch)

        # Critic: the gradient of mean (q - y)^2 with the TD target y.
        next_act = scale * np.tanh(forward(pi_target, next_obs)[0]) + offset
        next_q = forward(q_target, np.hstack([next_obs, next_act]))[0][:, 0]
        td_target = reward + experiment.discount * (1 - terminated) * next_q
        values, inputs = forward(q, np.hstack([obs, act]))
        error = values[:, 0] - td_target
        gradients, _ = backward(q, inputs, (2 * error / BATCH)[:, None])
        q = q_adam.step(q, gradients, experiment.q_lr)

        # Actor: the gradient of -mean Q(s, a), a = scale tanh(x) + offset, with the updated critic.
        x, pi_inputs = forward(pi, obs)
        values_of_pi, q_inputs = forward(q, np.hstack([obs, scale * np.tanh(x) + offset]))
        _, grad = backward(q, q_inputs, np.full((BATCH, 1), -1 / BATCH))
        grad = grad[:, OBS_DIM:] * scale * (1 - np.tanh(x) ** 2)
        gradients, _ = backward(pi, pi_inputs, grad)
        pi = pi_adam.step(pi, gradients, experiment.pi_lr)

        # Polyak-average the target networks.
        pi_target = [0.9 * t + 0.1 * w for t, w in zip(pi_target, pi, strict=True)]
        q_target = [0.9 * t + 0.1 * w for t, w in zip(q_target, q, strict=True)]

        np.testing.assert_allclose(metrics.q, values[:, 0], atol=1e-5)
        np.testing.assert_allclose(metrics.loss_q, np.mean(error**2), rtol=1e-5)
        np.testing.assert_allclose(metrics.loss_pi, -values_of_pi.mean(), atol=1e-5)
        for ours, theirs in zip(state[:4], (pi, q, pi_target, q_target), strict=True):
            for weight, expected in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(weight, expected, atol=1e-5)


def test_target_networks_start_equal_to_the_networks(experiment):
    state = make_agent(experiment).state
    for network, target in (
        (state.actor_params, state.target_actor_params),
        (state.critic_params, state.target_critic_params),
    ):
        assert len(network) == len(target) == 6
        for weight, target_weight in zip(network, target, strict=True):
            np.testing.assert_array_equal(weight, target_weight)


def test_target_networks_are_polyak_averaged_in_every_layer(experiment):
    ddpg = make_agent(experiment)
    before = ddpg.state
    ddpg.update(filled_replay(), np.random.default_rng(0), 1)
    for network, target in (
        ("actor_params", "target_actor_params"),
        ("critic_params", "target_critic_params"),
    ):
        new = getattr(ddpg.state, network)
        old_target, new_target = getattr(before, target), getattr(ddpg.state, target)
        for weight, old, moved in zip(new, old_target, new_target, strict=True):
            assert not np.array_equal(weight, old), "every layer's weights and biases learn"
            expected = 0.9 * np.asarray(old, np.float64) + 0.1 * np.asarray(weight, np.float64)
            np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("act_dim", [1, 3])
def test_q_values_are_vectors(experiment, act_dim):
    ddpg = make_agent(experiment, act_dim=act_dim)
    batch = make_batch(act_dim=act_dim)
    assert critic(ddpg.state.critic_params, batch.obs, batch.action).shape == (BATCH,)
    metrics = ddpg.update(filled_replay(act_dim), np.random.default_rng(0), 3)
    assert metrics.q.shape == (3, BATCH)
    assert metrics.loss_q.shape == metrics.loss_pi.shape == (3,)


def test_td_targets_of_shape_b_by_1_are_refused(experiment):
    ddpg, batch = make_agent(experiment), make_batch()
    loss, q = agent.critic_loss(ddpg.state.critic_params, batch, tf.zeros(BATCH))
    assert (loss.shape, q.shape) == ((), (BATCH,))
    with pytest.raises(ValueError, match=r"TD targets are \(B,\)"):
        agent.critic_loss(ddpg.state.critic_params, batch, tf.zeros((BATCH, 1)))


def test_td_targets_do_not_bootstrap_past_terminal_states():
    batch = make_batch()
    y = agent.td_target(np.full(BATCH, 10, np.float32), batch, discount=0.9)
    np.testing.assert_allclose(y, batch.reward + np.where(batch.terminated, 0, 9), rtol=1e-6)


def test_one_call_of_many_updates_equals_many_calls(experiment):
    """Also if the updates exceed the capacity of a call (10), and if the loop is padded."""
    one, several = make_agent(experiment), make_agent(experiment)
    rng_one, rng_several = np.random.default_rng(5), np.random.default_rng(5)
    replay = filled_replay()
    metrics_of_one = one.update(replay, rng_one, 23)
    metrics_of_several = [several.update(replay, rng_several, n) for n in (10, 10, 3)]
    for a, b in zip(one.arrays(), several.arrays(), strict=True):
        np.testing.assert_array_equal(a, b)
    for i, metric in enumerate(metrics_of_one):
        np.testing.assert_array_equal(metric, np.concatenate([m[i] for m in metrics_of_several]))


def test_the_numpy_policy_equals_the_actor(experiment):
    ddpg = make_agent(experiment)
    ddpg.update(filled_replay(), np.random.default_rng(0), 5)
    obs = make_batch().obs
    expected = agent.actor(ddpg.state.actor_params, obs, ddpg.scale, ddpg.offset)
    np.testing.assert_allclose(ddpg.policy()(obs), expected, atol=1e-5)
    assert ddpg.policy()(obs[0]).shape == (ACT_DIM,)


def test_a_saturated_policy_reaches_the_bounds_of_each_dimension(experiment):
    policy = make_agent(experiment).policy()
    far = [np.full_like(policy.biases[-1], big) for big in (-1e3, 1e3)]
    for bias, bound in zip(far, (LOW, HIGH), strict=True):
        saturated = dataclasses.replace(policy, biases=[*policy.biases[:-1], bias])
        np.testing.assert_allclose(saturated(make_batch().obs), np.tile(bound, (BATCH, 1)))
