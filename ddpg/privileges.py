"""The privileges of the user who runs this process."""

import os
import re
from pathlib import Path

STATUS, LAST = Path("/proc/self/status"), Path("/proc/sys/kernel/cap_last_cap")


def root_lacks_capabilities() -> bool:
    """Whether this process runs as root but lacks some of the kernel's capabilities.

    That is so in some virtual machines and containers.
    """
    if os.geteuid() != 0:
        return False
    try:
        status, last = STATUS.read_text(), int(LAST.read_text())
    except OSError:  # not Linux
        return False
    permitted = re.search(r"^CapPrm:\s*(\w+)", status, re.MULTILINE)
    return permitted is not None and int(permitted[1], 16) != (1 << (last + 1)) - 1
