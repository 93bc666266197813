"""Which policy of a run is evaluated and filmed, and what is refused in one line."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import PendulumEnv
from gymnasium.envs.registration import EnvSpec
from helpers.checkout import ROOT
from helpers.read_experiment import WITHOUT_UPDATES, read_experiment
from helpers.stop_training import train_one_epoch
from threadpoolctl import threadpool_limits

from ddpg import environment
from ddpg.core.policy import Policy
from ddpg.errors import UserError
from ddpg.evaluation import Trained, evaluate_trained, load_trained
from ddpg.filming import film_episode
from ddpg.runs.directory import RunDirectory
from ddpg.runs.policy_file import serialize_policy


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was killed after its first epoch, without updates."""
    settings = WITHOUT_UPDATES | {"hidden_sizes": [4, 5]}
    directory = tmp_path_factory.mktemp("stopped") / "run"
    train_one_epoch(read_experiment("pendulum-demo", **settings), directory)
    return directory


@pytest.mark.parametrize("env", [None, "Pendulum-v1"])
@pytest.mark.parametrize("has_config", [True, False])
def test_policy_of_a_stopped_run_is_that_of_its_checkpoint(stopped, tmp_path, env, has_config):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/checkpoint").symlink_to(stopped / "checkpoint")
    if has_config:  # one that was edited since
        (tmp_path / "run/config.json").write_text('{"hidden_sizes": [4], "max_ep_len": 1}')
    trained = load_trained(tmp_path / "run", env)
    assert [weight.shape for weight in trained.policy.weights] == [(3, 4), (4, 5), (5, 1)]
    assert (trained.env, trained.max_ep_len) == ("Pendulum-v1", 15)


@pytest.mark.parametrize("env", [None, "Pendulum-v1"])
@pytest.mark.parametrize("source", ["seed_9", "seed_9/policy.npz", "runs"])
def test_path_without_a_policy_is_refused(tmp_path, env, source):
    (tmp_path / "runs/seed_0").mkdir(parents=True)
    what = "not a run's directory; give one, " if source == "runs" else "no such file"
    with pytest.raises(UserError, match=f"^{tmp_path / source}: {what}"):
        load_trained(tmp_path / source, env)


@pytest.mark.parametrize(
    ("kwargs", "limit"), [({"max_episode_steps": 1600}, 1600), ({}, 1000)], ids=["own", "none"]
)
def test_without_a_configuration_the_environment_limits_the_episodes(tmp_path, kwargs, limit):
    name = f"Limited{limit}-v0"
    gym.register(name, "gymnasium.envs.classic_control:PendulumEnv", **kwargs)
    zeros = np.zeros((3, 1), np.float32)
    policy = Policy([zeros], [zeros[0]], np.float32([2]), np.float32([0]))
    (tmp_path / "policy.npz").write_bytes(serialize_policy(policy))
    trained = load_trained(tmp_path / "policy.npz", name)
    assert trained.max_ep_len == limit
    assert evaluate_trained(trained, episodes=1, seed=0).lengths.tolist() == [limit]


@pytest.mark.parametrize(("torque", "saturation"), [(1.97, 0), (1.99, 1), (-1.99, 1)])
def test_saturation_is_the_share_of_actions_near_a_bound(torque, saturation):
    bias = np.float32([np.arctanh(torque / 2)])
    policy = Policy([np.zeros((3, 1), np.float32)], [bias], np.float32([2]), np.float32([0]))
    found = evaluate_trained(Trained(policy, "Pendulum-v1", 20), episodes=2, seed=0)
    assert (found.saturation, found.lengths.tolist()) == (saturation, [20, 20])


def test_a_checkpoint_keeps_the_action_bounds_of_its_own_environment(stopped, monkeypatch):
    """As policy.npz does, once the run has finished."""

    class Weak(PendulumEnv):
        def __init__(self, render_mode=None):
            super().__init__(render_mode)
            self.action_space = gym.spaces.Box(-1, 1, (1,))

    monkeypatch.setitem(gym.registry, "Weak-v0", EnvSpec("Weak-v0", Weak))
    assert load_trained(stopped, "Weak-v0").policy.scale == load_trained(stopped).policy.scale == 2


