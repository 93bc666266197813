"""Published runs: only finished and undamaged runs are copied, and their manifest is checked."""

import errno
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.checkout import ROOT
from helpers.edit_run import copy_as_arithmetic_1, edit_record, edit_result_file
from helpers.make_record import make_record
from helpers.read_experiment import read_experiment

from ddpg.analysis.provenance_table import tabulate_provenance
from ddpg.cli import main
from ddpg.commands.plan import estimate_costs
from ddpg.errors import UserError
from ddpg.files import encode_json, write_atomically
from ddpg.runs import published as published_runs
from ddpg.runs.directory import RESULT_FILES, RunDirectory
from ddpg.runs.published import check_manifest, publish_runs, write_manifest
from ddpg.runs.results import write_results


def make_run(runs, seed=0, **values):
    experiment = read_experiment("pendulum-demo", **values)
    directory = runs / "pendulum-demo" / f"seed_{seed}"
    directory.mkdir(parents=True)
    contents = {name: f"content of {name}\n".encode() for name in RESULT_FILES}
    contents["config.json"] = encode_json(experiment.to_config(seed))
    record = make_record(experiment="pendulum-demo", seed=seed, config_digest=experiment.digest())
    write_results(RunDirectory(directory), contents, record)
    return directory


def publish_run(run, published):
    (target,) = publish_runs([run], published)
    return target


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "runs")


