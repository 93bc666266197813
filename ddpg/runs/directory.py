"""The directory of a run: what it contains, who may write there, and what state it is in.

| name | content | exists |
| --- | --- | --- |
| config.json | the resolved configuration | from the first step on |
| progress.txt | statistics of each epoch, in Spinning Up's format | from the first epoch on |
| test_episodes.csv | return and length of each evaluation episode | from the first epoch on |
| state_digests.txt | digests of the state after each epoch | from the first epoch on |
| policy.npz | the trained policy | at the end |
| run.json | the record of the run, with checksums of the files above | at the end, written last |
| checkpoint/ | everything a run needs to continue (`ddpg.runs.checkpoint`) | until the end |
| .results/ | a copy of the files of a finished run (`ddpg.runs.results`) | at the end |
| .lock | locked by the process that trains | always |
| failure.txt | why the run diverged or its environment failed | until it trains again |
| set_aside_<n>/ | an earlier run: --restart, --restart-edited, or no undamaged checkpoint | |

Only the process that holds the lock writes, through `claim`. The lock moves with the directory, but
the process writes to the path: `refuse_if_moved` stops it before it writes to another directory.
"""

import contextlib
import dataclasses
import itertools
import logging
import os
import re
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ddpg import config
from ddpg.config import Experiment
from ddpg.errors import Diverged, EnvironmentFailed, UserError
from ddpg.files import (
    DISK_ERRORS,
    hash_file,
    list_directory,
    parse_temporary_name,
    read_json,
    read_text,
    sync_directory,
    write_atomically,
)
from ddpg.runs.lock import is_file_at, is_locked, lock_file
from ddpg.runs.progress_table import parse_progress
from ddpg.runs.record import RunRecord

log = logging.getLogger(__name__)