@pytest.mark.parametrize("has_config", [True, False])
@pytest.mark.parametrize("env", [None, "Pendulum-v1"])
def test_a_damaged_checkpoint_is_named(tmp_path, has_config, env):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/state_0000001000").write_bytes(b"")
    if has_config:
        (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no checkpoint there can be read: they are damaged, or of"):
        load_trained(tmp_path, env)


def test_a_run_of_which_only_the_copy_is_left_is_named(tmp_path):
    (tmp_path / ".results").mkdir()
    (tmp_path / ".results/run.json").write_text("{}")
    restored = "the `train` command of its run restores it from .results"
    with pytest.raises(UserError, match=f"^{tmp_path}: holds no policy.npz; {restored}$"):
        load_trained(tmp_path)
    with pytest.raises(UserError, match=f"^{tmp_path}/run.json: no such file; {restored}$"):
        RunDirectory(tmp_path).read_record()


def test_an_episode_depends_neither_on_others_nor_on_the_number_of_threads():
    """BLAS rounds a row of a product by the number of rows and threads, and returns show that."""
    trained = load_trained(ROOT / "results/published/halfcheetah-benchmark/seed_0")
    trained = trained._replace(max_ep_len=200)
    found = []
    for threads, episodes in ((1, 3), (1, 20), (2, 20)):
        with threadpool_limits(threads):
            found.append(evaluate_trained(trained, episodes, seed=0).returns)
    few, many, threaded = found
    assert few.tolist() == many[:3].tolist()
    assert threaded.tolist() == many.tolist()


def test_many_episodes_are_played_with_few_environments(monkeypatch):
    trained = load_trained(ROOT / "results/published/pendulum-demo/seed_0")
    trained = trained._replace(max_ep_len=20)
    together = evaluate_trained(trained, episodes=5, seed=0)
    made, make = [], environment.make

    def note(name):
        made.append(name)
        return make(name)

    monkeypatch.setattr("ddpg.evaluation.MOST_AT_ONCE", 2)
    monkeypatch.setattr(environment, "make", note)
    in_parts = evaluate_trained(trained, episodes=5, seed=0)
    assert len(made) == 2
    assert in_parts.returns.tolist() == together.returns.tolist()
    assert len(set(in_parts.returns)) == 5
    assert in_parts.lengths.tolist() == [20] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"biases": [np.zeros(1), np.zeros(1)]}, r"layer 0 has weights \(3, 4\) and biases \(1,\)"),
        ({"weights": [np.zeros((3, 4)), np.zeros((2, 1))]}, r"layer 1 has .*, but gets 4 inputs"),
        ({"scale": np.ones(2)}, r"its last layer has 1 outputs, but the scale"),
        ({"weights": [], "biases": []}, r"its last layer has 0 outputs"),
        ({"weights": [np.array(0.0)], "biases": [np.zeros(1)]}, r"layer 0 has weights \(\)"),
    ],
)
def test_layers_that_do_not_fit_together_are_refused(tmp_path, change, message):
    layers = {
        "weights": [np.zeros((3, 4)), np.zeros((4, 1))], "biases": [np.zeros(4), np.zeros(1)],
        "scale": np.ones(1), "offset": np.zeros(1),
    }  # fmt: skip
    layers = {
        name: [np.float32(part) for part in value] if isinstance(value, list) else np.float32(value)
        for name, value in (layers | change).items()
    }
    (tmp_path / "policy.npz").write_bytes(serialize_policy(Policy(**layers)))
    with pytest.raises(UserError, match=f"policy.npz: not a policy: {message}"):
        load_trained(tmp_path / "policy.npz", "Pendulum-v1")


