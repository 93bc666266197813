"""The bytes of policy.npz."""

from pathlib import Path

from ddpg.runs.policy_file import load_policy, policy_to_bytes

PUBLISHED = Path("results/published/pendulum-demo/seed_0/policy.npz")


def test_every_python_version_writes_the_published_bytes():
    assert policy_to_bytes(load_policy(PUBLISHED)) == PUBLISHED.read_bytes()
