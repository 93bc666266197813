"""Snakemake resumes an interrupted run to the same bytes.

It is interrupted by a kill, Ctrl-C, a closed terminal or a scheduler's warning.
"""

import os
import re
import signal
import time

from helpers.checkout import find_training_process
from helpers.read_experiment import read_experiment

from ddpg.runs import status
from ddpg.runs.record import RunRecord
from ddpg.training import train

RUN = "results/runs/pendulum-demo/seed_0"
LOG = "results/logs/train/runs/pendulum-demo/seed_0.log"
# Long enough to be interrupted, short enough for a test.
SHORT = {"epochs": 40, "steps_per_epoch": 400, "start_steps": 400}


def wait_for(path, pattern, process):
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and re.search(pattern, path.read_text()):
            return
        time.sleep(0.05)
    ended = process.poll()
    os.killpg(process.pid, signal.SIGKILL)  # also its children, which hold its output open
    raise AssertionError(f"{pattern!r} did not appear ({ended}): {process.communicate()[0]}")


def test_a_job_resumes_after_a_kill_and_after_ctrl_c(checkout, tmp_path_factory):
    (checkout.directory / "short.yaml").write_text(f"experiments: {{pendulum-demo: {SHORT}}}\n")
    command = ("--configfile", "short.yaml", "--", f"{RUN}/run.json")
    run = checkout.directory / RUN

    process = checkout.start(*command)
    wait_for(checkout.directory / LOG, r"epoch 5/40", process)
    os.kill(find_training_process(run), signal.SIGKILL)  # `retries:` starts it again
    wait_for(checkout.directory / LOG, r"resuming[^$]*epoch 15/40", process)
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches both Snakemake and the job
    output, _ = process.communicate(timeout=240)
    assert process.returncode != 0, output
    assert not (run / "run.json").exists()
    assert list(run.glob("checkpoint/state_*"))
    (shown,), _ = status.survey_runs(run.parent)
    assert shown.state == status.INTERRUPTED and shown.epoch >= 15

    checkout.snakemake(*command)
    interrupted = RunRecord.read(run / "run.json")
    starts = [session.from_step for session in interrupted.sessions]
    assert len(starts) == 3
    assert 0 == starts[0] < 5 * 400 <= starts[1] < 15 * 400 <= starts[2]
    assert not (run / "checkpoint").exists()

    experiment = read_experiment("pendulum-demo", **SHORT)
    in_one_piece = train(experiment, 0, tmp_path_factory.mktemp("in_one_piece"))
    assert interrupted.weights_sha256 == in_one_piece.weights_sha256
    for name in ("test_episodes.csv", "state_digests.txt", "policy.npz"):
        assert interrupted.files[name] == in_one_piece.files[name]


def test_snakemake_ended_by_each_signal(checkout):
    """It ends when the training has saved, and the same command continues without --unlock."""
    long = SHORT | {"epochs": 4000}
    (checkout.directory / "long.yaml").write_text(f"experiments: {{pendulum-demo: {long}}}\n")
    command = ("--configfile", "long.yaml", "--", f"{RUN}/run.json")
    log = checkout.directory / LOG
    begun = r"epoch 2/4000"
    for number, end in [
        (signal.SIGHUP, os.killpg),  # a closed terminal
        (signal.SIGTERM, os.killpg),  # a cancelled job
        (signal.SIGUSR1, os.killpg),  # a scheduler's warning
        (signal.SIGTERM, os.kill),  # `kill`: Snakemake alone
        (signal.SIGINT, os.kill),
    ]:
        process = checkout.start(*command)
        wait_for(log, begun, process)
        end(process.pid, number)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 1, output
        assert re.search(r"stopped and saved at step [\d,]+; the same command", log.read_text())
        assert not [*(checkout.directory / ".snakemake/locks").glob("*")]
        begun = r"resuming from step[^$]*epoch \d+/4000"
        log.unlink()


def test_nohup_keeps_snakemake_and_training_running(checkout):
    (checkout.directory / "short.yaml").write_text(f"experiments: {{pendulum-demo: {SHORT}}}\n")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = checkout.start("--configfile", "short.yaml", "--", f"{RUN}/run.json")
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(checkout.directory / LOG, r"epoch 2/40", process)
    os.killpg(process.pid, signal.SIGHUP)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert len(RunRecord.read(checkout.directory / RUN / "run.json").sessions) == 1


def test_editing_a_value_of_an_interrupted_run_sets_it_aside(checkout):
    """The same command trains with the new value and keeps the old run."""
    command = ("--configfile", "edited.yaml", "--", f"{RUN}/run.json")
    run, log = checkout.directory / RUN, checkout.directory / LOG

    def edit(**values):
        text = f"experiments: {{pendulum-demo: {SHORT | values}}}\n"
        (checkout.directory / "edited.yaml").write_text(text)

    edit(epochs=4000)
    process = checkout.start(*command)
    wait_for(log, r"epoch 2/4000", process)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    saved = max(path.name for path in run.glob("checkpoint/state_*"))

    edit(epochs=2, pi_lr=0.0005)
    output = checkout.snakemake(*command)
    said = f"config.pi_lr: 0.001 -> 0.0005; moved it to {RUN}/set_aside_1; starting from step 0"
    assert said in log.read_text() and output.count(said) == 1
    assert max(path.name for path in run.glob("set_aside_1/checkpoint/state_*")) == saved
    first = RunRecord.read(run / "run.json")
    assert first.identity.config["pi_lr"] == 0.0005

    # Snakemake deletes a finished run's results before it trains with yet another value.
    edit(epochs=1)
    checkout.snakemake(*command)
    assert f"moved it to {RUN}/set_aside_2; starting from step 0" in log.read_text()
    assert RunRecord.read(run / "set_aside_2/run.json") == first
    assert RunRecord.read(run / "run.json").steps == 400

    # If the edit is undone, the earlier run takes its place and is not trained again.
    edit(epochs=2, pi_lr=0.0005)
    output = checkout.snakemake(*command)
    said = (
        f"moved it to {RUN}/set_aside_3; "
        f"moved back the run with these values from {RUN}/set_aside_2"
    )
    assert said in log.read_text() and output.count(said) == 1
    assert RunRecord.read(run / "run.json") == first
    assert RunRecord.read(run / "set_aside_3/run.json").steps == 400

    # Running the rule again does not train a finished run again.
    finished = (run / "run.json").read_bytes()
    output = checkout.snakemake("--forcerun", "train", *command)
    assert f"{RUN}: already finished; train it again" in output and "set_aside" not in output
    assert "restored from .results" in log.read_text()
    assert (run / "run.json").read_bytes() == finished
