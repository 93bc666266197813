# What only a SLURM cluster needs; workflow/profiles/slurm/config.yaml says the rest.

import subprocess

# How long before the end of its run time a training job is asked to save: it finishes the updates
# of a trajectory or a test, which takes seconds, and writes its checkpoint to a shared disk.
SECONDS_TO_SAVE = 120


def time_limit(resources):
    """The words before a command that warn it before a SLURM job's run time is over; else none.

    SLURM's own `--signal` would warn Snakemake too, which then fails a run that ends just in time.
    """
    if "SLURM_JOB_ID" not in os.environ or not resources.get("runtime"):
        return ""
    seconds = 60 * resources.runtime
    return f"timeout --foreground --preserve-status {seconds - min(SECONDS_TO_SAVE, seconds // 2)}"


def check_cluster():
    """Before anything is submitted, stop with one line where SLURM would not take the jobs."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name == "train"]
    if workflow.executor_plugin.name != "slurm" or not jobs:
        return
    most = workflow.resource_settings.nodes
    if workflow.executor_settings.array_jobs and most < len(jobs):
        raise WorkflowError(
            f"--jobs {most}: less than the {len(jobs)} runs to train, which the array jobs of "
            f"Snakemake's SLURM plugin would wait for for ever; give --jobs {len(jobs)}"
        )
    resources = jobs[0].resources
    asked = {
        "partition": resources.get("slurm_partition"),
        "account": resources.get("slurm_account"),
        "time": resources.get("runtime"),
        "mem": resources.get("mem_mb"),
    }
    options = [f"--{name}={value}" for name, value in asked.items() if value]
    try:
        answer = subprocess.run(
            ["sbatch", "--test-only", *options, "--wrap", "true"],
            capture_output=True,
            text=True,
            timeout=60,
        )
    except FileNotFoundError:
        raise WorkflowError("no sbatch here: start Snakemake where SLURM's commands are") from None
    except subprocess.TimeoutExpired:
        raise WorkflowError("SLURM did not answer for a minute; see `sinfo`") from None
    if answer.returncode:
        reason = answer.stderr.strip().rpartition("\n")[2].rpartition(": ")[2]
        raise WorkflowError(
            f"SLURM refuses a training job with {' '.join(options)} ({reason}); "
            "see `sinfo` and edit workflow/profiles/slurm/config.yaml"
        )
