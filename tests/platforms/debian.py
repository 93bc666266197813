"""A Debian 13 of its own below a directory, in which commands run as an ordinary user."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from helpers.needs import debian_release

SUITE = "trixie"
# A machine behind a mirror or a proxy has these variables: where Python's packages come from, and
# which certificates to trust.
SETTINGS = re.compile(r"(pip|uv)_|ssl_cert_|(https?|all|no)_proxy$", re.IGNORECASE)
# The process in its own namespaces: what it mounts and what it starts ends with it.
ALONE = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
ENTER = """
mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" || exit
exec chroot --userspec=user:user --groups= "$1" env -i PATH=/usr/bin:/bin "${@:3}" bash -c "$2"
"""


@contextmanager
def in_memory(directory: Path):
    """A directory whose files are in memory, and gone at the end.

    There are so many that, on a busy disk, removing them took longer than the tests.
    """
    directory.mkdir()
    call("mount", "-t", "tmpfs", "-o", "size=6g,mode=755", "tmpfs", directory)
    try:
        yield directory
    finally:
        call("umount", directory)


class Debian:
    """The system in the empty directory `root`.

    It holds Debian's required packages, `packages`, and what these depend on.
    """

    def __init__(self, root: Path, packages: list[str]):
        self.root, self.home = root, root / "home/user"
        archive = bootstrapped(packages)
        call("tar", "--extract", "--numeric-owner", "--file", archive, "--directory", root)
        self.variables = {k: v for k, v in os.environ.items() if SETTINGS.match(k)}
        files = ["/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"]
        for file in filter(os.path.isfile, [*files, *self.variables.values()]):
            copy = root / Path(file).absolute().relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        call("chroot", root, "/usr/sbin/useradd", "--create-home", "user")

    def clone(self, repository: Path, name: str) -> None:
        """Put a clone of a repository, at its current revision, in the user's home."""
        call("git", "clone", "--quiet", repository, self.home / name)
        call("chown", "--recursive", f"--reference={self.home}", self.home / name)

    def run(self, command: str, timeout: float) -> str:
        """Run a command of the shell in the user's home; its output, standard error included."""
        variables = ["HOME=/home/user", *(f"{k}={v}" for k, v in self.variables.items())]
        enter = [*ALONE, "bash", "-c", ENTER, "enter", self.root, f"cd && {command}", *variables]
        return call(*enter, timeout=timeout)


def bootstrapped(packages: list[str]) -> Path:
    """An archive of the system as debootstrap makes it.

    It is kept for the next time, under a name that follows from what the mirror offers now: the
    signed list of the release, which leads to the checksum of every package.
    """
    mirror, release = debian_release()
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
    """Run a command; its output, standard error included."""
    done = subprocess.run(
        list(map(str, command)), text=True, timeout=timeout, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout
