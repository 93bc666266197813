"""Training: the loop, and around it resuming, saving and finishing."""

import contextlib
import datetime
import errno
import hashlib
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ddpg import provenance, run_directory
from ddpg.checkpoint import Checkpoints
from ddpg.errors import Diverged, Interrupted, UserError
from ddpg.run import Run

log = logging.getLogger(__name__)


def train(
    experiment,
    seed: int,
    directory: Path,
    *,
    checkpoint_every: int = 1,
    restart: bool = False,
    report: Callable[[Run, dict], None] = lambda run, row: None,
) -> dict:
    """Train one seed of an experiment in `directory`, or continue where it was stopped.

    Saves every `checkpoint_every` epochs; with `restart`, checkpoints that are there are dropped.
    Calls `report` with the run and the new row of progress.txt after each epoch. Returns what
    run.json says. Raises UserError, Diverged, or Interrupted.
    """
    with run_directory.claim(directory), stop_signals() as stop, threadpool_limits(1):
        if about := run_directory.finished(directory):
            return _already_finished(about, experiment, seed, directory)
        identity = provenance.identity(experiment, seed)
        run = Run(experiment, seed, directory)
        checkpoints = Checkpoints(directory / run_directory.CHECKPOINT)
        if restart:
            run_directory.drop_checkpoint(directory)
        sessions = _resume(run, checkpoints, identity)
        clock = Clock(run)

        def save() -> None:
            about, arrays = run.snapshot()
            bad = [
                name
                for name, x in arrays.items()
                if name.startswith("agent_") and not np.isfinite(x).all()
            ]
            if bad:
                raise Diverged(
                    f"{directory}: a weight is no longer finite at step {run.steps:,}; "
                    "the last good checkpoint is kept"
                )
            about = {**about, "identity": identity, "sessions": sessions}
            checkpoints.save(about, arrays, run.replay)

        def end_of_epoch(row: dict) -> None:
            if run.steps // experiment.steps_per_epoch % checkpoint_every == 0:
                save()
            report(run, row)

        try:
            run_directory.write_json(
                directory / run_directory.CONFIG, _config_json(experiment, seed)
            )
            loop(run, clock, stop, end_of_epoch)
            if run.steps < experiment.total_steps:
                save()
                raise Interrupted(
                    f"{directory}: stopped and saved at step {run.steps:,}; "
                    "the same command continues from there"
                )
            return _finish(run, identity, sessions)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            raise Interrupted(
                f"{error.filename or directory}: {error.strerror}; the last checkpoint is kept: "
                "make room and give the same command again"
            ) from None


def loop(run: Run, clock: "Clock", stop: "Stop", end_of_epoch: Callable[[dict], None]) -> None:
    """Train until the run's last step, or until `stop` is asked for."""
    experiment = run.experiment
    policy = run.agent.policy()
    while run.steps < experiment.total_steps and not stop.asked:
        random = run.steps < experiment.start_steps
        action = run.random_action() if random else run.noisy_action(policy)
        episode_over = run.step(action)

        if updates := run.updates_due(episode_over):
            metrics = run.agent.update(run.replay, run.rng["replay"], updates)
            _check_finite(run, metrics)
            run.logger.add_updates(metrics)
            policy = run.agent.policy()

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


class Stop:
    """Whether a signal asked the run to save and end."""

    asked = False


@contextlib.contextmanager
def stop_signals():
    """Let SIGTERM and SIGINT ask for a stop instead of ending the process; a second one ends it."""
    stop = Stop()
    handlers = {}

    def ask(number, frame) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        log.warning("asked to stop (%s): saving first", signal.Signals(number).name)

    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        handlers = {s: signal.signal(s, ask) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _resume(run: Run, checkpoints: Checkpoints, identity: dict) -> list[dict]:
    """Restore the newest checkpoint if there is one; returns the run's sessions, this one last."""
    sessions = []
    if checkpoints.exist():
        about, arrays = checkpoints.load(run.replay)
        changed = provenance.differences(about["identity"], identity)
        if changed:
            raise UserError(
                f"{checkpoints.directory}: its run cannot go on to the same bytes, because this "
                f"differs: {'; '.join(changed)}. Undo the change, or start anew with --restart"
            )
        run.restore(about, arrays)
        sessions = about["sessions"]
        log.info("resuming from step %s", f"{run.steps:,}")
        if provenance.cpu()["type"] != sessions[-1]["cpu"]["type"]:
            log.warning("resuming on another type of processor: the bytes will be this run's own")
    cpu = {key: provenance.cpu()[key] for key in ("model", "type")}
    return [*sessions, {"started": _now(), "from_step": run.steps, "cpu": cpu}]


def _finish(run: Run, identity: dict, sessions: list[dict]) -> dict:
    """Write the policy and run.json, check them, and drop the checkpoints."""
    directory = run.logger.directory
    run.agent.policy().save(directory / run_directory.POLICY)
    run.logger.write()
    about = {
        "experiment": run.experiment.name,
        "seed": run.seed,
        "config_digest": run.experiment.digest(),
        "finished": _now(),
        "sessions": sessions,
        "steps": run.steps,
        "seconds": round(run.seconds, 3),
        "steps_per_second": round(run.steps / run.seconds, 1),
        "peak_memory_bytes": provenance.peak_memory(),
        "weights_sha256": weights_sha256(run.agent),
        "files": run_directory.checksums(directory),
        "identity": identity,
        "machine": provenance.machine(),
    }
    run_directory.write_json(directory / run_directory.RUN, about)
    if problems := run_directory.mismatches(directory):
        raise OSError(errno.EIO, f"written results read back differently: {problems[0]}")
    run_directory.drop_checkpoint(directory)
    return about


def weights_sha256(agent) -> str:
    """SHA-256 over every weight, target and optimiser moment, in the order of `agent.arrays()`."""
    digest = hashlib.sha256()
    for array in agent.arrays():
        digest.update(array.tobytes())
    return digest.hexdigest()


def _check_finite(run: Run, metrics) -> None:
    finite = np.isfinite(metrics.loss_q) & np.isfinite(metrics.loss_pi)
    if not finite.all():
        update = int(np.argmin(finite)) + 1
        raise Diverged(
            f"{run.logger.directory}: a loss is no longer finite in update {update} of "
            f"{len(finite)} after step {run.steps:,}; the last good checkpoint is kept. Lower "
            "q_lr or pi_lr"
        )


def _already_finished(about: dict, experiment, seed: int, directory: Path) -> dict:
    same = about.get("config_digest") == experiment.digest() and about.get("seed") == seed
    if not same:
        raise UserError(
            f"{directory}: holds the finished run {about.get('experiment')} seed "
            f"{about.get('seed')} with another configuration; give another --output or remove it"
        )
    log.info("%s: already finished; nothing to do", directory)
    return about


def _config_json(experiment, seed: int) -> dict:
    """The run's settings; `exp_name` is what Spinning Up's plotting looks for."""
    settings = {"exp_name": experiment.name, "seed": seed, **experiment.hyperparameters()}
    return dict(sorted(settings.items()))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