def test_the_manifest_can_be_checked_with_sha256sum(run, tmp_path):
    published = tmp_path / "published"
    target = publish_run(run, published)
    assert target == published / "pendulum-demo" / "seed_0"
    assert sorted(path.name for path in target.iterdir()) == sorted([*RESULT_FILES, "run.json"])
    command = ["sha256sum", "--check", "--strict", "MANIFEST.sha256"]
    checked = subprocess.run(command, cwd=published, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == len(RESULT_FILES) + 1
    check_manifest(published / "MANIFEST.sha256", [target])


def test_the_manifest_lists_only_runs(run, tmp_path, caplog):
    target = publish_run(run, tmp_path / "published")
    manifest = (tmp_path / "published/MANIFEST.sha256").read_text(encoding="utf-8")
    for name in ("seed_0_backup", "seed_5", ".seed_1.tmp"):
        shutil.copytree(target, target.with_name(name))
    publish_run(run, tmp_path / "published")
    assert (tmp_path / "published/MANIFEST.sha256").read_text(encoding="utf-8") == manifest
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == [
        str(target.with_name("seed_0_backup")),
        str(target.with_name("seed_5")),
    ]


@pytest.mark.parametrize(
    "count",
    [tabulate_provenance, lambda runs: estimate_costs({"experiments": {}}, runs, {})],
)
def test_duplicate_run_is_refused(run, count):
    shutil.copytree(run, run.with_name("seed_0_backup"))
    with pytest.raises(UserError, match="both are seed 0 of pendulum-demo; remove one"):
        count([run, run.with_name("seed_0_backup")])
    run = run.rename(run.with_name("set_aside_1"))
    with pytest.raises(UserError, match="set aside by --restart"):
        count([run])


def test_an_unfinished_run_is_not_published(run, tmp_path):
    (run / "run.json").unlink()
    with pytest.raises(UserError, match="only a finished run"):
        publish_run(run, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_nothing_is_published_if_one_of_several_runs_is_unfinished(run, tmp_path, capsys):
    published = tmp_path / "published"
    assert main(["publish", str(run), str(tmp_path / "nowhere"), "--to", str(published)]) == 2
    assert "nowhere: no run.json; only a finished run can be published" in capsys.readouterr().err
    assert not published.exists()


@pytest.mark.parametrize("refused", ["published", "same seed", "other values", "set aside"])
def test_nothing_is_published_if_one_of_several_runs_is_refused(tmp_path, refused):
    published, runs, others = tmp_path / "published", tmp_path / "runs", tmp_path / "others"
    publish_run(make_run(runs, seed=0), published)
    before = sorted(published.rglob("*"))
    good = [make_run(runs, seed=10), make_run(runs, seed=20)]
    if refused == "published":
        bad, message = make_run(others, seed=0), "seed_0: another run of this seed is published"
        edit_result_file(bad, "progress.txt", lambda content: content + b"another\n")
    elif refused == "same seed":
        bad, message = make_run(others, seed=20), "both are seed 20 of pendulum-demo; remove one"
    elif refused == "other values":
        bad, message = make_run(others, seed=30, epochs=3), "epochs: 50 -> 3.*, or leave one out"
    else:
        bad, message = make_run(others, seed=30), "set aside by --restart, so not a run"
        bad = bad.rename(bad.with_name("set_aside_1"))
    with pytest.raises(UserError, match=message):
        list(publish_runs([*good, bad], published))
    assert sorted(published.rglob("*")) == before


def test_runs_that_are_published_at_the_same_time_are_all_listed(tmp_path):
    published, seeds = tmp_path / "published", range(4)
    runs = [make_run(tmp_path / "runs", seed) for seed in seeds]
    with ThreadPoolExecutor() as pool:
        targets = [*pool.map(lambda run: publish_run(run, published), runs)]
    check_manifest(published / "MANIFEST.sha256", targets)


def test_a_directory_that_cannot_be_read_is_not_left_out_of_the_manifest(
    run, tmp_path, monkeypatch
):
    published = tmp_path / "published"
    publish_run(run, published)
    before = (published / "MANIFEST.sha256").read_bytes()
    list_all = Path.iterdir

    def iterdir(path):
        if path == published / "pendulum-demo":  # root may read every directory
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return list_all(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(UserError, match="pendulum-demo: cannot be read: Permission denied; check"):
        write_manifest(published)
    assert (published / "MANIFEST.sha256").read_bytes() == before


def test_a_changed_run_is_not_published(run, tmp_path):
    (run / "progress.txt").write_text("better numbers\n")
    with pytest.raises(UserError, match="progress.txt"):
        publish_run(run, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_another_run_of_the_seed_is_not_overwritten(run, tmp_path):
    target = publish_run(run, tmp_path / "published")
    publish_run(run, tmp_path / "published")  # the same again is fine
    (target / "run.json").write_text("{}")
    with pytest.raises(UserError, match="another run of this seed is published"):
        publish_run(run, tmp_path / "published")


def test_another_configuration_of_a_published_experiment_is_refused(run, tmp_path):
    published = tmp_path / "published"
    target = publish_run(run, published)
    before = sorted(published.rglob("*"))
    other = make_run(tmp_path / "runs", seed=10, epochs=3, q_lr=0.5)
    message = f"{other}: has other values than the published {target} (epochs: 50 -> 3; q_lr: 0.0"
    with pytest.raises(UserError, match=re.escape(message)):
        publish_run(other, published)
    assert sorted(published.rglob("*")) == before


def test_an_older_arithmetic_is_published_beside_a_newer(run, tmp_path):
    older = copy_as_arithmetic_1(make_run(tmp_path / "runs", seed=10), tmp_path / "older")
    targets = [publish_run(each, tmp_path / "published") for each in (run, older)]
    check_manifest(tmp_path / "published/MANIFEST.sha256", targets)


@pytest.mark.parametrize(
    "values", [{"seed": 20}, {"config_digest": "0" * 64}, {"experiment": "../../escaped"}]
)
def test_files_of_two_runs_are_not_published(run, tmp_path, values):
    edit_record(run, lambda record: record.update(values))
    with pytest.raises(UserError, match="run.json (are not of the same run|is of ../../escaped)"):
        publish_run(run, tmp_path / "a/b/published")
    assert not (tmp_path / "a").exists()


def test_a_name_that_leaves_the_directory_is_not_published(run, tmp_path):
    edit_record(run, lambda record: record.update(experiment="../../escaped"))
    edit_result_file(run, "config.json", lambda c: c.replace(b"pendulum-demo", b"../../escaped"))
    with pytest.raises(UserError, match="config.json: exp_name"):
        publish_run(run, tmp_path / "a/b/published")
    assert not (tmp_path / "a").exists()


def test_interrupted_copy_is_repeated(run, tmp_path, monkeypatch):
    copied = []

    def full_disk(path, content):
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        copied.append(path)
        write_atomically(path, content)

    monkeypatch.setattr(published_runs, "write_atomically", full_disk)
    with pytest.raises(OSError, match="No space.*published"):
        publish_run(run, tmp_path / "published")
    assert len(copied) == 2
    assert not list((tmp_path / "published/pendulum-demo").iterdir())
    monkeypatch.undo()
    target = publish_run(run, tmp_path / "published")
    assert sorted(path.name for path in target.iterdir()) == sorted([*RESULT_FILES, "run.json"])
    assert [path.name for path in target.parent.iterdir()] == ["seed_0"]


@pytest.mark.parametrize("name", ["progress.txt", "policy.npz", "run.json", "config.json"])
@pytest.mark.parametrize("damage", [lambda path: path.write_text("{}"), Path.unlink])
def test_damage_to_a_published_run_gets_no_new_checksum(run, tmp_path, name, damage):
    published = tmp_path / "published"
    target = publish_run(run, published)
    manifest = (published / "MANIFEST.sha256").read_bytes()
    damage(target / name)
    message = re.escape(
        f"{target / name}: not the bytes that {published}/MANIFEST.sha256 lists; restore it with "
        f"git, or, to publish another run, remove {target} first"
    )
    other = make_run(tmp_path / "runs", seed=10)
    for again in (lambda: publish_run(other, published), lambda: write_manifest(published)):
        with pytest.raises(UserError, match=message):
            again()
        assert (published / "MANIFEST.sha256").read_bytes() == manifest
    assert not (target.parent / "seed_10").exists()


def test_a_damaged_run_that_was_copied_there_by_hand_gets_no_checksum(run, tmp_path):
    published = tmp_path / "published"
    publish_run(run, published)
    manifest = (published / "MANIFEST.sha256").read_bytes()
    other = make_run(tmp_path / "runs", seed=10)
    copied = published / "pendulum-demo/seed_10"
    shutil.copytree(other, copied, ignore=shutil.ignore_patterns(".*"))
    damaged = copied / "progress.txt"
    damaged.write_text("another\n")
    with pytest.raises(UserError, match="seed_10/progress.txt: not the bytes that the run wrote"):
        publish_run(make_run(tmp_path / "runs", seed=20), published)
    assert (published / "MANIFEST.sha256").read_bytes() == manifest
    assert not (published / "pendulum-demo/seed_20").exists()
    shutil.copyfile(other / "progress.txt", damaged)
    write_manifest(published)
    assert b"seed_10/progress.txt" in (published / "MANIFEST.sha256").read_bytes()


def test_a_removed_run_leaves_the_manifest_and_can_be_replaced(run, tmp_path):
    published = tmp_path / "published"
    other = publish_run(make_run(tmp_path / "runs", seed=10), published)
    first = (published / "MANIFEST.sha256").read_text()
    shutil.rmtree(publish_run(run, published))
    write_manifest(published)
    assert (published / "MANIFEST.sha256").read_text() == first

    shutil.rmtree(publish_run(run, published))
    edit_result_file(run, "progress.txt", lambda content: content + b"another\n")
    target = publish_run(run, published)
    assert (target / "progress.txt").read_bytes().endswith(b"another\n")
    check_manifest(published / "MANIFEST.sha256", [target, other])


@pytest.mark.parametrize("damage", ["changed", "missing", "unlisted", "no manifest"])
def test_a_manifest_that_does_not_match_is_refused(run, tmp_path, damage):
    published = tmp_path / "published"
    target = publish_run(run, published)
    manifest = published / "MANIFEST.sha256"
    if damage == "changed":
        (target / "progress.txt").write_text("better numbers\n")
    elif damage == "missing":
        (target / "policy.npz").unlink()
    elif damage == "unlisted":
        target = target.rename(target.with_name("seed_7"))
    else:
        manifest.unlink()
    with pytest.raises(UserError) as error:
        check_manifest(manifest, [target])
    assert "\n" not in str(error.value)


def test_all_runs_are_published_if_nobody_reads_what_is_printed(tmp_path):
    runs = [make_run(tmp_path / "runs", seed) for seed in (0, 10)]
    command = [sys.executable, "-u", "-m", "ddpg", "publish", *runs, "--to", tmp_path / "published"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        process.stdout.close()
    assert process.returncode == 0
    assert len(list((tmp_path / "published/pendulum-demo").glob("seed_*/run.json"))) == 2


def test_what_a_killed_publish_left_is_not_published(run, tmp_path):
    left = tmp_path / "published/pendulum-demo/.seed_0.tmp"
    left.mkdir(parents=True)
    (left / ".progress.txt.abc.tmp").write_text("half")
    target = publish_run(run, tmp_path / "published")
    assert sorted(path.name for path in target.iterdir()) == sorted([*RESULT_FILES, "run.json"])


def test_published_runs_may_be_on_another_disk(run, tmp_path):
    published = tmp_path / "published"
    target = publish_run(run, published)
    target.parent.rename(tmp_path / "disk")
    target.parent.symlink_to(tmp_path / "disk")
    check_manifest(published / "MANIFEST.sha256", [target])
