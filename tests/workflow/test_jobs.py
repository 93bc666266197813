"""How Snakemake retries training jobs, keeps their logs, and limits them by memory."""

import re

import pytest

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
        texts = [log.read_text() for log in logs]
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
