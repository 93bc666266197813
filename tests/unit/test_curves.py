"""Readers of runs and published curves; invalid files raise UserError."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.checkout import ROOT

from ddpg.analysis import curves, tables
from ddpg.errors import UserError
from ddpg.runs.status import survey_runs

REFERENCE = ROOT / "results/reference"
HEADER = "Epoch\tAverageEpRet\tAverageTestEpRet\tTotalEnvInteracts\tLossQ"
ROWS = ["1\tnan\t-5.5\t100\t0.25", "2\t-3\t-1\t200\t0.5"]


def progress(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def make_run(root: Path, seed: int = 0, text: str | None = None, **config) -> Path:
    directory = root / f"seed_{seed}"
    directory.mkdir()
    (directory / "progress.txt").write_text(progress(HEADER, *ROWS) if text is None else text)
    settings = {"exp_name": "demo", "seed": seed, "env": "Pendulum-v1", "batch_size": 100} | config
    (directory / "config.json").write_text(json.dumps(settings))
    return directory


def test_read_progress_of_the_original_2019_run():
    table = curves.read_progress(REFERENCE / "drl_tf2_halfcheetah_seed0.txt")
    assert list(table.columns) == list(curves.COLUMNS.values())
    last = table.iloc[-1]
    assert (last.epoch, last.env_interacts) == (300, 2999999)
    assert (last.test_return_mean, last.loss_q) == (12397.721, 107.72485)


def test_missing_cells_and_columns_are_nan(tmp_path):
    run = curves.read_run(make_run(tmp_path))
    assert np.isnan(run["train_return_mean"][0]) and run["train_return_mean"][1] == -3
    assert run["q_mean"].isna().all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (progress(HEADER), "only a header"),
        (progress(HEADER, *ROWS)[:-1], "no newline"),
        (progress(HEADER, ROWS[0], "2\t-3\t-1"), "line 3: 3 cells under 5"),
        (progress("step,loss", "1,2"), "not Spinning Up's progress.txt"),
        (
            progress("Epoch\tAverageEpRet\tTotalEnvInteracts", "1\t2\t3"),
            "no column AverageTestEpRet",
        ),
        (progress(HEADER, ROWS[1], ROWS[0]), "do not increase"),
        (progress(HEADER, ROWS[0], ROWS[0]), "do not increase"),
        (progress(HEADER, ROWS[0], "two\t-3\t-1\t200\t0.5"), "not a number"),
        (progress(HEADER, ROWS[0], "2\t-3\tnan\t200\t0.5"), "no finite test return at .*step 200"),
    ],
)
def test_invalid_progress_file_raises_user_error(tmp_path, text, message):
    path = tmp_path / "progress.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        curves.read_progress(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_missing_or_binary_progress_file_raises_user_error(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        curves.read_progress(tmp_path / "progress.txt")
    (tmp_path / "weights").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not in UTF-8"):
        curves.read_progress(tmp_path / "weights")


@pytest.mark.parametrize(("text", "message"), [("{}", "'exp_name'"), ("{", "JSON"), ("[]", "list")])
def test_invalid_config_json_raises_user_error(tmp_path, text, message):
    directory = make_run(tmp_path)
    (directory / "config.json").write_text(text)
    with pytest.raises(UserError, match=message):
        curves.read_run(directory)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", None, "seed is None, not a whole number"),
        ("seed", "a", "seed is 'a', not a whole number"),
        ("seed", 1.5, "seed is 1.5, not a whole number"),
        ("seed", True, "seed is True, not a whole number"),
        ("exp_name", ["x", "y"], r"exp_name is \['x', 'y'\], not text"),
        ("env", 3, "env is 3, not text"),
    ],
)
def test_config_json_with_a_value_of_another_type_raises_user_error(tmp_path, key, value, message):
    directory = make_run(tmp_path)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(UserError, match=f"config.json: {message}"):
        curves.aggregate_runs([directory])


def test_steps_that_are_not_whole_raise_user_error(tmp_path):
    directory = make_run(tmp_path)
    text = (directory / "progress.txt").read_text()
    (directory / "progress.txt").write_text(text.replace("\t200\t", "\t200.5\t"))
    with pytest.raises(UserError, match=r"demo seed 0: env_interacts 200.5 is not whole"):
        curves.aggregate_runs([directory])


def test_aggregated_runs_are_sorted_and_equal_after_csv_round_trip(tmp_path):
    runs = [make_run(tmp_path, seed) for seed in (10, 2)]
    table = curves.aggregate_runs(runs)
    assert table["seed"].tolist() == [2, 2, 10, 10]
    assert table["epoch"].tolist() == [1, 2, 1, 2]
    table.to_csv(tmp_path / "curves.csv", index=False)
    pd.testing.assert_frame_equal(curves.read_curves([tmp_path / "curves.csv"]), table)


def test_aggregate_without_runs_is_an_empty_table():
    assert list(curves.aggregate_runs([]).columns) == curves.RUN_COLUMNS


def test_aggregate_refuses_runs_of_different_length(tmp_path):
    whole = make_run(tmp_path, 0)
    short = make_run(tmp_path, 10, progress(HEADER, ROWS[0]))
    with pytest.raises(UserError, match="2 epochs to step 200.* has 1 to step 100") as error:
        curves.aggregate_runs([whole, short])
    assert str(whole) in str(error.value) and str(short) in str(error.value)


def test_aggregate_refuses_duplicate_seeds(tmp_path):
    first = make_run(tmp_path, 0)
    (tmp_path / "copy").mkdir()
    second = make_run(tmp_path / "copy", 0)
    with pytest.raises(UserError, match="both are seed 0 of demo"):
        curves.aggregate_runs([first, second])


def test_aggregate_refuses_seeds_with_different_configurations(tmp_path):
    first = make_run(tmp_path, 0)
    second = make_run(tmp_path, 1, batch_size=64)
    with pytest.raises(UserError, match="different batch_size"):
        curves.aggregate_runs([first, second])


def test_read_curves_refuses_other_tables(tmp_path):
    (tmp_path / "curves.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="not a table of runs"):
        curves.read_curves([tmp_path / "curves.csv"])


def test_read_curves_deduplicates_runs_of_several_tables(tmp_path):
    first, second = make_run(tmp_path, 0), make_run(tmp_path, 1)
    both, one = tmp_path / "both.csv", tmp_path / "one.csv"
    tables.write_csv(both, curves.aggregate_runs([first, second]))
    tables.write_csv(one, curves.aggregate_runs([second]))
    pd.testing.assert_frame_equal(curves.read_curves([both, one]), curves.read_curves([both]))

    one.write_text(one.read_text().replace("-5.5", "-5.25"))
    with pytest.raises(UserError, match="both.csv, .*one.csv: hold different runs of demo seed 1"):
        curves.read_curves([both, one])


def test_read_curves_refuses_seeds_of_different_length_in_several_tables(tmp_path):
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, seed, rows in zip(paths, (0, 1), (ROWS, ROWS[:1]), strict=True):
        run = make_run(tmp_path, seed, progress(HEADER, *rows))
        tables.write_csv(path, curves.aggregate_runs([run]))
    with pytest.raises(UserError, match="demo seed 0 has 2 epochs .* demo seed 1 has 1 to step"):
        curves.read_curves(paths)


@pytest.mark.parametrize("value", ["inf", ""])
def test_read_curves_refuses_a_return_that_is_not_finite(tmp_path, value):
    table = curves.aggregate_runs([make_run(tmp_path)])
    table["test_return_mean"] = table["test_return_mean"].astype(object)
    table.loc[1, "test_return_mean"] = value
    table.to_csv(tmp_path / "curves.csv", index=False)
    with pytest.raises(UserError, match="demo seed 0: no finite test return at environment step"):
        curves.read_curves([tmp_path / "curves.csv"])


@pytest.mark.parametrize("change", ["a return", "the last row"])
def test_a_finished_run_whose_table_was_changed_is_refused(tmp_path, change):
    run = shutil.copytree(ROOT / "results/published/pendulum-demo/seed_0", tmp_path / "seed_0")
    assert len(curves.read_run(run)) == 50
    path = run / "progress.txt"
    lines = path.read_text().splitlines(keepends=True)
    if change == "a return":
        lines[1] = lines[1].replace("-", "", 1)
    path.write_text("".join(lines[:-1] if change == "the last row" else lines))
    with pytest.raises(UserError, match="progress.txt: not the bytes that the run wrote"):
        curves.read_run(run)


@pytest.mark.parametrize("seed", [-1, 2**32, 10**30])
def test_a_seed_that_no_run_has_is_refused(tmp_path, seed):
    with pytest.raises(UserError, match=r"config.json: seed is .*, not from 0 to 4294967295"):
        curves.read_run(make_run(tmp_path, seed))


def test_read_curves_refuses_a_row_without_a_seed(tmp_path):
    table = curves.aggregate_runs([make_run(tmp_path)]).assign(seed=np.nan)
    tables.write_csv(tmp_path / "curves.csv", table)
    with pytest.raises(UserError, match="curves.csv: a row without a seed"):
        curves.read_curves([tmp_path / "curves.csv"])


@pytest.mark.parametrize("name", ["2020", "1e3", "nan", "NA", "007"])
def test_names_that_look_like_numbers_are_read_as_text(tmp_path, name):
    table = curves.aggregate_runs([make_run(tmp_path, exp_name=name, env=name)])
    tables.write_csv(tmp_path / "curves.csv", table)
    read = curves.read_curves([tmp_path / "curves.csv"])
    assert read["experiment"].tolist() == read["env"].tolist() == [name, name]
    assert np.isnan(read["train_return_mean"][0]) and read["q_mean"].isna().all()


def test_number_written_as_na_raises_user_error(tmp_path):
    (tmp_path / "x.csv").write_text("seed,env_interacts,test_return_mean\n0,10,NA\n")
    with pytest.raises(UserError, match="a cell of the column 'test_return_mean' is not a number"):
        curves.read_per_seed(tmp_path / "x.csv")


def test_read_published():
    path = REFERENCE / "spinup_ddpg_benchmark.csv"
    curve = curves.read_published(path, "HalfCheetah-v2", "spinup-2018-tf1")
    assert len(curve) == 299
    assert curve.iloc[-1].tolist() == [2990000, 5997.85, 2192.73]
    with pytest.raises(UserError, match="there are: .*Hopper-v2 spinup-2018-tf1"):
        curves.read_published(path, "HalfCheetah-v2", "baselines")


def test_read_per_seed():
    path = REFERENCE / "spinup_pytorch_exercise_2_2_rerun.csv"
    table = curves.read_per_seed(path)
    assert table["seed"].nunique() == 20
    last = table[table["env_interacts"] == 50000]["test_return_mean"]
    assert (round(last.mean()), round(last.std())) == (371, 75)
    with pytest.raises(UserError, match="no column seed"):
        curves.read_per_seed(REFERENCE / "spinup_exercise_2_2.csv")


def test_read_external_by_file_and_by_directory(tmp_path):
    (tmp_path / "runs").mkdir()
    other = make_run(tmp_path / "runs", text=progress(HEADER, *ROWS[:1], "2\t-3\t-7\t200\t0.5"))
    own = make_run(tmp_path) / "progress.txt"
    table = curves.read_external([own, other.parent])
    assert table["seed"].tolist() == [0, 0, 1, 1]
    assert table["test_return_mean"].tolist() == [-5.5, -1, -5.5, -7]
    with pytest.raises(UserError, match="the same run twice; remove one"):
        curves.read_external([own, tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no progress.txt"):
        curves.read_external([tmp_path / "empty"])


def test_read_external_refuses_a_run_that_was_repeated(tmp_path):
    """Its numbers are the same, only Time differs."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        rows = [f"{row}\t{ord(name)}" for row in ROWS]
        (tmp_path / name / "progress.txt").write_text(progress(f"{HEADER}\tTime", *rows))
    with pytest.raises(UserError, match="the same run twice; remove one"):
        curves.read_external([tmp_path])


