"""The command line: one clear line and exit code 2 for bad input, and fast commands."""

import errno
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers.check_imports import check_tensorflow_is_not_imported
from helpers.checkout import ROOT

from ddpg import config, environment, filming
from ddpg.cli import build_parser, main
from ddpg.core.policy import Policy
from ddpg.runs.policy_file import serialize_policy

SEED = ROOT / "results/published/pendulum-demo/seed_0"
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
def test_bad_input_to_train_is_refused(tmp_path, capfd, arguments, message):
    code, _, err = run(capfd, *arguments, "--output", tmp_path / "run")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1, err
    assert not (tmp_path / "run").exists(), "must not write anything"


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("seed_3", ".", "for another seed than 0; give --output {parent}/seed_0"),
        ("seed_3", "../seed_3", "for another seed than 0; give --output ../seed_0"),
        ("set_aside_1", ".", "a run that was set aside has this name; give another --output"),
    ],
)
def test_the_working_directory_is_checked_by_its_own_name(
    tmp_path, capfd, monkeypatch, name, output, message
):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    config = ["--config", ROOT / "config.yaml"]
    code, _, err = run(capfd, *TRAIN, *config, "--output", output)
    assert code == 2
    assert err.endswith(f"{message.format(parent=tmp_path)}\n")
    assert list(Path().iterdir()) == []


def test_a_message_with_a_surrogate_is_one_line(tmp_path, capfd):
    (tmp_path / "config.json").write_text(r'{"exp_name": "\ud800", "seed": "\ud800"}')
    code, _, err = run(capfd, "export", tmp_path, "--format", "csv", "--output", tmp_path)
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*TRAIN, "--output", "x", "--seed", "10"], "--seed appears twice; give it once"),
        ([*TRAIN, "--output", "x", "--output=x"], "--output appears twice"),
        (["evaluate", "x", "--episodes", "1", "--episodes", "2"], "--episodes appears twice"),
        (["train", "pendulum-demo", "--seed", "1_0", "--output", "x"], "'1_0' is not a whole"),
        (["train", "pendulum-demo", "--seed", "1.0", "--output", "x"], "'1.0' is not a whole"),
        (
            ["train", "pendulum-demo", "--seed", "4294967296", "--output", "x"],
            "'4294967296' is not a whole number from 0 to 4294967295",
        ),
        (["evaluate", "x", "--episodes", "0"], "'0' is not a positive whole number"),
        (["train", "pendulum-demo"], "required: --seed, --output; see python -m ddpg train --help"),
        (["trian"], "invalid choice: 'trian'"),
        (["plan", "--publish\ned"], "unrecognized arguments: --publish ed"),
    ],
)
def test_no_part_of_a_command_line_is_ignored(capfd, arguments, message):
    code, out, err = run(capfd, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("ddpg: ")
    assert message in err


def test_repeated_list_options_are_concatenated():
    options = build_parser().parse_args(
        [*TRAIN, "--output", "x", "--set", "a=1", "b=2", "--config", "one", "--set", "c=3",
         "--config", "two", "three"]
    )  # fmt: skip
    assert options.set == ["a=1", "b=2", "c=3"]
    assert options.config == [Path("one"), Path("two"), Path("three")]
    options = build_parser().parse_args(
        ["verdict", "--fresh", "a", "--fresh", "b", "--published", "--output", "x"]
    )
    assert (options.fresh, options.published) == ([Path("a"), Path("b")], [])
    assert build_parser().parse_args(["plan"]).config == [Path("config.yaml")]


def test_unknown_seed_names_the_file_of_the_seeds(tmp_path, capfd):
    (tmp_path / "mine.yaml").write_text("experiments: {pendulum-demo: {seeds: [1]}}")
    (tmp_path / "last.yaml").write_text("smoke: {epochs: 1}")
    files = ["config.yaml", tmp_path / "mine.yaml", tmp_path / "last.yaml"]
    _, _, err = run(capfd, *TRAIN, "--output", tmp_path / "run", "--config", *files)
    assert err.startswith(f"ddpg: {tmp_path}/mine.yaml: seed 0 is not among")
    _, _, err = run(capfd, *TRAIN, "--output", tmp_path / "run", "--set", "seeds=[1]")
    assert err.startswith("ddpg: --set: seed 0 is not among")


@pytest.mark.parametrize("command", ["plan", "compare", "plot", "page", "summary"])
def test_configuration_without_comparisons_and_smoke_is_accepted(tmp_path, capfd, caplog, command):
    settings = config.read("config.yaml")
    del settings["comparisons"], settings["smoke"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(dict(settings)))
    arguments = [] if command == "plan" else ["--curves"]
    arguments += ["--figures", tmp_path] if command in ("page", "summary") else []
    arguments += ["--output", tmp_path / "out"] if command in ("compare", "plot", "page") else []
    code, _, err = run(capfd, command, "--config", tmp_path / "config.yaml", *arguments)
    assert code == 0, err
    if command != "plan":
        assert "config.yaml declares no comparisons" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([*TRAIN, "--output", ""], "--output"),
        (["card", SEED, "--output", ""], "--output"),
        (["compare", "--curves", "--output", ""], "--output"),
        (["aggregate", "--runs", "", "--output", "curves.csv"], "--runs"),
        (["status", ""], "DIR"),
    ],
)
def test_an_empty_path_is_not_the_current_directory(tmp_path, monkeypatch, capfd, arguments, name):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capfd, *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert f"argument {name}: is empty; give a path, or . for this directory" in err
    assert not any(tmp_path.iterdir())


