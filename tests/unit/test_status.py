"""The state of runs, read from their directories."""

import json
import re
import shutil

import pytest
from checkout import ROOT
from helpers.records import make_record
from helpers.states import make_state

from ddpg import plan, run_directory, status
from ddpg.checkpoint import Checkpoints
from ddpg.cli import main
from ddpg.config import read
from ddpg.core.replay import ReplayBuffer
from ddpg.errors import Diverged, UserError
from ddpg.files import json_bytes
from ddpg.logger import COLUMNS
from ddpg.runs.kept_results import keep_results
from ddpg.runs.record import Identity


def make_run(directory, epochs=(1, 2), seed=0):
    directory.mkdir(parents=True)
    config = {"exp_name": "pendulum-demo", "seed": seed, "epochs": 10, "steps_per_epoch": 1000}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "progress.txt").write_text("\n".join(progress(epochs)) + "\n")
    return directory


def progress(epochs):
    """The lines of a progress.txt of these epochs."""
    rows = ["\t".join(COLUMNS)]
    for epoch in epochs:
        row = dict.fromkeys(COLUMNS, 0.0)
        row |= {"Epoch": epoch, "TotalEnvInteracts": 1000 * epoch, "AverageTestEpRet": -epoch}
        row["Time"] = 5.0 + 2 * epoch  # the first epoch includes the start
        rows.append("\t".join(map(str, row.values())))
    return rows


def test_the_states(tmp_path):
    make_run(tmp_path / "finished").joinpath("run.json").write_text("{}")
    running = make_run(tmp_path / "running", seed=1)
    stopped = make_run(tmp_path / "stopped", seed=2)
    (stopped / "checkpoint").mkdir()
    (stopped / "checkpoint" / "state_0000002000").write_bytes(b"")
    make_run(tmp_path / "dead", epochs=(), seed=3)
    diverged = make_run(tmp_path / "diverged", seed=4)
    (diverged / "checkpoint").mkdir()
    (diverged / "checkpoint" / "state_0000002000").write_bytes(b"")
    with pytest.raises(Diverged), run_directory.noting_failure(diverged):
        raise Diverged("a loss is no longer finite")
    with run_directory.claim(running):
        found = status.find(tmp_path)
    assert [s.state for s in found] == ["finished", "running", "interrupted", "failed", "failed"]
    assert [s.seed for s in found] == [0, 1, 2, 3, 4]
    with run_directory.noting_failure(diverged):  # tried again
        assert not (diverged / run_directory.FAILURE).exists()


@pytest.mark.parametrize("key", ["exp_name", "seed", "epochs", "steps_per_epoch"])
def test_a_configuration_without_what_is_shown(tmp_path, key):
    path = make_run(tmp_path / "run") / "config.json"
    settings = json.loads(path.read_text())
    del settings[key]
    path.write_text(json.dumps(settings))
    with pytest.raises(UserError, match=f"^{path}: not a config.json .*: {key} is missing$"):
        status.of(path.parent)


def test_a_run_of_which_only_the_checkpoint_is_left(tmp_path):
    config = {"epochs": 10, "steps_per_epoch": 1000}
    identity = Identity("pendulum-demo", 7, config, {}, arithmetic_version=2)
    state = make_state(identity, tables={"progress.txt": progress((1, 2))})
    replay = ReplayBuffer(10, obs_dim=3, act_dim=1)
    Checkpoints(tmp_path / "seed_7/checkpoint").save(state, replay)
    Checkpoints(tmp_path / "seed_7/set_aside_1/checkpoint").save(state, replay)
    damaged = tmp_path / "seed_8/checkpoint/state_0000001000"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"")
    (found,) = status.find(tmp_path)
    assert (found.experiment, found.seed, found.state) == ("pendulum-demo", 7, "interrupted")
    assert (found.epoch, found.epochs, found.test_return) == (2, 10, -2.0)
    assert (found.speed, found.seconds_left) == (500, 16)


