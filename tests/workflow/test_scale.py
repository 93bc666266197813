"""A thousand seeds are planned in less than half a minute with less than a gigabyte."""

import re
import subprocess
import sys

from helpers.checkout import clean_environment

# An intermediate process measures: Linux counts the memory of the parent at the time of the fork as
# the child's, and the process that runs the tests may have trained.
MEASURE = """
import resource, subprocess, sys

code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print("seconds", used.ru_utime + used.ru_stime, "kilobytes", used.ru_maxrss)
sys.exit(code)
"""


def test_planning_a_thousand_seeds(checkout):
    (checkout.directory / "thousand.yaml").write_text(
        f"experiments: {{pendulum-demo: {{seeds: {[*range(1000)]}}}}}\n"
    )
    plan = checkout.command("--dry-run", "--configfile", "thousand.yaml", "--", "demo")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *plan], cwd=checkout.directory, env=clean_environment(),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"^train +1000$", done.stdout, re.MULTILINE)
    used = re.search(r"^seconds (\S+) kilobytes (\d+)$", done.stdout, re.MULTILINE)
    seconds, kilobytes = used.groups()
    assert float(seconds) < 30
    assert int(kilobytes) < 10**6
