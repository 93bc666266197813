"""Completion of the command line, and the nearest command for a mistyped one."""

import subprocess

import pytest
from helpers.checkout import ROOT

from ddpg.cli import build_parser, main

COMMANDS = next(a.choices for a in build_parser()._actions if a.dest == "==SUPPRESS==" or a.choices)


def script(shell, capfd):
    assert main(["completion", shell]) == 0
    return capfd.readouterr().out


def completed(script, *words):
    """What bash offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    program = (
        f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
        f"_shtab_ddpg ddpg '{words[-1]}' '{words[-2]}'\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_and_choices(capfd):
    text = script("bash", capfd)
    assert set(completed(text, "ddpg", "")) >= set(COMMANDS)
    assert completed(text, "ddpg", "verif") == ["verify"]
    assert completed(text, "ddpg", "verify", "--re") == ["--replay"]
    assert completed(text, "ddpg", "export", "--format", "ten") == ["tensorboard"]
    assert completed(text, "ddpg", "card", "results/publ") == ["results/published"]


def test_the_name_that_is_completed_runs_the_command(capfd):
    program = script("bash", capfd) + "\nddpg completion zsh"
    done = subprocess.run(["bash", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == script("zsh", capfd)


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_other_shells_get_every_command(shell, capfd):
    text = script(shell, capfd)
    assert all(command in text for command in COMMANDS)
    assert " -m ddpg" in text


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["trian"], "invalid choice: 'trian'; did you mean 'train'?"),
        (["evalute", "x"], "did you mean 'evaluate'?"),
        (["export", "x", "--format", "tensorbord"], "did you mean 'tensorboard'?"),
        (["completion", "powershell"], "give bash, zsh, fish, tcsh"),
        (["\udcff"], "invalid choice"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(capfd, arguments, hint):
    assert main(arguments) == 2
    err = capfd.readouterr().err
    assert (err.count("\n"), hint in err) == (1, True), err
