"""One seed gives the same bytes: repeated, in parallel, on one core or on all."""

import os
import subprocess
import sys

import pytest
from helpers.checkout import ROOT
from helpers.killable_process import run_in_subprocess
from helpers.run_files import read_results

# Networks and batches of the benchmark's size: libraries do not parallelize smaller ones.
SETTINGS = "epochs=2 steps_per_epoch=250 max_ep_len=100 start_steps=100".split()
THREADS = (
    "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS TF_NUM_INTRAOP_THREADS "
    "TF_NUM_INTEROP_THREADS"
).split()


def arguments(directory, seed=0):
    return [
        *("train", "halfcheetah-benchmark", "--config", str(ROOT / "config.yaml")),
        *("--seed", str(seed), "--output", str(directory), "--set", *SETTINGS),
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    directory = tmp_path_factory.mktemp("expected")
    assert run_in_subprocess(arguments(directory / "run"), directory / "log") == 0
    return read_results(directory / "run")


def start(directory, seed=0, cores=None, **variables):
    """Start a process that trains in another working directory, on `cores` (default: all)."""
    cores = cores or os.sched_getaffinity(0)
    process = subprocess.Popen(
        [sys.executable, "-m", "ddpg", *arguments(directory, seed)],
        cwd=directory.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    )
    os.sched_setaffinity(process.pid, cores)  # long before TensorFlow counts them
    return process


def test_same_bytes_twice_in_one_process(expected, tmp_path):
    both = "; ".join(f"main({arguments(tmp_path / name)})" for name in ("first", "second"))
    subprocess.run(
        [sys.executable, "-c", f"from ddpg.cli import main; {both}"], cwd=ROOT, check=True
    )
    assert read_results(tmp_path / "first") == read_results(tmp_path / "second") == expected


def test_same_bytes_for_any_cores_threads_and_parallel_runs(expected, tmp_path):
    core = {min(os.sched_getaffinity(0))}
    processes = [
        start(tmp_path / "one_core", cores=core, **dict.fromkeys(THREADS, "1")),
        start(tmp_path / "other_seed", seed=10),
        start(
            tmp_path / "more", **dict.fromkeys(THREADS, "3"), PYTHONHASHSEED="1", TZ="Asia/Tokyo"
        ),
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert read_results(tmp_path / "one_core") == expected
    assert read_results(tmp_path / "more") == expected
    other = read_results(tmp_path / "other_seed")
    for name in ("progress.txt", "test_episodes.csv", "state_digests.txt", "policy.npz", "weights"):
        assert other[name] != expected[name], "another seed must give another run"