PROGRESS, STATE_DIGESTS = "progress.txt", "state_digests.txt"
EVALUATION_EPISODES = "test_episodes.csv"
CONFIG, POLICY, RECORD = "config.json", "policy.npz", "run.json"
RESULT_FILES = (PROGRESS, EVALUATION_EPISODES, STATE_DIGESTS, CONFIG, POLICY)
# Runs of version 1 of the arithmetic have no digests.
_ADDED_LATER = {STATE_DIGESTS}
CHECKPOINT, COPY = "checkpoint", ".results"
LOCK, FAILURE = ".lock", "failure.txt"
SET_ASIDE = "set_aside_"
_WRITTEN = {*RESULT_FILES, RECORD, FAILURE}
_STATE_FILE, _REPLAY_FILE = "state_[0-9]+", "replay_[0-9]+_[0-9]+"


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """The directory of one run, which need not exist yet."""

    path: Path
    # The open lock of this process, if it claimed the directory: none or one.
    _locks: list[BinaryIO] = dataclasses.field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __str__(self) -> str:
        return str(self.path)

    @property
    def config_path(self) -> Path:
        """config.json."""
        return self.path / CONFIG

    @property
    def progress_path(self) -> Path:
        """progress.txt."""
        return self.path / PROGRESS

    @property
    def policy_path(self) -> Path:
        """policy.npz."""
        return self.path / POLICY

    @property
    def record_path(self) -> Path:
        """run.json."""
        return self.path / RECORD

    @property
    def checkpoint_path(self) -> Path:
        """The directory of the checkpoints."""
        return self.path / CHECKPOINT

    @property
    def failure_path(self) -> Path:
        """failure.txt."""
        return self.path / FAILURE

    @property
    def copy(self) -> "RunDirectory":
        """The copy of the results, with the files of a finished run."""
        return RunDirectory(self.path / COPY)

    # Reading.

    def read_record(self) -> RunRecord:
        """The record of a finished run; UserError if there is none or it is damaged."""
        self._refuse_missing(self.record_path)
        return RunRecord.read(self.record_path)

    def read_undamaged(self) -> RunRecord:
        """The record of a finished run; UserError also if a file does not match its checksum."""
        record = self.read_record()
        if problems := self.find_mismatches(record):
            raise UserError(f"{problems[0]}; restore the file, or train the run again")
        return record

    def read_finished(self) -> RunRecord | None:
        """The record of the run; None if it has not finished. UserError if it is damaged."""
        return self.read_record() if self.record_path.exists() else None

    def read_config(self) -> dict:
        """The content of config.json; UserError if it is missing or not an object."""
        self._refuse_missing(self.config_path)
        return read_json(self.config_path)

    def _refuse_missing(self, path: Path) -> None:
        if self.path.is_file():
            raise UserError(f"{self.path}: is a file; give the run's directory, {self.path.parent}")
        if path.exists():
            return
        if self.has_only_copy():
            raise UserError(f"{path}: no such file; {RESTORABLE}")
        raise UserError(f"{path}: no such file; is {self.path} a finished run?")

    def has_only_copy(self) -> bool:
        """Whether the files of a finished run were deleted, but not their copy."""
        return not self.record_path.exists() and self.copy.record_path.exists()

    def explain_no_policy(self) -> str:
        """Why there is neither policy.npz nor a checkpoint that can be read, in words."""
        if self.has_only_copy():
            return f"holds no {POLICY}; {RESTORABLE}"
        if self.has_checkpoint():
            return (
                f"holds no {POLICY}, and no checkpoint there can be read: they are damaged, or of "
                "another version of this package"
            )
        if self.config_path.exists():
            return f"neither {POLICY} nor a checkpoint is there"
        return "not a run's directory; give one, such as results/runs/pendulum-demo/seed_0"

    def read_experiment(self) -> tuple[Experiment, int]:
        """The run's experiment and seed; UserError if config.json is not of this package."""
        return config.restore_experiment(self.read_config(), str(self.config_path))

    def read_progress(self) -> list[dict[str, float]]:
        """The rows of progress.txt by column; none if it does not exist yet.

        UserError if it is damaged or lacks a column of this package's runs.
        """
        if not self.progress_path.exists():
            return []
        return parse_progress(read_text(self.progress_path), self.progress_path, ["Time"])

    def has_checkpoint(self) -> bool:
        """Whether there is any checkpoint, good or damaged."""
        return bool(list_state_files(self.checkpoint_path))

    def has_results(self) -> bool:
        """Whether there are results of more than the first epoch.

        The tables of that epoch are there when its checkpoint is not: a run may be killed between.
        """
        if self.policy_path.exists():
            return True
        tables = (self.path / name for name in (EVALUATION_EPISODES, STATE_DIGESTS))
        if not self.progress_path.exists():
            return any(path.exists() for path in tables)
        header_and_epoch = 2
        return self.progress_path.read_bytes().count(b"\n") > header_and_epoch

    def find_mismatches(self, record: RunRecord) -> list[str]:
        """One line for each result file whose bytes are not those of the run's record.

        If there is none, one if config.json is not of the run that the record describes. UserError
        if config.json is not of this package.
        """
        problems = []
        for name in list_result_files(record):
            path = self.path / name
            if not path.is_file():
                problems.append(f"{path}: missing")
            elif hash_file(path) != record.files.get(name):
                problems.append(f"{path}: not the bytes that the run wrote")
        return problems or self._find_other_run(record)

    def _find_other_run(self, record: RunRecord) -> list[str]:
        name = self.read_config().get("exp_name")
        if name != record.experiment:
            return [f"{self.path}: {RECORD} is of {record.experiment}, but {CONFIG} of {name}"]
        experiment, seed = self.read_experiment()
        if (experiment.digest(), seed) != (record.config_digest, record.seed):
            return [f"{self.path}: {CONFIG} and {RECORD} are not of the same run"]
        return []

    def is_claimed(self) -> bool:
        """Whether a process is training in the directory now."""
        return is_locked(self.path / LOCK)

    # Writing.

    def claim(self) -> BinaryIO:
        """Make the directory and lock it for this process.

        Returns the open lock, which is released when the process ends. Raises UserError if a file
        is where a directory belongs or the reverse, nothing can be written, another process has
        the lock, or the directory was moved meanwhile; OSError if the disk is full.
        """
        try:
            self._refuse_strays()
            if not self.path.exists():
                self.path.mkdir(parents=True)
                sync_directory(self.path.parent)
            lock = open(self.path / LOCK, "ab")  # noqa: SIM115  (stays open as long as the run)
        except OSError as error:
            if error.errno in DISK_ERRORS:
                raise
            raise UserError(
                f"{error.filename or self.path}: cannot be written ({error.strerror}); give "
                "another directory with --output"
            ) from None
        try:
            lock_file(lock)
        except OSError as error:
            lock.close()
            problem = f"its file system cannot lock ({error.strerror}); give another --output"
            if isinstance(error, BlockingIOError):
                problem = "another process is training in it; wait for it or give another --output"
            raise UserError(f"{self.path}: {problem}") from None
        self._locks[:] = [lock]
        self.refuse_if_moved()
        for directory in (self.path, self.copy.path):
            for path in directory.glob(".*.tmp"):  # what a killed process was writing
                if parse_temporary_name(path.name) in _WRITTEN:
                    path.unlink()
        return lock

    def refuse_if_moved(self) -> None:
        """UserError if what this process claimed is no longer at this path."""
        if all(is_file_at(lock, self.path / LOCK) for lock in self._locks):
            return
        raise UserError(
            f"{self.path}: was moved or replaced while the run trained in it (its {LOCK} is gone "
            "or another one), so nothing more is written; continue from the last checkpoint with "
            "--output and the directory's new place"
        )

    def write(self, name: str, content: bytes, sync: bool = False) -> None:
        """Write one of the run's files as `write_atomically`; UserError as `refuse_if_moved`."""
        self.refuse_if_moved()
        write_atomically(self.path / name, content, sync=sync)

    def _refuse_strays(self) -> None:
        for path in (self.path, self.checkpoint_path):
            if path.exists() and not path.is_dir():
                raise UserError(f"{path}: is a file, but must be a directory; move it away")
        files = [self.path / name for name in (*RESULT_FILES, RECORD, LOCK)]
        for path in [*files, *list_checkpoint_files(self.checkpoint_path)]:
            if path.exists() and not path.is_file():
                raise UserError(f"{path}: is a directory, but must be a file; move it away")

    def refuse_foreign_files(self) -> None:
        """UserError if there are files where a run writes, but nothing shows that it wrote them."""
        if self.config_path.exists() or self.record_path.exists() or self.has_checkpoint():
            return
        results = [self.path / name for name in RESULT_FILES if (self.path / name).exists()]
        own = list_checkpoint_files(self.checkpoint_path)  # those of a save that was killed
        # Hidden files are the system's, as .DS_Store.
        others = [path for path in self.checkpoint_path.glob("[!.]*") if path not in own]
        if foreign := [*results, *others]:
            raise UserError(
                f"{self.path}: holds a run that is not this package's "
                f"({foreign[0].relative_to(self.path)}, but no {CONFIG}); give another --output, "
                "or set it aside with --restart"
            )

    @contextlib.contextmanager
    def record_failure(self) -> Iterator[None]:
        """Write to failure.txt why a run diverged or its environment failed."""
        try:
            yield
        except Diverged as error:
            self.write(FAILURE, f"{error}\n".encode())
            raise
        except EnvironmentFailed as error:
            cause = "".join(traceback.format_exception(error.__cause__))
            self.write(FAILURE, f"{error}\n\n{cause}".encode())
            raise EnvironmentFailed(f"{error}; its traceback is in {self.failure_path}") from None

    def set_aside(self) -> Path | None:
        """Move the files of an earlier run, including its checkpoint, into a new directory.

        Returns that directory, `set_aside_<n>`; None if there is nothing to move.
        """
        # The checkpoint last: if the process is killed before, the run can be resumed from it.
        left = [self.path / name for name in (*RESULT_FILES, RECORD, COPY, CHECKPOINT)]
        if not any(path.exists() for path in left):
            return None
        left.insert(0, self.failure_path)  # alone, it is of a run that wrote nothing else
        candidates = (self.path / f"{SET_ASIDE}{i}" for i in itertools.count(1))
        aside = next(path for path in candidates if not path.exists())
        aside.mkdir()
        for path in left:
            if path.exists():
                path.rename(aside / path.name)
        return aside

    def list_set_aside(self) -> list["RunDirectory"]:
        """The earlier runs that `set_aside` moved, the newest first."""
        found = (path for path in self.path.glob(f"{SET_ASIDE}*") if is_set_aside(path.name))
        newest_first = sorted(found, key=lambda path: -int(path.name.removeprefix(SET_ASIDE)))
        return [RunDirectory(path) for path in newest_first]

    def take_back(self, aside: "RunDirectory") -> None:
        """Move the files of a run that was set aside back; no other run may be here.

        What is left of another run, such as a damaged copy, is set aside.
        """
        self.set_aside()
        # The copy and the checkpoint first: if the process is killed then, the next one continues.
        for name in (COPY, CHECKPOINT, *RESULT_FILES, RECORD, FAILURE):
            if (aside.path / name).exists():
                (aside.path / name).rename(self.path / name)
        with contextlib.suppress(OSError):  # there are files of the user's
            aside.path.rmdir()


