"""The recorded git revision is that of the sources, or none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ddpg.runs import provenance
from ddpg.runs.record import Revision


def git(directory: Path, *arguments) -> str:
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    # Otherwise git refuses to clone a submodule from a path.
    command = ["git", "-C", directory, *author, "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def no_variables_of_git(monkeypatch):
    """Under a git hook, its variables would make these tests write to the hook's repository."""
    for name in provenance.GIT_VARIABLES & os.environ.keys():
        monkeypatch.delenv(name)


def repository(directory: Path, tracked: bool = True) -> Path:
    """A repository with the package, committed or not."""
    (directory / "ddpg").mkdir(parents=True)
    (directory / "ddpg/__init__.py").write_text("")
    git(directory, "init", "--quiet")
    if tracked:
        git(directory, "add", "ddpg")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", str(directory))
    return directory


@pytest.fixture
def recorded(monkeypatch):
    def record(root: Path) -> Revision | None:
        monkeypatch.setattr(provenance, "PACKAGE", root / "ddpg")
        return provenance.read_revision()

    return record


def revision(directory: Path, dirty: bool = False) -> Revision:
    return Revision(git(directory, "rev-parse", "HEAD"), dirty)


def test_a_clone_records_its_revision_and_whether_it_is_dirty(tmp_path, recorded):
    root = repository(tmp_path / "clone")
    assert recorded(root) == revision(root)
    (root / "mine.yaml").write_text("experiments: {}")
    assert recorded(root) == revision(root)
    (root / "ddpg/new.py").write_text("new")
    assert recorded(root) == revision(root, dirty=True)
    (root / "ddpg/new.py").unlink()
    (root / "ddpg/__init__.py").write_text("changed")
    assert recorded(root) == revision(root, dirty=True)


def test_worktrees_submodules_and_links_record_their_own_revision(tmp_path, recorded):
    root, outer = repository(tmp_path / "own"), repository(tmp_path / "outer")
    git(root, "worktree", "add", "--quiet", tmp_path / "tree")
    git(tmp_path / "tree", "commit", "--quiet", "--allow-empty", "--message", "ahead")
    git(outer, "submodule", "--quiet", "add", root, "module")
    (tmp_path / "link").symlink_to(root)
    assert recorded(tmp_path / "tree") == revision(tmp_path / "tree") != revision(root)
    assert recorded(outer / "module") == revision(root) != revision(outer)
    assert recorded(tmp_path / "link") == revision(root)


@pytest.mark.parametrize("tracked", [True, False])
def test_surrounding_repository_is_ignored(tmp_path, recorded, tracked):
    outer = repository(tmp_path / "outer")
    (outer / "unpacked/ddpg").mkdir(parents=True)
    (outer / "unpacked/ddpg/__init__.py").write_text("")
    if tracked:
        git(outer, "add", "unpacked")
    assert recorded(outer / "unpacked") is None


def test_repository_that_does_not_track_the_sources_is_ignored(tmp_path, recorded):
    assert recorded(repository(tmp_path / "own", tracked=False)) is None


def test_git_hook_variables_are_ignored(tmp_path, recorded, monkeypatch):
    root, other = repository(tmp_path / "own"), repository(tmp_path / "other")
    expected = revision(root)
    for name, value in {
        "GIT_DIR": other / ".git", "GIT_WORK_TREE": other, "GIT_INDEX_FILE": other / ".git/index",
        "GIT_OBJECT_DIRECTORY": other / ".git/objects", "GIT_CEILING_DIRECTORIES": tmp_path,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    assert recorded(root) == expected
    shutil.rmtree(root / ".git")
    assert recorded(root) is None


def test_a_clone_of_another_owner_records_its_revision(tmp_path, recorded, monkeypatch):
    root = repository(tmp_path / "own")
    expected = revision(root)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(subprocess.CalledProcessError):
        revision(root)
    assert recorded(root) == expected


def test_unknown_revision_is_logged_with_its_reason(tmp_path, recorded, monkeypatch, caplog):
    root = repository(tmp_path / "own")
    (root / "no-git").mkdir()
    monkeypatch.setenv("PATH", str(root / "no-git"))
    assert recorded(root) is None
    monkeypatch.undo()
    shutil.rmtree(root / ".git")
    (root / ".git").mkdir()
    assert recorded(root) is None
    git(root, "init", "--quiet")
    assert recorded(root) is None  # nothing is committed, so nothing is tracked
    start = "the revision of the sources is not recorded: "
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0] == f"{start}git is not installed"
    assert messages[1].startswith(start)
    assert len(messages) == 2
