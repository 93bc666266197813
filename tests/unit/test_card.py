"""`card`: the metadata of Hugging Face's hub, and the run's numbers."""

import json
import re
import shutil

import pytest
import yaml
from helpers.checkout import ROOT
from helpers.edit_run import copy_as_arithmetic_1

from ddpg import api
from ddpg.cli import main
from ddpg.commands import card

SEED = ROOT / "results/published/pendulum-demo/seed_10"


@pytest.fixture(scope="module")
def text():
    return card.format_card(SEED)


def test_the_metadata_says_task_environment_and_reward(text):
    start, metadata, _ = re.split(r"^---$", text, maxsplit=2, flags=re.MULTILINE)
    assert start == ""
    found = yaml.safe_load(metadata)
    assert found["pipeline_tag"] == "reinforcement-learning"
    assert "Pendulum-v1" in found["tags"]
    (model,) = found["model-index"]
    (result,) = model["results"]
    assert result["dataset"] == {"name": "Pendulum-v1", "type": "Pendulum-v1"}
    (metric,) = result["metrics"]
    last = api.read_run(SEED).iloc[-1]
    expected = f"{last.test_return_mean:.2f} +/- {last.test_return_std:.2f}"
    assert (metric["type"], metric["value"]) == ("mean_reward", expected)


def test_card_states_provenance(text):
    record = json.loads((SEED / "run.json").read_text())
    for part in (
        "experiment `pendulum-demo`, seed 10, 500,000 environment steps",
        record["weights_sha256"],
        record["files"]["policy.npz"],
        record["machine"]["git"]["revision"],
        f"tensorflow {record['machine']['packages']['tensorflow']}",
        "| `pi_lr` | `0.001` |",
        "| hidden layers | 300 |",
        "| observations, actions | 3, 1 |",
        "same bytes on every processor of the platform\n`x86-64-v3`",
    ):
        assert part in text
    assert "{" not in text.replace("{}", "")


def test_card_of_older_arithmetic_promises_no_equal_bytes(tmp_path):
    text = card.format_card(copy_as_arithmetic_1(SEED, tmp_path / "run"))
    assert "the same bytes" not in text
    assert "This package computes version 2 of the arithmetic" in text


def test_the_code_of_the_card_runs(text, tmp_path, monkeypatch):
    for name in ("policy.npz", "config.json"):
        shutil.copy(SEED / name, tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found = {"observation": [1.0, 0.0, 0.0]}
    exec(code, found)
    assert found["action"].shape == (1,)
    assert found["returns"].shape == (10,)


def test_the_licence_is_the_package_s():
    assert f'license = "{card.LICENCE.upper()}"' in (ROOT / "pyproject.toml").read_text()


def test_card_is_printed_or_written(tmp_path, capfd, text):
    assert main(["card", str(SEED)]) == 0
    assert capfd.readouterr().out == text
    assert main(["card", str(SEED), "--output", str(tmp_path / "a/README.md")]) == 0
    assert (tmp_path / "a/README.md").read_text() == text


def test_bad_input_is_one_line(tmp_path, capfd):
    run = shutil.copytree(SEED, tmp_path / "run")
    output = tmp_path / "README.md"
    for damage, message in (
        (lambda: None, ""),
        (lambda: (run / "policy.npz").write_bytes(b"x"), "policy.npz: not the bytes that the run"),
        (lambda: (run / "run.json").unlink(), "run.json: no such file; is"),
    ):
        damage()
        output.unlink(missing_ok=True)
        code = main(["card", str(run), "--output", str(output)])
        err = capfd.readouterr().err
        assert (code, err.count("\n")) == ((2, 1) if message else (0, 0)), err
        assert message in err
        assert output.exists() == (not message)
