"""The image's contents and labels; ../journeys run the workflow in it."""

import json
import os
import re

import pytest
from helpers.checkout import ROOT, Checkout
from helpers.run_command import run
from packaging.requirements import Requirement

from ddpg.files import hash_file

pytestmark = pytest.mark.container

# The image's Python, to evaluate the markers in the lock file.
IN_THE_IMAGE = {"python_version": "3.11", "python_full_version": "3.11.2"}


def test_image_passes_its_selftest(sif, tmp_path):
    output = run("apptainer", "test", "--containall", "--no-home", sif, cwd=tmp_path)
    for line in (r"^Python 3\.11\.\d+ .*tensorflow 2\.", r"^trained 300 steps", r"^drew 480 480 3"):
        assert re.search(line, output, re.MULTILINE), output


def test_image_labels(sif, image_record):
    labels = json.loads(run("apptainer", "inspect", "--json", "--labels", sif, cwd=ROOT))
    labels = labels["data"]["attributes"]["labels"]
    lock = hash_file(ROOT / "containers/locks/cpu.txt")
    assert labels["ddpg.lock"] == image_record["lock"] == lock
    assert labels["ddpg.variant"] == image_record["variant"] == "cpu"
    for key in ("version", "revision"):
        assert labels[f"org.opencontainers.image.{key}"] == image_record[key]


def test_image_older_than_the_lock_is_refused(sif, tmp_path):
    checkout = Checkout(tmp_path)
    lock = checkout.directory / "containers/locks/cpu.txt"
    lock.write_text(lock.read_text().replace("numpy==", "numpy==9"))
    command = ["apptainer", "exec", sif, "python", "-m", "ddpg", "status"]
    message = run(*command, cwd=checkout.directory, expect=2)
    assert "was built from a different containers/locks/cpu.txt" in message
    assert "`make image`" in message


@pytest.mark.mount
def test_too_little_space_is_one_line(small_disk):
    """Before anything is written."""
    command = ["bash", ROOT / "containers/build.sh", "sif", "cpu", small_disk / "x.sif"]
    message = run(*command, cwd=ROOT, expect=2, env=os.environ | {"TMPDIR": str(small_disk)})
    assert message == (
        f"build.sh: building takes 5 GB in {small_disk}, which has 0 GB free; free some, or set "
        "TMPDIR (or APPTAINER_TMPDIR) to a directory with more\n"
    )
    assert [*small_disk.iterdir()] == []


def test_bill_of_materials_lists_every_package(sif):
    """Debian's packages and Python's, in the versions that are in the image."""
    listed = json.loads(sif.with_suffix(".cdx.json").read_text())["components"]
    found = {part.get("purl", "").split("?")[0] for part in listed}
    lock = (ROOT / "containers/locks/cpu.txt").read_text()
    pinned = map(Requirement, re.findall(r"^(\w.*==.*) \\$", lock, re.MULTILINE))
    # Some packages are only for other systems or other Python versions.
    pinned = [need for need in pinned if not need.marker or need.marker.evaluate(IN_THE_IMAGE)]
    assert len(pinned) > 50
    assert {f"pkg:pypi/{need.name}@{str(need.specifier)[2:]}" for need in pinned} - found == set()
    query = ["dpkg-query", "--show", "--showformat=${Version}", "libegl1"]
    version = run("apptainer", "--silent", "exec", sif, *query, cwd=ROOT)
    assert f"pkg:deb/debian/libegl1@{version}" in found