def list_result_files(record: RunRecord) -> list[str]:
    """The names of a run's result files."""
    return [name for name in RESULT_FILES if name not in _ADDED_LATER or name in record.files]


def list_state_files(checkpoint: Path) -> list[Path]:
    """The state files in a directory of checkpoints, good or damaged, the newest first."""
    found = (path for path in checkpoint.glob("state_*") if re.fullmatch(_STATE_FILE, path.name))
    return sorted(found, reverse=True)


def list_checkpoint_files(checkpoint: Path) -> list[Path]:
    """The files in a directory of checkpoints that have names of its own, temporary ones too.

    State files come before the replay files that they refer to.
    """
    found = (path for path in checkpoint.glob("*") if _is_of_a_checkpoint(path.name))
    return sorted(found, reverse=True)


def _is_of_a_checkpoint(name: str) -> bool:
    own = parse_temporary_name(name) or name
    return re.fullmatch(f"{_STATE_FILE}|{_REPLAY_FILE}", own) is not None


RESTORABLE = f"the `train` command of its run restores it from {COPY}"

# Parts of log messages of a training, which Snakemake repeats (workflow/rules/jobs.smk).
MOVED_TO = "; moved it to "
MOVED_BACK = "; moved back the run with these values from "
ALREADY_FINISHED = ": already finished; "
NO_UPDATES = ": trained without a single update, so the policy has its initial weights"


