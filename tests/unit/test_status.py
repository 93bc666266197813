"""The status of runs, read from their directories."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from helpers.checkout import ROOT
from helpers.make_state import make_state

from ddpg.analysis.curves import find_progress_files
from ddpg.cli import main
from ddpg.commands.status import print_statuses
from ddpg.core.replay import ReplayBuffer
from ddpg.errors import Diverged, UserError
from ddpg.runs import status
from ddpg.runs.checkpoint import Checkpoints
from ddpg.runs.directory import RunDirectory
from ddpg.runs.logger import COLUMNS
from ddpg.runs.record import Identity
from ddpg.runs.results import copy_results


def make_run(directory, epochs=(1, 2), seed=0):
    directory.mkdir(parents=True)
    config = {"exp_name": "pendulum-demo", "seed": seed, "epochs": 10, "steps_per_epoch": 1000}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "progress.txt").write_text("\n".join(progress(epochs)) + "\n")
    return directory


def progress(epochs):
    """The lines of a progress.txt with these epochs."""
    rows = ["\t".join(COLUMNS)]
    for epoch in epochs:
        row = dict.fromkeys(COLUMNS, 0.0)
        row |= {"Epoch": epoch, "TotalEnvInteracts": 1000 * epoch, "AverageTestEpRet": -epoch}
        row["Time"] = 5.0 + 2 * epoch  # the first epoch includes the start
        rows.append("\t".join(map(str, row.values())))
    return rows


def test_states_of_runs(tmp_path):
    make_run(tmp_path / "finished").joinpath("run.json").write_text("{}")
    running = make_run(tmp_path / "running", seed=1)
    stopped = make_run(tmp_path / "stopped", seed=2)
    (stopped / "checkpoint").mkdir()
    (stopped / "checkpoint" / "state_0000002000").write_bytes(b"")
    make_run(tmp_path / "dead", epochs=(), seed=3)
    diverged = make_run(tmp_path / "diverged", seed=4)
    (diverged / "checkpoint").mkdir()
    (diverged / "checkpoint" / "state_0000002000").write_bytes(b"")
    with pytest.raises(Diverged), RunDirectory(diverged).record_failure():
        raise Diverged("a loss is no longer finite")
    with RunDirectory(running).claim():
        found, _ = status.survey_runs(tmp_path)
    assert [s.state for s in found] == ["finished", "running", "interrupted", "failed", "failed"]
    assert [s.seed for s in found] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("key", ["exp_name", "seed", "epochs", "steps_per_epoch"])
def test_configuration_without_a_shown_key_is_refused(tmp_path, key):
    path = make_run(tmp_path / "run") / "config.json"
    settings = json.loads(path.read_text())
    del settings[key]
    path.write_text(json.dumps(settings))
    with pytest.raises(UserError, match=f"^{path}: not a config.json .*: {key} is missing$"):
        status.read_status(path.parent)


def test_status_of_a_run_with_only_the_checkpoint(tmp_path):
    config = {"epochs": 10, "steps_per_epoch": 1000}
    identity = Identity("pendulum-demo", 7, config, {}, arithmetic_version=2)
    state = make_state(identity, tables={"progress.txt": progress((1, 2))})
    replay = ReplayBuffer(10, obs_dim=3, act_dim=1)
    Checkpoints(tmp_path / "seed_7/checkpoint").save(state, replay)
    Checkpoints(tmp_path / "seed_7/set_aside_1/checkpoint").save(state, replay)
    damaged = tmp_path / "seed_8/checkpoint/state_0000001000"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"")
    (found,), _ = status.survey_runs(tmp_path)
    assert (found.experiment, found.seed, found.state) == ("pendulum-demo", 7, "interrupted")
    assert (found.epoch, found.epochs, found.test_return) == (2, 10, -2.0)
    assert (found.speed, found.seconds_left) == (500, 16)


def test_status_of_a_finished_run_with_only_the_copy(tmp_path):
    run = make_run(tmp_path / "seed_7", seed=7)
    names = ("config.json", "progress.txt", "run.json")
    (run / "run.json").write_text("{}")
    copy_results(RunDirectory(run), {name: (run / name).read_bytes() for name in names})
    for name in names:
        (run / name).unlink()
    (found,), _ = status.survey_runs(tmp_path)
    assert (found.experiment, found.seed, found.state) == ("pendulum-demo", 7, "finished")
    assert (found.epoch, found.test_return) == (2, -2.0)


def test_directories_that_are_not_runs_are_skipped_and_named(tmp_path, capsys):
    demo = tmp_path / "pendulum-demo"
    for name in ("seed_0", "seed_0_backup", "seed_00", ".seed_0.tmp", "seed_0/set_aside_1", "mine"):
        make_run(demo / name)
    make_run(demo / "seed_5")
    (demo / "other").mkdir()
    (demo / "other/config.json").write_text('{"exp_name": "[bold]"}')
    (demo / "damaged").mkdir()
    (demo / "damaged/config.json").write_text("{")
    assert len(status.survey_runs(tmp_path)[0]) == 2  # seed_0 and mine
    print_statuses(tmp_path)
    shown = "".join(capsys.readouterr().out.split())
    for name in ("seed_0_backup", "seed_00", "seed_5"):
        assert f"{demo}/{name}:skipped:notnamedseed_0" in shown
    assert f"skipped:{demo}/other/config.json:notaconfig.jsonofthispackage:seedis" in shown
    assert f"skipped:{demo}/damaged/config.json:" in shown
    assert shown.count("skipped:") == 5


def test_watch_follows_the_runs_until_ctrl_c(tmp_path):
    terminal, end = pty.openpty()
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "ddpg", "status", str(runs), "--watch"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=end, stderr=end)
    os.close(end)

    def wait_for(text):
        """Wait until the terminal shows `text`, which may be wrapped, with styles in between."""
        shown, deadline = b"", time.monotonic() + 60
        while text not in re.sub(rb"\x1b\[[0-9;]*[A-Za-z]|\s", b"", shown):
            assert time.monotonic() < deadline, shown.decode()
            shown += os.read(terminal, 10_000)

    wait_for(b"waitingforthefirstrunin")
    make_run(tmp_path / "made/pendulum-demo/seed_0")
    (tmp_path / "made").rename(runs)
    wait_for(b":1failed")
    make_run(runs / "pendulum-demo/seed_10", seed=10)
    wait_for(b":2failed")
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    os.close(terminal)


def test_watching_a_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "run.json").write_text("{}")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(UserError, match=r"run\.json"):
        print_statuses(tmp_path / "run.json", watch=True)


def test_name_with_brackets_is_shown_as_it_is(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"exp_name": "ddpg[bug] [/x]"}))
    assert main(["status", str(tmp_path)]) == 0
    assert "ddpg[bug][/x]" in re.sub(r"\s", "", capsys.readouterr().out)


def test_linked_runs_are_found_once(tmp_path):
    """Not those set aside, hidden, or behind a link into a directory above."""
    root = tmp_path / "runs"
    elsewhere = make_run(tmp_path / "scratch/seed_1", epochs=(1,), seed=1)
    own = make_run(root / "a/seed_2", seed=2)
    (root / "a/seed_1").symlink_to(elsewhere)
    (root / "a/again").symlink_to(root)
    (root / "a/latest").symlink_to(own)
    (root / "gone").symlink_to(tmp_path / "nowhere")
    (root / "mounted").symlink_to(tmp_path / "scratch")
    make_run(root / "set_aside_study/seed_3", epochs=(1, 2, 3), seed=3)
    make_run(own / "set_aside_1", seed=4)
    make_run(root / ".hidden/seed_5", seed=5)
    (own / "set_aside_2").symlink_to(make_run(tmp_path / "seed_6", seed=6))
    found, skipped = status.survey_runs(root)
    assert [s.seed for s in found] == [1, 2, 3]
    assert skipped == []
    (tmp_path / "link").symlink_to(root)
    assert status.survey_runs(tmp_path / "link")[0] == found
    runs = [path.parent for path in find_progress_files([root])]
    assert runs == [own, root / "mounted/seed_1", root / "set_aside_study/seed_3"]


def test_speed_and_time_left_are_those_of_the_last_epochs(tmp_path):
    found = status.read_status(make_run(tmp_path / "run", epochs=range(1, 9)))
    assert (found.epoch, found.epochs, found.test_return) == (8, 10, -8.0)
    assert found.speed == 500
    assert found.seconds_left == 4


def test_a_run_without_an_epoch_has_no_speed(tmp_path):
    found = status.read_status(make_run(tmp_path / "run", epochs=()))
    assert (found.epoch, found.speed, found.test_return, found.seconds_left) == (
        0,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Time", "Clock", "no column Time"),
        ("\n1\t", "\none\t", "line 2: a cell is not a number: 'one'"),
        ("\n1\t", "\n\t", "line 2: Epoch is nan"),
        ("\n1\t", "\n1_0\t", "line 2: a cell is not a number: '1_0'"),
        ("\n1\t", "\n", "line 2: .* cells under"),
    ],
)
def test_a_damaged_progress_table_is_named_in_one_line(tmp_path, old, new, message):
    run = tmp_path / "pendulum-demo/seed_0"
    shutil.copytree(ROOT / "results/published/pendulum-demo/seed_0", run)
    table = (run / "progress.txt").read_text()
    assert old in table
    (run / "progress.txt").write_text(table.replace(old, new, 1))
    found, skipped = status.survey_runs(tmp_path)
    assert not found and len(skipped) == 1
    assert re.search(f"^skipped: {run}/progress.txt.*{message}", skipped[0]), skipped
