"""The replay buffer: a ring buffer that is sampled uniformly."""

import numpy as np
import pytest

from ddpg.core.replay import Batch, ReplayBuffer, compute_replay_bytes

OBS_DIM, ACT_DIM = 3, 2


def filled(size: int, transitions: int) -> ReplayBuffer:
    """A buffer with `transitions` added; all numbers in transition i follow from i."""
    buffer = ReplayBuffer(size, OBS_DIM, ACT_DIM)
    for i in range(transitions):
        buffer.add(
            np.full(OBS_DIM, i), np.full(ACT_DIM, -i), 0.5 * i, np.full(OBS_DIM, i + 1), i % 2
        )
    return buffer


def empty_batches(capacity: int, batch_size: int) -> Batch:
    sizes = (capacity, batch_size)
    shapes = ((*sizes, OBS_DIM), (*sizes, ACT_DIM), sizes, (*sizes, OBS_DIM), sizes)
    return Batch(*(np.full(shape, np.nan, np.float32) for shape in shapes))


@pytest.mark.parametrize(
    ("added", "kept"), [(0, []), (3, [0, 1, 2]), (5, range(5)), (8, range(3, 8))]
)
def test_the_newest_transitions_are_kept(added, kept):
    buffer = filled(5, added)

    assert len(buffer) == len(kept)
    newest = buffer.last(len(kept))
    np.testing.assert_array_equal(newest.obs[:, 0], kept)
    np.testing.assert_array_equal(newest.reward, 0.5 * np.array(kept))


def test_sampled_rows_are_whole_transitions():
    batches = empty_batches(capacity=4, batch_size=50)

    filled(7, 10).sample(np.random.default_rng(0), batches, updates=4)

    i = batches.obs[..., 0]
    assert set(i.ravel()) == set(range(3, 10))
    np.testing.assert_array_equal(batches.obs, np.repeat(i[..., None], OBS_DIM, axis=-1))
    np.testing.assert_array_equal(batches.action, np.repeat(-i[..., None], ACT_DIM, axis=-1))
    np.testing.assert_array_equal(batches.next_obs, np.repeat(i[..., None] + 1, OBS_DIM, axis=-1))
    np.testing.assert_array_equal(batches.reward, 0.5 * i)
    np.testing.assert_array_equal(batches.terminated, i % 2)


def test_only_added_transitions_are_sampled():
    batches = empty_batches(capacity=1, batch_size=200)

    filled(1000, 3).sample(np.random.default_rng(0), batches, updates=1)

    assert set(batches.obs[..., 0].ravel()) == {0, 1, 2}


def test_sampling_is_uniform_with_replacement():
    batches = empty_batches(capacity=1, batch_size=100_000)

    filled(10, 10).sample(np.random.default_rng(0), batches, updates=1)

    counts = np.bincount(batches.obs[0, :, 0].astype(int), minlength=10)
    # Five standard deviations of a binomial count with n = 100,000 and p = 1 / 10.
    assert abs(counts - 10_000).max() < 5 * np.sqrt(100_000 * 0.1 * 0.9)


def test_sampling_fills_only_the_requested_batches():
    batches = empty_batches(capacity=5, batch_size=4)

    filled(10, 10).sample(np.random.default_rng(0), batches, updates=2)

    for array in batches:
        assert np.isfinite(array[:2]).all()
        assert np.isnan(array[2:]).all()


def test_equal_generators_sample_equal_batches():
    first, second = empty_batches(2, 8), empty_batches(2, 8)
    buffer = filled(10, 10)

    buffer.sample(np.random.default_rng(3), first, updates=2)
    buffer.sample(np.random.default_rng(3), second, updates=2)

    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("added", [3, 8])
def test_last_transitions_can_be_restored(added):
    original = filled(5, added)
    count = len(original)
    restored = ReplayBuffer(5, OBS_DIM, ACT_DIM)

    restored.restore(added - count, original.last(count))

    assert restored.added == original.added
    for a, b in zip(original.data, restored.data, strict=True):
        np.testing.assert_array_equal(a, b)


def test_last_returns_copies():
    buffer = filled(5, 5)

    buffer.last(5).obs[:] = 99

    assert buffer.data.obs.max() < 99


def test_buffer_uses_the_stated_memory():
    buffer = ReplayBuffer(100, OBS_DIM, ACT_DIM)

    assert sum(array.nbytes for array in buffer.data) == compute_replay_bytes(100, OBS_DIM, ACT_DIM)
    assert {array.dtype for array in buffer.data} == {np.dtype(np.float32)}
