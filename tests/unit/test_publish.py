"""Published runs: copied only when finished and whole, and held against their manifest."""

import errno
import shutil
import subprocess

import pytest
from helpers.records import make_record

from ddpg import publish, run_directory
from ddpg.analysis import tables
from ddpg.errors import UserError
from ddpg.plan import costs


@pytest.fixture
def run(tmp_path):
    directory = tmp_path / "runs" / "pendulum-demo" / "seed_0"
    directory.mkdir(parents=True)
    contents = {name: f"content of {name}\n".encode() for name in run_directory.RESULT_FILES}
    contents["config.json"] = b'{"exp_name": "pendulum-demo", "seed": 0}'
    run_directory.write_results(directory, contents, make_record(experiment="pendulum-demo"))
    return directory


def test_a_published_run_is_listed_as_sha256sum_reads_it(run, tmp_path):
    published = tmp_path / "published"
    target = publish.publish(run, published)
    assert target == published / "pendulum-demo" / "seed_0"
    assert sorted(path.name for path in target.iterdir()) == sorted(
        [*run_directory.RESULT_FILES, "run.json"]
    )
    command = ["sha256sum", "--check", "--strict", "MANIFEST.sha256"]
    checked = subprocess.run(command, cwd=published, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == len(run_directory.RESULT_FILES) + 1
    publish.check_manifest(published / "MANIFEST.sha256", [target])


def test_only_runs_are_listed(run, tmp_path, caplog):
    target = publish.publish(run, tmp_path / "published")
    manifest = (tmp_path / "published/MANIFEST.sha256").read_text(encoding="utf-8")
    for name in ("seed_0_backup", "seed_5", ".seed_1.tmp"):
        shutil.copytree(target, target.with_name(name))
    publish.publish(run, tmp_path / "published")
    assert (tmp_path / "published/MANIFEST.sha256").read_text(encoding="utf-8") == manifest
    assert [record.getMessage().split(": ")[0] for record in caplog.records] == [
        str(target.with_name("seed_0_backup")),
        str(target.with_name("seed_5")),
    ]


@pytest.mark.parametrize(
    "count", [tables.tabulate_provenance, lambda runs: costs({"experiments": {}}, runs)]
)
def test_the_same_run_twice_is_not_counted_twice(run, count):
    shutil.copytree(run, run.with_name("seed_0_backup"))
    with pytest.raises(UserError, match="both are seed 0 of pendulum-demo; remove one"):
        count([run, run.with_name("seed_0_backup")])
    run = run.rename(run.with_name("set_aside_1"))
    with pytest.raises(UserError, match="set aside by --restart"):
        count([run])


def test_an_unfinished_run_is_not_published(run, tmp_path):
    (run / "run.json").unlink()
    with pytest.raises(UserError, match="only a finished run"):
        publish.publish(run, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_a_changed_run_is_not_published(run, tmp_path):
    (run / "progress.txt").write_text("better numbers\n")
    with pytest.raises(UserError, match="progress.txt"):
        publish.publish(run, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_another_run_of_the_seed_is_not_overwritten(run, tmp_path):
    target = publish.publish(run, tmp_path / "published")
    publish.publish(run, tmp_path / "published")  # the same again is fine
    (target / "run.json").write_text("{}")
    with pytest.raises(UserError, match="another run of this seed is published"):
        publish.publish(run, tmp_path / "published")


def test_a_copy_that_was_cut_off_is_made_anew(run, tmp_path, monkeypatch):
    copyfile, copied = shutil.copyfile, []

    def full_disk(source, target):
        if len(copied) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        copied.append(copyfile(source, target))

    monkeypatch.setattr(shutil, "copyfile", full_disk)
    with pytest.raises(OSError, match="No space"):
        publish.publish(run, tmp_path / "published")
    assert not list((tmp_path / "published").glob("*/seed_*"))
    monkeypatch.undo()
    target = publish.publish(run, tmp_path / "published")
    assert sorted(path.name for path in target.iterdir()) == sorted(
        [*run_directory.RESULT_FILES, "run.json"]
    )
    assert [path.name for path in target.parent.iterdir()] == ["seed_0"]


@pytest.mark.parametrize("damage", ["changed", "missing", "unlisted", "no manifest"])
def test_a_manifest_that_does_not_match_is_refused(run, tmp_path, damage):
    published = tmp_path / "published"
    target = publish.publish(run, published)
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
        publish.check_manifest(manifest, [target])
    assert "\n" not in str(error.value)
