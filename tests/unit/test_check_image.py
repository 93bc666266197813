"""How a run records its image, and which images are refused."""

import dataclasses
import json

import pytest

from ddpg.errors import UserError
from ddpg.runs import provenance
from ddpg.runs.record import Image


@pytest.fixture
def image(tmp_path, monkeypatch):
    """Simulates a Python in an image; returns the image's description."""
    sources = tmp_path / "sources"
    lock = sources / "containers/locks/gpu.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("numpy==1\n")
    note = Image(
        id="sha256:12", variant="gpu", version="0.1.0", revision="0123456789abcdef",
        lock=provenance.hash_file(lock),
    )  # fmt: skip
    (tmp_path / "image.json").write_text(json.dumps(dataclasses.asdict(note)))
    monkeypatch.setattr(provenance.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(provenance, "PACKAGE", sources / "ddpg")
    return note


def test_no_image_outside_a_container():
    assert provenance.read_image() is None
    provenance.check_image()


def test_a_run_records_its_image(image):
    assert provenance.describe_machine().image == image


def test_damaged_image_description_is_one_line(image, tmp_path):
    (tmp_path / "image.json").write_text('{"id": "sha256:12"}')
    with pytest.raises(UserError, match="image.json: variant is missing; build the image again"):
        provenance.check_image()


def test_image_of_another_lock_is_refused(image):
    lock = provenance.PACKAGE.parent / "containers/locks/gpu.txt"
    lock.write_text("numpy==2\n")
    with pytest.raises(UserError) as refusal:
        provenance.check_image()
    assert "(revision 0123456789ab) was built from a different containers/locks/gpu.txt" in str(
        refusal.value
    )
    assert "`make image-gpu`" in str(refusal.value)
    lock.unlink()  # without lock files there is nothing to compare
    provenance.check_image()


@pytest.mark.parametrize("driver", [False, True])
def test_a_gpu_image_without_a_driver_warns(image, monkeypatch, caplog, driver):
    monkeypatch.setattr(provenance, "has_nvidia_driver", lambda: driver)
    provenance.check_image()
    assert ("no NVIDIA driver" in caplog.text) == (not driver)
