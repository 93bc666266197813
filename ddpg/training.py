"""Train one run in its directory: start or resume it, save checkpoints, write the results."""

import datetime
import functools
import logging
import time
from pathlib import Path

from threadpoolctl import threadpool_limits

from ddpg import environment
from ddpg.config import Experiment
from ddpg.core.digests import digest_arrays
from ddpg.core.replay import compute_replay_bytes
from ddpg.core.tensorflow import release_memory
from ddpg.core.training import NonFinite, NotRestored, Training, check_weights, train_epochs
from ddpg.errors import Diverged, Interrupted, OtherRun, UserError
from ddpg.files import DISK_ERRORS, encode_json
from ddpg.memory import refuse_beyond_memory
from ddpg.portability import Platform, determine_platform
from ddpg.probe import describe_hidden_state
from ddpg.progress import Report
from ddpg.runs import provenance
from ddpg.runs.checkpoint import Checkpoints, Damaged, read_newest_state
from ddpg.runs.differences import describe_differences
from ddpg.runs.directory import (
    ALREADY_FINISHED,
    CONFIG,
    MOVED_BACK,
    MOVED_TO,
    NO_UPDATES,
    POLICY,
    RunDirectory,
    explain_restart,
)
from ddpg.runs.logger import Logger
from ddpg.runs.policy_file import serialize_policy
from ddpg.runs.record import Identity, RunRecord, Session
from ddpg.runs.results import restore_results, write_results
from ddpg.runs.run_state import RunState
from ddpg.runs.typed_json import to_json
from ddpg.stopping import Stop, catch_stop_signals

log = logging.getLogger(__name__)


def train(
    experiment: Experiment,
    seed: int,
    directory: Path,
    *,
    checkpoint_every: int = 1,
    restart: bool = False,
    restart_edited: bool = False,
    report: Report = lambda steps, new, row: None,
) -> RunRecord:
    """Train one seed of an experiment in `directory`, or resume it from its last checkpoint.

    Saves a checkpoint every `checkpoint_every` epochs. With `restart`, the files of an earlier run
    are set aside first; with `restart_edited`, only if that run has other values or another seed,
    and a run with these values that was set aside before takes its place.
    A run without an undamaged checkpoint is always set aside.
    Returns the record of the finished run. Raises UserError, Diverged, or Interrupted.
    """
    try:
        with catch_stop_signals() as stop, threadpool_limits(1):
            # Raises on bad input before anything is written.
            training = make_training(experiment, seed)
            own = RunDirectory(directory)
            run = _Run(experiment, seed, own, training, determine_platform(training))
            with own.claim():
                restore_results(own)
                if restart and (aside := own.set_aside()):
                    log.info("moved the earlier run in %s to %s", directory, aside)
                    run.again = "the same command without --restart"
                own.refuse_foreign_files()
                with own.record_failure():
                    # After --restart, the run that it has just set aside is not taken back.
                    if record := run.find_finished_or_resume(restart_edited and not restart):
                        return record
                    return run.train(stop, checkpoint_every, report)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        saved = RunDirectory(directory).has_checkpoint()
        kept = "the last checkpoint is kept" if saved else "there is no checkpoint yet"
        raise Interrupted(
            f"{directory}: {error.strerror}; {kept}: check the disk and run the same command again"
            f"{', without --restart' if restart else ''}"
        ) from None


def make_training(experiment: Experiment, seed: int) -> Training:
    """The state of a run before its first step; UserError if it does not fit into memory."""
    make_env = functools.partial(environment.make, experiment.env)
    env = make_env()
    size = experiment.replay_size
    needed = compute_replay_bytes(size, env.observation_space.shape[0], env.action_space.shape[0])
    refuse_beyond_memory(needed, "replay_size", f"{size:,} transitions")
    # The protocol of ddpg.core would allow to set the fields of an experiment, which is frozen.
    training = Training(experiment, seed, make_env)  # type: ignore[arg-type]
    batches = training.agent.batches
    # The replay buffer has its memory by now, these arrays get theirs at the first updates.
    refuse_beyond_memory(
        sum(array.nbytes for array in batches),
        "batch_size",
        f"{len(batches.reward):,} batches of {experiment.batch_size:,} transitions",
    )
    return training


class Clock:
    """The seconds that a run has taken, without what was lost after its last checkpoint."""

    def __init__(self, seconds: float = 0.0):
        self.seconds, self._last = seconds, time.perf_counter()

    def tick(self) -> float:
        """Add the time since the last tick; returns the seconds so far."""
        now = time.perf_counter()
        self.seconds += now - self._last
        self._last = now
        return self.seconds