def test_read_published_refuses_infinite_standard_deviation(tmp_path):
    text = ",".join(curves.PUBLISHED_COLUMNS) + "\nx,y,1,2.0,1.0\nx,y,2,2.0,inf\n"
    (tmp_path / "curve.csv").write_text(text)
    with pytest.raises(UserError, match="a standard deviation of y is not a number"):
        curves.read_published(tmp_path / "curve.csv", "x", "y")


def test_hidden_and_set_aside_directories_are_not_read(tmp_path):
    run = make_run(tmp_path)
    for name in ("seed_0/set_aside_1", ".seed_0.tmp", ".backup/seed_0"):
        shutil.copytree(run, tmp_path / name)
    assert curves.read_external([tmp_path])["seed"].nunique() == 1
    with pytest.raises(UserError, match="set_aside_1: set aside by --restart, so not a run"):
        curves.aggregate_runs([run / "set_aside_1"])


def test_read_curves_refuses_an_experiment_on_two_environments(tmp_path):
    table = curves.aggregate_runs([make_run(tmp_path)])
    both = [table, table.assign(seed=9, env="HalfCheetah-v5")]
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, own in zip(paths, both, strict=True):
        tables.write_csv(path, own)
    with pytest.raises(
        UserError, match="demo has seed 0 on Pendulum-v1 and seed 9 on HalfCheetah-v5"
    ):
        curves.read_curves(paths)


def test_an_unfinished_run_is_named(tmp_path, caplog):
    run = make_run(tmp_path)
    curves.aggregate_runs([run])
    assert caplog.messages == [f"{run}: not finished; its curve ends at step 200"]


def test_a_directory_that_cannot_be_read_is_not_left_out(tmp_path, monkeypatch):
    for seed in (0, 1):
        make_run(tmp_path, seed)
    hidden, scan = str(tmp_path / "seed_1"), os.scandir

    def scandir(path):
        if str(path) == hidden:  # root may read every directory
            raise PermissionError(errno.EACCES, "Permission denied", hidden)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(UserError, match="seed_1: cannot be read: Permission denied; check its"):
        curves.find_progress_files([tmp_path])
    assert f"skipped: {hidden}: Permission denied" in survey_runs(tmp_path)[1]
