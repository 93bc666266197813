"""`export`: exported values equal the run's; bad input writes nothing."""

import dataclasses
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.check_imports import check_tensorflow_is_not_imported
from helpers.checkout import ROOT
from helpers.make_state import make_replay, make_state

from ddpg import api
from ddpg.cli import main
from ddpg.core.tensorflow import tf
from ddpg.runs.checkpoint import Checkpoints
from ddpg.runs.record import RunRecord

PUBLISHED = ROOT / "results/published"
SEED = PUBLISHED / "pendulum-demo/seed_0"


def export(kind, output, *runs):
    return main(["export", *map(str, runs), "--format", kind, "--output", str(output)])


def events(directory):
    (path,) = directory.glob("events.out.tfevents.*")
    return list(tf.compat.v1.train.summary_iterator(str(path)))


def test_events_have_every_statistic_at_its_step_and_time(tmp_path):
    assert export("tensorboard", tmp_path, SEED) == 0
    version, about, *epochs = events(tmp_path / "pendulum-demo/seed_0")
    assert version.file_version == "brain.Event:2"
    (configuration,) = about.summary.value
    text = tf.make_ndarray(configuration.tensor)[0].decode()
    assert "| pi_lr | 0.001 |" in text
    assert configuration.metadata.plugin_data.plugin_name == "text"
    curve = api.read_run(SEED)
    assert [event.step for event in epochs] == curve.env_interacts.tolist()
    assert [event.wall_time - about.wall_time for event in epochs] == pytest.approx(curve.time)
    started = json.loads((SEED / "run.json").read_text())["sessions"][0]["started"]
    assert about.wall_time == pd.Timestamp(started).timestamp()
    for tag, column in (("test/return_mean", "test_return_mean"), ("loss/q", "loss_q")):
        series = [v.simple_value for e in epochs for v in e.summary.value if v.tag == tag]
        assert series == np.float32(curve[column]).tolist()


def test_missing_statistics_are_left_out(tmp_path):
    run = shutil.copytree(SEED, tmp_path / "seed_0")
    rows = (run / "progress.txt").read_text().split("\n")
    cells = rows[1].split("\t")
    cells[rows[0].split("\t").index("LossQ")] = "nan"
    rows[1] = "\t".join(cells)
    (run / "progress.txt").write_text("\n".join(rows))
    (run / "run.json").unlink()
    assert export("tensorboard", tmp_path, run) == 0
    _, _, first, second, *_ = events(tmp_path / "pendulum-demo/seed_0")
    tags = [{value.tag for value in event.summary.value} for event in (first, second)]
    assert tags[1] - tags[0] == {"loss/q"}


def test_a_second_export_is_the_same_file(tmp_path):
    target = tmp_path / "pendulum-demo/seed_0"
    contents = []
    for _ in range(2):
        assert export("tensorboard", tmp_path, SEED) == 0
        (path,) = target.iterdir()
        contents.append((path.name, path.read_bytes()))
    assert contents[0] == contents[1]


def test_events_of_another_run_of_the_seed_are_not_mixed(tmp_path, capfd):
    target = tmp_path / "pendulum-demo/seed_0"
    target.mkdir(parents=True)
    (target / "events.out.tfevents.1.seed_0").write_bytes(b"")
    assert export("tensorboard", tmp_path, SEED) == 2
    err = capfd.readouterr().err
    assert "events.out.tfevents.1.seed_0: of another run of this seed" in err
    assert len(list(target.iterdir())) == 1


def test_a_run_is_exported_to_the_same_file_while_it_trains_and_afterwards(tmp_path):
    run = shutil.copytree(SEED, tmp_path / "seed_0")
    record = RunRecord.read(run / "run.json")
    (run / "run.json").rename(tmp_path / "run.json")
    later = dataclasses.replace(record.sessions[0], started=record.finished)
    state = dataclasses.replace(make_state(), sessions=(*record.sessions, later))
    Checkpoints(run / "checkpoint").save(state, make_replay(10))
    for age in (1_000_000_000, 2_000_000_000):
        os.utime(run / "progress.txt", (age, age))
        assert export("tensorboard", tmp_path, run) == 0
        assert events(tmp_path / "pendulum-demo/seed_0")[0].wall_time == (
            record.sessions[0].started.timestamp()
        )
    (tmp_path / "run.json").rename(run / "run.json")
    assert export("tensorboard", tmp_path, run) == 0


def test_unfinished_run_without_a_checkpoint_is_dated_by_progress_txt(tmp_path):
    run = shutil.copytree(SEED, tmp_path / "seed_0")
    (run / "run.json").unlink()
    os.utime(run / "progress.txt", (2_000_000_000, 2_000_000_000))
    assert export("tensorboard", tmp_path, run) == 0
    assert events(tmp_path / "pendulum-demo/seed_0")[-1].wall_time == pytest.approx(2e9)


