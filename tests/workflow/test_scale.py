"""A thousand seeds are planned in half a minute and a gigabyte."""

import re
import subprocess
import sys

from helpers.checkout import environment

# In a process between: Linux counts the memory of who starts a process as the process's own, and
# the one that runs the tests may have trained.
MEASURE = """
import resource, subprocess, sys

code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("seconds", used.ru_utime + used.ru_stime, "kilobytes", used.ru_maxrss)
sys.exit(code)
"""


def test_a_thousand_seeds(checkout):
    (checkout.directory / "thousand.yaml").write_text(
        f"experiments: {{pendulum-demo: {{seeds: {[*range(1000)]}}}}}\n"
    )
    plan = checkout.command("--dry-run", "--configfile", "thousand.yaml", "--", "demo")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *plan], cwd=checkout.directory, env=environment(),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"^train +1000$", done.stdout, re.MULTILINE)
    used = re.search(r"^seconds (\S+) kilobytes (\d+)$", done.stdout, re.MULTILINE)
    seconds, kilobytes = used.groups()
    assert float(seconds) < 30
    assert int(kilobytes) < 10**6
