"""Golden digests: those that are expected, and those that a separate process computes."""

import json
import os
import subprocess
import sys

from helpers.checkout import ROOT
from portable.golden import is_wanted

GOLDEN = json.loads((ROOT / "tests/portable/golden.json").read_text())


def compute_digests(names, *before, python=sys.executable, **variables):
    """The digests as a separate process computes them."""
    command = [*before, python, "tests/portable/golden.py", *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def select_golden_digests(names):
    """The golden digests with the names, at least one for each."""
    wanted = ("arithmetic version", *names)
    found = {name: digest for name, digest in GOLDEN.items() if is_wanted(name, wanted)}
    assert all(any(is_wanted(digest, [name]) for digest in found) for name in wanted)
    return found