class Drawn(gym.Env):
    """An environment that draws what a test says."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, draw, render_mode=None):
        self.observation_space = gym.spaces.Box(-1, 1, (3,))
        self.action_space = gym.spaces.Box(-1, 1, (1,))
        self.draw, self.drawn, self.render_mode = draw, 0, render_mode

    def reset(self, *, seed=None, options=None):
        return np.zeros(3, np.float32), {}

    def step(self, action):
        return np.zeros(3, np.float32), 0.0, False, False, {}

    def render(self):
        self.drawn += 1
        return self.draw(self.drawn)


FRAME = np.zeros((40, 60, 3), np.uint8)


def register(monkeypatch, env=Drawn, draw=lambda n: FRAME):
    """Register `env` as Drawn-v0; returns a policy for it, to be filmed."""
    spec = EnvSpec("Drawn-v0", env, kwargs={"draw": draw}, max_episode_steps=9)
    monkeypatch.setitem(gym.registry, "Drawn-v0", spec)
    zeros = Policy([np.zeros((3, 1), "f")], [np.zeros(1, "f")], np.ones(1, "f"), np.zeros(1, "f"))
    return Trained(zeros, "Drawn-v0", 9)


@pytest.mark.parametrize(
    ("draw", "width", "message"),
    [
        (lambda n: None, None, "'Drawn-v0' cannot be filmed: its render returned NoneType instead"),
        (lambda n: FRAME if n < 3 else None, None, "its render returned NoneType instead of an"),
        (lambda n: FRAME if n < 3 else 1 / 0, None, "failed in render: ZeroDivisionError: .*line"),
        (lambda n: 1 / 0, None, "no off-screen renderer for Drawn-v0 .*ZeroDivisionError.*; set"),
        (
            lambda n: FRAME[:, :, :1],
            None,
            r"its render returned uint8 \(40, 60, 1\) instead of an",
        ),
        (
            lambda n: FRAME[n:],
            None,
            r"its frames change from \(39, 60, 3\) to \(38, 60, 3\); draw",
        ),
        (lambda n: FRAME, 1, "--width 1: the film would be less than 2 pixels high; give a larger"),
    ],
)
def test_an_environment_that_cannot_be_filmed_is_one_line(
    tmp_path, monkeypatch, draw, width, message
):
    trained = register(monkeypatch, draw=draw)
    with pytest.raises(UserError, match=message) as error:
        film_episode(trained, tmp_path / "film.gif", 0, width, 60)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_was_cut_off_is_not_written(tmp_path, monkeypatch):
    """As ffmpeg leaves it, without an error, where its temporary file does not fit on the disk."""
    import imageio.v3 as iio

    write, trained = iio.imwrite, register(monkeypatch)
    monkeypatch.setattr(iio, "imwrite", lambda *a, **k: write(*a, **k)[:600])
    with pytest.raises(UserError, match="film.mp4: could not be encoded .* full") as error:
        film_episode(trained, tmp_path / "film.mp4", 0, None, 60)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_reset_is_not_taken_for_a_missing_renderer(tmp_path, monkeypatch):
    class Failing(Drawn):
        def reset(self, *, seed=None, options=None):
            raise KeyError("mine")

    trained = register(monkeypatch, env=Failing)
    with pytest.raises(UserError, match="'Drawn-v0' failed in reset: KeyError: 'mine'"):
        film_episode(trained, tmp_path / "film.gif", 0, None, 60)


@pytest.mark.parametrize("dtype", ["float64", "U8", "complex64"])
def test_policy_of_another_type_is_refused(tmp_path, dtype):
    weights = np.zeros((3, 1), dtype)
    policy = Policy([weights], [np.float32([0])], np.float32([2]), np.float32([0]))
    (tmp_path / "policy.npz").write_bytes(serialize_policy(policy))
    with pytest.raises(UserError, match="weight_0 is of .*, not of float32"):
        load_trained(tmp_path / "policy.npz", "Pendulum-v1")


@pytest.mark.parametrize("rate", [None, 0, "30", float("inf")])
def test_a_rate_of_frames_that_is_no_number_is_refused(tmp_path, monkeypatch, rate):
    trained = register(monkeypatch)
    monkeypatch.setattr(Drawn, "metadata", Drawn.metadata | {"render_fps": rate})
    with pytest.raises(UserError, match="'Drawn-v0' cannot be filmed: render_fps in its metadata"):
        film_episode(trained, tmp_path / "film.gif", 0, None, 60)


def test_a_film_beyond_the_memory_is_refused(tmp_path, monkeypatch):
    trained = register(monkeypatch)
    monkeypatch.setattr("ddpg.memory.measure_available_memory", lambda: 10**5)
    with pytest.raises(UserError, match="--width: 10 frames take 0.01 GB"):
        film_episode(trained, tmp_path / "film.gif", 0, 600, 60)
