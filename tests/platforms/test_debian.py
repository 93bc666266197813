"""The README's commands in a Debian 13 with only the packages that the README lists."""

import json
import re

import pytest
from helpers.checkout import ROOT
from platforms.debian import Debian, in_memory

pytestmark = pytest.mark.debian

README = (ROOT / "README.md").read_text()
# Faster replacements with the same installation: the workflow on experiments that take seconds, and
# the fast tests.
SHORTER = {
    "make demo": "make smoke",
    "make test": "make test PYTEST_OPTIONS='--numprocesses=auto tests/unit'",
}


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    """A Debian system with a clone of the revision under test in the user's home."""
    packages = re.search(r"`apt-get install ([a-z0-9 -]+)`", README)[1].split()
    with in_memory(tmp_path_factory.mktemp("debian") / "root") as root:
        system = Debian(root, packages)
        system.clone(ROOT, "ddpg")
        yield system


@pytest.fixture(scope="module")
def outputs(debian):
    """The output of each command in the README's section Start."""
    block = re.search(r"## Start\n.*?```sh\n(.*?)```", README, re.DOTALL)[1]
    commands = re.findall(r"^(make \w+)", block, re.MULTILINE)
    return {name: debian.run(f"cd ddpg && {SHORTER[name]}", timeout=900) for name in commands}


def test_the_workflow_runs(outputs, debian):
    assert re.search(r"^(\d+) of \1 steps \(100%\) done$", outputs["make demo"], re.MULTILINE)
    results = debian.home / "ddpg/results"
    assert (results / "tables/smoke/statistics.md").stat().st_size > 1000
    runs = [json.loads(run.read_text()) for run in results.glob("smoke/*/*/run.json")]
    revision = debian.run("cd ddpg && git rev-parse HEAD", timeout=60).strip()
    assert len(runs) >= 10
    for run in runs:
        assert run["machine"]["python"].startswith("3.13.")
        assert run["machine"]["git"] == {"revision": revision, "dirty": False}


def test_the_fast_tests_pass(outputs):
    """Only the tests of a locale may be skipped: this Debian lacks its sources, and says so."""
    closing = outputs["make test"].splitlines()[-1]
    counts = {what: int(number) for number, what in re.findall(r"(\d+) ([a-z]+)", closing)}
    assert counts.pop("passed") > 300, closing
    lines = re.findall(r"^SKIPPED \[(\d+)\] .*locales", outputs["make test"], re.MULTILINE)
    assert counts.pop("skipped", 0) == sum(map(int, lines)), closing
    assert set(counts) <= {"warnings"}, closing


def test_the_golden_digests_hold_on_debian_13(outputs, debian):
    """Its Python and C library are newer than the image's."""
    test = "tests/portable/test_golden.py::test_bytes_change_only_with_the_version"
    said = debian.run(f"cd ddpg && .venv/bin/python -m pytest -q {test}", timeout=600)
    assert re.search(r"^1 passed", said, re.MULTILINE), said
