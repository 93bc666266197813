"""Commands whose standard output or error is closed, full, or a pipe whose reader has ended."""

import subprocess
import sys

import pytest
from helpers.checkout import ROOT
from helpers.read_experiment import WITHOUT_UPDATES

from ddpg.config import format_overrides

PUBLISHED = "results/published/pendulum-demo/seed_0"
SETTINGS = " ".join(format_overrides(WITHOUT_UPDATES))
TRAIN = f"train pendulum-demo --seed 0 --set {SETTINGS} --output"


def run(command, redirections):
    """(exit code of the command, what it wrote to its standard error unless that is redirected)."""
    script = f"{sys.executable} -m ddpg {command} {redirections}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "command", ["status results/published", "plan", "completion bash", "--help", "status --help"]
)
@pytest.mark.parametrize("redirections", ["| true", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_output_that_nobody_reads_is_no_error(command, redirections):
    assert run(command, redirections) == (0, "")


def test_a_check_whose_output_nobody_reads_has_not_succeeded():
    assert run(f"verify {PUBLISHED}", "| true") == (141, "")


@pytest.mark.parametrize("command", ["status results/published", "plan", "completion bash"])
def test_full_standard_output_is_one_line(command):
    code, err = run(command, ">/dev/full")
    assert code == 2
    assert err == "ddpg: standard output: No space left on device; write it elsewhere\n"


@pytest.mark.parametrize("redirections", ["2>/dev/full", "2>&-", "2>&1 | true", ">&- 2>&-"])
def test_exit_code_does_not_depend_on_the_message_being_read(redirections):
    assert run("status nowhere", redirections) == (2, "")


@pytest.mark.parametrize("redirections", ["2>&1 | true", "2>&-", "2>/dev/full", ">&- 2>&-"])
def test_training_goes_on_when_nobody_reads_its_progress(tmp_path, redirections):
    assert run(f"{TRAIN} {tmp_path}/run", redirections) == (0, "")
    assert (tmp_path / "run/run.json").exists()
