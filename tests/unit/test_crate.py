"""The RO-Crate of published runs: its content, and that RO-Crate's validator accepts it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.checkout import ROOT
from helpers.needs import UV

from ddpg.cli import main
from ddpg.commands import crate
from ddpg.runs.record import RunRecord

# Of RO-Crate (CC0), as its address answers: the tests have no network but an index of packages.
CONTEXT = ROOT / "tests/data/ro-crate-1.1-context.jsonld"
RUNS = ("pendulum-demo/seed_0", "halfcheetah-benchmark/seed_0")
# What the validator recommends and this crate has not: packages have no address on the web here, as
# they come from whatever index is used, and the maintainers have no page.
NOT_FOLLOWED = {
    "process-run-crate-0.5_3.2: The Application SHOULD have a url",
    "process-run-crate-0.5_5.1: The SoftwareApplication id SHOULD be an absolute URI",
    "ro-crate-1.1_31.2: The organization SHOULD have a URL.",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with two published runs, and its crate."""
    root = tmp_path_factory.mktemp("project")
    for name in ("Snakefile", "config.yaml", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, root)
    (root / "containers/locks").mkdir(parents=True)
    shutil.copy(ROOT / "containers/locks/cpu.txt", root / "containers/locks")
    for run in RUNS:
        shutil.copytree(ROOT / "results/published" / run, root / "results/published" / run)
    assert main(["crate", "--root", str(root)]) == 0
    return root


def entities(root):
    graph = json.loads((root / crate.METADATA).read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def named(found, references):
    """name -> value of the PropertyValues that are referred to."""
    references = [references] if isinstance(references, dict) else references
    return {found[r["@id"]]["name"]: found[r["@id"]].get("value") for r in references}


@pytest.mark.parametrize("run", RUNS)
def test_crate_describes_a_run_as_its_record(project, run):
    found, directory = entities(project), project / "results/published" / run
    record = RunRecord.read(directory / "run.json")
    action = found[f"#run/{record.experiment}/{record.seed}"]
    assert action["@type"] == "CreateAction"
    assert action["instrument"] == {"@id": "Snakefile"}
    assert action["startTime"] == record.sessions[0].started.isoformat()
    assert action["endTime"] == record.finished.isoformat()
    inputs = named(found, action["object"])
    assert (inputs["experiment"], inputs["seed"]) == (record.experiment, record.seed)
    for key, value in record.identity.config.items():
        assert inputs[key] == (json.dumps(value) if isinstance(value, list) else value)
    about = named(found, action["additionalProperty"])
    assert about["processor"] == record.machine.cpu.model
    assert about["code revision"] == str(record.machine.git)
    assert about["SHA-256 of weights and optimiser state"] == record.weights_sha256
    software = {found[r["@id"]]["name"]: found[r["@id"]]["softwareVersion"]
                for r in action["softwareRequirements"]}  # fmt: skip
    assert software == {"python": record.machine.python, **record.machine.packages}
    if record.machine.variables:
        assert named(found, action["environment"]) == record.machine.variables
    outputs = {Path(r["@id"]).name: found[r["@id"]]["sha256"] for r in action["result"]}
    expected = {**record.files, "run.json": outputs["run.json"]}
    del expected["config.json"]
    assert outputs == expected


def test_crate_has_the_manifest_s_checksums(project):
    lines = (ROOT / "results/published/MANIFEST.sha256").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    files = {name.removeprefix("results/published/"): entity["sha256"]
             for name, entity in entities(project).items()
             if name.startswith("results/published/")}  # fmt: skip
    assert len(files) == sum(len(list((project / "results/published" / r).iterdir())) for r in RUNS)
    assert files.items() <= listed.items()


def test_the_same_files_give_the_same_crate(project):
    before = (project / crate.METADATA).read_bytes()
    assert main(["crate", "--root", str(project)]) == 0
    assert (project / crate.METADATA).read_bytes() == before


def test_bad_input_is_one_line_and_writes_nothing(project, tmp_path, capfd, monkeypatch):
    root = shutil.copytree(project, tmp_path / "project")
    (root / crate.METADATA).unlink()

    def refused(*arguments):
        capfd.readouterr()
        code = main(["crate", *map(str, arguments)])
        err = capfd.readouterr().err
        assert (code, err.count("\n")) == (2, 1), err
        assert not (root / crate.METADATA).exists()
        return err

    assert "no such directory" in refused("--root", tmp_path)
    assert "not below" in refused("--root", root, "--published", ROOT / "results/published")
    (root / "empty").mkdir()
    assert "no finished run" in refused("--root", root, "--published", root / "empty")
    (root / "CITATION.cff").rename(root / "elsewhere")
    assert "CITATION.cff: no such file" in refused("--root", root)
    (root / "elsewhere").rename(root / "CITATION.cff")
    with open(root / "results/published" / RUNS[0] / "policy.npz", "a") as file:
        file.write("x")
    assert "policy.npz: not the bytes that the run wrote" in refused("--root", root)
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    assert "rocrate is not installed" in refused("--root", root)


def edit(**values):
    """CITATION.cff with other values; None removes a key."""

    def change(text):
        citation = yaml.safe_load(text) | values
        kept = {key: value for key, value in citation.items() if value is not None}
        return yaml.safe_dump(kept).encode()

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit(authors=None), "authors is missing or not a list; add it"),
        (edit(**{"date-released": None}), "date-released is missing or not a date"),
        (edit(license=None), "license is missing or not text"),
        (edit(version=2), "version is missing or not text"),
        (edit(authors=[{"given-names": "A"}]), "an author has neither"),
        (edit(authors=["A"]), "an author has neither"),
        (edit(keywords=["a", 1]), "a keyword is not text"),
        (lambda text: b"a: [", "not YAML (while parsing a flow node"),
        (lambda text: b"date-released: 2026-13-40", "not YAML (month must be in 1..12)"),
        (lambda text: b"title", "not a citation; write it as"),
        (lambda text: b"title: \xff", "not in UTF-8 (invalid start byte); save it as UTF-8"),
    ],
)
def test_bad_citation_is_one_line(project, tmp_path, capfd, change, message):
    root = shutil.copytree(project, tmp_path / "project")
    (root / crate.METADATA).unlink()
    (root / "CITATION.cff").write_bytes(change((root / "CITATION.cff").read_text()))
    assert main(["crate", "--root", str(root)]) == 2
    err = capfd.readouterr().err
    assert err.startswith(f"ddpg: {root}/CITATION.cff: {message}"), err
    assert err.count("\n") == 1
    assert not (root / crate.METADATA).exists()


