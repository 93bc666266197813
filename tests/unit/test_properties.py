"""Readers of files, on any content: a right answer or one line, never a traceback or a hang.

Hypothesis looks for content that breaks this. It draws the same examples each time;
HYPOTHESIS_EXAMPLES=N looks at N other ones of each property.
"""

import csv
import io
import json
import math
import os
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.checkout import ROOT
from helpers.make_state import IDENTITY, make_state, save_two_checkpoints
from helpers.mangling import mangle
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ddpg import config, strict_yaml
from ddpg.analysis import curves
from ddpg.commands.check import read_stated_numbers
from ddpg.core.replay import ReplayBuffer
from ddpg.errors import UserError
from ddpg.evaluation import load_trained
from ddpg.runs.checkpoint import Checkpoints, Damaged, read_newest_state
from ddpg.runs.policy_file import load_policy
from ddpg.runs.published import MANIFEST as MANIFEST_FILE
from ddpg.runs.published import check_manifest
from ddpg.runs.record import RunRecord
from ddpg.runs.state_digests import read_digests
from ddpg.runs.typed_json import to_json

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", 0))
settings.register_profile(
    "files", deadline=timedelta(seconds=10), max_examples=EXAMPLES or 100,
    derandomize=not EXAMPLES, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("files")

SEED = ROOT / "results/published/pendulum-demo/seed_0"
PROGRESS = (SEED / "progress.txt").read_bytes().split(b"\n")
SHORT_PROGRESS = b"\n".join(PROGRESS[:6]) + b"\n"


def answer(read, *arguments):
    """The result of `read`, or None if it refuses with one line."""
    try:
        return read(*arguments)
    except (UserError, Damaged) as error:
        assert str(error).strip()
        return None


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def numbers(cells):
    return [float(cell) if cell.strip() else math.nan for cell in cells]


@given(content=mangle(SHORT_PROGRESS))
@example(content=SHORT_PROGRESS.replace(b"-145.2", b"-14\0005.2"))
@example(content=SHORT_PROGRESS.replace(b"Epoch\t", b'"Epoch\t'))
@example(content=SHORT_PROGRESS.replace(b"StdEpRet", b"AverageTestEpRet"))
@example(content=b"\xef\xbb\xbf" + SHORT_PROGRESS)
def test_progress_values_equal_the_cells(path, content):
    path.write_bytes(content)
    table = answer(curves.read_progress, path)
    if table is None:
        return
    header, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    names = header.split("\t")
    assert len(table) == len(lines)
    for position, line in enumerate(lines):
        cells = dict(zip(names, line.split("\t"), strict=True))
        for name, column in curves.COLUMNS.items():
            read = table[column].iloc[position]
            try:
                (wanted,) = numbers([cells[name]]) if name in cells else (math.nan,)
            except ValueError:
                assert math.isnan(read), f"{cells[name]!r} was read as {read}"
                continue
            same = math.isnan(read) if math.isnan(wanted) else math.isclose(read, wanted)
            assert same or read == wanted, f"{cells[name]!r} was read as {read}"
    steps = table["env_interacts"]
    assert steps.is_monotonic_increasing and np.isfinite(table["test_return_mean"]).all()


@given(size=st.integers(0, len(SHORT_PROGRESS)))
def test_progress_that_was_cut_off_is_refused_or_whole_rows(path, size):
    path.write_bytes(SHORT_PROGRESS[:size])
    table = answer(curves.read_progress, path)
    whole = SHORT_PROGRESS[:size].endswith(b"\n") and SHORT_PROGRESS[:size].count(b"\n") > 1
    assert (table is not None) == whole
    if whole:
        path.write_bytes(SHORT_PROGRESS)
        pd.testing.assert_frame_equal(table, curves.read_progress(path).head(len(table)))


@given(content=st.binary(max_size=200))
def test_any_bytes_are_no_progress(path, content):
    path.write_bytes(content)
    assert answer(curves.read_progress, path) is None


RUNS_TABLE = curves.aggregate_runs(sorted(SEED.parent.glob("seed_*"))).groupby("seed").head(2)
PER_SEED = (ROOT / "results/reference/spinup_pytorch_exercise_2_2_rerun.csv").read_bytes()
BENCHMARK = (ROOT / "results/reference/spinup_ddpg_benchmark.csv").read_bytes()
NAMES = ("HalfCheetah-v2", "spinup-2018-tf1")
SHORT_BENCHMARK = b"\n".join(
    [
        BENCHMARK.split(b"\n")[0],
        *[row for row in BENCHMARK.split(b"\n") if ",".join(NAMES).encode() in row][:5],
        b"",
    ]
)


def dictionaries(text):
    return list(csv.DictReader(io.StringIO(text)))


def is_read_as(cell, value):
    """Whether a number was read as its cell says; other cells are read as missing."""
    try:
        (wanted,) = numbers([cell])
    except ValueError:
        return math.isnan(value)
    return math.isclose(value, wanted) or (math.isnan(wanted) and math.isnan(value))


@given(content=mangle(b"\n".join(PER_SEED.split(b"\n")[:11]) + b"\n"))
@example(content=b"seed,env_interacts,test_return_mean\n0,1,2\n0,2,abc\n")
@example(content=b"seed,env_interacts,test_return_mean\nx,1,2\n")
@example(content=b"seed,env_interacts,test_return_mean\n,1,2\n")
@example(content=b"seed,env_interacts,test_return_mean\n")
@example(content=b"seed,env_interacts,test_return_mean,seed\n1,1,2,3\n")
def test_curves_per_seed_equal_the_cells(path, content):
    path.write_bytes(content)
    table = answer(curves.read_per_seed, path)
    if table is None:
        return
    rows = dictionaries(path.read_text(encoding="utf-8-sig"))
    assert len(table) == len(rows) > 0
    for column in ("seed", "env_interacts", "test_return_mean"):
        for row, value in zip(rows, table[column], strict=True):
            assert is_read_as(row[column], float(value)), f"{row[column]!r} was read as {value}"
    assert np.isfinite(table["test_return_mean"].to_numpy(dtype=float)).all()


@given(content=mangle(SHORT_BENCHMARK))
@example(content=SHORT_BENCHMARK.replace(b",10000,", b",abc,"))
@example(content=SHORT_BENCHMARK + b"HalfCheetah-v2,spinup-2018-tf1,99999999,abc,1\n")
@example(content=SHORT_BENCHMARK + b"HalfCheetah-v2,spinup-2018-tf1,99999999,1,abc\n")
def test_published_curve_values_equal_the_cells(path, content):
    path.write_bytes(content)
    curve = answer(curves.read_published, path, *NAMES)
    if curve is None:
        return
    rows = [
        row
        for row in dictionaries(path.read_text(encoding="utf-8-sig"))
        if (row["environment"], row["implementation"]) == NAMES
    ]
    assert len(curve) == len(rows) > 0
    for ours, theirs in (
        ("env_interacts", "env_interacts"),
        ("mean", "performance_mean"),
        ("sd", "performance_std"),
    ):
        for row, value in zip(rows, curve[ours], strict=True):
            assert is_read_as(row[theirs], float(value)), f"{row[theirs]!r} was read as {value}"


@given(content=mangle(RUNS_TABLE.to_csv(index=False).encode()))
def test_a_table_of_runs_is_read_whole_or_refused(path, content):
    path.write_bytes(content)
    table = answer(curves.read_curves, [path])
    if table is not None:
        assert list(table.columns) == curves.RUN_COLUMNS
        steps = table.groupby(["experiment", "seed"])["env_interacts"]
        assert all(own.is_unique for _, own in steps)


CONFIG = (ROOT / "config.yaml").read_bytes()
LEVELS = "\n".join(
    f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9) if i else '1'}]" for i in range(12)
)


