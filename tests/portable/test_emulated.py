"""The golden digests on processors that QEMU emulates.

Emulation shows the instruction sets and caches of other processors. It cannot show AVX-512 and AMX,
which QEMU does not emulate, nor instructions whose results differ between vendors.
"""

import os
import shutil
import site
import subprocess
import sys

import pytest
from helpers.checkout import ROOT
from helpers.read_experiment import read_experiment
from portable.digests import compute_digests, select_golden_digests
from portable.golden import SHORT

from ddpg.runs.record import RunRecord
from ddpg.training import train

# QEMU's model of a processor, and the digests that it computes: each set takes about a minute.
# Their caches differ: 32 KB L1 and 4 MB L2 of the Haswell, 512 KB L2 of the EPYCs.
EMULATED = {
    "Haswell": ("noise", "steps", "updates halfcheetah-benchmark"),
    "EPYC-Milan": ("updates halfcheetah-benchmark-2020", "run HalfCheetah-v5"),
    "EPYC": ("updates pendulum-demo",),
}


PYTHON = sys._base_executable  # an emulated process cannot follow the environment's link
PACKAGES = os.pathsep.join([str(ROOT), *site.getsitepackages()])


@pytest.mark.qemu
@pytest.mark.parametrize("model", EMULATED)
def test_emulated_processors_compute_the_same_bytes(model):
    qemu = (shutil.which("qemu-x86_64"), "-cpu", model)
    found = compute_digests(EMULATED[model], *qemu, python=PYTHON, PYTHONPATH=PACKAGES)
    assert found == select_golden_digests(EMULATED[model])


@pytest.mark.qemu
def test_a_run_is_resumed_on_another_processor_with_the_same_bytes(tmp_path):
    settings = read_experiment("pendulum-demo", **SHORT)
    train(settings, 0, tmp_path / "whole")

    def stop(steps, new, row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings, 0, tmp_path / "moved", report=stop)
    overrides = [f"{key}={value}".replace(" ", "") for key, value in SHORT.items()]
    subprocess.run(
        [
            *("qemu-x86_64", "-cpu", "Broadwell", PYTHON, "-m", "ddpg", "train", "pendulum-demo"),
            *("--seed", "0", "--output", str(tmp_path / "moved"), "--set", *overrides),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        check=True,
    )
    whole, moved = (RunRecord.read(tmp_path / name / "run.json") for name in ("whole", "moved"))
    assert len(moved.sessions) == 2
    assert moved.identity == whole.identity
    assert moved.weights_sha256 == whole.weights_sha256
    for name in ("state_digests.txt", "test_episodes.csv", "policy.npz"):
        assert moved.files[name] == whole.files[name]
