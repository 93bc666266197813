"""Golden digests: those that are expected, and those that a separate process computes."""

import json
import os
import subprocess
import sys

from helpers.checkout import ROOT

GOLDEN = json.loads((ROOT / "tests/portable/golden.json").read_text())


def compute_digests(prefixes, *before, python=sys.executable, **variables):
    """The digests as a separate process computes them."""
    command = [*before, python, "tests/portable/golden.py", *prefixes]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def select_golden_digests(prefixes):
    """The golden digests of the prefixes, at least one for each."""
    wanted = ("arithmetic version", *prefixes)
    found = {name: digest for name, digest in GOLDEN.items() if name.startswith(wanted)}
    assert all(any(name.startswith(prefix) for name in found) for prefix in wanted)
    return found
