"""How much memory the Linux kernel would still grant this process."""

import contextlib
import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ddpg.errors import UserError


def refuse_beyond_memory(needed: int, key: str, what: str) -> None:
    """UserError if fewer than `needed` bytes of memory are available.

    The message says that `what` needs the memory, and names the configuration's key to lower.
    """
    available = measure_available_memory()
    if available is not None and needed > available:
        raise UserError(
            f"{key}: {what} take {needed / 1e9:.2f} GB of memory, and {available / 1e9:.2f} GB "
            f"are free; lower {key} or free memory"
        )


def measure_available_memory() -> int | None:
    """Bytes that this process may still allocate; None if the system does not say.

    The minimum over the machine's memory, the limits of the process's control groups, and its own
    limits. Page cache counts as free, because the kernel reclaims it on demand. Swap does not
    count: a replay buffer is read at random, and must not be swapped.
    """
    left = [*_read_machine_memory(), *_read_control_groups(), *_read_process_limits()]
    return max(0, min(left)) if left else None


def _read_machine_memory() -> Iterator[int]:
    fields = _read_numbers("/proc/meminfo")
    if "MemAvailable" in fields:
        yield fields["MemAvailable"] * 1024
    if (
        _read_system_file("/proc/sys/vm/overcommit_memory").strip() == "2"
    ):  # never beyond CommitLimit
        yield (fields["CommitLimit"] - fields["Committed_AS"]) * 1024


@dataclass(frozen=True)
class _Hierarchy:
    """The memory files of one version of control groups."""

    limits: tuple[str, ...]
    usage: str
    reclaimable: tuple[str, ...]  # in memory.stat: what the kernel reclaims on demand


_VERSIONS = {
    "cgroup2": _Hierarchy(
        ("memory.max", "memory.high"),
        "memory.current",
        ("inactive_file", "active_file", "slab_reclaimable"),
    ),
    "cgroup": _Hierarchy(
        ("memory.limit_in_bytes",),
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
}


def _read_control_groups() -> Iterator[int]:
    """What is left in the process's control group, and in each visible group above it."""
    own = _find_own_control_groups()
    for line in _read_system_file("/proc/self/mountinfo").splitlines():
        mount, _, file_system = line.partition(" - ")
        _, _, _, root, point, *_ = map(_unescape, mount.split())
        version, _, options = file_system.split(" ", 2)
        if version not in own or (version == "cgroup" and "memory" not in options.split(",")):
            continue
        # A container may see only its part of the hierarchy, mounted from `root` on.
        group = PurePosixPath(own[version])
        below = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
        place = PurePosixPath(point) / below
        for directory in [place, *place.parents][: len(below.parts) + 1]:
            yield from _read_control_group(directory, _VERSIONS[version])


def _find_own_control_groups() -> dict[str, str]:
    """The path of the process's control group for memory in each version's hierarchy."""
    own = {}
    for line in _read_system_file("/proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            own["cgroup2"] = path
        elif "memory" in controllers.split(","):
            own["cgroup"] = path
    return own


def _read_control_group(directory: PurePosixPath, files: _Hierarchy) -> Iterator[int]:
    with contextlib.suppress(ValueError):  # no such files: the hierarchy's root has none
        used = int(_read_system_file(directory / files.usage))
        statistics = _read_numbers(directory / "memory.stat")
        free = sum(statistics.get(key, 0) for key in files.reclaimable) - used
        limits = [_read_system_file(directory / name).strip() for name in files.limits]
        yield from (int(limit) + free for limit in limits if limit not in ("", "max"))
        if "hierarchical_memory_limit" in statistics:  # version 1: also of invisible groups
            yield statistics["hierarchical_memory_limit"] + free


def _read_process_limits() -> Iterator[int]:
    """What is left of the limits that `ulimit` sets on addresses and data."""
    pages = _read_system_file("/proc/self/statm").split()
    for limit, place in ((resource.RLIMIT_AS, 0), (resource.RLIMIT_DATA, 5)):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY and pages:
            yield most - int(pages[place]) * os.sysconf("SC_PAGE_SIZE")


def _read_system_file(path: str | PurePosixPath) -> str:
    """The content of a system file; empty if it does not exist or cannot be read."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _read_numbers(path: str | PurePosixPath) -> dict[str, int]:
    """The lines `name number` or `name: number unit` of a system file."""
    found = re.findall(r"^([\w()]+):?\s+(\d+)", _read_system_file(path), re.MULTILINE)
    return {name: int(number) for name, number in found}


def _unescape(field: str) -> str:
    """A field of mountinfo, which has space, tab, newline and backslash as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