@given(content=st.one_of(mangle(CONFIG), st.binary(max_size=100)))
@example(content=LEVELS.encode())
@example(content=b"experiments: {a: &a {env: *a}}")
@example(content=b"[" * 5000)
@example(content=b"a: " * 5000)
@example(content=b"? [a]\n: b")
@example(content=b"seeds: !!python/object/apply:os.system [true]")
@example(content=b"smoke: {epochs: 99999999999999999999999999999}")
@example(content=b"smoke: {pi_lr: .nan}")
def test_a_configuration_is_checked_or_refused(path, content):
    path.write_bytes(content)
    for files in ([path], [ROOT / "config.yaml", path]):
        read = answer(config.read, *files)
        if read is None:
            continue
        for name in read["experiments"]:
            experiment = config.resolve_experiment(read, name)
            assert experiment.epochs >= 1 and 0 <= experiment.discount <= 1
            assert experiment.digest()


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("episode")
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(sorted(config.Experiment.__dataclass_fields__.keys() - {"name"}))


@given(overlay=st.dictionaries(KEYS, VALUES, max_size=3))
def test_an_overlay_sets_exactly_its_keys_or_is_refused(path, overlay):
    path.write_text(yaml.safe_dump({"experiments": {"pendulum-demo": overlay}}))
    before = config.resolve_experiment(config.read(ROOT / "config.yaml"), "pendulum-demo")
    read = answer(config.read, ROOT / "config.yaml", path)
    if read is None:
        return
    after = config.resolve_experiment(read, "pendulum-demo")
    for key in config.Experiment.__dataclass_fields__:
        if key not in overlay:
            assert getattr(after, key) == getattr(before, key)
            continue
        value = overlay[key]
        assert getattr(after, key) == (tuple(value) if isinstance(value, list) else value)


