"""What the user who runs this may do on the machine."""

import os
import re
from pathlib import Path

STATUS, LAST = Path("/proc/self/status"), Path("/proc/sys/kernel/cap_last_cap")


def root_lacks_capabilities() -> bool:
    """Whether this process is root's, without all the capabilities that the kernel knows.

    So it is in some virtual machines and containers.
    """
    if os.geteuid() != 0:
        return False
    try:
        status, last = STATUS.read_text(), int(LAST.read_text())
    except OSError:  # not Linux
        return False
    permitted = re.search(r"^CapPrm:\s*(\w+)", status, re.MULTILINE)
    return permitted is not None and int(permitted[1], 16) != (1 << (last + 1)) - 1