class _Run:
    """A run in its directory: its training state, tables, checkpoints and record."""

    def __init__(
        self,
        experiment: Experiment,
        seed: int,
        directory: RunDirectory,
        training: Training,
        platform: Platform,
    ):
        self.experiment, self.seed, self.directory = experiment, seed, directory
        self.training, self.kernels = training, platform.kernels
        code = environment.digest_code(training.env)
        self.identity = provenance.make_identity(experiment, seed, platform.name, code)
        self.logger = Logger(directory.path, experiment.name, seed)
        self.checkpoints = Checkpoints(directory.checkpoint_path)
        self.again = "the same command"  # which resumes this run
        self.sessions: tuple[Session, ...] = ()
        self.clock = Clock()

    def find_finished_or_resume(self, restart_edited: bool) -> RunRecord | None:
        """The record of a finished run; None after the newest checkpoint, if any, was restored.

        A run without an undamaged checkpoint is set aside, and with `restart_edited` also a run of
        other values. Then, if a run with this one's identity was set aside before, it takes the
        place: an edit that is undone does not train again.
        """
        try:
            if record := self._find_finished():
                return record
            if restart_edited and self._is_new() and (earlier := self._find_set_aside()):
                return self._take_back(earlier, f"{self.directory}: holds no run")
            self._resume_or_begin()
            return None
        except (OtherRun, Damaged) as error:
            reason: OtherRun | Damaged = error
        earlier = self._find_set_aside()
        if isinstance(reason, OtherRun) and not restart_edited:
            others = "undo the change, give another --output, or set it aside with --restart"
            if earlier:
                others += f" (--restart-edited moves back {earlier}, a run with these values)"
            raise OtherRun(f"{reason}; {others}")
        aside = self.directory.set_aside()
        moved = f"{reason}{MOVED_TO}{aside}"
        if restart_edited and earlier:
            return self._take_back(earlier, moved)
        log.warning("%s; starting from step 0", moved)
        self._resume_or_begin()
        return None

    def _is_new(self) -> bool:
        """Whether the directory has neither a checkpoint nor a config.json of any run."""
        return not (self.checkpoints.exist() or self.directory.config_path.exists())

    def _take_back(self, earlier: RunDirectory, reason: str) -> RunRecord | None:
        if not self.checkpoints.exist():
            self.checkpoints.remove()  # what a save left that was killed
        self.directory.take_back(earlier)
        log.warning("%s%s%s", reason, MOVED_BACK, earlier)
        return self.find_finished_or_resume(restart_edited=False)

    def _find_set_aside(self) -> RunDirectory | None:
        """The newest run with this one's identity that was set aside, if it is not damaged."""
        for aside in self.directory.list_set_aside():
            try:
                record = aside.read_finished()
                if record and aside.find_mismatches(record):
                    continue
            except UserError:
                continue
            found = record or read_newest_state(aside.checkpoint_path)
            if found and found.identity == self.identity:
                return aside
        return None

    def _find_finished(self) -> RunRecord | None:
        """The record in the directory if its run is finished and undamaged, else None."""
        record = self.directory.read_finished()
        if record is None:
            return None
        chosen = (_get_chosen_values(identity) for identity in (record.identity, self.identity))
        if changed := describe_differences(*chosen):
            raise OtherRun(
                f"{self.directory}: holds the finished run {record.experiment} seed {record.seed}, "
                f"which has other values ({'; '.join(changed)})"
            )
        code = record.identity.environment_code  # None in runs of before it was recorded
        if code not in (None, self.identity.environment_code):
            raise OtherRun(
                f"{self.directory}: holds a finished run, but the code of its environment has "
                "changed since (environment_code)"
            )
        if problems := self.directory.find_mismatches(record):
            if not self.checkpoints.exist():
                raise UserError(
                    f"{problems[0]}; restore it, or train it again "
                    + explain_restart(self.directory.path)
                )
            log.warning("%s; finishing again from the checkpoint", problems[0])
            return None
        self.checkpoints.remove()  # the run may have been killed just before this last step
        again = explain_restart(self.directory.path)
        log.info("%s%strain it again %s", self.directory, ALREADY_FINISHED, again)
        return record

    def _resume_or_begin(self) -> None:
        """Restore the newest checkpoint, or check that a new run can begin here.

        Damaged if no checkpoint is good, or if there are results and no checkpoint.
        """
        if self.checkpoints.exist():
            self._resume()
        else:
            _refuse_other_files(self.directory, self.experiment.to_config(self.seed))
            if self.directory.has_results():
                raise Damaged(f"{self.directory}: holds results, but no checkpoint")
            self._warn_of_hidden_state()

    def train(self, stop: Stop, checkpoint_every: int, report: Report) -> RunRecord:
        """Train to the end, and write the results."""
        self.sessions += (_make_session(self.training.steps),)
        settings = encode_json(self.experiment.to_config(self.seed))
        self.directory.write(CONFIG, settings)
        self.directory.failure_path.unlink(missing_ok=True)

        self.clock = Clock(self.clock.seconds)
        training, experiment = self.training, self.experiment
        try:
            for result in train_epochs(training, experiment.epochs, lambda: stop.asked):
                self.directory.refuse_if_moved()
                row = self.logger.add_epoch(result, self.clock.tick())
                if row["Epoch"] % checkpoint_every == 0:
                    self._save()
                release_memory()
                report(training.steps, training.steps - self.sessions[-1].from_step, row)
            self.clock.tick()
            if training.steps < experiment.total_steps:
                self._save()
                raise Interrupted(
                    f"{self.directory}: stopped and saved at step {training.steps:,}; {self.again} "
                    "continues from there"
                )
            record = self._finish()
            self.directory.refuse_if_moved()
        except NonFinite as error:
            kept = "; the last good checkpoint is kept" if self.checkpoints.exist() else ""
            raise Diverged(
                f"{self.directory}: {error} after step {training.steps:,}{kept}. Lower q_lr or "
                "pi_lr"
            ) from None
        self.checkpoints.remove()
        return record

    def _resume(self) -> None:
        """Restore the newest good checkpoint."""
        state = self.checkpoints.load(self.training.replay, self._refuse_other_identity)
        try:
            self.training.restore(state.snapshot)
        except NotRestored as error:
            raise self._explain_not_resumable(str(error)) from None
        if hidden := self._find_hidden_state():
            raise self._explain_not_resumable(hidden)
        self.directory.refuse_if_moved()
        self.logger.restore(state.tables)
        self.sessions, self.clock = state.sessions, Clock(state.seconds)
        log.info("resuming from step %s", f"{self.training.steps:,}")

    def _refuse_other_identity(self, saved: Identity) -> None:
        changed = describe_differences(to_json(saved), to_json(self.identity))
        if not changed:
            return
        message = (
            f"{self.checkpoints.directory}: the run cannot continue with the same bytes, because "
            f"these differ: {'; '.join(changed)}"
        )
        if _get_chosen_values(saved) != _get_chosen_values(self.identity):
            raise OtherRun(message)
        raise UserError(
            f"{message}. Undo the change, or start it from its beginning "
            + explain_restart(self.directory.path)
        )

    def _explain_not_resumable(self, reason: str) -> UserError:
        return UserError(
            f"environment {self.experiment.env!r} did not return to its state from the same seed "
            f"and actions ({reason}), so the run cannot be resumed exactly; start it from its "
            f"beginning {explain_restart(self.directory.path)}"
        )

    def _find_hidden_state(self) -> str | None:
        return describe_hidden_state(functools.partial(environment.make, self.experiment.env))

    def _warn_of_hidden_state(self) -> None:
        if hidden := self._find_hidden_state():
            log.warning(
                "environment %r has state that its seed does not set (%s): this run cannot be "
                "resumed or repeated exactly",
                self.experiment.env, hidden,
            )  # fmt: skip

    def _save(self) -> None:
        self.directory.refuse_if_moved()
        snapshot = self.training.snapshot()
        check_weights(snapshot.agent)
        tables = self.logger.lines
        state = RunState(self.identity, self.sessions, self.clock.seconds, tables, snapshot)
        self.checkpoints.save(state, self.training.replay)

    def _finish(self) -> RunRecord:
        """Write the result files and run.json; returns the record in the latter."""
        training, agent = self.training, self.training.agent.arrays()
        check_weights(agent)
        if training.agent.state.critic_opt_state.t == 0:
            chosen = self.experiment
            due = f"update_after is {chosen.update_after:,}, update_every {chosen.update_every}"
            lower = ["update_after"] if chosen.update_after else []
            if chosen.update_after < chosen.total_steps:
                lower.append("max_ep_len" if chosen.update_every == "episode" else "update_every")
            log.warning(
                "%s%s; %s, of %s steps: train longer, or lower %s",
                self.directory, NO_UPDATES, due, f"{chosen.total_steps:,}", " or ".join(lower),
            )  # fmt: skip
        contents = {
            **self.logger.contents(),
            CONFIG: encode_json(self.experiment.to_config(self.seed)),
            POLICY: serialize_policy(training.agent.policy()),
        }
        record = RunRecord(
            experiment=self.experiment.name,
            seed=self.seed,
            config_digest=self.experiment.digest(),
            finished=_get_time(),
            sessions=self.sessions,
            steps=training.steps,
            seconds=round(self.clock.seconds, 3),
            steps_per_second=round(training.steps / self.clock.seconds, 1),
            peak_memory_bytes=provenance.measure_peak_memory(),
            weights_sha256=digest_arrays(agent),
            identity=self.identity,
            machine=provenance.describe_machine(),
            files={},  # `write_results` fills in the checksums
            core_digest=provenance.digest_core(),
            kernels=self.kernels,
        )
        return write_results(self.directory, contents, record)


def _get_chosen_values(identity: Identity) -> dict:
    """The part of an identity that the user chooses."""
    return {"experiment": identity.experiment, "seed": identity.seed, **identity.config}


def _refuse_other_files(directory: RunDirectory, settings: dict) -> None:
    """OtherRun if there are results of another run, without a checkpoint."""
    if directory.config_path.exists():
        changed = describe_differences(directory.read_config(), settings)
        if changed:
            raise OtherRun(
                f"{directory}: holds a run of another configuration ({'; '.join(changed)})"
            )


def _make_session(steps: int) -> Session:
    processor = provenance.read_processor()
    return Session(
        started=_get_time(),
        from_step=steps,
        model=processor.model,
        type=processor.type,
        gpu=tuple(provenance.find_gpus()),
    )


def _get_time() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