def test_date_of_the_citation_may_be_in_quotes(project, tmp_path):
    root = shutil.copytree(project, tmp_path / "project")
    change = edit(**{"date-released": "2026-01-31"})
    (root / "CITATION.cff").write_bytes(change((root / "CITATION.cff").read_text()))
    assert main(["crate", "--root", str(root)]) == 0
    assert entities(root)["./"]["datePublished"] == "2026-01-31"


@pytest.fixture(scope="module")
def validator(tmp_path_factory):
    """The Python of an environment with RO-Crate's validator, which pins an older `rich`."""
    environment = tmp_path_factory.mktemp("validator") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = environment / "bin/python"
    install = [UV, "pip", "install", "--quiet", "--python", python, "--require-hashes"]
    subprocess.run([*install, "-r", ROOT / "containers/locks/validator.txt"], check=True)
    return python


def issues(validator, root, severity):
    """(exit code of the validator, its issues without repetitions)."""
    program = ROOT / "tests/helpers/validate_crate.py"
    done = subprocess.run(
        [validator, program, CONTEXT, root, severity], text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, set(done.stdout.splitlines())


@pytest.mark.index
def test_the_validator_of_ro_crate_accepts_the_crate(validator, project):
    assert issues(validator, project, "REQUIRED") == (0, set())
    _, recommended = issues(validator, project, "RECOMMENDED")
    assert recommended == {f"RECOMMENDED {line}" for line in NOT_FOLLOWED}


@pytest.mark.index
def test_validator_refuses_a_damaged_crate(validator, project, tmp_path):
    root = shutil.copytree(project, tmp_path / "project")
    (root / "results/published" / RUNS[0] / "policy.npz").unlink()
    text = (root / crate.METADATA).read_text()
    text = re.sub(r'("instrument": \{\s*"@id": )"Snakefile"', r'\1"#nothing"', text)
    (root / crate.METADATA).write_text(text)
    code, found = issues(validator, root, "REQUIRED")
    assert code == 1
    assert any(
        "does not include the Data Entity" in line and "policy.npz" in line for line in found
    )
    assert any("MUST have an instrument property" in line for line in found)
