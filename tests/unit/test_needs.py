"""Tests whose requirements are missing are skipped, and fail in CI; see helpers/needs.py."""

import os
import re
import subprocess
import sys

from helpers.checkout import ROOT

NEEDS_MORE = ["tests/journeys/test_docker.py", "tests/cluster", "tests/platforms/test_debian.py"]
MISSING = {
    "needs Buildah (docs/containers.md); missing here: buildah",
    "needs Apptainer (docs/containers.md); missing here: apptainer",
    "needs root, debootstrap and a Debian mirror; missing here: debootstrap",
}


def run_pytest(path, *arguments: str, ci: bool = False) -> tuple[int, str]:
    """Run tests with only the programs in the directory `path`; returns exit code and output."""
    env = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", f"cache_dir={path}/cache", *arguments],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=env | {"PATH": str(path), "PYTHONPATH": "tests"} | ({"CI": "true"} if ci else {}),
    )  # fmt: skip
    return done.returncode, done.stdout


def test_missing_requirement_skips_with_a_reason(tmp_path):
    code, output = run_pytest(tmp_path, *NEEDS_MORE)
    assert code == 0, output
    reasons = set(re.findall(r"^SKIPPED .*?: (needs .*)", output, re.MULTILINE))
    assert reasons == MISSING
    assert re.search(r"\b1 passed, \d+ skipped in", output), "one test needs only the sources"


def test_missing_requirement_fails_in_ci(tmp_path):
    code, output = run_pytest(tmp_path, *NEEDS_MORE, ci=True)
    assert code == 1, output
    reasons = set(re.findall(r"^ERROR .* - Failed: (needs .*)", output, re.MULTILINE))
    assert reasons == MISSING
    assert "skipped" not in output


def test_skip_without_a_marker_fails(tmp_path):
    skips = tmp_path / "test_skips.py"
    skips.write_text("import pytest\n\ndef test(): pytest.skip('it rains')\n")
    code, output = run_pytest(tmp_path, "-p", "conftest", str(skips))
    assert code == 1, output
    assert "skipped without a marker of tests/helpers/needs.py: Skipped: it rains" in output


def test_passed_tests_are_not_repeated(tmp_path):
    """As in CI: first what can run, then, with the rest installed, what has not passed yet."""
    tests = tmp_path / "test_two.py"
    tests.write_text(
        "import pytest\n\ndef test_one(): pass\n\n@pytest.mark.buildah\ndef test_two(): pass\n"
    )
    options = "-p", "conftest", str(tests)
    assert "1 passed, 1 skipped in" in run_pytest(tmp_path, *options)[1]
    (tmp_path / "buildah").write_text("#!/bin/sh\n")
    (tmp_path / "buildah").chmod(0o755)
    for _ in range(2):  # --not-yet-passed does not record passes, so two may run in parallel
        _, output = run_pytest(tmp_path, "--not-yet-passed", *options)
        assert "1 passed, 1 deselected in" in output
