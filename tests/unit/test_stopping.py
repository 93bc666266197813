"""Every signal that usually ends a process makes a run save; a closed terminal loses nothing."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from helpers.checkout import ROOT

from ddpg import stopping
from ddpg.errors import Interrupted
from ddpg.stopping import SIGNALS, catch_stop_signals

SMALL = (
    "epochs=200 steps_per_epoch=200 start_steps=100 batch_size=8 replay_size=1000 "
    "num_test_episodes=1 hidden_sizes=[8]"
).split()


@pytest.mark.parametrize("number", SIGNALS)
def test_stop_signals_are_recorded(number):
    with catch_stop_signals() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        os.kill(os.getpid(), number)  # schedulers send signals repeatedly


def test_signal_handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    with catch_stop_signals():
        assert not {*map(signal.getsignal, SIGNALS)} & {*before}
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_only_an_ignored_sighup_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with catch_stop_signals() as stop:
            os.kill(os.getpid(), number)
            assert stop.asked == (number != signal.SIGHUP)
    finally:
        signal.signal(number, before)


def test_second_ctrl_c_ends_the_process_at_once(monkeypatch):
    monkeypatch.setattr(stopping, "SECONDS_OF_ONE_CTRL_C", 0)
    with pytest.raises(KeyboardInterrupt), catch_stop_signals():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_signal_after_the_run_was_saved_does_not_change_the_exit_code(tmp_path):
    """SLURM sends SIGTERM more than once; Python needs half a second to exit."""
    command = [sys.executable, "-m", "ddpg", "train", "pendulum-demo", "--seed", "0"]
    command += ["--output", str(tmp_path / "run"), "--set", *SMALL]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        read = ""
        while "epoch 2/" not in read:
            read += process.stderr.readline()
        process.terminate()
        while "continues from there" not in read:
            read += process.stderr.readline()
        time.sleep(0.05)
        process.terminate()
    assert process.returncode == Interrupted.exit_code


@pytest.mark.parametrize("nohup", [False, True])
def test_closed_terminal_saves_and_stops_unless_under_nohup(tmp_path, nohup):
    """The run saves and says with its exit code how to continue; under nohup it runs to its end."""
    run = tmp_path / "run"
    epochs = ["epochs=40"] if nohup else []
    arguments = ["train", "pendulum-demo", "--seed", "0", "--output", str(run)]
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
        os.chdir(ROOT)
        command = [sys.executable, "-m", "ddpg", *arguments, "--set", *SMALL, *epochs]
        os.execv(sys.executable, command)
    said, deadline = b"", time.monotonic() + 120
    while not (run / "progress.txt").exists():  # written after the first epoch
        assert time.monotonic() < deadline, said
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 65536)
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code == (0 if nohup else 75)
    assert (run / "run.json").exists() == nohup
    assert nohup or [*run.glob("checkpoint/state_*")]
