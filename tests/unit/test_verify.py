"""`verify`: damage, provenance, and replays of a run."""

import errno
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from helpers.check_imports import check_tensorflow_is_not_imported
from helpers.edit_run import edit_record, edit_result_file
from helpers.read_experiment import WITHOUT_UPDATES, read_experiment

from ddpg.cli import main
from ddpg.core.training import NonFinite
from ddpg.runs import provenance
from ddpg.training import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    settings = WITHOUT_UPDATES | {"epochs": 4, "num_test_episodes": 2}
    experiment = read_experiment("pendulum-demo", **settings)
    directory = tmp_path_factory.mktemp("finished") / "seed_10"
    train(experiment, 10, directory)
    return directory


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "seed_10")


def verify(capfd, *arguments):
    """(exit code, standard output, standard error)."""
    capfd.readouterr()
    code = main(["verify", *map(str, arguments)])
    return code, *capfd.readouterr()


def test_undamaged_run_prints_its_provenance(run, capfd):
    code, out, _ = verify(capfd, run)
    assert code == 0
    record = json.loads((run / "run.json").read_text())
    for text in (
        f"{run}: every file is what the run wrote",
        "pendulum-demo seed 10, 80 steps",
        record["machine"]["cpu"]["model"],
        f"tensorflow {record['machine']['packages']['tensorflow']}",
        f"{record['finished'][:10]} ",
        "never interrupted",
        record["weights_sha256"],
    ):
        assert text in out
    image = {"variant": "cpu", "id": "sha256:12", "lock": "34", "revision": "56", "version": "1"}
    edit_record(run, lambda record: record.update(sessions=3 * record["sessions"]))
    edit_record(run, lambda record: record["machine"].update(image=image))
    _, out, _ = verify(capfd, run)
    assert "interrupted 2 times" in out
    assert "cpu sha256:12" in out


@pytest.mark.parametrize(
    "name", ["progress.txt", "test_episodes.csv", "state_digests.txt", "config.json", "policy.npz"]
)
def test_a_changed_file_is_reported(run, capfd, name):
    with open(run / name, "a") as file:
        file.write("\n")
    code, out, err = verify(capfd, run)
    assert code == 1
    for text in (out, err):
        assert f"{name}: not the bytes that the run wrote" in text
    assert err.count("\n") == 1


def test_a_missing_file_or_a_directory_in_its_place_is_reported(run, capfd):
    (run / "policy.npz").unlink()
    (run / "test_episodes.csv").unlink()
    (run / "test_episodes.csv").mkdir()
    code, out, err = verify(capfd, run)
    assert code == 1
    assert "policy.npz: missing" in out
    assert "test_episodes.csv: missing (and 1 more)" in err


def test_files_of_two_runs_are_reported(run, capfd):
    edit_result_file(
        run, "config.json", lambda content: content.replace(b'"seed": 10', b'"seed": 20')
    )
    code, _, err = verify(capfd, run)
    assert (code, "config.json and run.json are not of the same run" in err) == (1, True)


def test_a_run_that_cannot_be_read_does_not_hide_the_damage_of_another(
    run, tmp_path, capfd, monkeypatch
):
    other = shutil.copytree(run, tmp_path / "other")
    with open(run / "policy.npz", "ab") as file:
        file.write(b"x")
    digest = hashlib.file_digest

    def file_digest(file, name):
        if Path(file.name) == other / "policy.npz":  # root may read every file
            raise PermissionError(errno.EACCES, "Permission denied", file.name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", file_digest)
    code, out, err = verify(capfd, run, other)
    assert code == 1
    assert "policy.npz: not the bytes that the run wrote (and 1 more)" in err
    assert f"{other}/policy.npz: cannot be read: Permission denied; check its permissions" in out


def test_two_names_of_a_run_are_reported(run, capfd):
    edit_record(run, lambda record: record.update(experiment="pendulum-other"))
    code, out, err = verify(capfd, run)
    assert code == 1
    for text in (out, err):
        assert "run.json is of pendulum-other, but config.json of pendulum-demo" in text
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "{", "run.json: not a JSON file of this package"),
        ("run.json", "[]", "run.json: not a JSON file of this package"),
        ("run.json", "{}", "run.json: not a run.json of this package"),
    ],
)
def test_directory_that_is_not_a_run_is_refused(run, capfd, name, content, message):
    (run / name).write_text(content)
    code, _, err = verify(capfd, run)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_a_configuration_of_which_nothing_else_is_known_is_refused(run, capfd):
    """As the run wrote it, but of another version or program."""

    def keep_name(content):
        return json.dumps({"exp_name": json.loads(content)["exp_name"], "seed": 0}).encode()

    edit_result_file(run, "config.json", keep_name)
    code, _, err = verify(capfd, run)
    assert (code, err.count("\n")) == (2, 1)
    assert "'env' is missing" in err


