"""The workflow on a private SLURM, as in docs/cluster.md, gives the bytes of a local run.

Jobs are cancelled, preempted, out of time and out of memory. Slow parts run in parallel, each in
its own checkout.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from helpers.check_outcome import check_outcome, parse_seed_counts, read_portable_outputs
from helpers.checkout import Checkout, clean_environment, find_training_process
from helpers.run_files import read_results

from ddpg.errors import Interrupted
from ddpg.runs.directory import RESULT_FILES
from ddpg.runs.record import RunRecord

pytestmark = [pytest.mark.cluster, pytest.mark.container]

PROFILE = "workflow/profiles/slurm"
RUNS = "results/smoke/pendulum-demo"
LOGS = "results/logs/train/smoke/pendulum-demo"
CANCELLED, REQUEUED, OUT_OF_TIME, WARNED = SEEDS = [0, 10, 20, 30]
FAILING = SEEDS[0]  # in the group of seeds on a GPU
# The part of the project's configuration that the demo needs. The runs are long enough to be
# interrupted and short enough for a test.
SMOKE = {"seeds": SEEDS, "epochs": 20, "steps_per_epoch": 400, "start_steps": 400}
KEPT = {"experiments": "pendulum-demo", "comparisons": "pendulum"}

CLAIMS = """
claims:
  - statement: "Pendulum is solved"
    source: this test
    comparison: pendulum
    group: pendulum-demo
    quantity: final_return
    expected: {at_least: -200}
"""
REFUSED = "experiments: {pendulum-demo: {env: NoSuch-v1}}\n"

SAVED = "stopped and saved at step"

# Replaces ddpg/__main__.py in tests of the resources and variables that a job gets.
STAND_IN = """
import json, os, sys
from pathlib import Path

output = Path(sys.argv[sys.argv.index("--output") + 1])
for name in RESULTS:
    (output / name).write_text(json.dumps(dict(os.environ)))
