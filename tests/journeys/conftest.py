"""Fixtures that several journeys start from."""

import fcntl
import os
from pathlib import Path

import pytest
from helpers.checkout import Checkout
from helpers.tiny_checkout import make_tiny_checkout


@pytest.fixture(scope="session")
def smoke_on_host(tmp_path_factory) -> tuple[Checkout, str]:
    """A checkout of tiny experiments in which `snakemake smoke` has run, and its output.

    All test processes share it and must not change it.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    directory, said = root / "smoke_on_host", root / "smoke_on_host.txt"
    with open(root / "smoke_on_host.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            directory.mkdir()
            output = make_tiny_checkout(directory).snakemake("smoke")
            said.write_text(output)
    return Checkout.at(directory), said.read_text()


@pytest.fixture
def empty(tmp_path) -> Path:
    """A directory with only a configuration of tiny experiments, and its claims."""
    tiny = make_tiny_checkout(tmp_path / "tiny")
    directory = tmp_path / "empty"
    directory.mkdir()
    for name in ("config.yaml", "claims.yaml"):
        (tiny.directory / name).rename(directory / name)
    return directory
