"""Training: the loop, and around it resuming, saving and finishing."""

import datetime
import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ddpg import provenance, run_directory
from ddpg.checkpoint import Checkpoints
from ddpg.errors import Diverged, Interrupted, UserError
from ddpg.files import DISK_ERRORS, json_bytes, read_json, write_atomically
from ddpg.logger import PROGRESS
from ddpg.run import Run
from ddpg.runs.record import Identity, RunRecord, Session, read_finished
from ddpg.runs.typed_json import from_json
from ddpg.stopping import Stop, stop_signals
from ddpg.tensorflow import give_back_memory

log = logging.getLogger(__name__)


def train(
    experiment,
    seed: int,
    directory: Path,
    *,
    checkpoint_every: int = 1,
    restart: bool = False,
    report: Callable[[Run, dict], None] = lambda run, row: None,
) -> RunRecord:
    """Train one seed of an experiment in `directory`, or continue where it was stopped.

    Saves every `checkpoint_every` epochs. With `restart`, what an earlier run left is set aside.
    Calls `report` with the run and the new row of progress.txt after each epoch. Returns what
    run.json says. Raises UserError, Diverged, or Interrupted.
    """
    try:
        with stop_signals() as stop, threadpool_limits(1):
            run = Run(experiment, seed, directory)  # finds bad input before anything is written
            with run_directory.claim(directory):
                if restart:
                    run_directory.set_aside(directory)
                with run_directory.noting_failure(directory):
                    return _finished(run) or _train(run, stop, checkpoint_every, report)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise Interrupted(
            f"{directory}: {error.strerror}; the last checkpoint is kept: see to the disk and give "
            "the same command again"
        ) from None


def _train(run: Run, stop: Stop, checkpoint_every: int, report) -> RunRecord:
    """Restore what was saved, train to the end, and write the results."""
    directory, settings = run.logger.directory, run.experiment.record(run.seed)
    checkpoints = Checkpoints(directory / run_directory.CHECKPOINT)
    identity = provenance.identity(run.experiment, run.seed)
    if checkpoints.exist():
        sessions = _resume(run, checkpoints, identity)
    else:
        _refuse_other_files(directory, settings)
        sessions = []
    sessions.append({"started": _now(), "from_step": run.steps, **provenance.processor()})
    write_atomically(directory / run_directory.CONFIG, json_bytes(settings))

    def save() -> None:
        _check_weights(run, run.agent.arrays())
        about, arrays = run.snapshot()
        checkpoints.save({**about, "identity": identity, "sessions": sessions}, arrays, run.replay)

    def end_of_epoch(row: dict) -> None:
        if row["Epoch"] % checkpoint_every == 0:
            save()
        give_back_memory()
        report(run, row)

    loop(run, Clock(run), stop, run.experiment.epochs, end_of_epoch)
    if run.steps < run.experiment.total_steps:
        save()
        raise Interrupted(
            f"{directory}: stopped and saved at step {run.steps:,}; the same command continues "
            "from there"
        )
    record = _finish(run, identity, sessions)
    checkpoints.remove()
    return record


def loop(run: Run, clock: "Clock", stop: Stop, epochs: int, end_of_epoch) -> None:
    """Train until the end of epoch `epochs`, or until `stop` is asked for.

    Calls `end_of_epoch` with each new row of progress.txt.
    """
    experiment = run.experiment
    policy = run.agent.policy()
    while run.steps < epochs * experiment.steps_per_epoch and not stop.asked:
        random = run.steps < experiment.start_steps
        action = run.random_action() if random else run.noisy_action(policy)
        episode_over = run.step(action)

        if updates := run.updates_due(episode_over):
            metrics = run.agent.update(run.replay, run.rng["replay"], updates)
            policy = run.agent.policy()
            _check_updates(run, metrics, policy)
            run.logger.add_updates(metrics)

        if episode_over:
            run.logger.add_episode(run.episode_return, len(run.episode_actions))
            run.begin_episode()

        if run.steps % experiment.steps_per_epoch == 0:
            epoch = run.steps // experiment.steps_per_epoch
            returns, lengths = run.tests.run(policy, run.rng["evaluation"])
            clock.tick()
            end_of_epoch(run.logger.end_epoch(epoch, run.steps, returns, lengths, run.seconds))
    clock.tick()


class Clock:
    """Adds the seconds that pass to the run's own count, which outlives restarts."""

    def __init__(self, run: Run):
        self.run, self.last = run, time.perf_counter()

    def tick(self) -> None:
        """Count the seconds since the last tick."""
        now = time.perf_counter()
        self.run.seconds += now - self.last
        self.last = now


def _resume(run: Run, checkpoints: Checkpoints, identity: dict) -> list[dict]:
    """Restore the newest good checkpoint; returns the sessions that led to it."""

    def accept(about: dict) -> None:
        if changed := provenance.differences(about["identity"], identity):
            raise UserError(
                f"{checkpoints.directory}: its run cannot go on to the same bytes, because this "
                f"differs: {'; '.join(changed)}. Undo the change, or start anew with --restart"
            )

    about, arrays = checkpoints.load(run.replay, accept)
    run.restore(about, arrays)
    log.info("resuming from step %s", f"{run.steps:,}")
    before, now = about["sessions"][-1], provenance.processor()
    if (before["type"], before["gpu"]) != (now["type"], now["gpu"]):
        log.warning("resuming on another type of processor: the bytes will be this run's own")
    return about["sessions"]


def _refuse_other_files(directory: Path, settings: dict) -> None:
    """UserError where there are results without a checkpoint that are not of the same run."""
    remedy = "give another --output, or set it aside with --restart"
    if (directory / run_directory.CONFIG).exists():
        changed = provenance.differences(read_json(directory / run_directory.CONFIG), settings)
        if changed:
            raise UserError(
                f"{directory}: holds a run of another configuration ({'; '.join(changed)}); "
                f"{remedy}"
            )
    elif (directory / PROGRESS).exists():
        raise UserError(f"{directory}: holds a run that is not this package's; {remedy}")


def _finish(run: Run, identity: dict, sessions: list[dict]) -> RunRecord:
    """Write the result files and run.json; returns what the latter says."""
    _check_weights(run, run.agent.arrays())
    contents = {
        **run.logger.contents(),
        run_directory.CONFIG: json_bytes(run.experiment.record(run.seed)),
        run_directory.POLICY: run.agent.policy().to_bytes(),
    }
    record = RunRecord(
        experiment=run.experiment.name,
        seed=run.seed,
        config_digest=run.experiment.digest(),
        finished=datetime.datetime.fromisoformat(_now()),
        sessions=from_json(tuple[Session, ...], sessions),
        steps=run.steps,
        seconds=round(run.seconds, 3),
        steps_per_second=round(run.steps / run.seconds, 1),
        peak_memory_bytes=provenance.peak_memory(),
        weights_sha256=weights_sha256(run.agent),
        identity=from_json(Identity, identity),
        machine=provenance.machine(),
        files={},  # filled in with what is written
    )
    return run_directory.write_results(run.logger.directory, contents, record)


def weights_sha256(agent) -> str:
    """SHA-256 over every weight, target and optimiser moment, in the order of `agent.arrays()`."""
    digest = hashlib.sha256()
    for array in agent.arrays():
        digest.update(array.tobytes())
    return digest.hexdigest()


def _check_updates(run: Run, metrics, policy) -> None:
    finite = np.isfinite(metrics.loss_q) & np.isfinite(metrics.loss_pi)
    if not finite.all():
        update = int(np.argmin(finite)) + 1
        raise _diverged(run, f"a loss is no longer finite in update {update} of {len(finite)}")
    _check_weights(run, [*policy.weights, *policy.biases])  # a NaN action may crash what it moves


def _check_weights(run: Run, weights: list[np.ndarray]) -> None:
    if not all(np.isfinite(array).all() for array in weights):
        raise _diverged(run, "a weight is no longer finite")


def _diverged(run: Run, what: str) -> Diverged:
    return Diverged(
        f"{run.logger.directory}: {what} after step {run.steps:,}; the last good checkpoint is "
        "kept. Lower q_lr or pi_lr"
    )


def _finished(run: Run) -> RunRecord | None:
    """What run.json says if the run is finished and whole, else None."""
    directory = run.logger.directory
    record = read_finished(directory)
    if record is None:
        return None
    what = (record.experiment, record.seed, record.config_digest)
    if what != (run.experiment.name, run.seed, run.experiment.digest()):
        raise UserError(
            f"{directory}: holds the finished run {record.experiment} seed {record.seed}, of "
            "another configuration; give another --output, or set it aside with --restart"
        )
    checkpoints = Checkpoints(directory / run_directory.CHECKPOINT)
    if problems := run_directory.mismatches(directory, record):
        if not checkpoints.exist():
            raise UserError(f"{problems[0]}; restore it, or train anew with --restart")
        log.warning("%s; finishing again from the checkpoint", problems[0])
        return None
    checkpoints.remove()  # the run may have been killed when only this was left to do
    log.info("%s: already finished; nothing to do", directory)
    return record


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