""".replace("RESULTS", repr((*RESULT_FILES, "run.json")))


class ClusterCheckout:
    """A cluster user's checkout, and Snakemake running in it."""

    def __init__(self, directory: Path, slurm, sif: Path):
        self.slurm, self.directory = slurm, Checkout(directory).directory
        (directory / "containers/ddpg.sif").symlink_to(sif)
        settings = yaml.safe_load((directory / "config.yaml").read_text())
        settings |= {part: {name: settings[part][name]} for part, name in KEPT.items()}
        del settings["headline"]
        settings |= {"smoke": SMOKE, "claims": "claims.yaml"}
        (directory / "claims.yaml").write_text(CLAIMS)
        (directory / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        # The edits that docs/cluster.md asks for, and shorter waits.
        self.edit(f"{PROFILE}/config.yaml", "slurm_partition: main", "slurm_partition: short")
        self.edit(f"{PROFILE}/config.yaml", "runtime: 360", "runtime: 3")
        self.edit(f"{PROFILE}/config.yaml", "status-checks: 20", "status-checks: 2")
        self.edit(f"{PROFILE}/config.yaml", "latency-wait: 60", "latency-wait: 5")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.directory / name).read_text()
        assert text.count(old) == 1, f"{name}: {old}"
        (self.directory / name).write_text(text.replace(old, new))

    def on_gpus(self, minutes: int = 3) -> None:
        """Use the CPU image as the GPU image; `minutes` is the time limit of a job."""
        self.edit(f"{PROFILE}-gpu/config.yaml", "slurm_partition: gpu", "slurm_partition: short")
        self.edit(f"{PROFILE}-gpu/config.yaml", "runtime: 360", f"runtime: {minutes}")
        self.edit(f"{PROFILE}-gpu/config.yaml", "ddpg-gpu.sif", "ddpg.sif")

    def start(self, *arguments: str) -> None:
        """Start Snakemake with the cluster's commands on its PATH."""
        with open(self.directory / "said", "w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments], cwd=self.directory,
                env=clean_environment() | self.slurm.environment, start_new_session=True,
                stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def finish(self, expect: int = 0, timeout: float = 600) -> str:
        """Wait for Snakemake to end; returns its output."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        assert self.process.poll() == expect, self.logs()
        return (self.directory / "said").read_text()

    def end(self) -> None:
        """Kill Snakemake and its child processes if it still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def logs(self) -> str:
        """The output of Snakemake, and all logs of SLURM and of the jobs."""
        files = [self.directory / "said", *self.directory.glob(".snakemake/slurm_logs/**/*.log")]
        files += self.directory.glob("results/logs/**/*.log")
        return "".join(f"\n== {file}\n{file.read_text()}" for file in files)

    def wait_for(self, what, seconds: float = 400):
        """Wait until `what()` is true, and return it."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            if found := what():
                return found
            time.sleep(0.1)
        raise AssertionError(self.logs())

    def wait_until_said(self, seed: int, text: str) -> None:
        """Wait until the training log of a seed contains `text`."""
        log = self.directory / LOGS / f"seed_{seed}.log"
        self.wait_for(lambda: log.exists() and text in log.read_text())

    def find_training_process(self, seed: int) -> int:
        """The ID of the process that trains a seed."""
        return find_training_process(self.directory / RUNS / f"seed_{seed}")

    def interrupt(self, seed: int, *command: str) -> None:
        """Signal the job of a paused seed with a command, continue it, and wait until it saved."""
        process = self.find_training_process(seed)
        self.slurm.ask(*command, self.job(seed))
        os.kill(process, signal.SIGCONT)
        self.wait_until_said(seed, SAVED)

    def job(self, seed: int) -> str:
        """The SLURM job that trains a seed, from the variables of its parent processes."""
        process = self.find_training_process(seed)
        while process > 1:
            variables = Path(f"/proc/{process}/environ").read_text(errors="replace").split("\0")
            found = dict(variable.partition("=")[::2] for variable in variables)
            if "SLURM_ARRAY_JOB_ID" in found:
                return f"{found['SLURM_ARRAY_JOB_ID']}_{found['SLURM_ARRAY_TASK_ID']}"
            status = Path(f"/proc/{process}/status").read_text()
            process = int(re.search(r"^PPid:\s*(\d+)", status, re.MULTILINE)[1])
        raise AssertionError(f"no array job of SLURM trains seed {seed}")

    def outcome(self) -> dict:
        """The results whose bytes must be the same wherever the workflow ran."""
        runs = [f"pendulum-demo/seed_{seed}" for seed in SEEDS]
        return read_portable_outputs(self.directory, "smoke", ["pendulum"], runs)


def pause(*runs: tuple[ClusterCheckout, int]) -> None:
    """Stop the processes that train these seeds, each at its first epoch.

    A fast machine would otherwise finish one while a test waits for another.
    """
    waiting = list(runs)
    deadline = time.monotonic() + 900
    while waiting:
        for checkout, seed in list(waiting):
            if checkout.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(checkout.logs())
            log = checkout.directory / LOGS / f"seed_{seed}.log"
            if log.exists() and "epoch 1/" in log.read_text():
                os.kill(checkout.find_training_process(seed), signal.SIGSTOP)
                waiting.remove((checkout, seed))
        time.sleep(0.1)


def has_pending(process: int, number: signal.Signals) -> bool:
    """Whether a signal is pending for a stopped process."""
    status = Path(f"/proc/{process}/status").read_text()
    masks = re.findall(r"^(?:Sig|Shd)Pnd:\s*(\w+)", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def end_orphans(sif: Path) -> None:
    """End the processes that mount the image for a killed job; a control group would do that."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            orphan = re.search(r"^PPid:\s*1$", (process / "status").read_text(), re.MULTILINE)
            if orphan and any(file.readlink() == sif for file in (process / "fd").iterdir()):
                os.kill(int(process.name), signal.SIGTERM)
        except OSError:
            continue


@pytest.fixture(scope="module")
def checkouts(slurm, sif, tmp_path_factory):
    """All slow checkouts, started together."""
    names = ("main", "memory", "gpu", "group", "refused", "local")
    found = {name: ClusterCheckout(tmp_path_factory.mktemp(name), slurm, sif) for name in names}
    found["main"].start("--profile", PROFILE, "smoke")
    found["memory"].edit("workflow/rules/jobs.smk", "TRAINING_MB = 1000", "TRAINING_MB = 32")
    found["memory"].start("--profile", PROFILE, "--", f"{RUNS}/seed_0/run.json")
    gpu = ("--profile", PROFILE, "--profile", f"{PROFILE}-gpu")
    runs = [f"{RUNS}/seed_{seed}/run.json" for seed in SEEDS]
    found["gpu"].on_gpus()
    (found["gpu"].directory / "ddpg/__main__.py").write_text(STAND_IN)
    found["gpu"].start(*gpu, "--", *runs)
    # SLURM must not end the job whose stopped seed waits for the others, also on a busy machine.
    found["group"].on_gpus(minutes=10)
    found["group"].start(*gpu, "--", *runs)
    (found["refused"].directory / "refused.yaml").write_text(REFUSED)
    found["refused"].start("--profile", PROFILE, "--configfile", "refused.yaml", "--", *runs[:2])
    found["local"].start("--cores", "2", "smoke")
    pause(*((found["main"], seed) for seed in SEEDS), (found["group"], FAILING))
    yield found
    for checkout in found.values():
        checkout.end()
    end_orphans(sif)


def test_smoke_with_every_job_interrupted(checkouts):
    """Every seed is a job in the image that is stopped once; results have a local run's bytes."""
    main = checkouts["main"]
    slow = main.find_training_process(OUT_OF_TIME)  # stays paused until its time is over
    main.interrupt(CANCELLED, "scancel")
    main.interrupt(REQUEUED, "scontrol", "requeue")  # as preemption does
    main.interrupt(WARNED, "scancel", "--signal=USR1", "--full")  # as --signal asks for

    status = [sys.executable, "-m", "ddpg", "status", "results/smoke"]
    shown = subprocess.check_output(status, cwd=main.directory, text=True, timeout=60)
    assert re.search(r"pendulum-demo +20 .* running", shown), shown
    main.wait_for(lambda: has_pending(slow, signal.SIGTERM))
    os.kill(slow, signal.SIGCONT)
    main.wait_until_said(OUT_OF_TIME, SAVED)

    output = main.finish()
    assert re.search(r"Submitted array job with Snakemake IDs (\d+,){3}\d+ and", output)
    for seed in SEEDS:
        record = json.loads((main.directory / RUNS / f"seed_{seed}/run.json").read_text())
        starts = [session["from_step"] for session in record["sessions"]]
        assert record["machine"]["image"], "trained in the container"
        assert len(starts) > 1 and starts == sorted({0, *starts}), starts
        first_try = min((main.directory / LOGS).glob(f"seed_{seed}.*.log")).read_text()
        assert first_try.endswith(f"exit code {Interrupted.exit_code}\n"), first_try
    local = checkouts["local"]
    local_output = local.finish()
    assert main.outcome() == local.outcome()
    runs = [f"pendulum-demo/seed_{seed}" for seed in SEEDS]
    said = [
        check_outcome(checkout.directory, text, "smoke", "smoke", ["pendulum"], runs)
        for checkout, text in ((main, output), (local, local_output))
    ]
    assert said[0] == said[1] and parse_seed_counts(said[0]) == {"pendulum-demo": len(SEEDS)}


def test_retrying_a_group_does_not_retrain_finished_seeds(checkouts):
    """One seed of the group is killed; the job is retried."""
    group = checkouts["group"]
    slow = group.find_training_process(FAILING)
    others = [seed for seed in SEEDS if seed != FAILING]
    finished = [group.directory / RUNS / f"seed_{seed}/run.json" for seed in others]
    group.wait_for(lambda: all(path.exists() for path in finished))
    before = [path.read_bytes() for path in finished]
    os.kill(slow, signal.SIGKILL)

    output = group.finish()
    assert output.count("Trying to restart job") == 1
    assert [path.read_bytes() for path in finished] == before
    for seed in others:
        log = (group.directory / LOGS / f"seed_{seed}.log").read_text()
        assert "already finished; train it again" in log, log
    assert len(RunRecord.read(group.directory / RUNS / f"seed_{FAILING}/run.json").sessions) == 2


def test_a_job_over_its_memory_request_is_retried_with_more(checkouts):
    memory = checkouts["memory"]
    output = memory.finish()
    asked = [int(mb) for mb in re.findall(r"^    resources:.* mem_mb=(\d+)", output, re.MULTILINE)]
    assert len(asked) > 1, output
    assert asked == [468 * (1 + attempt) // 2 for attempt in range(1, len(asked) + 1)]
    assert re.search("exceeded (job )?memory limit", memory.logs()), memory.logs()
    checkouts["local"].finish()
    name = f"{RUNS}/seed_0"
    assert read_results(memory.directory / name) == read_results(
        checkouts["local"].directory / name
    )


def test_seeds_share_a_gpu(checkouts):
    gpu = checkouts["gpu"]
    (job,) = re.findall(r"submitted with SLURM jobid (\d+)", gpu.finish())
    given = gpu.slurm.ask("scontrol", "show", "job", job)
    assert "TRES=cpu=4,mem=5744M," in given and "TresPerNode=gres:gpu:1\n" in given, given
    for seed in SEEDS:
        variables = json.loads((gpu.directory / RUNS / f"seed_{seed}/run.json").read_text())
        assert variables["CUDA_VISIBLE_DEVICES"] in ("0", "1")
        assert variables["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
        assert "SLURM_JOB_ID" not in variables, "the host's other variables must stay outside"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--set-resources", "train:slurm_partition=nowhere"],
            r"^SLURM refuses a training job with .*--partition=nowhere .*"
            r"\(Invalid partition name specified\); see `sinfo`",
        ),
        (["--set-resources", "train:runtime=11"], r"^SLURM refuses .*--time=11 .*\(Requested time"),
        (
            ["--set-resources", "train:constraint=haswell"],
            r"^SLURM refuses .*--constraint=haswell .*\(Invalid feature specification\)",
        ),
        (
            ["--set-resources", "train:gres='gpu:3'"],
            r"^SLURM refuses .*--gres=gpu:3 \(Requested node configuration is not available\)",
        ),
        (
            ["--set-resources", "train:slurm_extra='--nodelist=nowhere'"],
            r"^SLURM refuses .*--nodelist=nowhere \(Invalid node name specified\)",
        ),
        (
            ["--set-resources", "train:slurm_extra='--qos=long'"],
            r"^Snakemake's SLURM plugin refuses a training job: .*--set-resources train:qos=long\)",
        ),
        (
            ["--slurm-reservation", "nowhere"],
            r"^SLURM refuses .*--reservation=nowhere .*\(.*reserv",
        ),
        (["--jobs", "2"], r"^--jobs 2: less than the 4 jobs to submit"),
        (
            ["--configfile", "my config.yaml"],
            r"^my config.yaml: SLURM jobs cannot start from a path with spaces",
        ),
    ],
)
def test_jobs_that_slurm_would_refuse_are_reported_first(slurm, sif, tmp_path, options, message):
    checkout = ClusterCheckout(tmp_path, slurm, sif)
    (tmp_path / "my config.yaml").write_text("defaults: {}\n")
    checkout.start("--profile", PROFILE, *options, "--", "smoke")
    output = checkout.finish(expect=1, timeout=180)
    assert len(re.findall(message, output, re.MULTILINE)) == 1, output
    assert not list(tmp_path.glob("results/logs/train/**/*.log")), "nothing was started"