@given(texts=st.lists(st.text(max_size=20), max_size=3))
def test_overrides_are_a_mapping_or_refused(texts):
    overrides = answer(config.parse_overrides, texts)
    if overrides is not None:
        assert set(overrides) == {text.partition("=")[0] for text in texts}


@given(
    text=st.one_of(st.text(max_size=60), mangle(CONFIG[:600]).map(lambda b: b.decode("latin-1")))
)
def test_strict_yaml_gives_a_value_or_a_yaml_error(text):
    try:
        value = strict_yaml.load(text)
    except yaml.YAMLError:
        return
    json.dumps(value, default=str)


RECORD = (SEED / "run.json").read_bytes()
RECORDED_CONFIG = (SEED / "config.json").read_bytes()


@given(content=mangle(RECORD))
@example(content=RECORD.replace(b"123.213", b"1e999"))
@example(content=RECORD.replace(b'"steps": 500000', b'"steps": -1'))
@example(content=b"[" * 100_000)
@example(content=b'{"seed": ' + b"9" * 5000 + b"}")
def test_a_record_comes_back_as_it_was_written_or_is_refused(path, content):
    path.write_bytes(content)
    record = answer(RunRecord.read, path)
    if record is not None:
        written = json.loads(content)
        again = json.loads(json.dumps(to_json(record)))
        for key in again.keys() & written.keys():
            if key not in ("finished", "sessions", "identity", "machine"):
                assert again[key] == written[key]


@given(content=st.one_of(mangle(RECORDED_CONFIG), VALUES.map(lambda v: json.dumps(v).encode())))
@example(content=b"[" * 100_000)
@example(content=RECORDED_CONFIG.replace(b'"seed": 0', b'"seed": NaN'))
def test_a_run_s_configuration_is_checked_or_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    settings_ = answer(curves.read_config, tmp_path)
    found = settings_ and answer(config.restore_experiment, settings_, "config.json")
    if found:
        experiment, seed = found
        assert (experiment.name, seed) == (settings_["exp_name"], settings_["seed"])


DIGESTS = b"\n".join((SEED / "state_digests.txt").read_bytes().split(b"\n")[:4]) + b"\n"


@given(content=mangle(DIGESTS))
def test_digests_are_rows_or_refused(tmp_path, content):
    (tmp_path / "state_digests.txt").write_bytes(content)
    found = answer(read_digests, tmp_path)
    if found is not None:
        lines = content.decode().splitlines()[1:]
        assert [[str(epoch), *row] for epoch, row in enumerate(found, 1)] == [
            line.split("\t") for line in lines
        ]


