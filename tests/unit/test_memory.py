"""Available memory: page cache counts as free, and the limits of all parent groups count."""

import subprocess
import sys

import psutil
import pytest
from helpers.checkout import ROOT
from helpers.read_experiment import read_experiment

from ddpg import memory
from ddpg.errors import UserError
from ddpg.training import make_training

G = 2**30
V2 = "30 24 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "33 24 0:29 {root} /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
OTHER_V1 = "34 24 0:30 / /sys/fs/cgroup/cpu rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
MACHINE = {"/proc/meminfo": f"MemTotal: {64 * G // 1024} kB\nMemAvailable: {60 * G // 1024} kB\n"}


def v2(name, maximum, used, stat="", **others):
    """The files of a control group of version 2."""
    files = {"memory.max": maximum, "memory.current": used, "memory.stat": stat, **others}
    return {f"/sys/fs/cgroup{name}/{file}": f"{content}\n" for file, content in files.items()}


def v1(name, limit, used, stat=""):
    """The files of a control group of version 1."""
    files = {"limit_in_bytes": limit, "usage_in_bytes": used, "stat": stat}
    return {f"/sys/fs/cgroup/memory{name}/memory.{file}": f"{c}\n" for file, c in files.items()}


def of_process(group, *mounts, root="/"):
    """The files in /proc that describe the process's control groups."""
    mountinfo = "".join(mounts).format(root=root)
    return {"/proc/self/cgroup": group + "\n", "/proc/self/mountinfo": mountinfo}


CACHE = "anon 300000000\nfile 1700000000\ninactive_file 1000000000\nactive_file 600000000"
CACHE_V1 = "cache 1600000000\ntotal_inactive_file 1000000000\ntotal_active_file 600000000"
NO_LIMIT_V1 = 2**63 - 4096


# By case: the available memory, and the files that say so, beside those of the machine.
CASES = {
    "only the machine": (60 * G, {}),
    "a container": (1 * G, of_process("0::/", V2) | v2("", 2 * G, 1 * G)),
    "page cache": (
        2 * G - 4 * 10**8,
        of_process("0::/", V2) | v2("", 2 * G, 2 * 10**9, CACHE),
    ),
    "a group without a limit": (60 * G, of_process("0::/a", V2) | v2("/a", "max", 1 * G)),
    "a group below the root": (1 * G, of_process("0::/a/b", V2) | v2("/a/b", 2 * G, 1 * G)),
    "a limit of the parent group": (
        2 * G,
        of_process("0::/job/step", V2) | v2("/job", 3 * G, 1 * G) | v2("/job/step", "max", G),
    ),
    "the lowest of two limits": (
        1 * G,
        of_process("0::/job/step", V2) | v2("/job", 4 * G, 3 * G) | v2("/job/step", 3 * G, G),
    ),
    "a sibling group does not count": (
        60 * G,
        of_process("0::/job/step", V2) | v2("/job/other", 2 * G, 1 * G),
    ),
    "a limit that throttles": (
        1 * G,
        of_process("0::/a", V2) | v2("/a", "max", 1 * G, **{"memory.high": 2 * G}),
    ),
    "more used than the limit allows": (0, of_process("0::/", V2) | v2("", 1 * G, 2 * G)),
    "a part of the hierarchy, mounted in a container": (
        1 * G,
        of_process("0::/pods/one", V2, root="/pods/one") | v2("", 2 * G, 1 * G),
    ),
    "a group of which only its own part is mounted elsewhere": (
        1 * G,
        of_process("0::/../other", V2) | v2("", 2 * G, 1 * G),
    ),
    "version 1, page cache": (
        2 * G - 4 * 10**8,
        of_process("4:memory:/job", OTHER_V1, V1) | v1("/job", 2 * G, 2 * 10**9, CACHE_V1),
    ),
    "version 1, a limit of the parent group": (
        1 * G,
        of_process("9:cpu,memory:/job/step", V1)
        | v1("/job", 2 * G, 1 * G)
        | v1("/job/step", NO_LIMIT_V1, 1 * G),
    ),
    "version 1, a limit above what is mounted": (
        1 * G,
        of_process("4:memory:/pod/c", V1, root="/pod/c")
        | v1("", NO_LIMIT_V1, 1 * G, f"hierarchical_memory_limit {2 * G}"),
    ),
    "both versions, memory in the first": (
        1 * G,
        of_process("4:memory:/job\n0::/", V1, V2.replace("cgroup rw", "cgroup/unified rw"))
        | v1("/job", 2 * G, 1 * G),
    ),
    "no overcommitting": (
        3 * G,
        {
            "/proc/meminfo": "MemAvailable: 62914560 kB\n"
            f"CommitLimit: {5 * G // 1024} kB\nCommitted_AS: {2 * G // 1024} kB\n",
            "/proc/sys/vm/overcommit_memory": "2\n",
        },
    ),
    "another system": (None, {"/proc/meminfo": ""}),
}


