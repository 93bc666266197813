"""What containers/build.sh refuses before it builds anything."""

import shutil

from helpers.checkout import ROOT
from helpers.run_command import run


def test_missing_apptainer_is_one_line(tmp_path):
    for program in ("dirname", "find", "sort", "make", "bash", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program))
    command = ["bash", ROOT / "containers/build.sh", "sif", "cpu", tmp_path / "x.sif"]
    message = run(*command, cwd=ROOT, expect=2, env={"PATH": str(tmp_path)})
    assert message.startswith("build.sh: apptainer is missing; see")
    assert len(message.splitlines()) == 1
