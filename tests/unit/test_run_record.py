"""run.json: a round trip gives an equal record; missing and mistyped keys are named."""

import copy
import dataclasses
import json
import re
from pathlib import Path

import pytest
from helpers.checkout import ROOT
from helpers.make_record import IMAGE, make_record

from ddpg.cli import main
from ddpg.errors import UserError
from ddpg.files import encode_json
from ddpg.runs.directory import RunDirectory
from ddpg.runs.record import Processor, Revision, RunRecord

PUBLISHED = sorted(ROOT.glob("results/published/*/seed_*/run.json"))
LATER_KEYS = {"core_digest", "kernels"}

# Runs of other machines and other versions of this package.
ORIGINS = {
    "here": {},
    "in an image, which has no git": {"git": None, "image": IMAGE},
    "with uncommitted changes": {"git": Revision("0123456789abcdef", dirty=True)},
    "on a GPU": {"gpu": ("NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3")},
    "on a processor that Linux hardly describes": {"processor": Processor("", "?-?-?-?", ())},
    "with variables": {"variables": {"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}},
    "of a later version": {"core_digest": "d", "kernels": "AVX2"},
}


def write(directory: Path, record: RunRecord | dict) -> Path:
    """Write run.json in a run directory; returns its path."""
    directory.mkdir(parents=True, exist_ok=True)
    content = record if isinstance(record, dict) else record.to_json()
    (directory / "run.json").write_bytes(encode_json(content))
    return directory / "run.json"


def keys(value: dict, prefix: tuple = ()) -> list[tuple]:
    """The path of every key of a JSON object, not of free-form objects in it."""
    found = []
    for key, inner in value.items():
        found.append((*prefix, key))
        if key in ("identity", "machine", "cpu", "git", "image"):
            found += keys(inner, (*prefix, key))
        elif key == "sessions":
            found += keys(inner[0], (*prefix, key, 0))
    return found


COMPLETE = make_record(image=IMAGE).to_json()
OPTIONAL = {
    *((key,) for key in LATER_KEYS),
    ("identity", "variables"),
    ("identity", "arithmetic_version"),
    ("identity", "platform"),
    ("identity", "environment_code"),
}
FREE = ("identity", "config")


def at(record: dict, path: tuple):
    """The object that holds the last key of `path`."""
    for key in path[:-1]:
        record = record[key]
    return record


def dotted(path: tuple) -> str:
    return ".".join(map(str, path)).replace(".0", "[0]")


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_every_published_run_survives_a_round_trip(path):
    written = json.loads(path.read_text())
    record = RunRecord.read(path)
    again = record.to_json()
    if written["identity"].pop("code", None):  # of the first arithmetic
        assert record.arithmetic_version == 1
        for key in ("arithmetic_version", "platform"):
            again["identity"].pop(key)
    if "environment_code" not in written["identity"]:
        again["identity"].pop("environment_code")
    assert {key: again[key] for key in written} == written
    assert again.keys() - written.keys() <= LATER_KEYS


def test_record_without_the_later_keys(tmp_path):
    earlier = {key: value for key, value in COMPLETE.items() if key not in LATER_KEYS}
    earlier["identity"] = dict(earlier["identity"])
    del earlier["identity"]["arithmetic_version"]
    record = RunRecord.read(write(tmp_path, earlier))
    assert (record.arithmetic_version, record.core_digest, record.kernels) == (1, None, None)


def test_key_of_a_later_version_is_ignored(tmp_path):
    later = copy.deepcopy(COMPLETE) | {"colour": "blue"}
    later["machine"]["colour"] = ["blue"]
    assert RunRecord.read(write(tmp_path, later)) == make_record(image=IMAGE)


@pytest.mark.parametrize("origin", ORIGINS)
def test_record_round_trip(tmp_path, origin):
    record = make_record(**ORIGINS[origin])
    assert RunRecord.read(write(tmp_path, record)) == record
    assert RunDirectory(tmp_path).read_finished() == record
    assert RunDirectory(tmp_path / "unfinished").read_finished() is None


@pytest.mark.parametrize("path", [k for k in keys(COMPLETE) if k not in OPTIONAL], ids=dotted)
def test_a_missing_key_is_named(tmp_path, path):
    damaged = copy.deepcopy(COMPLETE)
    del at(damaged, path)[path[-1]]
    refused(write(tmp_path, damaged), f"{dotted(path)} is missing")


@pytest.mark.parametrize("path", [path for path in keys(COMPLETE) if path != FREE], ids=dotted)
def test_a_value_of_another_type_is_named(tmp_path, path):
    damaged = copy.deepcopy(COMPLETE)
    # No key may be any of these.
    at(damaged, path)[path[-1]] = True if path[-1] != "dirty" else 1
    refused(write(tmp_path, damaged), f"{dotted(path)} is {'True' if path[-1] != 'dirty' else 1}, ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"finished": "yesterday"}, "finished is 'yesterday', not a time as 2026-01-31T12:00:00"),
        ({"steps": 1.5}, "steps is 1.5, not a whole number"),
        ({"seed": None}, "seed is nothing (null), not a whole number"),
        ({"steps": 10**400}, f"steps is 1{'0' * 36}..., beyond 64 bits"),
        ({"files": {"policy.npz": 7}}, "files.policy.npz is 7, not text"),
        ({"machine": []}, "machine is a list, not an object"),
        ({"sessions": {}}, "sessions is an object, not a list"),
        ({"sessions": []}, "sessions is empty"),
        ({"experiment": ["x"]}, "experiment is a list, not text"),
        ({"seed": "x" * 99}, f"seed is '{'x' * 36}..., not a whole number"),
    ],
)
def test_message_for_a_wrong_value(tmp_path, change, message):
    refused(write(tmp_path, COMPLETE | change), message)


def refused(path: Path, message: str) -> None:
    with pytest.raises(UserError) as error:
        RunRecord.read(path)
    assert str(error.value).startswith(f"{path}: not a run.json of this package: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_whole_number_is_accepted_for_a_float(tmp_path):
    record = RunRecord.read(write(tmp_path, COMPLETE | {"seconds": 10}))
    assert record.seconds == 10.0 and isinstance(record.seconds, float)


def test_the_provenance_table_of_all_origins(tmp_path):
    """As CSV, Markdown and HTML."""
    runs = []
    for seed, changes in enumerate(ORIGINS.values()):
        runs.append(tmp_path / f"seed_{seed}")
        write(runs[-1], make_record(seed=seed, **changes))
    assert main(["provenance", "--runs", *map(str, runs), "--output", str(tmp_path)]) == 0
    text = (tmp_path / "provenance.md").read_text()
    rows = [line for line in text.splitlines() if re.match(r"\| demo ", line)]
    assert len(rows) == len(ORIGINS)
    for row, shown in [
        (0, "0123456789ab |"),
        (1, "| cpu 0123456789ab |  |"),
        (2, "0123456789ab with uncommitted changes"),
        (3, "NVIDIA H100 80GB HBM3, NVIDIA H100 80GB HBM3"),
        (4, "?-?-?-?"),
        (6, "| 2 |"),
    ]:
        assert shown in rows[row]
    assert len((tmp_path / "provenance.csv").read_text().splitlines()) == 1 + len(ORIGINS)
    assert "<table>" in (tmp_path / "provenance.html").read_text()


@pytest.mark.parametrize("command", ["provenance", "plan", "verify"])
def test_every_command_reports_an_invalid_run_json(tmp_path, capsys, command):
    run = tmp_path / "pendulum-demo/seed_0"
    write(run, {key: value for key, value in COMPLETE.items() if key != "machine"})
    options = {
        "provenance": ["--runs", str(run), "--output", str(tmp_path / "tables")],
        "plan": ["--published", str(run)],
        "verify": [str(run)],
    }
    assert main([command, *options[command]]) == 2
    assert capsys.readouterr().err == (
        f"ddpg: {run}/run.json: not a run.json of this package: machine is missing\n"
    )
    assert not (tmp_path / "tables").exists()


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_record().seed = 1


@pytest.mark.parametrize("written", ["NaN", "1e999", "-Infinity", "1" + "0" * 400])
def test_a_number_that_is_not_finite_is_named(tmp_path, written):
    path = write(tmp_path, make_record())
    text = re.sub(r'"seconds": [0-9.]+', f'"seconds": {written}', path.read_text())
    path.write_text(text)
    with pytest.raises(UserError, match=f"^{path}: .*: seconds is .*, not a finite number$"):
        RunRecord.read(path)
