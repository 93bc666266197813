# How Snakemake starts, retries and ends the training jobs, on this machine and on a cluster.

import contextlib
import json
import signal
import time

import psutil

from snakemake.io import IOFile

from ddpg.core.replay import compute_replay_bytes
from ddpg.errors import FINAL
from ddpg.files import read_json
from ddpg.memory import measure_available_memory
from ddpg.runs.directory import ALREADY_FINISHED, MOVED_TO, NO_UPDATES, RunDirectory
from ddpg.runs.results import keep_copy
from ddpg.stopping import SIGNALS

# On a cluster, jobs wait for the memory of their nodes, and `--jobs` limits how many there are.
RUNS_HERE = workflow.resource_settings.nodes is None

# Messages of a training job that Snakemake prints as well: that an earlier run was set aside, that
# a run was already finished, and that it made no updates.
NOTICES = (MOVED_TO, ALREADY_FINISHED, NO_UPDATES)
BEGAN = time.time()

# The measured memory of a training job in megabytes, without its replay buffer, is 800 to 900; on a
# cluster, each of the two Snakemakes in a job needs 150 more.
TRAINING_MB = 1000
SNAKEMAKES_MB = 400


def compute_training_memory(wildcards, attempt):
    """Megabytes of a training job, with a replay buffer of HalfCheetah's size; more at each attempt.

    The same for all experiments: all jobs of a SLURM array get the resources of its first.
    """
    largest = max(
        get_experiment(wildcards.collection, name).replay_size for name in config["experiments"]
    )
    needed = TRAINING_MB + compute_replay_bytes(largest, obs_dim=17, act_dim=6) // 10**6
    if not RUNS_HERE:
        needed += SNAKEMAKES_MB
    return needed * (1 + min(attempt, 5)) // 2


# On this machine, containers with the host's GPUs (--nv) train one at a time: all of them see the same
# GPUs, and TensorFlow computes on the first.
GPU_RESOURCES = {}
if RUNS_HERE and "--nv" in workflow.deployment_settings.apptainer_args.split():
    GPU_RESOURCES["gpu_jobs"] = 1


def refuse_stale_run(wildcards):
    """No input files, but one line if a run has other values than the configuration says.

    Snakemake trains such a run again only if it has recorded the values itself, not if the run was
    copied here or trained without it.
    """
    w = wildcards
    run = Path("results", w.collection, w.experiment, format_seed_directory(w.seed), RECORD)
    if not run.exists() or not workflow.is_main_process or is_training_forced(run):
        return []
    expected = compute_digest(w.collection, w.experiment)
    try:
        record = read_json(run)
    except UserError:  # damaged: `aggregate` refuses it
        return []
    name = record.get("experiment", w.experiment), str(record.get("seed", w.seed))
    if name != (w.experiment, w.seed):
        stop(f"{run}: is of {name[0]} seed {name[1]}; move {run.parent} away, or back to its place")
    found = record.get("config_digest", expected)
    recorded = workflow.persistence.params(IOFile(str(run)))
    if found != expected and (not recorded or repr(expected) in recorded):
        force = (
            ", or add --forcerun=train, which keeps it in set_aside_1/ there and trains it again"
        )
        stop(
            f"{run}: of a run with other values than the configuration's; move {run.parent} away"
            f"{'' if IS_MODULE else force}"
        )
    return []


def is_training_forced(run):
    """Whether the command line asks to train a run again, and `keep_finished_runs` keeps this one."""
    settings = workflow.dag_settings
    forced = settings.forceall or not {"train", str(run)}.isdisjoint(settings.forcerun)
    return forced and not IS_MODULE  # a module's handlers do not run


def keep_finished_runs():
    """Copy finished runs that came without a copy, before Snakemake deletes their files."""
    for job in workflow.dag.jobs:
        if job.rule.name == "train" and workflow.dag.needrun(job):
            keep_copy(RunDirectory(Path(job.params.directory)))


# The digests of the experiments in training, for jobs on other nodes.
DIGESTS = "DDPG_CONFIG_DIGESTS"


def announce_digests():
    """Tell jobs on other nodes what they shall train; they read the configuration when they begin."""
    names = {
        (job.wildcards.collection, job.wildcards.experiment)
        for job in workflow.dag.jobs
        if job.rule.name == "train"
    }
    digests = {"/".join(name): compute_digest(*name) for name in sorted(names)}
    os.environ |= {DIGESTS: json.dumps(digests)}


def get_announced_digest(collection, name):
    """The digest that the main Snakemake computed, also if the configuration was edited since."""
    given = {} if workflow.is_main_process else json.loads(os.environ.get(DIGESTS, "{}"))
    return given.get(f"{collection}/{name}") or compute_digest(collection, name)


def limit_resources():
    """Let jobs on this machine wait for memory and GPUs, as for cores, unless the user sets the limit.

    A job that needs more than the limit runs alone.
    """
    memory = measure_available_memory()
    limits = dict(GPU_RESOURCES)
    if RUNS_HERE and memory is not None:
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
    """The exit code in the last line of a training's log; None if the job was killed."""
    try:
        last = Path(log).read_text().rpartition("exit code ")[2]
        return int(last)
    except (OSError, ValueError):
        return None


def is_recoverable(job):
    """Whether a failed job, or one of a group, may succeed if it is repeated.

    A signal, a full disk or a lost node may not happen again. Exit code 1 is retried once: a
    file-system failure may have caused the crash, but a second crash is most likely a bug.
    """
    codes = [read_exit_code(log) for log in job.log]
    return any(code not in FINAL and (code != 1 or job.attempt == 1) for code in codes)


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
                    for line in each.read_text().splitlines():
                        if any(words in line for words in NOTICES):
                            logger.warning(line)


if workflow.is_main_process:
    limit_resources()
    end_on_signals()
else:
    ignore_warnings()