def test_a_configuration_of_another_experiment_is_a_mismatch(run, capfd):
    edit_result_file(run, "config.json", lambda content: b'{"exp_name": "x", "seed": 0}')
    code, _, err = verify(capfd, run)
    assert code == 1 and "but config.json of x" in err


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"exp_name": "x", "seed": 0}'])
def test_a_lost_or_damaged_configuration_is_a_mismatch(run, capfd, content):
    (run / "config.json").unlink()
    if content is not None:
        (run / "config.json").write_bytes(content)
    code, out, err = verify(capfd, run)
    said = "missing" if content is None else "not the bytes that the run wrote"
    assert (code, err) == (1, f"ddpg: {run}/config.json: {said}\n")
    assert "never interrupted" in out


def test_an_unfinished_run_is_refused(run, capfd):
    (run / "run.json").unlink()
    shutil.rmtree(run / ".results", ignore_errors=True)
    code, _, err = verify(capfd, run)
    assert (code, f"is {run} a finished run?" in err) == (2, True)


def test_every_run_is_checked(run, finished, tmp_path, capfd):
    (run / "policy.npz").unlink()
    code, out, err = verify(capfd, tmp_path / "none", run, finished)
    assert (code, err) == (1, f"ddpg: {run}/policy.npz: missing (and 1 more)\n")
    assert f"{tmp_path}/none: cannot be checked\n  {tmp_path}/none/run.json: no such file" in out
    assert f"{finished}: every file is what the run wrote" in out
    code, out, err = verify(capfd, tmp_path / "none", finished)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{finished}: every file is what the run wrote" in out


@pytest.mark.parametrize(
    ("version", "replays"), [(1, "revision 2b12505"), (3, "a newer version of this package")]
)
def test_a_run_of_another_arithmetic_is_not_replayed(run, capfd, version, replays):
    def change(record):
        record["identity"]["arithmetic_version"] = version

    edit_record(run, change)
    code, out, _ = verify(capfd, run, "--replay", 1)
    assert code == 0
    assert f"the run is of version {version} of the arithmetic" in out
    assert f"; {replays} replays it" in out


@pytest.mark.parametrize("epochs", [1, 3, 100])
def test_a_replay_gives_the_same_bytes(run, capfd, epochs):
    code, out, _ = verify(capfd, run, "--replay", epochs)
    assert code == 0
    assert f"the first {min(epochs, 4)} epoch(s) are the same, byte for byte" in out


@pytest.mark.parametrize("name", ["progress.txt", "test_episodes.csv"])
def test_a_replay_that_differs_fails_on_the_same_platform(run, capfd, name):
    def change(content):
        """Another digit in the third epoch."""
        lines = content.splitlines(keepends=True)
        row = 3 if name == "progress.txt" else 1 + 2 * 2
        lines[row] = lines[row].replace(b"-", b"", 1)
        assert lines != content.splitlines(keepends=True)
        return b"".join(lines)

    edit_result_file(run, name, change)
    code, out, err = verify(capfd, run, "--replay", 3)
    assert code == 1
    for text in (out, err):
        assert f"{name} differ, though configuration" in text
    assert verify(capfd, run, "--replay", 2)[0] == 0, "the first two epochs are as they were"

    def elsewhere(record):
        record["identity"]["platform"] = "GPU NVIDIA H100"

    edit_record(run, elsewhere)
    code, out, _ = verify(capfd, run, "--replay", 3)
    assert code == 0
    assert f"{name} differ; compare statistically, because these differ: platform: GPU" in out


def test_a_replay_that_differs_names_other_package_versions(run, capfd):
    edit_result_file(run, "progress.txt", lambda content: content.replace(b"\n1\t", b"\n1\t9"))
    edit_record(run, lambda record: record["identity"]["packages"].update(numpy="1.0"))
    code, out, _ = verify(capfd, run, "--replay", 1)
    now = provenance.find_versions(["numpy"])["numpy"]
    assert (code, f"packages.numpy: 1.0 -> {now}" in out) == (1, True)


def test_tensorflow_is_not_imported(run):
    """Without --replay, a thousand runs are verified in seconds."""
    program = "from ddpg.cli import main; assert main(['verify', sys.argv[1]]) == 0"
    check_tensorflow_is_not_imported(program, run)


def test_a_replay_that_diverges_is_one_failed_run_among_others(run, tmp_path, capfd, monkeypatch):
    def diverge(training, epochs):
        raise NonFinite("a loss is no longer finite")

    monkeypatch.setattr("ddpg.core.training.train_epochs", diverge)
    other = shutil.copytree(run, tmp_path / "other")
    (other / "run.json").unlink()
    code, out, err = verify(capfd, run, other, "--replay", 1)
    assert code == 1
    assert f"{other}: cannot be checked" in out
    assert "diverged when it was trained again: a loss is no longer finite after step 0" in err
    assert len(err.splitlines()) == 1