def test_a_job_with_bad_input_is_not_retried(checkouts):
    refused = checkouts["refused"]
    output = refused.finish(expect=1)
    assert "Trying to restart job" not in output
    for seed in (0, 10):
        (log,) = (refused.directory / LOGS).glob(f"seed_{seed}.*.log")
        assert re.search("^ddpg: .*NoSuch-v1", log.read_text(), re.MULTILINE), log.read_text()


def test_a_job_that_never_begins_is_tried_twice(slurm, sif, tmp_path):
    """Its log does not say why, and it would fail as often as it may be preempted."""
    checkout = ClusterCheckout(tmp_path, slurm, sif)
    (tmp_path / "containers/broken.sif").write_text("not an image")
    run = f"{RUNS}/seed_0/run.json"
    options = ("--profile", PROFILE, "--config", "container=containers/broken.sif", "--", run)
    checkout.start(*options)
    output = checkout.finish(expect=1)
    assert output.count("Trying to restart job") == 1, output
    assert len(re.findall("submitted with SLURM jobid", output)) == 2

    (tmp_path / "containers/broken.sif").unlink()
    checkout.start(*options)
    output = checkout.finish(expect=1, timeout=60)
    assert "containers/broken.sif: no such image; build it with `make image`" in output
    assert "submitted" not in output


def test_jobs_need_the_profile_s_file_in_the_working_directory(slurm, sif, tmp_path):
    checkout = ClusterCheckout(tmp_path, slurm, sif)
    (tmp_path / PROFILE / "begin.sh").unlink()
    checkout.start("--profile", PROFILE, "--", "smoke")
    output = checkout.finish(expect=1, timeout=60)
    assert f"{tmp_path} has no {PROFILE}/begin.sh, which SLURM jobs source; copy it" in output
    assert "submitted" not in output


def test_a_configuration_edited_while_a_job_waits_does_not_change_the_job(slurm, sif, tmp_path):
    checkout = ClusterCheckout(tmp_path, slurm, sif)
    later = "train:slurm_extra='--begin=now+20'"
    run = f"{RUNS}/seed_0/run.json"
    checkout.start("--profile", PROFILE, "--set-resources", later, "--", run)
    checkout.wait_for(lambda: "submitted with SLURM jobid" in (tmp_path / "said").read_text())
    checkout.edit("config.yaml", "epochs: 20", "epochs: 21")
    checkout.finish()
    assert json.loads((tmp_path / RUNS / "seed_0/config.json").read_text())["epochs"] == 20
