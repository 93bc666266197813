"""What the benchmarks count and compare; no test here measures time."""

import os
import subprocess
import sys

import pytest

from benchmarks import bound, common

ROOT = common.ROOT


def test_bound_counts_the_flop_of_one_update():
    shapes = bound.list_product_shapes([400, 300], batch=100, obs_dim=17, act_dim=6)

    hidden = 2 * 100 * 400 * 300
    actor_first, actor_last = 2 * 100 * 17 * 400, 2 * 100 * 300 * 6
    critic_first, critic_last = 2 * 100 * 23 * 400, 2 * 100 * 300
    # Hidden layers: 2 + 3 forwards; backwards 2 for the weights and 3 for the inputs.
    assert bound.count_flop(shapes) == (
        10 * hidden + 3 * actor_first + 4 * actor_last + 5 * critic_first + 6 * critic_last
    )


def test_the_products_run_with_native_kernels(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")  # slow kernels that every processor runs
    shapes = bound.list_product_shapes([30], batch=4, obs_dim=3, act_dim=1)
    products = bound.NativeProducts(shapes, common.make_native_environment())
    try:
        assert products.kernels != "Prescott"
        updates_per_second, square_gflops = products.measure(0.01)
    finally:
        products.close()
    assert updates_per_second > 0
    assert square_gflops > 0


def test_the_native_environment_keeps_only_the_users_own_xla_flags(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --xla_dump_to=somewhere")
    native = common.make_native_environment()
    assert native["XLA_FLAGS"] == "--xla_dump_to=somewhere"
    assert "NPY_DISABLE_CPU_FEATURES" not in native


def test_a_native_worker_starts_without_pinned_kernels():
    workers = [common.Worker(_report_kernels, native=native) for native in (True, False)]
    native, pinned = [worker.measure() for worker in workers]
    for worker in workers:
        worker.close()
    assert native is None
    assert pinned == "Haswell"


def _report_kernels():
    coretype = os.environ.get("OPENBLAS_CORETYPE")
    return lambda: coretype


@pytest.mark.parametrize("evaluation", [True, False])
def test_a_segment_trains_its_steps(tmp_path, evaluation):
    code = f"""
from pathlib import Path
from benchmarks import common
segment = common.make_training_segment("spinup-exercise-2-2", 150, Path({str(tmp_path)!r}),
                                       {evaluation}, hidden_sizes=[8], batch_size=4)
segment.train(), segment.train()
print(segment.run.steps)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["300"]
    assert len((tmp_path / "progress.txt").read_text().splitlines()) == 3
