"""The training loop on real environments: what it stores and logs, and that it learns."""

import csv

import numpy as np
import pytest
from helpers.read_experiment import read_experiment

from ddpg.core.streams import spawn_streams
from ddpg.training import make_training, train


def small(name="pendulum-demo", **overrides):
    settings = {"hidden_sizes": [16], "replay_size": 5000, "num_test_episodes": 2}
    return read_experiment(name, **settings, **overrides)


def read(directory):
    with open(directory / "progress.txt") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [{key: float(value) for key, value in row.items()} for row in rows]


class Count:
    """Counts the updates and episodes in a run's statistics, by epoch."""

    def __init__(self, monkeypatch):
        self.epochs = [[0, []]]
        from ddpg.core.epoch import EpochStatistics

        add_updates, add_episode = EpochStatistics.add_updates, EpochStatistics.add_episode
        finish = EpochStatistics.finish

        def count_updates(statistics, metrics):
            self.epochs[-1][0] += len(metrics.loss_q)
            add_updates(statistics, metrics)

        def count_episode(statistics, episode_return, length):
            self.epochs[-1][1].append(length)
            add_episode(statistics, episode_return, length)

        def count_epoch(statistics, *arguments):
            self.epochs.append([0, []])
            return finish(statistics, *arguments)

        monkeypatch.setattr(EpochStatistics, "add_updates", count_updates)
        monkeypatch.setattr(EpochStatistics, "add_episode", count_episode)
        monkeypatch.setattr(EpochStatistics, "finish", count_epoch)


@pytest.mark.parametrize("length", [150, 350])
def test_episodes_across_an_epoch_boundary_count_once(tmp_path, monkeypatch, length):
    count = Count(monkeypatch)
    train(
        small("halfcheetah-benchmark", epochs=3, steps_per_epoch=5000, max_ep_len=length,
              start_steps=20000, batch_size=4),
        0, tmp_path,
    )  # fmt: skip
    total, episodes_before = 15000, 0
    for epoch, (updates, lengths) in enumerate(count.epochs[:-1], start=1):
        episodes = epoch * 5000 // length
        assert lengths == [length] * (episodes - episodes_before)
        assert updates == length * len(lengths)
        episodes_before = episodes
    assert sum(updates for updates, _ in count.epochs) == total // length * length
    assert [row["EpLen"] for row in read(tmp_path)] == [length] * 3
    assert [row["TotalEnvInteracts"] for row in read(tmp_path)] == [5000, 10000, 15000]


def test_statistics_cover_the_updates_of_their_epoch(tmp_path, monkeypatch):
    """The row must equal statistics computed from the metrics of the epoch's updates."""
    from ddpg.core.agent import DDPG

    reports, update = [], DDPG.update
    monkeypatch.setattr(DDPG, "update", lambda *a: reports.append(update(*a)) or reports[-1])
    train(small(epochs=1, steps_per_epoch=600, start_steps=100), 0, tmp_path)
    (row,) = read(tmp_path)
    q = np.concatenate([r.q for r in reports]).astype(float)
    losses = [np.concatenate([getattr(r, n) for r in reports]) for n in ("loss_q", "loss_pi")]
    assert q.shape == (600, 100)
    expected = [q.mean(), q.std(), q.max(), q.min(), losses[0].mean(), losses[1].mean()]
    names = ["AverageQVals", "StdQVals", "MaxQVals", "MinQVals", "LossQ", "LossPi"]
    np.testing.assert_allclose([row[name] for name in names], expected, rtol=1e-5)
    with open(tmp_path / "test_episodes.csv") as file:
        returns = [float(episode["return"]) for episode in csv.DictReader(file)]
    tested = [row[f"{name}TestEpRet"] for name in ("Average", "Std", "Max", "Min")]
    expected = [np.mean(returns), np.std(returns), max(returns), min(returns)]
    np.testing.assert_allclose(tested, expected, rtol=1e-8)


def test_statistics_without_data_are_nan(tmp_path):
    train(small(epochs=2, steps_per_epoch=150), 0, tmp_path)
    first, second = read(tmp_path)
    assert np.isnan([first["AverageEpRet"], first["LossQ"]]).all()
    assert np.isfinite([second["AverageEpRet"], second["LossQ"], first["AverageTestEpRet"]]).all()


def run_steps(run, steps):
    for _ in range(steps):
        if run.step(run.random_action()):
            run.begin_episode()


def test_a_time_limit_is_stored_as_not_terminal():
    run = make_training(small(), 0)
    run_steps(run, 450)  # reaches Pendulum's own time limit of 200 steps twice
    assert not run.replay.data.terminated[:450].any()
    ends = run.replay.data.next_obs[[199, 399]]
    assert (ends != run.replay.data.obs[[200, 400]]).all(axis=1).all(), "episodes must end there"


def test_a_terminal_state_is_stored_as_terminal():
    run = make_training(small(env="LunarLanderContinuous-v3", max_ep_len=1000), 0)
    run_steps(run, 500)
    crashes = np.flatnonzero(run.replay.data.terminated[:500])
    assert len(crashes) >= 2
    assert (run.replay.data.reward[crashes] == -100).all()


def test_one_action_dimension_keeps_the_observations_shape():
    """Random and policy actions of Pendulum: (1,), with observations (3,) before and after."""
    run = make_training(small(), 0)
    for action in (run.random_action(), run.noisy_action(run.agent.policy())):
        assert (action.shape, action.dtype) == ((1,), np.float32)
        run.step(action)
        assert (run.obs.shape, run.obs.dtype) == ((3,), np.float32)


def test_noise_is_clipped_to_the_bounds_of_each_dimension():
    run = make_training(small("halfcheetah-benchmark", act_noise=1e9), 0)
    actions = np.array([run.noisy_action(run.agent.policy()) for _ in range(50)])
    assert set(np.abs(actions).ravel().tolist()) == {1.0}


def test_random_streams_are_independent():
    drawn, untouched = spawn_streams(7), spawn_streams(7)
    drawn["exploration"].standard_normal(1000)
    for name in set(drawn) - {"exploration"}:
        assert drawn[name].integers(2**62) == untouched[name].integers(2**62)
    first = {rng.integers(2**62) for rng in spawn_streams(7).values()}
    assert len(first) == 6


@pytest.mark.parametrize("name", ["LunarLanderContinuous-v3", "MountainCarContinuous-v0"])
@pytest.mark.parametrize("update_every", ["episode", 50])
def test_environments_that_failed_in_2019_train(tmp_path, name, update_every):
    settings = small(
        env=name, epochs=3, steps_per_epoch=1200, start_steps=400, update_every=update_every
    )
    assert train(settings, 0, tmp_path).steps == 3600
    assert np.isfinite([row["LossQ"] for row in read(tmp_path)]).all()


@pytest.mark.parametrize("seed", [0, 10, 20])
def test_pendulum_learns(tmp_path, seed):
    train(read_experiment("pendulum-demo", epochs=3), seed, tmp_path)
    assert read(tmp_path)[-1]["AverageTestEpRet"] > -250
