"""Published runs: finished, checked, listed with their checksums in MANIFEST.sha256."""

import contextlib
import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ddpg.errors import UserError
from ddpg.files import hash_file, list_directory, write_atomically
from ddpg.runs.differences import describe_differences
from ddpg.runs.directory import (
    RECORD,
    RESULT_FILES,
    RunDirectory,
    check_distinct,
    find_finished_runs,
    format_seed_directory,
    list_result_files,
)
from ddpg.runs.record import RunRecord, have_other_code

log = logging.getLogger(__name__)

PUBLISHED = Path("results/published")
MANIFEST = "MANIFEST.sha256"
_FILES = (*RESULT_FILES, RECORD)


def publish_runs(runs: Sequence[Path], published: Path) -> Iterator[Path]:
    """Copy finished runs whose checksums hold to `published`/<experiment>/seed_<seed>.

    Yields the directory of each copy, after the manifest was updated. UserError, before anything is
    copied, for a run that is unfinished or does not match the checksums in run.json, whose
    config.json is of another run, where another run of that seed or another configuration is
    published already or among `runs`, and where a published run is damaged.
    """
    records = {run: _read_publishable(run) for run in runs}
    check_distinct((run, record.experiment, record.seed) for run, record in records.items())
    earlier: dict[Path, RunRecord] = {}
    for run, record in records.items():
        _refuse_other_values(run, record, earlier, "", "leave one out")
        earlier[run] = record
    with _lock(published):
        for run, record in records.items():
            target = _get_target(published, record)
            if target.exists() and not _have_equal_files(run, target):
                raise UserError(f"{target}: another run of this seed is published; remove it first")
            seeds = find_finished_runs(target.parent)[0].values()
            others = {seed: RunDirectory(seed).read_record() for seed in seeds}
            way_out = f"remove {target.parent} first"
            _refuse_other_values(run, record, others, "the published ", way_out)
        listed = _read_undamaged(published)
        for run, record in records.items():
            target = _get_target(published, record)
            if not target.exists():
                _copy_run(run, record, target)
            write_manifest(published, listed)
            yield target


def _read_publishable(run: Path) -> RunRecord:
    """The record of a run that is finished and undamaged; UserError for any other."""
    if not RunDirectory(run).record_path.exists():
        raise UserError(f"{run}: no run.json; only a finished run can be published")
    return RunDirectory(run).read_undamaged()


def _get_target(published: Path, record: RunRecord) -> Path:
    return published / record.experiment / format_seed_directory(record.seed)


