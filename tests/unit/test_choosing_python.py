"""Which Python `make` uses for its environment, and its message if none is suitable."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers.checkout import ROOT, Checkout

TOOLS = "bash sh dirname env sed sort head make grep expand rm find git".split()

# Simulates a Python of another version: the Python of the tests, with a sitecustomize.py that
# changes its version. Instead of making an environment it prints that it was asked to.
OTHER_PYTHON = """\
#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then echo "$0 makes it"; exit; fi
PYTHONPATH={site} exec {python} "$@"
"""
TOLD_SO = """\
import platform, sys
sys.version_info = ({major}, {minor}, 1)
platform.python_version = lambda: "{major}.{minor}.1"
sys.executable = "{program}"
sys.modules |= dict.fromkeys({without})
"""
# Like pyenv's shim for a version that is not active.
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"


class Machine:
    """A machine with the programs that `make` needs and initially without a Python."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.programs = directory / "bin"
        self.environment = directory / "venv"
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(shutil.which(tool))

    def add(self, name: str, text: str) -> Path:
        program = self.programs / name
        program.write_text(text)
        program.chmod(0o755)
        return program

    def add_python(self, version: str, name: str = "", without: tuple[str, ...] = ()) -> Path:
        """Add a Python under its usual name or `name`, without the modules `without`."""
        name = name or f"python{version}"
        site = self.directory / f"site-{name}"
        site.mkdir()
        program = self.add(name, OTHER_PYTHON.format(site=site, python=sys.executable))
        major, minor = version.split(".")
        told = TOLD_SO.format(major=major, minor=minor, program=program, without=without)
        (site / "sitecustomize.py").write_text(told)
        return program

    def run(self, *command, cwd: Path = ROOT, expect: int = 0) -> str:
        """Run a command; returns its output with standard error."""
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, text=True, env={"PATH": str(self.programs)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout
        return done.stdout

    def make_environment(self, *arguments: str, expect: int = 0) -> str:
        """Run environment.sh; returns its output."""
        script = ROOT / "containers/environment.sh"
        return self.run(script, self.environment, *arguments, expect=expect)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_newest_python_is_used(machine):
    machine.add_python("3.11")
    newest = machine.add_python("3.13")
    machine.add_python("3.12", "python3")
    assert machine.make_environment().endswith(f"{newest} makes it\n")


def test_python3_is_considered_and_broken_ones_are_skipped(machine):
    machine.add("python3.13", SHIM)
    machine.add_python("3.11")
    newest = machine.add_python("3.12", "python3")
    assert machine.make_environment().endswith(f"{newest} makes it\n")


def test_python_without_venv_is_skipped(machine):
    machine.add_python("3.13", without=("ensurepip",))
    machine.add_python("3.14")
    other = machine.add_python("3.11")
    assert machine.make_environment().endswith(f"{other} makes it\n")


def test_no_suitable_python_is_one_line(machine):
    machine.add("python3.12", SHIM)
    machine.add_python("3.13", "python3", without=("ensurepip",))
    made = f"VENV={machine.environment}", f"{machine.environment}/cpu"
    message, stop = machine.run("make", *made, expect=2).splitlines()
    assert message == (
        "no Python 3.11, 3.12 or 3.13 on PATH can create a virtual environment "
        f"({machine.programs}/python3.12 does not run; "
        f"{machine.programs}/python3 has no module ensurepip); "
        "install one (Debian's and Ubuntu's packages: python3 python3-venv) or name it: "
        "make PYTHON=/path/to/python3.13"
    )
    assert stop.startswith("make: *** [")
    assert not machine.environment.exists()


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        ("python3.10", "is CPython 3.10.1"),
        ("python3.13", "has no module ensurepip"),
        ("python3.12", "does not run"),
    ],
)
def test_named_python_is_used_or_refused(machine, named, wrong):
    other = machine.add_python("3.11")
    machine.add_python("3.10")
    machine.add_python("3.13", without=("ensurepip",))
    assert machine.make_environment(other).endswith(f"{other} makes it\n")
    message = machine.make_environment(named, expect=2)
    assert re.fullmatch(rf"PYTHON={named} {wrong}; .*make PYTHON=/path/to/python3.13\n", message)


def test_existing_environment_is_kept_unless_another_python_is_named(machine):
    machine.add_python("3.13")
    older = machine.add_python("3.11")
    (machine.environment / "bin").mkdir(parents=True)
    (machine.environment / "bin/python").symlink_to(older)
    assert machine.make_environment() == ""
    assert machine.make_environment("python3.11") == ""
    message = machine.make_environment("python3.13", expect=2)
    assert f"{machine.environment} is Python 3.11.1, not the 3.13.1 of PYTHON" in message


def test_environment_of_an_unsuitable_python_is_refused(machine):
    machine.add_python("3.13")
    (machine.environment / "bin").mkdir(parents=True)
    (machine.environment / "bin/python").symlink_to(machine.add_python("3.14"))
    message = machine.make_environment(expect=2)
    assert f"{machine.environment} is CPython 3.14.1; this needs Python 3.11, 3.12" in message


def test_environment_without_its_python_is_recreated(machine):
    newest = machine.add_python("3.13")
    (machine.environment / "bin").mkdir(parents=True)
    (machine.environment / "bin/python").symlink_to("/usr/bin/python3.gone")
    assert machine.make_environment().endswith(f"{newest} makes it\n")


def test_make_help_and_clean_need_no_python(machine, tmp_path):
    checkout = Checkout(tmp_path / "checkout").directory
    assert "remove the environment" in machine.run("make", "help", cwd=checkout)
    (checkout / ".venv").mkdir()
    machine.run("make", "clean", cwd=checkout)
    assert not (checkout / ".venv").exists()


def test_all_files_name_the_same_python_versions():
    script = (ROOT / "containers/environment.sh").read_text()
    versions = re.search(r"versions=\((3.*)\)", script)[1].split()
    oldest, newest = (tuple(map(int, versions[i].split("."))) for i in (0, -1))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions[0]},<3.{newest[1] + 1}"
    assert len(versions) == newest[1] - oldest[1] + 1
    *others, last = versions
    assert f"Python {', '.join(others)} or {last}" in (ROOT / "README.md").read_text()
