"""Parse what Snakemake prints of its jobs."""

import re


def parse_rules(output: str) -> list[str]:
    """The rule of each job, in their order."""
    return re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE)


def parse_training_jobs(output: str) -> list[tuple[str, str, str]]:
    """(collection, experiment, seed) of each training job, sorted."""
    pattern = r"^(?:local)?rule train:(?:\n .*)*?wildcards: (.*)"
    jobs = re.findall(pattern, output, re.MULTILINE)
    return sorted(tuple(re.findall(r"=([^,]+)", wildcards)) for wildcards in jobs)
