"""Numerical kernels: pinned by the package, and checked when a run starts."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.checkout import ROOT

from ddpg import kernels
from ddpg.core import products
from ddpg.core.selfcheck import find_differing_functions, find_differing_products
from ddpg.core.tensorflow import tf
from ddpg.errors import UserError

SETTINGS = (
    "epochs=1 steps_per_epoch=100 start_steps=50 max_ep_len=50 num_test_episodes=1 "
    "hidden_sizes=[8] replay_size=100"
).split()


def run_python(code, *arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_every_variable_that_chooses_kernels_is_overridden():
    environ = dict.fromkeys((*kernels.VARIABLES, *kernels.UNSET), "wrong")
    environ |= {"XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2 --xla_dump_to=x", "ONEDNN_MAX_CPU_ISA": "S"}
    kernels.pin(environ)
    assert environ == {
        **kernels.VARIABLES,
        "XLA_FLAGS": " ".join(["--xla_dump_to=x", *kernels.XLA_FLAGS]),
    }


def test_onednn_may_be_limited_to_avx2():
    environ = {kernels.CAP_VARIABLE: kernels.CAP}
    kernels.pin(environ)
    assert environ[kernels.CAP_VARIABLE] == kernels.CAP


def test_xla_flags_may_come_from_a_file(tmp_path):
    (tmp_path / "flags").write_text("--xla_dump_to=x\n--xla_cpu_max_isa=AVX\n")
    flags = kernels.list_user_xla_flags({"XLA_FLAGS": str(tmp_path / "flags")})
    assert flags == ["--xla_dump_to=x"]
    with pytest.raises(UserError, match="neither flags nor a file of flags"):
        kernels.list_user_xla_flags({"XLA_FLAGS": str(tmp_path / "missing")})


def test_nothing_is_pinned_without_avx2(monkeypatch):
    monkeypatch.setattr(kernels, "read_processor_flags", lambda: {"sse4_2", "avx"})
    environ = {"OPENBLAS_CORETYPE": "Nehalem"}
    kernels.pin(environ)
    assert environ == {"OPENBLAS_CORETYPE": "Nehalem"}


def test_products_on_a_gpu_are_in_float32():
    """The list of devices stands in for a GPU."""
    code = (
        "import ddpg, os, tensorflow as tf;"
        "tf.config.list_logical_devices = lambda kind: [kind];"
        "before = tf.config.experimental.tensor_float_32_execution_enabled();"
        "import ddpg.core.tensorflow;"
        "print(before, tf.config.experimental.tensor_float_32_execution_enabled());"
        "print(os.environ['TF_FORCE_GPU_ALLOW_GROWTH'])"
    )
    assert run_python(code).stdout.split() == ["True", "False", "true"]


def test_numpy_imported_first_is_refused():
    code = "import numpy, ddpg.cli, sys; sys.exit(ddpg.cli.main(sys.argv[1:]))"
    arguments = ["train", "pendulum-demo", "--seed", "0", "--output", "never"]
    done = run_python(code, *arguments, OPENBLAS_CORETYPE="Sandybridge")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "numpy was imported before ddpg" in done.stderr


@pytest.mark.parametrize("command", ["status results/published", "train x --seed 0 --output x"])
def test_unreadable_xla_flags_are_one_line(command):
    code = "import ddpg.cli, sys; sys.exit(ddpg.cli.main(sys.argv[1:]))"
    done = run_python(code, *command.split(), XLA_FLAGS="/nonexistent")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch("ddpg: XLA_FLAGS=/nonexistent: neither flags nor a file.*\n", done.stderr)


def test_unreadable_xla_flags_leave_numpy_pinned_and_tensorflow_refused():
    environ = {"XLA_FLAGS": "/nonexistent", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    kernels.pin(environ)
    assert environ == {**kernels.VARIABLES, "XLA_FLAGS": "/nonexistent"}
    done = run_python("import ddpg.core.tensorflow", XLA_FLAGS="/nonexistent")
    assert done.stderr.splitlines()[-1].startswith("ddpg.errors.UserError: XLA_FLAGS=/nonexistent")


def test_unknown_xla_flag_is_one_line(tmp_path):
    code = "import ddpg.cli, sys; sys.exit(ddpg.cli.main(sys.argv[1:]))"
    arguments = ["train", "pendulum-demo", "--seed", "0", "--output", str(tmp_path / "run")]
    done = run_python(code, *arguments, XLA_FLAGS="--xla_no_such_flag=1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "XLA_FLAGS: XLA refuses --xla_no_such_flag=1" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "sizes", [((400, 300), 100, 17, 6), ((16, 9), 8, 3, 1), ((7,), 1, 1, 1), ((33,), 9, 20, 3)]
)
def test_products_equal_their_definition(sizes):
    assert find_differing_products(*sizes) == []


def test_products_are_defined_as_ordered_fused_multiply_adds():
    """The case differs if products are rounded first, or the sum only once at the end."""
    a = np.float32([[1 + 2**-12, 1, 2**-30]])
    b = np.float32([[1 + 2**-12, 0], [-1, 0], [1, 0]])
    exact_steps = np.float32(np.float64(a[0, 0]) * np.float64(b[0, 0]))
    expected = np.float32(np.float64(exact_steps) - 1)
    expected = np.float32(np.float64(expected) + 2**-30)
    assert products.ordered_product(a, b)[0, 0] == expected


def test_products_have_the_gradients_of_matrix_products():
    rng = np.random.default_rng(0)
    x, w, dy = (rng.standard_normal(s).astype("f") for s in ((6, 300), (300, 5), (6, 5)))
    x, w = tf.constant(x), tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        y = products.matmul(x, w)
    dx, dw = tape.gradient(y, [x, w], output_gradients=dy)
    np.testing.assert_allclose(y, x.numpy().astype("d") @ w.numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dx, dy @ w.numpy().T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dw, x.numpy().T @ dy, rtol=1e-4, atol=1e-4)


def test_wrong_product_is_detected(monkeypatch):
    monkeypatch.setattr("ddpg.core.selfcheck.compute_product", lambda a, b, transpose_a=False: (
        tf.matmul(a, b, transpose_a=transpose_a) * (1 + 2**-22)
    ))  # fmt: skip
    assert (
        len(find_differing_products((8,), 4, 3, 1)) == 3 * 3
    )  # three layers, forwards and both gradients


def test_a_function_of_other_kernels_is_detected(monkeypatch):
    assert find_differing_functions() == []
    monkeypatch.setattr(np, "tanh", lambda x: x)
    assert find_differing_functions() == ["NumPy's tanh"]


def test_differing_kernels_restart_the_command_capped(tmp_path):
    """On a processor whose AVX-512 kernels differ, simulated: its products differ unless capped."""
    site = tmp_path / "sitecustomize.py"
    site.write_text(
        "import ddpg\n"
        "from ddpg import kernels, portability\n"
        "portability.find_differing_products = (\n"
        "    lambda *sizes: [] if kernels.is_capped() else ['(1, 2) x (2, 3)'])\n"
        "kernels.read_processor_flags = lambda: {'avx2', 'fma', 'avx512f'}\n"
    )
    command = [sys.executable, "-m", "ddpg", "train", "pendulum-demo", "--seed", "0"]
    command += ["--output", str(tmp_path / "run"), "--set", *SETTINGS]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("restarting with oneDNN limited to AVX2") == 1
    record = (tmp_path / "run/run.json").read_text()
    assert '"kernels": "pinned, oneDNN limited to AVX2"' in record
    assert '"platform": "x86-64-v3"' in record
