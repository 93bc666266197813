"""Requirements of some tests beyond those in the README, and which are missing on this machine.

A test says so with the marker of that name. Where something is missing the test is skipped, and its
line in the summary says why; with CI=true it fails instead. No test skips for another reason.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.browser import PROGRAMS, find_browser

from ddpg.memory import measure_available_memory

# Beside the Python that runs the tests, whether its environment is activated or not.
UV = Path(sys.executable).parent / "uv"
SLURM = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol")


@dataclass(frozen=True)
class Need:
    """The requirement of a marker, and a function that returns what is missing, or ""."""

    what: str
    missing: Callable[[], str]


def find_missing_programs(*names: str) -> str:
    """The names of the programs that are not installed, or ""."""
    return " ".join(name for name in names if not shutil.which(name))


@functools.cache
def find_missing_mount() -> str:
    """Return "the right to mount" if this process cannot mount file systems, else "".

    Root in a container may not.
    """
    if missing := find_missing_programs("unshare", "mount"):
        return missing
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
    return "the right to mount" if tried.returncode else ""


@functools.cache
def find_debian_release() -> tuple[str, bytes]:
    """The mirror that Debian 13 can be installed from here, and its signed list of the release.

    It is the one that DEBIAN_MIRROR names, or one that apt uses; if none answers: ("", b"").
    """
    mirrors = [os.environ.get("DEBIAN_MIRROR", "")]
    if shutil.which("apt-get"):
        update = ["apt-get", "update", "--print-uris"]
        addresses = subprocess.run(update, capture_output=True, text=True).stdout
        mirrors += re.findall(r"^'(\S+)/dists/", addresses, re.MULTILINE)
    for mirror in filter(None, dict.fromkeys(mirrors)):
        try:
            address = f"{mirror.rstrip('/')}/dists/trixie/InRelease"
            with urllib.request.urlopen(address, timeout=30) as answer:
                release = answer.read()
        except (OSError, ValueError):
            continue
        if re.search(rb"^Origin: Debian$", release, re.MULTILINE):
            return mirror, release
    return "", b""


@functools.cache
def find_missing_index() -> str:
    """Return "an index that answers" if no index of Python packages does, else ""."""
    ask = [UV, "pip", "install", "--dry-run", "--refresh", "--no-deps", "--reinstall", "packaging"]
    asked = subprocess.run([*ask, "--python", sys.executable], capture_output=True)
    return "an index that answers" if asked.returncode else ""


def find_missing_debian() -> str:
    """What is missing to install a separate Debian 13, or ""."""
    missing = find_missing_programs("debootstrap") or find_missing_mount()
    return missing or ("" if find_debian_release()[0] else "a Debian mirror that answers")


def find_missing_locale() -> str:
    """What is missing to make a locale of another encoding than UTF-8, or ""."""
    sources = Path("/usr/share/i18n/locales/en_US")
    return find_missing_programs("localedef") or ("" if sources.exists() else str(sources))


def find_missing_browser() -> str:
    """The name of a browser if none is installed, else ""."""
    return "" if find_browser() else PROGRAMS[0]


def find_missing_free_memory() -> str:
    """The line of /proc/meminfo if the system reports no free memory, else ""."""
    return "MemAvailable in /proc/meminfo" if measure_available_memory() is None else ""


NEEDS = {
    "container": Need("Apptainer (docs/containers.md)", lambda: find_missing_programs("apptainer")),
    "buildah": Need("Buildah (docs/containers.md)", lambda: find_missing_programs("buildah")),
    "cluster": Need("SLURM's programs (docs/cluster.md)", lambda: find_missing_programs(*SLURM)),
    "browser": Need("Chromium", find_missing_browser),
    "mount": Need("root's right to mount", find_missing_mount),
    "index": Need("an index of Python packages", find_missing_index),
    "qemu": Need(
        "QEMU's user-mode emulation (Debian: qemu-user)",
        lambda: find_missing_programs("qemu-x86_64"),
    ),
    "free_memory": Need("a system that reports free memory", find_missing_free_memory),
    "latin_1": Need("the sources of locales (Debian: locales)", find_missing_locale),
    "debian": Need("root, debootstrap and a Debian mirror", find_missing_debian),
}


def missing_for(item: pytest.Item) -> str:
    """One line on what a test needs and this machine lacks, or ""."""
    for name, need in NEEDS.items():
        if item.get_closest_marker(name) and (missing := need.missing()):
            return f"needs {need.what}; missing here: {missing}"
    return ""
