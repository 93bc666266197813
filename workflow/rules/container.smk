# What only the image needs; `container:` in the Snakefile names it.


def root_lacks_capabilities():
    """Whether this process is root's, without all the rights that the kernel knows.

    So it is in some virtual machines and containers.
    """
    if os.geteuid() != 0:
        return False
    try:
        status = Path("/proc/self/status").read_text()
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    except OSError:
        return False
    permitted = re.search(r"^CapPrm:\s*(\w+)", status, re.MULTILINE)[1]
    return int(permitted, 16) != (1 << last + 1) - 1


# Apptainer asks for all of root's rights where root starts it, and fails where one is missing. In a
# user namespace, as for everybody else, it needs none.
if root_lacks_capabilities():
    os.environ.setdefault("APPTAINER_USERNS", "1")