@given(content=mangle((ROOT / "docs/stated_numbers.csv").read_bytes()))
def test_stated_numbers_are_numbers_or_refused(path, content):
    path.write_bytes(content)
    for number in answer(read_stated_numbers, path) or []:
        float(number.value)


MANIFEST = b"".join(
    line for line in (SEED.parents[1] / MANIFEST_FILE).read_bytes().splitlines(keepends=True)
    if b"pendulum-demo/seed_0/" in line
)  # fmt: skip


@given(content=mangle(MANIFEST))
def test_a_mangled_manifest_vouches_for_no_other_bytes(tmp_path_factory, content):
    directory = tmp_path_factory.mktemp("published")
    run = shutil.copytree(SEED, directory / "pendulum-demo/seed_0")
    (directory / MANIFEST_FILE).write_bytes(content)
    try:
        check_manifest(directory / MANIFEST_FILE, [run])
    except UserError:
        return
    lines = (directory / MANIFEST_FILE).read_text().splitlines()
    assert set(MANIFEST.decode().splitlines()) <= set(lines)


POLICY = (SEED / "policy.npz").read_bytes()


def flip_flag_of_first_member(bit: int) -> bytes:
    """The policy with one general-purpose flag set in the ZIP directory's first entry."""
    content = bytearray(POLICY)
    content[content.index(b"PK\x01\x02") + 8] ^= 1 << bit
    return bytes(content)


@given(content=mangle(POLICY))
@example(content=b"")
@example(content=b"PK\x05\x06" + bytes(18))
@example(content=flip_flag_of_first_member(bit=0))  # encrypted
@example(content=flip_flag_of_first_member(bit=5))  # "patched data", which zipfile does not know
def test_a_policy_is_the_one_that_was_written_or_refused(path, content):
    path.write_bytes(content)
    policy = answer(load_policy, path)
    if policy is not None:
        wanted = load_policy(SEED / "policy.npz")
        for name in ("weights", "biases"):
            for a, b in zip(getattr(policy, name), getattr(wanted, name), strict=True):
                np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(policy.scale, wanted.scale)


@given(content=mangle(RECORDED_CONFIG))
def test_a_run_s_policy_is_played_or_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    (tmp_path / "policy.npz").write_bytes(POLICY)
    trained = answer(load_trained, tmp_path)
    if trained is not None:
        assert trained.max_ep_len > 0
        observation = np.zeros(len(trained.policy.weights[0]), np.float32)
        action = trained.policy(observation)
        assert action.shape == trained.policy.scale.shape
        assert (np.abs(action - trained.policy.offset) <= trained.policy.scale).all()


@given(data=st.data())
def test_a_damaged_checkpoint_is_never_resumed_as_another_state(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("checkpoint")
    save_two_checkpoints(Checkpoints(directory))
    paths = sorted(directory.iterdir())
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, unique=True)):
        path.write_bytes(data.draw(mangle(path.read_bytes())))
    replay = ReplayBuffer(50, 2, 1)
    state = answer(Checkpoints(directory).load, replay, lambda identity: None)
    if state is not None:
        steps = state.snapshot.steps
        assert steps in (10, 20)
        wanted = make_state(IDENTITY, steps)
        assert state.tables == wanted.tables
        np.testing.assert_array_equal(state.snapshot.agent[0], wanted.snapshot.agent[0])
        assert replay.added == steps
        np.testing.assert_array_equal(
            replay.data.obs[:steps, 0], np.arange(steps, dtype=np.float32)
        )
    newest = answer(read_newest_state, directory)
    assert newest is None or newest.snapshot.steps in (10, 20)


@given(content=st.binary(max_size=300))
def test_any_bytes_are_no_checkpoint(tmp_path, content):
    Path(tmp_path / "state_0000000010").write_bytes(content)
    assert answer(Checkpoints(tmp_path).load, ReplayBuffer(5, 2, 1), lambda identity: None) is None
    assert answer(read_newest_state, tmp_path) is None
