"""What tests of several directories share, and which of them run here; see needs.py."""

import os
import signal
from pathlib import Path

import pytest
from checkout import ROOT
from commands import make
from needs import NEEDS, missing_for, needs_of

import ddpg  # noqa: F401  (pins NumPy's kernels, before any test imports NumPy)

IN_CI = os.environ.get("CI") == "true"


def pytest_addoption(parser):
    parser.addoption(
        "--only-needing-more",
        action="store_true",
        help="only the tests that need more than what the README asks for",
    )


def pytest_configure(config):
    for name, need in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: needs {need.what}")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--only-needing-more"):
        config.hook.pytest_deselected(items=[item for item in items if not needs_of(item)])
        items[:] = filter(needs_of, items)
    for item in items:
        if not IN_CI and (reason := missing_for(item)):
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup(item):
    if IN_CI and (reason := missing_for(item)):
        pytest.fail(reason, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A skip for another reason than those in needs.py would go unnoticed: it fails."""
    report = yield
    unforeseen = IN_CI or not missing_for(item)
    if report.skipped and unforeseen and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped without a marker of tests/needs.py: {report.longrepr[2]}"
    return report


@pytest.fixture(scope="session")
def sif() -> Path:
    """The Apptainer image; stays where it is, and is built again when a source is newer."""
    make("image")
    return ROOT / "containers/ddpg.sif"


@pytest.fixture
def sighup_ends():
    """SIGHUP has its usual effect, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
