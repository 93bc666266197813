# How Snakemake starts, retries and stops training jobs, locally and on a cluster.

import contextlib
import signal
import time

import psutil

from ddpg.errors import FINAL
from ddpg.memory import available_memory
from ddpg.stopping import SIGNALS

# On a cluster, SLURM assigns memory to jobs, and `--jobs` limits their number.
RUNS_HERE = workflow.resource_settings.nodes is None

# Messages of training jobs that users of Snakemake should see: where an earlier run was moved, and
# that a finished run was not trained again.
NEWS = ("; that is now in ", ": already finished; ")
BEGAN = time.time()

# Measured memory of a training job without its replay buffer: 800 to 900 MB, and on a cluster 150 MB
# for each of the two Snakemake processes that start it.
TRAINING_MB = 1000
SNAKEMAKES_MB = 400


def training_memory(wildcards, attempt):
    """Megabytes that a training job requests: enough for the largest replay buffer; more per retry.

    The same for all experiments, because all jobs of a SLURM array get the resources of its first.
    """
    bytes_per_transition = 4 * (2 * 17 + 6 + 2)
    longest = max(
        experiment(wildcards.collection, name).replay_size for name in config["experiments"]
    )
    needed = TRAINING_MB + longest * bytes_per_transition // 10**6
    if not RUNS_HERE:
        needed += SNAKEMAKES_MB
    return needed * (1 + min(attempt, 5)) // 2


def hold_jobs_by_memory():
    """Start local jobs only while memory is free, as Snakemake does with cores.

    The user's own `--resources mem_mb=` takes precedence. A job that needs more than is free runs
    alone.
    """
    memory = available_memory()
    if RUNS_HERE and memory is not None:
        if "mem_mb" not in workflow.global_resources:
            workflow.register_resource("mem_mb", max(1, memory // 10**6))


def end_on_signals():
    """On every usual signal, stop Snakemake as Ctrl-C does, which releases its lock.

    Local training jobs save first, also if only Snakemake received the signal. Ignored signals stay
    ignored, as SIGHUP under nohup.
    """

    def end(number, frame):
        for other in SIGNALS:  # ignore repeated signals; a second Ctrl-C ends at once
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
    """The exit code in the last line of a training log; None if the job was killed."""
    try:
        last = Path(log).read_text().rpartition("exit code ")[2]
        return int(last)
    except (OSError, ValueError):
        return None


def may_be_mended(job):
    """Whether a failed job, or one job of a group, may succeed when it is retried.

    Signals, full disks, lost nodes and file-system errors that crash the program may be temporary.
    A second crash is most likely a bug.
    """
    codes = [exit_code(log) for log in job.log]
    return any(code not in FINAL and (code != 1 or job.attempt == 1) for code in codes)


def repeat_what_may_be_mended():
    """Let Snakemake retry a failed training job only if the retry may succeed."""

    def handle_job_error(job):
        jobs = [each for each in (job if job.is_group() else [job]) if each.rule.name == "train"]
        if jobs and not any(map(may_be_mended, jobs)):
            job.attempt = job.restart_times + 1

    scheduler = workflow.scheduler
    for executor in (scheduler._executor, scheduler._local_executor):
        if executor is not None:
            executor.handle_job_error = handle_job_error


def say_news():
    """Print the NEWS lines in the training logs that were written since this Snakemake started."""
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
