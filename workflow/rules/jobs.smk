# How Snakemake starts, retries and ends the training jobs, on this machine and on a cluster.

import contextlib
import signal
import time

import psutil

import snakemake.cli
from snakemake.io import IOFile
from snakemake.settings.types import RerunTrigger

from ddpg.core.replay import compute_replay_bytes
from ddpg.errors import FINAL
from ddpg.memory import measure_available_memory
from ddpg.runs.directory import ALREADY_FINISHED, MOVED_BACK, MOVED_TO, NO_UPDATES, RunDirectory
from ddpg.runs.record import RunRecord
from ddpg.runs.results import keep_copy
from ddpg.stopping import SIGNALS

# Messages of a training job that Snakemake prints as well: that an earlier run was set aside or
# taken back, that a run was already finished, and that it made no updates.
NOTICES = (MOVED_TO, MOVED_BACK, ALREADY_FINISHED, NO_UPDATES)
BEGAN = time.time()

# The peak resident memory of the published HalfCheetah runs, without the replay buffer, is 850 to 1,020
# MB. About 490 MB of it are library files, which the system can drop. On a cluster, each of the two
# Snakemakes in a job needs 150 MB more.
TRAINING_MB = 1000
SNAKEMAKES_MB = 400


def runs_here():
    """Whether jobs run on this machine; known when Snakemake builds the DAG, not before.

    On a cluster, jobs wait for the memory of their nodes, and `--jobs` limits how many there are.
    """
    executor = workflow.executor_plugin
    if executor is None or executor.common_settings.dryrun_exec:  # nothing runs
        return workflow.resource_settings.nodes is None
    return executor.common_settings.local_exec


def find_dimensions(env):
    """The dimensions of an environment's observations and actions; HalfCheetah's if it cannot be made.

    It may exist in the container alone. If it does not exist at all, the training says so.
    """
    made = make_environment(env)
    return (made.observation_space.shape[0], made.action_space.shape[0]) if made else (17, 6)


@functools.cache
def make_environment(env):
    """An environment to ask for its properties; None if it cannot be made here."""
    from ddpg import environment  # takes half a second to import, and not every target needs it

    try:
        return environment.make(env)
    except UserError:
        return None


def has_other_code(record, env):
    """Whether the code of the user's environment has changed since a run, as far as that is known."""
    recorded = record.identity.environment_code
    if recorded is None:
        return False
    from ddpg import environment

    made = make_environment(env)
    return made is not None and environment.digest_code(made) != recorded


def compute_training_memory(wildcards, attempt):
    """Megabytes of a training job; more at each attempt.

    On a cluster the same for all experiments: all jobs of a SLURM array get the resources of its first.
    """
    names = [wildcards.experiment] if runs_here() else config["experiments"]
    experiments = [get_experiment(wildcards.collection, name) for name in names]
    replay = max(compute_replay_bytes(e.replay_size, *find_dimensions(e.env)) for e in experiments)
    needed = TRAINING_MB + replay // 10**6 + (0 if runs_here() else SNAKEMAKES_MB)
    return needed * (1 + min(attempt, 5)) // 2


# On one machine, containers with the host's GPUs (--nv) train one at a time: all of them see the same
# GPUs, and TensorFlow computes on the first.
GPU_RESOURCES = {}
if "--nv" in workflow.deployment_settings.apptainer_args.split():
    GPU_RESOURCES["gpu_jobs"] = 1


def prepare_training(wildcards):
    """No input files; what must happen before Snakemake plans a training.

    Sets the scheduler's limits, keeps a run that Snakemake would delete, and stops with one line for
    a run that must not be trained or is not one of the configuration's.
    """
    w = wildcards
    limit_resources()
    run = Path("results", w.collection, w.experiment, format_seed_directory(w.seed), RECORD)
    if run.resolve().is_relative_to(PUBLISHED.resolve()):
        stop(
            f"{run.parent}: links to a published run, which training would replace; copy it instead"
        )
    if DELETES_OUTPUT:
        try:
            keep_earlier_run(RunDirectory(run.parent))
        except OSError as error:
            stop(describe_disk_error(error))
    refuse_unknown_seed(w)
    if run.exists() and workflow.is_main_process and not is_training_forced(run):
        refuse_stale_run(w, run)
    return []


def refuse_unknown_seed(w):
    """Stop with one line if the configuration does not have the seed of wildcards."""
    seeds = get_experiment(w.collection, w.experiment).seeds
    if w.seed not in map(str, seeds):
        own = w.collection != "smoke" or "seeds" not in config["smoke"]
        path = ("experiments", w.experiment, "seeds") if own else ("smoke", "seeds")
        stop(
            f"{SETTINGS.file_of(path)}: seed {w.seed} is not among the seeds of {w.experiment} "
            f"({', '.join(map(str, seeds))}); add it to {'.'.join(path)}"
        )


def refuse_stale_run(w, run):
    """Stop with one line if the finished run of wildcards is not one of the configuration's.

    If its values differ, Snakemake trains it again only if it has recorded the values itself, not if
    the run was copied here or trained without it, nor if only file times count.
    """
    expected = compute_digest(w.collection, w.experiment)
    try:
        record = RunRecord.read(run)
    except UserError:  # damaged: `aggregate` refuses it
        return
    name = record.experiment, str(record.seed)
    if name != (w.experiment, w.seed):
        stop(
            f"{run}: this is a run of {name[0]} seed {name[1]}; move {run.parent} to that run's "
            "directory, or out of results/"
        )
    found = record.config_digest
    recorded = workflow.persistence.params(IOFile(str(run)))
    is_trigger = RerunTrigger.PARAMS in workflow.rerun_triggers
    again = f"move {run.parent} away"
    if not IS_MODULE:
        again += (
            ", or add --forcerun=train, which moves it to set_aside_1/ there and trains it again"
        )
    if found != expected and not (is_trigger and recorded and repr(expected) not in recorded):
        stop(f"{run}: this run has other values than the configuration; {again}")
    env = get_experiment(w.collection, w.experiment).env
    if found == expected and has_other_code(record, env):
        stop(
            f"{run}: the code of {env} has changed since this run (environment_code); undo the "
            f"change, {again}"
        )


def is_training_forced(run):
    """Whether the command line asks to train a run again, and `keep_earlier_runs` keeps this one."""
    settings = workflow.dag_settings
    forced = settings.forceall or not {"train", str(run)}.isdisjoint(settings.forcerun)
    return forced and not IS_MODULE  # a module's handlers do not run


def deletes_output():
    """Whether the command line asks to delete all output, for which no handler runs."""
    if not any(word.startswith("--delete-a") for word in sys.argv):
        return False
    arguments = snakemake.cli.parse_args(sys.argv[1:])[1]  # knows abbreviations, as in -np
    return arguments.delete_all_output and not arguments.dryrun


DELETES_OUTPUT = deletes_output()


def keep_earlier_runs():
    """Keep the files of earlier runs before Snakemake deletes them."""
    if not workflow.is_main_process:  # the main one has
        return
    for job in workflow.dag.jobs:
        if job.rule.name == "train" and workflow.dag.needrun(job):
            keep_earlier_run(RunDirectory(Path(job.params.directory)))


def keep_earlier_run(directory):
    """Copy a finished run; set aside results that neither a copy nor a checkpoint could restore."""
    if directory.is_claimed() or keep_copy(directory) or directory.has_checkpoint():
        return
    if directory.record_path.exists() or directory.has_results():
        aside = directory.set_aside()
        logger.warning(f"{directory}: holds results that are not a finished run's{MOVED_TO}{aside}")


@functools.cache
def limit_resources():
    """Let jobs on this machine wait for memory and GPUs, as for cores, unless the user sets the limit.

    A job that needs more than the limit runs alone. Call it while Snakemake builds the DAG: before,
    the executor is not known, and afterwards the limits of the scheduler are.
    """
    if not workflow.is_main_process or not runs_here():
        return
    memory = measure_available_memory()
    limits = dict(GPU_RESOURCES)
    if memory is not None:
        limits["mem_mb"] = max(1, memory // 10**6)
    for name, limit in limits.items():
        if name not in workflow.global_resources:
            workflow.register_resource(name, limit)


def end_on_signals():
    """Let each stop signal end Snakemake as Ctrl-C does, so that it releases its lock.

    Training jobs on this machine are asked to save, even if only Snakemake got the signal. Ignored
    signals stay ignored, as SIGHUP under nohup.
    """

    def end(number, frame):
        for other in SIGNALS:  # schedulers repeat signals; a second Ctrl-C ends at once
            ctrl_c = other == signal.SIGINT
            signal.signal(other, signal.default_int_handler if ctrl_c else signal.SIG_IGN)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, end)


def ignore_warnings():
    """Ignore a scheduler's warning signals, which only the training handles.

    Without this, they would end the Snakemake in a cluster's job, and with it the job, while the
    training saves: SLURM starts that Snakemake without the settings of begin.sh.
    """
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU):
            signal.signal(number, signal.SIG_IGN)


def read_exit_code(log):
    """The exit code in the last line of a training's log; None if there is none.

    Then the job was killed, or never began to train.
    """
    try:
        return int(read_log(log).rpartition("exit code ")[2])
    except (OSError, ValueError):
        return None


def read_log(log):
    """The text of a log; environments may print bytes that are not UTF-8."""
    return Path(log).read_text(encoding="utf-8", errors="replace")


def is_recoverable(job):
    """Whether a failed job, or one of a group, may succeed if it is repeated.

    A signal, a full disk or a lost node may not happen again. Exit code 1 is retried once: a
    file-system failure may have caused the crash, but a second crash is most likely a bug. So is a
    job that never began to train: it may have been cancelled, but a missing image stays missing.
    """
    code = read_exit_code(job.log[0])
    # Snakemake makes an empty log; the command of the rule replaces it by a link when it begins.
    began = Path(job.log[0]).is_symlink()
    once = code == 1 or (code is None and not began)
    return code not in FINAL and (job.attempt == 1 or not once)


def retry_recoverable_failures():
    """Let Snakemake retry a failed training only if a retry may succeed."""

    def handle_job_error(job):
        jobs = [each for each in (job if job.is_group() else [job]) if each.rule.name == "train"]
        if jobs and not any(map(is_recoverable, jobs)):
            job.attempt = job.restart_times + 1

    scheduler = workflow.scheduler
    for executor in (scheduler._executor, scheduler._local_executor):
        if executor is not None:
            executor.handle_job_error = handle_job_error


def print_notices():
    """Print the NOTICES of this Snakemake's training jobs, which are in their logs as well."""
    for job in workflow.dag.jobs:
        if job.rule.name == "train":
            log = Path(job.log[0])
            for each in sorted(log.parent.glob(f"{log.stem}.*.log")):
                if each.stat().st_mtime >= BEGAN:
                    for line in read_log(each).splitlines():
                        if any(words in line for words in NOTICES):
                            logger.warning(line)


if workflow.is_main_process:
    end_on_signals()
else:
    ignore_warnings()