@contextlib.contextmanager
def _lock(published: Path) -> Iterator[None]:
    """Keep other processes from publishing; waits for one that does."""
    if published.exists() and not published.is_dir():
        raise UserError(f"{published}: is a file; give a directory")
    published.mkdir(parents=True, exist_ok=True)
    directory = os.open(published, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # its file system has no locks
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _copy_run(run: Path, record: RunRecord, target: Path) -> None:
    copy = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(copy, ignore_errors=True)  # of an earlier one that was killed
    copy.mkdir(parents=True)
    try:
        for name in list_published_files(record):
            write_atomically(copy / name, (run / name).read_bytes())
        if problems := RunDirectory(copy).find_mismatches(record):
            raise OSError(errno.EIO, problems[0], str(copy))
    except OSError:
        shutil.rmtree(copy, ignore_errors=True)
        raise
    copy.rename(target)


def _refuse_other_values(
    run: Path, record: RunRecord, others: Mapping[Path, RunRecord], which: str, way_out: str
) -> None:
    """UserError if a run of the same experiment has another configuration or environment code."""
    for path, other in others.items():
        if other.experiment != record.experiment:
            continue
        if have_other_code((record, other)):
            raise UserError(
                f"{run}: the code of its environment is not that of {which}{path} "
                "(environment_code); train it with that code or as another experiment, or "
                f"{way_out}"
            )
        if other.config_digest == record.config_digest:
            continue
        configs = (RunDirectory(each).read_config() | {"seed": None} for each in (path, run))
        raise UserError(
            f"{run}: has other values than {which}{path} "
            f"({'; '.join(describe_differences(*configs))}); train it with those values or as "
            f"another experiment, or {way_out}"
        )


def list_published_files(record: RunRecord) -> list[str]:
    """The names of the files of a published run."""
    return [*list_result_files(record), RECORD]


def find_published_runs(published: Path) -> list[Path]:
    """The published runs, by experiment and seed; directories that are not runs are logged."""
    runs, skipped = _find_runs(published)
    for line in skipped:
        log.warning("%s", line)
    return runs


def _find_runs(published: Path) -> tuple[list[Path], list[str]]:
    """The published runs, and a line about each directory that is not one."""
    found = [find_finished_runs(experiment) for experiment in list_directory(published)]
    return (
        [run for runs, _ in found for run in runs.values()],
        [line for _, skipped in found for line in skipped],
    )


def write_manifest(published: Path, listed: dict[str, str] | None = None) -> None:
    """List every file of every published run with its SHA-256, as `sha256sum --check` reads it.

    `listed` holds the SHA-256 that are known (default: those in the manifest, if the files have
    them). Directories that are not runs are named in the log. UserError, with nothing written, if a
    file is not the one that the manifest lists or, if it is new, that its run wrote: damage must
    not get a checksum.
    """
    if listed is None:
        listed = _read_undamaged(published)
    runs = find_published_runs(published)
    names = sorted((name for run in runs for name in _name_files(published, run)), key=Path)
    lines = [f"{listed.get(name) or hash_file(published / name)}  {name}\n" for name in names]
    write_atomically(published / MANIFEST, "".join(lines).encode())


def _name_files(published: Path, run: Path) -> list[str]:
    """The names of a published run's files in the manifest."""
    record = RunDirectory(run).read_record()
    return [str((run / name).relative_to(published)) for name in list_published_files(record)]


def _read_undamaged(published: Path) -> dict[str, str]:
    """What the manifest lists of runs that are still there; empty if there is no manifest yet.

    UserError if a file differs, or if one that is not listed is not what its run wrote.
    """
    manifest = published / MANIFEST
    listed = read_manifest(manifest) if manifest.exists() else {}
    kept = {name: digest for name, digest in listed.items() if (published / name).parent.exists()}
    refuse_damaged(manifest, kept)
    for run in _find_runs(published)[0]:
        complete = kept.keys() >= set(_name_files(published, run))
        own = RunDirectory(run)
        if not complete and (problems := own.find_mismatches(own.read_record())):
            raise UserError(f"{problems[0]}; restore it, or remove {run} and publish it again")
    return kept


def read_manifest(manifest: Path) -> dict[str, str]:
    """The SHA-256 of each listed file, by its name; UserError if that cannot be read."""
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError):
        raise UserError(
            f"{manifest}: missing, or no list of checksums; restore it with git, or remove it and "
            "publish a run, which lists all of them again"
        ) from None


def refuse_damaged(manifest: Path, listed: Mapping[str, str]) -> None:
    """UserError unless each listed file of the manifest exists with its SHA-256."""
    for name, digest in listed.items():
        path = manifest.parent / name
        if not path.is_file() or hash_file(path) != digest:
            raise UserError(
                f"{path}: not the bytes that {manifest} lists; restore it with git, or, to publish "
                f"another run, remove {path.parent} first"
            )


def check_manifest(manifest: Path, runs: list[Path]) -> None:
    """UserError unless each file of each run is listed in the manifest with the bytes it has."""
    refuse_damaged(manifest, select_listed(manifest, read_manifest(manifest), runs))


def select_listed(manifest: Path, listed: Mapping[str, str], runs: list[Path]) -> dict[str, str]:
    """What is `listed` in the manifest of the files of runs; UserError if one of them is not."""
    own = {}
    for path in (run / name for run in runs for name in _list_files(run)):
        name = name_below(manifest.parent, path)
        if name is None:
            raise UserError(f"{path}: not below {manifest.parent}; publish it first")
        if name not in listed:
            raise UserError(f"{manifest}: does not list {name}; publish it with `ddpg publish`")
        own[name] = listed[name]
    return own


def name_below(root: Path, path: Path) -> str | None:
    """The path relative to `root`; None if it is not below it.

    Symbolic links count as what they are, and only where that is not below `root` as their targets.
    """
    for make in (os.path.abspath, os.path.realpath):
        whole, above = Path(make(path)), Path(make(root))
        if whole.is_relative_to(above):
            return whole.relative_to(above).as_posix()
    return None


def _have_equal_files(run: Path, target: Path) -> bool:
    names = _list_files(run)
    return all((target / n).exists() and hash_file(run / n) == hash_file(target / n) for n in names)


def _list_files(run: Path) -> list[str]:
    record = RunDirectory(run).read_finished()
    return list_published_files(record) if record else list(_FILES)
