"""The packages in the lock files can be installed with every supported Python."""

import subprocess

import pytest
from helpers.checkout import ROOT
from helpers.needs import UV

pytestmark = pytest.mark.index

# The only package without a wheel; it is pure Python.
SOURCE = "connection-pool"


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("lock", ["dev", "gpu"])
def test_every_package_has_a_wheel(lock, version, tmp_path):
    """Nothing is compiled, and the lock is complete. dev.txt includes all of cpu.txt."""
    install = [UV, "pip", "install", "--dry-run", "--target", tmp_path, "--require-hashes"]
    install += ["--python-version", version, "--only-binary", ":all:", "--no-binary", SOURCE]
    done = subprocess.run(
        [*install, "-r", ROOT / f"containers/locks/{lock}.txt"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert " + tensorflow==" in done.stderr
