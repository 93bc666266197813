"""In what two configurations or records differ."""


def find_differences(
    recorded: dict, current: dict, prefix: str = ""
) -> dict[str, tuple[object, object]]:
    """The values (recorded, current) in which two records differ, by key, nested keys dotted.

    A missing key has the value None.
    """
    found: dict[str, tuple[object, object]] = {}
    for key in sorted(recorded.keys() | current.keys()):
        before, now = recorded.get(key), current.get(key)
        if isinstance(before, dict) and isinstance(now, dict):
            found |= find_differences(before, now, f"{prefix}{key}.")
        elif before != now:
            found[f"{prefix}{key}"] = (before, now)
    return found


def describe_differences(recorded: dict, current: dict) -> list[str]:
    """The differences of two records, each as `key: recorded -> current`."""
    differences = find_differences(recorded, current).items()
    return [f"{key}: {before} -> {now}" for key, (before, now) in differences]
