"""What containers/build.sh refuses before it builds anything."""

import shutil

from helpers.checkout import ROOT, Checkout
from helpers.run_command import run


def test_an_image_is_built_again_if_the_command_line_says_from_what(tmp_path):
    Checkout(tmp_path)
    (tmp_path / "containers/ddpg.sif").touch()
    for options, expected in (((), False), (("BASE_IMAGE=python:3.11",), True)):
        planned = run("make", "-n", "image", *options, cwd=tmp_path)
        assert ("containers/build.sh sif cpu" in planned) == expected, planned


def test_missing_apptainer_is_one_line(tmp_path):
    for program in ("dirname", "find", "sort", "make", "bash", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program))
    command = ["bash", ROOT / "containers/build.sh", "sif", "cpu", tmp_path / "x.sif"]
    message = run(*command, cwd=ROOT, expect=2, env={"PATH": str(tmp_path)})
    assert message.startswith("build.sh: apptainer is missing; see")
    assert len(message.splitlines()) == 1
