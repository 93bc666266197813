"""The bytes of policy.npz."""

from pathlib import Path

import numpy as np

from ddpg.runs.policy_file import load_policy, serialize_policy

PUBLISHED = Path("results/published/pendulum-demo/seed_0/policy.npz")


def test_policy_file_has_the_published_bytes_on_every_python():
    assert serialize_policy(load_policy(PUBLISHED)) == PUBLISHED.read_bytes()


def test_actions_are_computed_in_float32_for_observations_in_float64():
    """As the observations of MuJoCo's tasks are; training converts them."""
    policy = load_policy(PUBLISHED)
    obs = np.random.default_rng(0).standard_normal((100, 3))
    actions = policy(obs)
    assert actions.dtype == np.float32
    assert np.array_equal(actions, policy(obs.astype(np.float32)))
