"""Import of logs in other formats as per-seed curves with a recorded source."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddpg.analysis import curves, imports
from ddpg.cli import main
from ddpg.errors import UserError
from ddpg.files import name_source

PROGRESS = (
    "Epoch\tTotalEnvInteracts\tAverageTestEpRet\tLossQ\n1\t100\t-5.5\t0.5\n2\t200\t-1\t0.25\n"
)
TIANSHOU = (
    "env_step,rew,rew:shaded,rew:HalfCheetah-v3_1/x,rew:HalfCheetah-v3_0/x\n"
    "0,1.5,0.5,1,2\n5000,3.5,0.5,3,4\n"
)
WIDE = "step,seed_7,seed_3\n100,1,2\n200,3,4\n300,5,\n"


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["import-reference", *map(str, arguments)])
    return code, *capsys.readouterr()


def write_sb3(path: Path, results=((1, 3), (5, 7)), **others) -> Path:
    np.savez(path, timesteps=np.array([100, 200]), results=np.array(results, dtype=float), **others)
    return path


def columns(table: pd.DataFrame) -> list[list[float]]:
    return [table[name].tolist() for name in ("seed", "env_interacts", "test_return_mean")]


def test_import_spinning_up_directory(tmp_path):
    for name, seed in (("a", 10), ("b", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "progress.txt").write_text(PROGRESS.replace("-1", f"-{seed}"))
        (tmp_path / name / "config.json").write_text(json.dumps({"seed": seed}))
    table = imports.import_curves("spinup", [tmp_path])
    assert columns(table) == [[0, 0, 10, 10], [100, 200] * 2, [-5.5, 0, -5.5, -10]]
    assert table["loss_q"].tolist() == [0.5, 0.25] * 2
    assert "loss_pi" not in table.columns


def test_duplicate_seeds_are_renumbered(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "progress.txt").write_text(PROGRESS.replace("0.25", name.encode().hex()))
        (tmp_path / name / "config.json").write_text('{"seed": 4}')
    assert imports.import_curves("spinup", [tmp_path])["seed"].tolist() == [0, 0, 1, 1]


def test_import_tianshou_csv(tmp_path):
    (tmp_path / "test_rew.csv").write_text(TIANSHOU)
    table = imports.import_curves("tianshou", [tmp_path / "test_rew.csv"])
    assert columns(table) == [[0, 0, 1, 1], [0, 5000] * 2, [1, 3, 2, 4]]


def test_import_wide_csv_with_a_shorter_seed(tmp_path):
    (tmp_path / "wide.csv").write_text(WIDE)
    table = imports.import_curves("wide", [tmp_path / "wide.csv"])
    assert columns(table) == [[3, 3, 7, 7, 7], [100, 200, 100, 200, 300], [2, 4, 1, 3, 5]]


def test_step_of_2_to_the_53_is_imported(tmp_path):
    (tmp_path / "wide.csv").write_text(f"step,mean_of_seed_1\n{2**53},1\n")
    table = imports.import_curves("wide", [tmp_path / "wide.csv"])
    assert table["env_interacts"].tolist() == [2**53]


def test_import_tianshou_csv_of_a_single_run(tmp_path):
    (tmp_path / "test_rew.csv").write_text("env_step,rew,time\n0,1,0.5\n5000,3,9.5\n")
    table = imports.import_curves("tianshou", [tmp_path / "test_rew.csv"])
    assert columns(table) == [[0, 0], [0, 5000], [1, 3]]


def test_duplicate_curves_and_fractional_steps_raise_user_error(tmp_path):
    (tmp_path / "wide.csv").write_text("step,a,b,c\n100,1,2,1\n200,3,4,3\n")
    with pytest.raises(
        UserError, match="curve 1 of 3 and curve 3 of 3: the same run twice; remove one"
    ):
        imports.import_curves("wide", [tmp_path / "wide.csv"])
    (tmp_path / "wide.csv").write_text("step,a\n1,1\n1.5,3\n")
    with pytest.raises(UserError, match="curve 1 of 1: its step 1.5 is not whole"):
        imports.import_curves("wide", [tmp_path / "wide.csv"])


def test_curves_that_differ_in_time_only_are_the_same():
    curve = pd.DataFrame({"env_interacts": [1, 2], "test_return_mean": [3.0, 4.0]})
    named = [(name, curve.assign(time=[time, 9.0])) for time, name in enumerate("ab")]
    with pytest.raises(UserError, match="a and b: the same run twice; remove one"):
        curves.check_distinct_curves(named)


def test_import_stable_baselines3_evaluations(tmp_path):
    lengths = np.array([[10, 20], [30, 30]])
    paths = [
        write_sb3(tmp_path / "a.npz", ep_lengths=lengths),
        write_sb3(tmp_path / "b.npz", results=((2, 2), (4, 4))),
    ]
    table = imports.import_curves("sb3", paths)
    assert columns(table) == [[0, 0, 1, 1], [100, 200] * 2, [2, 6, 2, 4]]
    assert table["test_return_std"].tolist() == [1, 1, 0, 0]
    assert table["test_return_max"].tolist() == [3, 7, 2, 4]
    assert table["test_length_mean"][:2].tolist() == [15, 30]


def test_import_writes_table_and_source_and_detects_changes(tmp_path, capsys):
    (tmp_path / "wide.csv").write_text(WIDE)
    output = tmp_path / "tables/mine.csv"
    arguments = ("wide", tmp_path / "wide.csv", "--source", "a paper, figure 3", "--output", output)
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert out == (
        f"{output}: 2 seeds of 2 to 3 evaluations, steps 100 to 300; lacks the spread of its test "
        "episodes, Q-values, the Q loss, the policy loss, wall-clock time\n"
    )
    source = json.loads(name_source(output).read_text())
    assert (source["source"], source["format"]) == ("a paper, figure 3", "wide")
    assert source["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert list(source["files"].values()) == [hashlib.sha256(WIDE.encode()).hexdigest()]
    assert len(curves.read_per_seed(output)) == 5
    before = output.read_bytes()
    assert run(capsys, *arguments)[0] == 0 and output.read_bytes() == before

    # The same table of another source: whose it is must not change silently.
    *same, _, _, _ = arguments
    code, _, err = run(capsys, *same, "another paper", "--output", output)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{name_source(output)}: already exists with different content" in err
    assert json.loads(name_source(output).read_text()) == source

    output.write_text(output.read_text().replace("5.0", "6.0"))
    with pytest.raises(UserError, match=r"mine.csv: not the bytes that .*source.json lists; imp"):
        curves.read_per_seed(output)
    changed = output.read_bytes()
    code, _, err = run(capsys, *arguments)
    assert (code, err.count("\n")) == (2, 1) and "already exists with different content" in err
    assert output.read_bytes() == changed


BAD = {
    "spinup": [
        (
            "step,reward\n1,2\n",
            "not Spinning Up's progress.txt of an off-policy run: no column Epoc",
        ),
        (PROGRESS.replace("200", "1e20"), "the environment step 1e+20 is impossible"),
        (PROGRESS.replace("-1\t", "nan\t"), "no finite test return at environment step 200"),
    ],
    "tianshou": [
        ("step,rew:a\n1,2\n", "not a CSV of tianshou's tools.py: no column env_step"),
        (
            "env_step,rew,rew:shaded\n1,2,3\n",
            "no column per seed (rew:...), only env_step, rew, rew",
        ),
    ],
    "wide": [
        ("step\n1\n", "one column only; give the step and a column per seed, separated by commas"),
        ("step,a\n-1,2\n", "the environment step -1 is negative"),
        ("step,a\n1,x\n", "a cell of the column 'a' is not a number"),
        ("step,a,b\n1,2,\n", "the column 'b' is empty; remove it"),
        ("step,a\n1,2\ninf,3\n", "column a: the environment step inf is impossible"),
        ("step,a\n1,2\n1e20,3\n", "column a: the environment step 1e+20 is impossible"),
        ("step,a\n-1e20,2\n1,3\n", "column a: the environment step -1e+20 is impossible"),
        ("step,a,mean\n1,2,2\n", "the column 'mean' is not that of a seed; remove it"),
        ("step,0,1,mean_return\n1,2,4,3\n", "the column 'mean_return' is not that of a seed"),
        ("step,0,return avg\n1,2,2\n", "the column 'return avg' is not that of a seed; remove"),
        ("step,r_mean,r_min,r_max\n1,2,1,3\n", "the column 'r_mean' is not that of a seed; remove"),
        (
            "step,return,episode_length\n1,2,9\n",
            "the column 'episode_length' is not that of a seed",
        ),
        ("step,Wall time,a\n1,9,2\n", "the column 'Wall time' is not that of a seed"),
        ("step,r - x,r - x__MAX\n1,9,2\n", "the column 'r - x__MAX' is not that of a seed"),
        (",step,a\n0,1,2\n1,2,3\n", "its first column has no heading; is it an index? Remove it"),
        ("step,,a\n0,1,2\n", "the column 'Unnamed: 1' is not that of a seed; remove it"),
        ("epoch,step,a\n1,1000,2\n", "the column 'step' is not that of a seed; remove it"),
        ("Wall time,Step,Value\n1,1000,2\n", "its first column is 'Wall time'; put the steps"),
        ("1000,2.5,3.5\n2000,3,4\n", "its first row holds numbers; add a row of headings"),
        ("step,a\n2,2\n1,3\n", "column a: its environment steps do not increase"),
        ("step,a\n1,2\n2,\n3,3\n", "column a: no finite test return at environment step 2"),
    ],
    "sb3": [("not an archive", "not an evaluations.npz")],
}


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [(kind, text, message) for kind, cases in BAD.items() for text, message in cases],
)
def test_invalid_file_exits_2_and_writes_nothing(tmp_path, capsys, kind, text, message):
    (tmp_path / "file").write_text(text)
    output = tmp_path / "out.csv"
    code, _, err = run(capsys, kind, tmp_path / "file", "--source", "s", "--output", output)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"ddpg: {tmp_path / 'file'}") and message in err
    assert not output.exists() and not name_source(output).exists()


@pytest.mark.parametrize("kind", BAD)
def test_missing_file_exits_2(tmp_path, capsys, kind):
    arguments = (tmp_path / "none", "--source", "s", "--output", tmp_path / "out.csv")
    code, _, err = run(capsys, kind, *arguments)
    assert (code, err) == (2, f"ddpg: {tmp_path / 'none'}: no such file\n")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"timesteps": [1]}, "no array results"),
        ({"timesteps": [1, 2], "results": [[1.0]]}, "should be (evaluations,) and (evaluations, e"),
        (
            {"timesteps": [1, np.inf], "results": [[1.0], [2.0]]},
            "the environment step inf is impossible",
        ),
        ({"timesteps": [2, 1], "results": [[1.0], [2.0]]}, "environment steps do not increase"),
        ({"timesteps": [1], "results": [["x"]]}, "the array results holds something that is not a"),
        ({"timesteps": [1], "results": [[1j]]}, "the array results holds something that is not a"),
        ({"timesteps": ["1"], "results": [[1.0]]}, "the array timesteps holds something that is"),
        (
            {"timesteps": [1], "results": [[1.0]], "ep_lengths": [["9"]]},
            "the array ep_lengths holds something that is not a number",
        ),
    ],
)
def test_invalid_evaluations_npz_raises_user_error(tmp_path, arrays, message):
    np.savez(tmp_path / "e.npz", **{name: np.array(value) for name, value in arrays.items()})
    with pytest.raises(UserError) as error:
        imports.import_curves("sb3", [tmp_path / "e.npz"])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_unknown_format_exits_2(tmp_path, capsys):
    code, _, err = run(capsys, "csv", "x", "--source", "s", "--output", tmp_path / "o")
    assert code == 2 and "invalid choice: 'csv'" in err


def test_empty_source_exits_2(tmp_path, capsys):
    (tmp_path / "wide.csv").write_text(WIDE)
    output = tmp_path / "out.csv"
    code, _, err = run(capsys, "wide", tmp_path / "wide.csv", "--source", " ", "--output", output)
    assert (code, err) == (
        2,
        "ddpg: --source is empty; say who measured it, and where it is from\n",
    )
    assert not output.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env": "Pendulum-v1"}, "runs with different env (Hopper-v5 and Pendulum-v1) are not"),
        ({"gamma": 0.9}, "runs with different gamma (0.99 and 0.9) are not"),
        ({"update_every": 50}, "runs with different update_every (episode and 50) are not"),
        ({"ac_kwargs": {"hidden_sizes": [64]}}, "different ac_kwargs.hidden_sizes ([32] and [64])"),
        ({"seed": 1, "epochs": 9, "env_fn": "<function at 0x2>", "logger": {"<0x2>": 1}}, None),
    ],
)
def test_runs_with_other_settings_are_not_seeds_of_one_group(tmp_path, change, message):
    settings = {
        "env": "Hopper-v5", "gamma": 0.99, "update_every": "episode", "seed": 0, "epochs": 5,
        "ac_kwargs": {"hidden_sizes": [32]}, "env_fn": "<function at 0x1>", "logger": {"<0x1>": 0},
    }  # fmt: skip
    for seed, own in enumerate([settings, settings | change]):
        directory = tmp_path / f"run_{seed}"
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps(own))
        (directory / "progress.txt").write_text(PROGRESS.replace("-1\t", f"{seed}\t"))
    if message is None:
        assert set(imports.import_curves("spinup", [tmp_path])["seed"]) == {0, 1}
        return
    for read in (imports.import_curves, lambda kind, paths: curves.read_external(paths)):
        with pytest.raises(UserError) as error:
            read("spinup", [tmp_path])
        assert message in str(error.value) and "\n" not in str(error.value)


def test_a_pipe_has_no_checksum(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe: not a regular file, so it has no checksum; save"):
        imports.import_curves("wide", [tmp_path / "pipe"])


def test_a_seed_beyond_64_bits_is_refused(tmp_path):
    run = tmp_path / "seed"
    run.mkdir()
    (run / "progress.txt").write_text(PROGRESS)
    (run / "config.json").write_text(json.dumps({"seed": 2**70}))
    with pytest.raises(UserError, match=r"config.json: the seed 1180591620717411303424 does not"):
        imports.import_curves("spinup", [run])
