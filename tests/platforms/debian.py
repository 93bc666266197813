"""A Debian 13 installed in a directory, in which commands run as an ordinary user."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from helpers.needs import find_debian_release

SUITE = "trixie"
# Variables of a machine behind a mirror or a proxy: package index, proxies, trusted certificates.
SETTINGS = re.compile(r"(pip|uv)_|ssl_cert_|(https?|all|no)_proxy$", re.IGNORECASE)
# Run in separate namespaces: mounts and child processes end with the command.
ALONE = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
ENTER = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" || exit
exec chroot --userspec=user:user --groups= "$1" env -i PATH=/usr/bin:/bin "${@:3}" bash -c "$2"
"""


@contextmanager
def in_memory(directory: Path):
    """Mount a tmpfs on a new directory, and unmount it at the end.

    On a busy disk, deleting so many files took longer than the tests.
    """
    directory.mkdir()
    call("mount", "-t", "tmpfs", "-o", "size=6g,mode=755", "tmpfs", directory)
    try:
        yield directory
    finally:
        call("umount", directory)


class Debian:
    """A system in the empty directory `root`: Debian's required packages, `packages` and their
    dependencies.
    """

    def __init__(self, root: Path, packages: list[str]):
        self.root, self.home = root, root / "home/user"
        archive = bootstrap_archive(packages)
        call("tar", "--extract", "--numeric-owner", "--file", archive, "--directory", root)
        self.variables = {k: v for k, v in os.environ.items() if SETTINGS.match(k)}
        files = ["/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"]
        for file in filter(os.path.isfile, [*files, *self.variables.values()]):
            copy = root / Path(file).absolute().relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        call("chroot", root, "/usr/sbin/useradd", "--create-home", "user")

    def clone(self, repository: Path, name: str) -> None:
        """Clone a repository, at its current revision, into the user's home."""
        call("git", "clone", "--quiet", repository, self.home / name)
        call("chown", "--recursive", f"--reference={self.home}", self.home / name)

    def run(self, command: str, timeout: float) -> str:
        """Run a shell command in the user's home; returns its output with standard error."""
        variables = ["HOME=/home/user", *(f"{k}={v}" for k, v in self.variables.items())]
        enter = [*ALONE, "bash", "-c", ENTER, "enter", self.root, f"cd && {command}", *variables]
        return call(*enter, timeout=timeout)


def bootstrap_archive(packages: list[str]) -> Path:
    """A tar archive of the system that debootstrap installs, from a cache.

    The cache key is a digest of the mirror's signed release file, which determines the checksum of
    every package.
    """
    mirror, release = find_debian_release()
    key = hashlib.sha256(release + " ".join(packages).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ddpg-tests")
    archive = cache / f"debian-{key}.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for old in cache.glob("debian-*.tar"):
            old.unlink()
        with tempfile.TemporaryDirectory() as work:
            root, packed = Path(work, "root"), Path(work, "root.tar")
            options = ["--variant=minbase", "--force-check-gpg", f"--include={','.join(packages)}"]
            call(*ALONE, "debootstrap", *options, SUITE, root, mirror, timeout=600)
            without = "--exclude=./var/cache/apt/archives/*.deb"
            call("tar", "--create", "--numeric-owner", without, "--file", packed, "-C", root, ".")
            shutil.copy(packed, archive.with_suffix(".tmp"))
        archive.with_suffix(".tmp").rename(archive)
    return archive


def call(*command, timeout: float = 120) -> str:
    """Run a command; returns its output with standard error."""
    done = subprocess.run(
        list(map(str, command)), text=True, timeout=timeout, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout
