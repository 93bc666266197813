# How Snakemake starts, repeats and ends the training jobs, here and on a cluster.

import contextlib
import signal
import time

import psutil

from ddpg.errors import FINAL
from ddpg.memory import available_memory
from ddpg.stopping import SIGNALS

# A cluster's jobs wait for the memory of their nodes, and `--jobs` says how many there may be.
RUNS_HERE = workflow.resource_settings.nodes is None

# What a training says that a person should see who sees Snakemake alone: where an earlier run is
# now, and that nothing was trained.
NEWS = ("; that is now in ", ": already finished; ")
BEGAN = time.time()

# What a training job was seen to use, in megabytes, without its replay buffer: 800 to 900, and on
# a cluster 150 for each of the two Snakemakes around it.
TRAINING_MB = 1000
SNAKEMAKES_MB = 400


def training_memory(wildcards, attempt):
    """Megabytes of a training job, with a replay buffer of HalfCheetah's size; more at each try.

    The same for all experiments: SLURM gets an array of jobs with the resources of its first.
    """
    bytes_per_transition = 4 * (2 * 17 + 6 + 2)
    longest = max(experiment(wildcards.tier, name).replay_size for name in config["experiments"])
    needed = TRAINING_MB + longest * bytes_per_transition // 10**6
    if not RUNS_HERE:
        needed += SNAKEMAKES_MB
    return needed * (1 + min(attempt, 5)) // 2


def hold_jobs_by_memory():
    """Let jobs that run here wait for memory, as they do for cores, unless the user says how much.

    A job that asks for more than there is runs alone.
    """
    memory = available_memory()
    if RUNS_HERE and memory is not None:
        if "mem_mb" not in workflow.global_resources:
            workflow.register_resource("mem_mb", max(1, memory // 10**6))


def end_on_signals():
    """Let every usual signal end Snakemake as Ctrl-C does: it gives its lock back when it ends.

    The training jobs that run here are asked to save, also where the signal went to Snakemake
    alone. What is ignored stays so, as SIGHUP is under nohup.
    """

    def end(number, frame):
        for other in SIGNALS:  # a scheduler may repeat itself, and a second Ctrl-C waits for none
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


def exit_code(log):
    """The exit code that the last line of a training's log tells; None where the job was killed."""
    try:
        last = Path(log).read_text().rpartition("exit code ")[2]
        return int(last)
    except (OSError, ValueError):
        return None


def may_be_mended(job):
    """Whether a failed job, or one of a group, may end otherwise when it is repeated.

    A signal, a full disk or a lost node may not come again, and neither may the failure of a file
    system that shows as a crash of the program. But a second crash is most likely its own.
    """
    codes = [exit_code(log) for log in job.log]
    return any(code not in FINAL and (code != 1 or job.attempt == 1) for code in codes)


def repeat_what_may_be_mended():
    """Let Snakemake repeat a failed training only where that may mend it."""

    def handle_job_error(job):
        jobs = [each for each in (job if job.is_group() else [job]) if each.rule.name == "train"]
        if jobs and not any(map(may_be_mended, jobs)):
            job.attempt = job.restart_times + 1

    scheduler = workflow.scheduler
    for executor in (scheduler._executor, scheduler._local_executor):
        if executor is not None:
            executor.handle_job_error = handle_job_error


def say_news():
    """Print the trainings' news of this Snakemake; each is in the log of a try as well."""
    for job in workflow.dag.jobs:
        if job.rule.name == "train":
            log = Path(job.log[0])
            for each in sorted(log.parent.glob(f"{log.stem}.*.log")):
                if each.stat().st_mtime >= BEGAN:
                    for line in each.read_text().splitlines():
                        if any(words in line for words in NEWS):
                            logger.warning(line)


if workflow.is_main_process:
    hold_jobs_by_memory()
    end_on_signals()