def test_csv_has_a_row_for_each_epoch(tmp_path):
    runs = [SEED, PUBLISHED / "spinup-exercise-2-2/seed_10"]
    assert export("csv", tmp_path, *runs) == 0
    for run, name in zip(
        runs, ("pendulum-demo/seed_0", "spinup-exercise-2-2/seed_10"), strict=True
    ):
        table = pd.read_csv(tmp_path / name / "curve.csv")
        expected = api.read_run(run).astype({"epoch": int, "env_interacts": int})
        pd.testing.assert_frame_equal(table, expected, check_dtype=False, rtol=1e-14)


def test_csv_export_does_not_import_tensorflow(tmp_path):
    program = (
        "from ddpg.cli import main; "
        "assert main(['export', sys.argv[1], '--format', 'csv', '--output', sys.argv[2]]) == 0"
    )
    check_tensorflow_is_not_imported(program, SEED, tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"exp_name": "../../elsewhere"}, "not allowed"),
        ({"exp_name": "a/b"}, "not allowed"),
        ({"seed": "0"}, "config.json: seed is '0', not a whole number"),
        ({"discount": 2}, "discount"),
    ],
)
def test_a_run_whose_configuration_is_wrong_is_refused(tmp_path, capfd, damage, message):
    run = shutil.copytree(SEED, tmp_path / "run")
    settings = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(settings | damage))
    assert export("csv", tmp_path / "out", run) == 2
    err = capfd.readouterr().err
    assert (err.count("\n"), message in err) == (1, True), err
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--format", "csv"], "nowhere/config.json: no such file"),
        ([SEED, "--format", "parquet"], "invalid choice: 'parquet'"),
        ([SEED], "required: --format"),
        ([SEED, SEED, "--format", "csv"], "both are seed 0 of pendulum-demo; remove one"),
        ([SEED, "nowhere", "--format", "csv"], "nowhere/config.json"),
        ([SEED, "--format", "csv", "--output", ROOT / "README.md"], "README.md"),
    ],
)
def test_bad_input_is_refused(tmp_path, monkeypatch, capfd, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *map(str, arguments)]) == 2
    err = capfd.readouterr().err
    assert (err.count("\n"), message in err) == (1, True), err
    assert list(tmp_path.iterdir()) == []


def test_unfinished_runs_of_different_length_are_exported(tmp_path):
    runs = []
    for seed, epochs in ((0, 10), (10, 12)):
        run = tmp_path / f"seed_{seed}"
        run.mkdir()
        shutil.copyfile(SEED.with_name(run.name) / "config.json", run / "config.json")
        lines = (SEED.with_name(run.name) / "progress.txt").read_text().splitlines(keepends=True)
        (run / "progress.txt").write_text("".join(lines[: 1 + epochs]))
        runs.append(run)
    assert export("csv", tmp_path / "out", *runs) == 0
    for run, epochs in zip(runs, (10, 12), strict=True):
        table = pd.read_csv(tmp_path / "out/pendulum-demo" / run.name / "curve.csv")
        assert len(table) == epochs
    # Later, when a run has gone further, its table is extended.
    assert export("csv", tmp_path / "out", SEED) == 0
    assert len(pd.read_csv(tmp_path / "out/pendulum-demo/seed_0/curve.csv")) == 50


def test_an_epoch_that_is_not_whole_is_refused(tmp_path, capfd):
    run = shutil.copytree(SEED, tmp_path / "run")
    text = (run / "progress.txt").read_text()
    (run / "progress.txt").write_text(text.replace("\n2\t", "\n2.5\t", 1))
    (run / "run.json").unlink()
    assert export("csv", tmp_path / "out", run) == 2
    assert "pendulum-demo seed 0: epoch 2.5 is not whole" in capfd.readouterr().err


def test_a_run_that_was_resumed_has_other_times_but_is_not_another_one(tmp_path):
    """It was killed after an export, and resumed from a checkpoint before it."""
    run = shutil.copytree(SEED, tmp_path / "seed_0")
    (run / "run.json").unlink()
    header, *rows = (run / "progress.txt").read_text().splitlines()
    for epochs in (30, 29, 50):
        timed = [f"{row.rpartition(chr(9))[0]}\t{epochs + n}" for n, row in enumerate(rows)]
        (run / "progress.txt").write_text("\n".join([header, *timed[:epochs], ""]))
        assert export("csv", tmp_path, run) == 0
        table = pd.read_csv(tmp_path / "pendulum-demo/seed_0/curve.csv")
        assert (len(table), table["time"][0]) == (epochs, epochs)


def test_another_runs_table_is_not_overwritten(tmp_path, capsys):
    run = shutil.copytree(SEED, tmp_path / "seed_0")
    text = (run / "progress.txt").read_text()
    (run / "progress.txt").write_text(text.replace("-235.631047", "-235.6", 1))
    (run / "run.json").unlink()
    assert export("csv", tmp_path, SEED) == 0
    path = tmp_path / "pendulum-demo/seed_0/curve.csv"
    before = path.read_bytes()
    capsys.readouterr()
    assert export("csv", tmp_path, run) == 2
    assert f"{path}: of another run of this seed; remove it" in capsys.readouterr().err
    assert path.read_bytes() == before
