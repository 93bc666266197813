"""A thousand seeds are planned in half a minute and a gigabyte."""

import os
import re


def test_a_thousand_seeds(checkout):
    (checkout.directory / "thousand.yaml").write_text(
        f"experiments: {{pendulum-demo: {{seeds: {[*range(1000)]}}}}}\n"
    )
    process = checkout.start("--dry-run", "--configfile", "thousand.yaml", "--", "demo")
    output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output
    assert re.search(r"^train +1000$", output, re.MULTILINE)
    assert used.ru_utime + used.ru_stime < 30, "seconds of processor time"
    assert used.ru_maxrss < 10**6, "kilobytes"
