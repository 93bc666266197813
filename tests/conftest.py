"""What tests of several directories share, and which of them run here; see helpers/needs.py."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from helpers.checkout import ROOT
from helpers.needs import NEEDS, missing_for
from helpers.run_command import make, run

import ddpg  # noqa: F401  (pins NumPy's kernels, before any test imports NumPy)

IN_CI = os.environ.get("CI") == "true"

# nohup makes a process ignore SIGHUP, a script's background job ignores SIGINT, and child processes
# inherit both.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
# Where pytest's cache keeps the names of the tests that passed.
PASSED = "ddpg/passed"


def pytest_addoption(parser):
    parser.addoption(
        "--not-yet-passed",
        action="store_true",
        help="only the tests that did not pass in the last run without this option",
    )


def pytest_configure(config):
    for name, need in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: needs {need.what}")
    one_of_several = hasattr(config, "workerinput")
    if not one_of_several and not config.getoption("--not-yet-passed") and hasattr(config, "cache"):
        config.pluginmanager.register(PassedTests(config))


def pytest_collection_modifyitems(config, items):
    if config.getoption("--not-yet-passed"):
        passed = set(config.cache.get(PASSED, []))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed])
        items[:] = [item for item in items if item.nodeid not in passed]
    for item in items:
        if not IN_CI and (reason := missing_for(item)):
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup(item):
    if IN_CI and (reason := missing_for(item)):
        pytest.fail(reason, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A skip for another reason than those in helpers/needs.py would go unnoticed: it fails."""
    report = yield
    unforeseen = IN_CI or not missing_for(item)
    if report.skipped and unforeseen and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped without a marker of tests/helpers/needs.py: {report.longrepr[2]}"
        )
    return report


class PassedTests:
    """Keeps the names of the tests that pass, those of all test processes."""

    def __init__(self, config):
        self.config, self.names = config, set()

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.names.discard(report.nodeid)
        elif report.when == "call" and report.passed:
            self.names.add(report.nodeid)

    def pytest_sessionfinish(self):
        self.config.cache.set(PASSED, sorted(self.names))


@pytest.fixture(scope="session")
def sif() -> Path:
    """The Apptainer image; stays where it is, and is built again when a source is newer."""
    make("image")
    return ROOT / "containers/ddpg.sif"


@pytest.fixture(scope="session")
def image_record(sif) -> dict:
    """The image's record of its build, image.json."""
    return json.loads(run("apptainer", "-s", "exec", sif, "cat", "/opt/venv/image.json", cwd=ROOT))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]
    subprocess.run(mount, check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)
