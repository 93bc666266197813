"""How Snakemake retries training jobs, keeps their logs, and limits them by memory."""

import re
import time

import pytest
import yaml
from helpers.checkout import ROOT

from ddpg import config
from ddpg.memory import measure_available_memory
from ddpg.runs.directory import RESULT_FILES

SEEDS = (0, 10, 20, 30, 40)
RUNS = [f"results/runs/pendulum-demo/seed_{seed}/run.json" for seed in SEEDS]
LOGS = "results/logs/train/runs/pendulum-demo"

# Replaces ddpg/__main__.py: prints its seed, and ends as the next line of ends/<seed> says.
STAND_IN = """
import os, signal, sys, time
from pathlib import Path

seed = sys.argv[sys.argv.index("--seed") + 1]
print("seed", seed, flush=True)
if seed != "0":  # Snakemake itself shows no log that is not UTF-8
    sys.stdout.buffer.write(b"caf\\xe9\\n")
    sys.stdout.flush()
ends = Path("ends", seed)
this, *others = ends.read_text().splitlines()
ends.write_text("\\n".join(others))
if this == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if this == "0":
    start = time.time()
    time.sleep(1.5)
    output = Path(sys.argv[sys.argv.index("--output") + 1])
    for name in RESULTS:
        (output / name).write_text("")
    with open("intervals", "a") as file:
        print(start, time.time(), file=file)
sys.exit(int(this))
""".replace("RESULTS", repr((*RESULT_FILES, "run.json")))


@pytest.fixture
def stand_in(checkout):
    """A function that runs Snakemake with trainings that end as its lists say, a list per seed."""
    (checkout.directory / "ddpg/__main__.py").write_text(STAND_IN)
    seeds = f"experiments: {{pendulum-demo: {{seeds: {[*SEEDS]}}}}}\n"
    (checkout.directory / "seeds.yaml").write_text(seeds)

    def train(ends, *options, expect=0):
        (checkout.directory / "ends").mkdir(exist_ok=True)
        for seed, codes in zip(SEEDS, ends, strict=True):
            (checkout.directory / "ends" / str(seed)).write_text("\n".join(codes))
        command = ("--configfile", "seeds.yaml", *options, "--", *RUNS)
        return checkout.snakemake(*command, expect=expect)

    train.directory = checkout.directory
    return train


def tries(directory):
    """By seed: the exit codes in the log of each try. The log's link must lead to the newest."""
    found = {}
    for seed in SEEDS:
        logs = sorted((directory / LOGS).glob(f"seed_{seed}.*.log"))
        newest = directory / LOGS / f"seed_{seed}.log"
        assert newest.resolve() == logs[-1]
        texts = [log.read_text(errors="replace") for log in logs]
        assert all(text.startswith(f"seed {seed}\n") for text in texts)
        found[seed] = [re.findall(r"^exit code (\d+)$", text, re.MULTILINE) for text in texts]
    return found


def test_only_recoverable_failures_are_retried(stand_in):
    bad_input, diverged, stopped, crashed, killed = "2", "3", "75", "1", "killed"
    endings = [[bad_input], [diverged], [stopped, "0"], [crashed, crashed], [killed, "0"]]
    output = stand_in(endings, expect=1)
    assert tries(stand_in.directory) == {
        0: [["2"]], 10: [["3"]], 20: [["75"], []], 30: [["1"], ["1"]], 40: [["137"], []]
    }  # fmt: skip
    assert [(stand_in.directory / run).exists() for run in RUNS] == [0, 0, 1, 0, 1]
    assert output.count("Trying to restart job") == 3
    # Snakemake shows the log of a failed job.
    assert re.search(r"^seed 0\nexit code 2$", output, re.MULTILINE)

    # The next command tries the remaining seeds and keeps the existing logs.
    stand_in([["0"], ["0"], [], ["0"], []])
    assert tries(stand_in.directory)[0] == [["2"], []]
    assert tries(stand_in.directory)[30] == [["1"], ["1"], []]
    assert all((stand_in.directory / run).exists() for run in RUNS)


def most_at_once(directory):
    lines = (directory / "intervals").read_text().splitlines()
    spans = [tuple(map(float, line.split())) for line in lines]
    assert len(spans) == len(SEEDS)
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


@pytest.mark.free_memory
@pytest.mark.parametrize(
    ("share", "options", "alone"),
    [
        (0.1, [], False),
        (0.6, [], True),
        (3.0, [], True),  # more than there is
        (0.6, ["--jobs", "4"], True),
        (0.6, ["--resources", "mem_mb=100000000"], False),
        (0.1, ["--resources", "mem_mb=1"], True),
        (0.1, ["--resources", "mem=1MB"], True),
    ],
)
def test_jobs_are_limited_by_memory(stand_in, share, options, alone):
    needed = f"train:mem_mb={int(share * measure_available_memory() / 10**6)}"
    stand_in([["0"]] * 5, "--cores", "4", "--set-resources", needed, *options)
    assert (most_at_once(stand_in.directory) == 1) == alone


@pytest.mark.parametrize(
    ("options", "alone"),
    [
        (["--set-resources", "train:mem_mb=1", "--resources", "mem_mb=1000"], True),
        (["--resources", "gpu_jobs=5"], False),
    ],
)
def test_jobs_with_the_host_s_gpus_train_one_at_a_time(stand_in, options, alone):
    """Also if the command line gives other resources."""
    stand_in([["0"]] * 5, "--cores", "4", "--singularity-args=--nv --cleanenv", *options)
    assert (most_at_once(stand_in.directory) == 1) == alone


def test_a_job_asks_for_the_memory_of_its_own_environment(checkout):
    small = {"seeds": [0], "epochs": 1, "replay_size": 1_000_000}
    experiments = {
        "large": small | {"env": "Humanoid-v5"},
        "unknown": small | {"env": "InTheImageAlone-v0"},
        "cheetah": small | {"env": "HalfCheetah-v5"},
    }
    (checkout.directory / "mine.yaml").write_text(yaml.safe_dump({"experiments": experiments}))
    asked = {}
    for name in experiments:
        run = f"results/runs/{name}/seed_0/run.json"
        output = checkout.snakemake("-n", "--configfile", "mine.yaml", "--", run)
        asked[name] = int(re.search(r"mem_mb=(\d+)", output)[1])
    # An observation, the next one, an action, the reward and whether it was the last, in float32.
    assert asked["large"] == 1000 + 4 * (2 * 348 + 17 + 2)
    assert asked["unknown"] == asked["cheetah"] == 1000 + 4 * (2 * 17 + 6 + 2)


def test_a_configuration_edited_meanwhile_does_not_change_the_jobs(checkout):
    figures = "results/figures/published/pendulum"
    process = checkout.start(figures)
    copies = checkout.directory / "results/config"
    deadline = time.monotonic() + 60
    while not list(copies.glob("*.yaml")) and time.monotonic() < deadline:
        time.sleep(0.01)
    (copy,) = copies.glob("*.yaml")
    path = checkout.directory / "config.yaml"
    before = path.read_text()
    path.write_text("half of a fi: {")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert config.read(copy) == config.read(ROOT / "config.yaml")
    path.write_text(before)
    assert "Nothing to be done" in checkout.snakemake(figures)
