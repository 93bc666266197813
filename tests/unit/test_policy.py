"""The bytes of policy.npz."""

from pathlib import Path

from ddpg.runs.policy_file import load_policy, serialize_policy

PUBLISHED = Path("results/published/pendulum-demo/seed_0/policy.npz")


def test_policy_file_has_the_published_bytes_on_every_python():
    assert serialize_policy(load_policy(PUBLISHED)) == PUBLISHED.read_bytes()
