"""containers/compare.py: which differences between two images it reports."""

import json
import os
import runpy
import sys
from pathlib import Path

import pytest
from helpers.checkout import ROOT
from helpers.run_command import run

compare = runpy.run_path(str(ROOT / "containers/compare.py"))


def tree(root: Path) -> Path:
    """The files of a small image."""
    (root / ".singularity.d").mkdir(parents=True)
    labels = {"org.label-schema.build-date": root.name, "ddpg.lock": "abc"}
    (root / ".singularity.d/labels.json").write_text(json.dumps(labels))
    (root / "bin").mkdir()
    (root / "bin/python").write_text("#!")
    (root / "bin/python3").symlink_to("python")
    return root


@pytest.fixture
def trees(tmp_path) -> tuple[Path, Path]:
    return tree(tmp_path / "one"), tree(tmp_path / "two")


def different(one: Path, two: Path) -> list[str]:
    return compare["find_differences"](compare["list_contents"](one), compare["list_contents"](two))


def test_an_image_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "a.sif").write_text("no image")
    images = [tmp_path / "a.sif", tmp_path / "b.sif"]
    said = run(sys.executable, ROOT / "containers/compare.py", *images, cwd=tmp_path, expect=2)
    assert said.startswith((f"{images[0]}: cannot be read (", "apptainer: not installed")), said
    assert said.count("\n") == 1


def test_file_times_are_ignored(trees):
    os.utime(trees[1] / "bin/python", (0, 0))
    assert different(*trees) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda root: (root / "bin/python").write_text("!#"), "bin/python"),
        (lambda root: (root / "bin/python").chmod(0o755), "bin/python"),
        (lambda root: (root / "bin/python").unlink(), "bin/python"),
        (lambda root: (root / "bin/pip").touch(), "bin/pip"),
        (lambda root: (root / "lib").mkdir(), "lib"),
        (
            lambda root: (root / ".singularity.d/labels.json").write_text('{"ddpg.lock": "abd"}'),
            ".singularity.d/labels.json",
        ),
    ],
)
def test_everything_else_is_compared(trees, change, path):
    change(trees[1])
    assert different(*trees) == [path]


def test_links_are_compared_by_target(trees):
    link = trees[1] / "bin/python3"
    link.unlink()
    link.symlink_to("python3.11")
    assert different(*trees) == ["bin/python3"]