@pytest.mark.parametrize(("expected", "files"), CASES.values(), ids=CASES)
def test_available_memory(monkeypatch, expected, files):
    everything = MACHINE | files
    monkeypatch.setattr(memory, "_read_system_file", lambda path: everything.get(str(path), ""))
    assert memory.measure_available_memory() == expected


def test_a_mount_point_with_a_space_is_read(monkeypatch):
    mount = r"30 24 0:26 / /sys/fs/my\040groups rw - cgroup2 cgroup2 rw" + "\n"
    files = MACHINE | {"/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": mount}
    files |= {"/sys/fs/my groups/memory.max": "1000\n", "/sys/fs/my groups/memory.current": "400\n"}
    monkeypatch.setattr(memory, "_read_system_file", lambda path: files.get(str(path), ""))
    assert memory.measure_available_memory() == 600


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_limits_the_available_memory(limit):
    """With a limit as `ulimit` sets it, half of the reported memory can be allocated, twice not."""
    program = (
        "import mmap, resource; from ddpg.memory import measure_available_memory\n"
        f"resource.setrlimit(resource.{limit}, ({G}, {G})); rest = measure_available_memory()\n"
        f"assert 0 < rest < {G}, rest\n"
        "part = mmap.mmap(-1, rest // 2, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); part.close()\n"
        "mmap.mmap(-1, 2 * rest, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "Cannot allocate memory" in done.stderr.splitlines()[-1]
    assert "line 5" in done.stderr


@pytest.mark.free_memory
def test_available_memory_is_at_most_that_of_this_machine():
    assert 0 < memory.measure_available_memory() <= psutil.virtual_memory().total


def test_sufficient_memory_is_accepted(monkeypatch):
    monkeypatch.setattr(memory, "measure_available_memory", lambda: 1000)
    memory.refuse_beyond_memory(1000, "replay_size", "7 transitions")
    monkeypatch.setattr(memory, "measure_available_memory", lambda: None)
    memory.refuse_beyond_memory(10**15, "replay_size", "7 transitions")


def test_one_byte_beyond_available_memory_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "measure_available_memory", lambda: 2 * 10**9 - 1)
    with pytest.raises(UserError) as error:
        memory.refuse_beyond_memory(2 * 10**9, "replay_size", "7 transitions")
    assert str(error.value) == (
        "replay_size: 7 transitions take 2.00 GB of memory, and 2.00 GB are free; lower "
        "replay_size or free memory"
    )


def test_batches_beyond_the_memory_are_refused_before_the_first_step(monkeypatch):
    monkeypatch.setattr(memory, "measure_available_memory", lambda: 10**8)
    experiment = read_experiment("pendulum-demo", batch_size=100_000)
    message = "^batch_size: 200 batches of 100,000 transitions take 0.72 GB .*; lower batch_size"
    with pytest.raises(UserError, match=message):
        make_training(experiment, seed=0)
