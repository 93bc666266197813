"""The bytes of a stored policy."""

from pathlib import Path

from ddpg import policy

PUBLISHED = Path("results/published/pendulum-demo/seed_0/policy.npz")


def test_every_python_stores_the_bytes_that_are_published():
    assert policy.load(PUBLISHED).to_bytes() == PUBLISHED.read_bytes()
