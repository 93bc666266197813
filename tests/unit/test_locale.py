"""In every locale, files and their names are UTF-8, and printing never fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.checkout import ROOT

LABEL = "M\u00fcller \u2013 \u6f22"
CONFIG = f"""
comparisons:
  pendulum:
    title: "gr\u00f6\u00dfer"
    experiments: {{pendulum-demo: "{LABEL}"}}
    references: {{drl-tf2: {{label: x, env: Pendulum-v0, runs: [DIRECTORY/r\u00e9f.txt]}}}}
"""


LATIN_1 = pytest.param("ISO-8859-1", marks=pytest.mark.latin_1)


@pytest.fixture(params=["POSIX", LATIN_1])
def locale(request, tmp_path):
    """Environment variables that set a locale."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    variables |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": request.param}
    if request.param == "ISO-8859-1":
        variables |= {"LOCPATH": str(tmp_path), "LC_ALL": "en_US.ISO-8859-1"}
        command = ["localedef", "-i", "en_US", "-f", request.param, tmp_path / "en_US.ISO-8859-1"]
        subprocess.run(command, check=True, capture_output=True)
    return variables


def test_non_ascii_configuration_labels_and_file_names(tmp_path, locale):
    directory = tmp_path / "gr\u00f6\u00dfe"
    directory.mkdir()
    shutil.copy(ROOT / "results/reference/drl_tf2_pendulum_seed0.txt", directory / "r\u00e9f.txt")
    text = CONFIG.replace("DIRECTORY", str(directory))
    (directory / "s\u00fc\u00df.yaml").write_text(text, encoding="utf-8")

    def run(*arguments: Path | str, expect: int = 0) -> str:
        """Run a command; returns its output. Opening a file in the locale's encoding fails."""
        options = ["-X", "warn_default_encoding", "-W", "always::EncodingWarning"]
        # Encoded here, because the locale may otherwise change the bytes of the arguments.
        done = subprocess.run(
            [sys.executable, *options, "-m", "ddpg", *(os.fsencode(str(a)) for a in arguments)],
            cwd=ROOT, env=locale, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        output = done.stdout.decode()
        assert done.returncode == expect, output
        ours = [line for line in output.splitlines() if f"{ROOT}/ddpg/" in line]
        assert not ours, output
        return output

    published = ROOT / "results/published/pendulum-demo"
    run("aggregate", "--runs", published / "seed_0", "--output", directory / "c.csv")
    given = ["--config", "config.yaml", directory / "s\u00fc\u00df.yaml", "--only", "pendulum"]
    given += ["--curves", directory / "c.csv", "--output", directory / "\u00fc"]
    run("compare", *given)
    page = (directory / "\u00fc/statistics.md").read_text(encoding="utf-8")
    assert f"| pendulum | {LABEL}, Pendulum-v1 | 1 |" in page
    assert "the figures' font has no \u6f22: it is drawn as <U+6F22>" in run("plot", *given)
    assert (directory / "\u00fc/pendulum/comparison.svg").exists()
    assert "core hours" in run("plan", *given[:3], "--published", published / "seed_0")
    assert "no such file" in run("plan", "--config", directory / "none.yaml", expect=2)
    shutil.copytree(published, directory / "runs/pendulum-demo")
    assert "3 finished" in " ".join(run("status", directory).split())