def explain_restart(directory: Path) -> str:
    """How to start a run from its beginning, in words, by hand and through Snakemake."""
    return f"with --restart, or in Snakemake by moving {directory} away"


def refuse_file_of_run(path: Path | None) -> None:
    """UserError for a path of a file that a run wrote; None is no path."""
    if path is None:
        return
    written = Path(os.path.realpath(path))  # a link's target is what would be replaced
    if written.name in _WRITTEN and written.is_file() and (written.parent / CONFIG).exists():
        raise UserError(f"{path}: a file of the run in {written.parent}; give another path")


# Several directories.


def get_name(directory: Path) -> str:
    """The name of a directory that may be given as `.` or `..`."""
    return Path(os.path.abspath(directory)).name  # noqa: PTH100  (keeps symbolic links)


def format_seed_directory(seed: int) -> str:
    """The name of the directory of an experiment's run."""
    return f"seed_{seed}"


def parse_seed(directory: Path) -> int | None:
    """The seed of a directory named seed_<seed>, in digits without leading zeros; else None."""
    match = re.fullmatch("seed_(0|[1-9][0-9]*)", get_name(directory))
    return int(match[1]) if match else None


def is_named_for(directory: Path, seed: int) -> bool:
    """Whether a directory's name allows a run of `seed`: seed_<seed>, or any other name."""
    return not get_name(directory).startswith("seed_") or parse_seed(directory) == seed


def is_set_aside(name: str) -> bool:
    """Whether a name is one that `RunDirectory.set_aside` gives."""
    return re.fullmatch(f"{SET_ASIDE}[0-9]+", name) is not None


def find_finished_runs(experiment: Path) -> tuple[dict[int, Path], list[str]]:
    """The finished runs in an experiment's directory: (by seed, why others are skipped).

    A run is a directory seed_<seed> whose run.json and config.json are of this experiment and seed.
    For every other seed_* there is one line that says why it is not a run. Hidden directories are
    ignored: `publish` copies under such a name. UserError if the directory cannot be read.
    """
    runs, skipped = {}, []
    for directory in list_directory(experiment):
        if not directory.name.startswith("seed_"):
            continue
        seed = parse_seed(directory)
        if reason := _explain_no_run(directory, seed):
            skipped.append(f"{directory}: skipped: {reason}")
        elif seed is not None:
            runs[seed] = directory
    return dict(sorted(runs.items())), skipped


def _explain_no_run(directory: Path, seed: int | None) -> str | None:
    if seed is None:
        return "a run's directory is named seed_<seed>"
    for name, key in ((RECORD, "experiment"), (CONFIG, "exp_name")):
        if not (directory / name).is_file():
            return f"no {name}"
        try:
            content = read_json(directory / name)
        except UserError:
            return f"its {name} cannot be read"
        if (content.get(key), content.get("seed")) != (directory.parent.name, seed):
            return f"its {name} is of {content.get(key)} seed {content.get('seed')}"
    return None


def check_distinct(runs: Iterable[tuple[Path, str, int]]) -> None:
    """UserError if two runs have the same experiment and seed, or if a directory was set aside."""
    seen: dict[tuple[str, int], Path] = {}
    for directory, experiment, seed in runs:
        if is_set_aside(get_name(directory)):
            raise UserError(f"{directory}: set aside by --restart, so not a run; leave it out")
        first = seen.setdefault((experiment, seed), directory)
        if first is not directory:
            raise UserError(
                f"{first} and {directory}: both are seed {seed} of {experiment}; remove one"
            )


def read_records(directories: Iterable[Path]) -> dict[Path, RunRecord]:
    """The record of each finished run; UserError as `check_distinct` and `RunRecord.read`."""
    runs = [(path, RunDirectory(path).read_record()) for path in directories]
    check_distinct((path, record.experiment, record.seed) for path, record in runs)
    return dict(runs)