def test_an_output_that_is_a_directory_is_one_line(tmp_path, capfd):
    for output in (tmp_path, "/"):
        code, _, err = run(capfd, "card", SEED, "--output", output)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith(f"ddpg: {output}: Is a directory")
    assert not any(tmp_path.iterdir())


def test_no_directory_for_temporary_files_is_one_line(capfd, monkeypatch):
    def fail(*arguments, **options):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("ddpg.commands.verify.replay_epochs", fail)
    code, _, err = run(capfd, "verify", SEED, "--replay", "1")
    assert (code, err.count("\n")) == (2, 1)
    assert "No usable temporary directory found in ['/tmp']; free space, or set TMPDIR" in err


def test_too_little_memory_is_one_line(capfd, monkeypatch):
    def allocate(*arguments):
        np.empty(2**62, np.uint8)

    monkeypatch.setattr("ddpg.commands.plan.print_plan", allocate)
    code, _, err = run(capfd, "plan")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("ddpg: not enough memory (Unable to allocate 4.00 EiB for an array")
    assert "lower batch_size" in err


def test_unwritable_directory_is_one_line(tmp_path, capfd):
    (tmp_path / "file").write_text("")
    code, _, err = run(capfd, *TRAIN, "--output", tmp_path / "file" / "run")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot be written" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nowhere"], "nowhere: no such file or directory"),
        (["evaluate", "nowhere", "--env", "Pendulum-v1"], "nowhere: no such file or directory"),
        (["evaluate", "README.md"], "README.md: no environment is known, because there is no conf"),
        (
            ["evaluate", "README.md", "--env", "Pendulum-v1"],
            "not a policy of this package (not an .npz",
        ),
        (["record", "results", "--output", "film.avi"], "results: not a run's directory; give one"),
        (["publish", "nowhere"], "no run.json; only a finished run"),
        (["status", "nowhere"], "nowhere: no such directory"),
        (["status", "--watch"], "--watch: standard output is not a terminal"),
        (["aggregate", "--runs", "nowhere", "--output", "x.csv"], "nowhere"),
        (["plot", "--curves", "nowhere.csv", "--output", "x"], "nowhere.csv"),
        (
            ["plot", "--only", "chess", "--curves", "x.csv", "--output", "x"],
            "no comparison 'chess'",
        ),
        (["publish", PUBLISHED, "--to", "README.md"], "README.md: is a file; give a dir"),
        (["aggregate", "--runs", PUBLISHED, "--output", "README.md/x.csv"], "README.md: "),
        (["provenance", "--runs", PUBLISHED, "--output", "README.md"], "README.md: "),
    ],
)
def test_bad_input_to_other_commands_is_refused(capfd, arguments, message):
    code, _, err = run(capfd, *arguments)
    assert (code, err.count("\n")) == (2, 1), err
    assert message in err


