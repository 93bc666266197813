# Functions for SLURM clusters only; the settings are in workflow/profiles/slurm/config.yaml.

import shlex
import subprocess

# How long before the end of its run time a training job is asked to save. It first finishes the
# updates of a trajectory or an evaluation, which takes seconds, and then writes its checkpoint to a
# shared disk.
SECONDS_TO_SAVE = 120


def make_timeout_prefix(resources):
    """The prefix of a command that warns it before a SLURM job's time limit; empty without one.

    SLURM's own `--signal` would also reach Snakemake, which then fails a run that ends just in time.
    """
    if "SLURM_JOB_ID" not in os.environ or not resources.get("runtime"):
        return ""
    seconds = 60 * resources.runtime
    return f"timeout --foreground --preserve-status {seconds - min(SECONDS_TO_SAVE, seconds // 2)}"


def check_cluster():
    """Before submitting anything, stop with one line if SLURM would refuse the jobs."""
    jobs = [job for job in workflow.dag.ready_jobs if "train" in job.rules]
    if workflow.executor_plugin.name != "slurm" or not jobs:
        return
    setup = workflow.remote_execution_settings.precommand or ""
    if "begin.sh" in setup and not Path("workflow/profiles/slurm/begin.sh").exists():
        raise WorkflowError(
            f"{Path.cwd()} has no workflow/profiles/slurm/begin.sh, which SLURM jobs source; copy it "
            f"there from {PROJECT}, or start Snakemake in that directory"
        )
    # Snakemake writes these into the jobs' scripts without quotes.
    for path in (sys.executable, Path.cwd(), *CONFIG_FILES):
        if not PLAIN_PATH.fullmatch(str(path)):
            raise WorkflowError(
                f"{path}: SLURM jobs cannot start from a path with spaces or quotes; move it"
            )
    most = workflow.resource_settings.nodes
    if workflow.executor_settings.array_jobs and most < len(jobs):
        raise WorkflowError(
            f"--jobs {most}: less than the {len(jobs)} jobs to submit, for which the array jobs "
            f"of Snakemake's SLURM plugin would wait forever; give --jobs {len(jobs)}"
        )
    for options in dict.fromkeys(map(get_sbatch_options, jobs)):
        if reason := ask_slurm(options):
            raise WorkflowError(
                f"SLURM refuses a training job with {' '.join(options)} ({reason}); see `sinfo` "
                "and edit workflow/profiles/slurm/config.yaml"
            )


# The long forms of the short `sbatch` options that Snakemake's plugin uses, for messages.
LONG_OPTIONS = {"-A": "--account", "-p": "--partition", "-t": "--time", "-C": "--constraint"}


def get_sbatch_options(job):
    """The `sbatch` options that Snakemake's SLURM plugin will use for a job, as a tuple."""
    from snakemake_executor_plugin_slurm import (
        get_submit_command,
        set_gres_string,
        validate_slurm_extra,
    )

    executor = workflow.scheduler._executor
    try:
        validate_slurm_extra(job)
        parameters = {
            "account": next(executor.get_account_arg(job)),
            "partition": executor.get_partition_arg(job),
            **dict.fromkeys(("run_uuid", "slurm_logfile", "comment_str", "workdir"), ""),
        }
        command = get_submit_command(job, parameters, workflow.executor_settings)
        command += set_gres_string(job)
    except WorkflowError as error:  # of several lines
        raise WorkflowError(
            f"Snakemake's SLURM plugin refuses a training job: {' '.join(str(error).split())} "
            "(A resource is given as in --set-resources train:qos=long)"
        ) from None
    words = shlex.split(command)
    words = words[words.index("--comment") + 2 :]  # skip the job's name and files before it
    options = []
    while words:
        word = words.pop(0)
        word = LONG_OPTIONS.get(word, word)
        if word.startswith("--") and "=" not in word and words and not words[0].startswith("-"):
            word = f"{word}={words.pop(0)}"
        options.append(word)
    return tuple(options)


def ask_slurm(options):
    """Why SLURM would refuse a job with these options of `sbatch`; empty if it would not."""
    try:
        answer = subprocess.run(
            ["sbatch", "--test-only", *options, "--wrap", "true"],
            capture_output=True,
            text=True,
            timeout=60,
        )
    except FileNotFoundError:
        raise WorkflowError("sbatch not found: start Snakemake on a node with SLURM") from None
    except subprocess.TimeoutExpired:
        raise WorkflowError("SLURM did not answer within a minute; see `sinfo`") from None
    if answer.returncode == 0:
        return ""
    return answer.stderr.strip().rpartition("\n")[2].rpartition(": ")[2] or "without a reason"
