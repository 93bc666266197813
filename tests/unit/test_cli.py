"""What a person sees: one clear line and exit code 2 for bad input, and quick commands."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ddpg import environment, evaluation
from ddpg.cli import main
from ddpg.core.policy import Policy
from ddpg.policy_file import policy_to_bytes

TRAIN = ["train", "pendulum-demo", "--seed", "0"]
PUBLISHED = "results/published/pendulum-demo/seed_0"


def run(capfd, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "pendulum", "--seed", "0"], "no experiment 'pendulum'; did you mean"),
        ([*TRAIN, "--set", "pi_lr=-1"], "pi_lr: -1 is less than"),
        ([*TRAIN, "--set", "learning_rate=1"], "unknown key 'learning_rate'"),
        ([*TRAIN, "--set", "env=Pendulm-v1"], "did you mean 'Pendulum-v1'"),
        ([*TRAIN, "--set", "env=CartPole-v1"], "action space is Discrete"),
        (["train", "pendulum-demo", "--seed", "7"], "seed 7 is not among pendulum-demo's seeds"),
        ([*TRAIN, "--config", "missing.yaml"], "missing.yaml: no such file"),
        ([*TRAIN, "--set", "replay_size=20000000000"], "lower replay_size or free memory"),
    ],
)
def test_bad_input_to_train(tmp_path, capfd, arguments, message):
    code, _, err = run(capfd, *arguments, "--output", tmp_path / "run")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1, err
    assert not (tmp_path / "run").exists(), "nothing half-written"


def test_a_directory_that_cannot_be_written(tmp_path, capfd):
    (tmp_path / "file").write_text("")
    code, _, err = run(capfd, *TRAIN, "--output", tmp_path / "file" / "run")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot be written" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nowhere"], "nowhere: no config.json beside it"),
        (["evaluate", "nowhere", "--env", "Pendulum-v1"], "nowhere: no such policy"),
        (["evaluate", "README.md", "--env", "Pendulum-v1"], "not a policy of this package"),
        (["record", "results", "--output", "film.avi"], "config.json"),
        (["publish", "nowhere"], "no run.json; only a finished run"),
        (["status", "nowhere"], "nowhere: no such directory"),
        (["aggregate", "--runs", "nowhere", "--output", "x.csv"], "nowhere"),
        (["plot", "--curves", "nowhere.csv", "--output", "x"], "nowhere.csv"),
        (
            ["plot", "--only", "chess", "--curves", "x.csv", "--output", "x"],
            "no comparison 'chess'",
        ),
        (["publish", PUBLISHED, "--to", "README.md"], "README.md/pendulum-demo"),
        (["aggregate", "--runs", PUBLISHED, "--output", "README.md/x.csv"], "README.md: "),
        (["provenance", "--runs", PUBLISHED, "--output", "README.md"], "README.md: "),
    ],
)
def test_bad_input_to_other_commands(capfd, arguments, message):
    code, _, err = run(capfd, *arguments)
    assert (code, err.count("\n")) == (2, 1), err
    assert message in err


@pytest.mark.parametrize("command", [["--help"], ["status", "results/reference"], ["plan"]])
def test_commands_that_need_no_tensorflow_do_not_load_it(command):
    code = (
        "import sys; from ddpg.cli import main\n"
        f"try: main({command})\n"
        "except SystemExit: pass\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == 0


def make_run(directory, **config):
    """A run directory with a policy for Pendulum that pushes nowhere."""
    directory.mkdir(parents=True)
    still = Policy(
        weights=[np.zeros((3, 4), np.float32), np.zeros((4, 1), np.float32)],
        biases=[np.zeros(4, np.float32), np.zeros(1, np.float32)],
        scale=np.float32([2]),
        offset=np.float32([0]),
    )
    (directory / "policy.npz").write_bytes(policy_to_bytes(still))
    config = {"env": "Pendulum-v1", "max_ep_len": 50, "hidden_sizes": [4], **config}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def test_evaluate_plays_the_policy_of_a_run(tmp_path, capfd):
    directory = make_run(tmp_path / "run")
    code, out, _ = run(capfd, "evaluate", directory, "--episodes", "7")
    assert code == 0
    assert "Pendulum-v1, 7 episodes" in out
    assert "mean length 50.0 steps" in out
    assert run(capfd, "evaluate", directory, "--episodes", "7")[1] == out


def test_evaluate_refuses_another_environment(tmp_path, capfd):
    directory = make_run(tmp_path / "run")
    code, _, err = run(capfd, "evaluate", directory, "--env", "HalfCheetah-v5")
    assert code == 2
    assert "observes 3 and acts in 1 dimensions, HalfCheetah-v5 has 17 and 6" in err


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_record_films_an_episode(tmp_path, capfd, suffix):
    import imageio.v3 as iio

    film = tmp_path / f"film.{suffix}"
    arguments = ("--output", film, "--width", "64", "--seconds", "1")
    code, _, err = run(capfd, "record", make_run(tmp_path / "run"), *arguments)
    assert code == 0, err
    frames = iio.imread(film)
    assert len(frames) == 30
    assert frames.shape[1:] == (64, 64, 3)
    assert frames[0].std() > 0
    assert not np.array_equal(frames[0], frames[-1])


@pytest.mark.parametrize(("name", "camera"), [("HalfCheetah-v5", "track"), ("Reacher-v5", None)])
def test_films_follow_what_moves(name, camera):
    env = environment.make(name, render_mode="rgb_array")
    evaluation.follow(env)
    chosen = env.unwrapped.mujoco_renderer.camera_id
    assert chosen == (env.unwrapped.model.camera(camera).id if camera else -1)