@pytest.mark.parametrize("command", [["--help"], ["status", "results/reference"], ["plan"]])
def test_commands_without_training_do_not_import_tensorflow(command):
    check_tensorflow_is_not_imported(
        f"from ddpg.cli import main\ntry: main({command})\nexcept SystemExit: pass"
    )


def make_run(directory, **config):
    """A run directory with a policy for Pendulum whose actions are 0."""
    directory.mkdir(parents=True)
    still = Policy(
        weights=[np.zeros((3, 4), np.float32), np.zeros((4, 1), np.float32)],
        biases=[np.zeros(4, np.float32), np.zeros(1, np.float32)],
        scale=np.float32([2]),
        offset=np.float32([0]),
    )
    (directory / "policy.npz").write_bytes(serialize_policy(still))
    config = {"env": "Pendulum-v1", "max_ep_len": 50, "hidden_sizes": [4], **config}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def test_evaluate_runs_the_policy_of_a_run(tmp_path, capfd):
    directory = make_run(tmp_path / "run")
    code, out, _ = run(capfd, "evaluate", directory, "--episodes", "7")
    assert code == 0
    assert "Pendulum-v1, 7 episodes" in out
    assert "mean length 50.0 steps; 0 % of the action components saturated" in out
    assert "(|tanh| above 0.99)" in out
    assert run(capfd, "evaluate", directory, "--episodes", "7")[1] == out


def test_evaluate_of_one_episode_prints_its_return(tmp_path, capfd):
    directory = make_run(tmp_path / "run")
    code, out, _ = run(capfd, "evaluate", directory, "--episodes", "1")
    assert code == 0
    assert re.search(r"Pendulum-v1, 1 episode: return -\d+\.\d; length 50 steps; 0 % of", out)


@pytest.mark.parametrize("name", ["policy.npz", "config.json"])
def test_no_command_replaces_a_file_of_a_run(tmp_path, capfd, name):
    directory = make_run(tmp_path / "run")
    before = (directory / name).read_bytes()
    code, _, err = run(capfd, "card", PUBLISHED, "--output", directory / name)
    assert (code, err) == (
        2,
        f"ddpg: {directory / name}: a file of the run in {directory}; give another path\n",
    )
    link = tmp_path / "link"
    link.symlink_to(directory / name)
    assert run(capfd, "card", PUBLISHED, "--output", link)[0] == 2
    assert (directory / name).read_bytes() == before


def test_plan_replaces_only_tables_of_rates(tmp_path, capfd):
    notes = tmp_path / "notes.md"
    notes.write_text("mine\n")
    code, _, err = run(capfd, "plan", "--measure", notes)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{notes}: exists, and is not a table of rates; remove it, or give another" in err
    assert notes.read_text() == "mine\n"


def test_a_deleted_working_directory_is_one_line(tmp_path, monkeypatch, capfd):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    code, _, err = run(capfd, "evaluate", ROOT / PUBLISHED)
    assert (code, err) == (
        2,
        "ddpg: the working directory no longer exists; change to another one\n",
    )


def test_evaluate_refuses_another_environment(tmp_path, capfd):
    directory = make_run(tmp_path / "run")
    code, _, err = run(capfd, "evaluate", directory, "--env", "HalfCheetah-v5")
    assert code == 2
    assert "the policy has 3 observations and 1 actions, HalfCheetah-v5 has 17 and 6" in err


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


def test_film_ends_at_the_time_limit_of_the_run(tmp_path, capfd):
    import imageio.v3 as iio

    directory = make_run(tmp_path / "run", max_ep_len=20)
    film = tmp_path / "film.gif"
    code, _, err = run(capfd, "record", directory, "--output", film, "--width", "32")
    assert code == 0, err
    assert len(iio.imread(film)) == 21, "the state after the reset, and after each step"


@pytest.mark.parametrize(("name", "camera"), [("HalfCheetah-v5", "track"), ("Reacher-v5", None)])
def test_camera_follows_the_body(name, camera):
    env = environment.make(name, render_mode="rgb_array")
    filming.follow_body(env)
    chosen = env.unwrapped.mujoco_renderer.camera_id
    assert chosen == (env.unwrapped.model.camera(camera).id if camera else -1)