def test_a_finished_run_of_which_only_the_copy_is_left(tmp_path):
    run = make_run(tmp_path / "seed_7", seed=7)
    names = ("config.json", "progress.txt", "run.json")
    (run / "run.json").write_text("{}")
    keep_results(run, {name: (run / name).read_bytes() for name in names})
    for name in names:
        (run / name).unlink()
    (found,) = status.find(tmp_path)
    assert (found.experiment, found.seed, found.state) == ("pendulum-demo", 7, "finished")
    assert (found.epoch, found.test_return) == (2, -2.0)


def test_what_is_no_run_is_passed_over_and_named(tmp_path, capsys):
    demo = tmp_path / "pendulum-demo"
    for name in ("seed_0", "seed_0_backup", "seed_00", ".seed_0.tmp", "seed_0/set_aside_1", "mine"):
        make_run(demo / name)
    make_run(demo / "seed_5")
    (demo / "other").mkdir()
    (demo / "other/config.json").write_text('{"exp_name": "[bold]"}')
    (demo / "damaged").mkdir()
    (demo / "damaged/config.json").write_text("{")
    assert len(status.find(tmp_path)) == 2  # seed_0, and the one with a name of its own
    status.show(tmp_path)
    shown = "".join(capsys.readouterr().out.split())
    for name in ("seed_0_backup", "seed_00", "seed_5"):
        assert f"{demo}/{name}:passedover,foritisnotnamedseed_0" in shown
    assert f"passedover:{demo}/other/config.json:notaconfig.jsonofthispackage:seedis" in shown
    assert f"passedover:{demo}/damaged/config.json:" in shown
    assert shown.count("passedover") == 5


def test_speed_and_time_left_are_those_of_the_last_epochs(tmp_path):
    found = status.of(make_run(tmp_path / "run", epochs=range(1, 9)))
    assert (found.epoch, found.epochs, found.test_return) == (8, 10, -8.0)
    assert found.speed == 500
    assert found.seconds_left == 4


def test_a_run_without_an_epoch_has_no_speed(tmp_path):
    found = status.of(make_run(tmp_path / "run", epochs=()))
    assert (found.epoch, found.speed, found.test_return, found.seconds_left) == (
        0,
        None,
        None,
        None,
    )


def test_a_plan_is_what_the_published_runs_cost(tmp_path):
    runs = []
    files = run_directory.RESULT_FILES
    for seed, speed in ((0, 1000), (10, 2000), (20, 500)):
        seconds = 10_000 / speed
        times = [seconds, 2 * seconds, 100 * seconds, 101 * seconds]  # one epoch was held up
        table = ["TotalEnvInteracts\tTime"]
        table += [f"{10_000 * (i + 1)}\t{time}" for i, time in enumerate(times)]
        directory = tmp_path / "pendulum-demo" / f"seed_{seed}"
        directory.mkdir(parents=True)
        made = make_record(
            experiment="pendulum-demo", seed=seed, peak_memory_bytes=10**9,
            files=dict.fromkeys(files, "x"),
        )  # fmt: skip
        record = json_bytes(made.to_json()).ljust(10_000)
        for name in files:
            (directory / name).write_bytes(b"x" * len(record))
        (directory / "run.json").write_bytes(record)
        (directory / "progress.txt").write_text("\n".join(table).ljust(len(record)))
        runs.append(directory)
    rows = {row["experiment"]: row for row in plan.costs(read("config.yaml"), runs)}
    demo = rows["pendulum-demo"]
    assert demo["core_hours"] == 3 * 500_000 / 1000 / 3600
    assert (demo["memory"], demo["disk"]) == (10**9, len(record) * (len(files) + 1))
    assert rows["halfcheetah-benchmark"]["core_hours"] is None


def test_the_plan_measures_by_the_published_runs_beside_the_configuration(tmp_path, capsys):
    run = tmp_path / "results/published/pendulum-demo/seed_0"
    shutil.copytree(ROOT / "results/published/pendulum-demo/seed_0", run)
    shutil.copy(ROOT / "config.yaml", tmp_path)
    command = ["plan", "--config", str(tmp_path / "config.yaml")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert re.search(r"pendulum-demo +3 +0\.\d+ .* 1 of them published", shown)
    assert main([*command, "--published"]) == 0
    assert "pendulum-demo                   3      unknown" in capsys.readouterr().out
