# What the rules share: the checked configuration, and which runs there are.
#
# results/<tier>/<experiment>/seed_<seed>/ holds a run. Three tiers: `runs` are trained here in full,
# `smoke` are trained here with the experiments shrunk to seconds, and `published` came with the
# repository: no rule makes them, so no file time and no setting ever trains them again.

import contextlib
import functools
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)

import ddpg.config
from ddpg.errors import UserError

# The rules' `python` is the one that runs Snakemake, also where its environment is not activated.
os.environ |= {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
}

REFERENCES = sorted(str(path) for path in Path("results/reference").iterdir())
# In the order in which Snakemake merges them.
CONFIG_FILES = ["config.yaml", *map(os.path.relpath, workflow.overwrite_configfiles)]


wildcard_constraints:
    tier="runs|smoke",
    source="runs|smoke|published",
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    seed=r"\d+",
    comparison="[a-z0-9][a-z0-9-]*",
    target="all|demo|figures|smoke",


def check_config():
    """Stop with one line if the configuration is wrong, or is not what the rules would read."""
    try:
        ddpg.config.check(config)
        if ddpg.config.read(*CONFIG_FILES) != config:
            raise UserError(
                "--config KEY=VALUE would reach Snakemake but not the training; write the change "
                "into a file and give it with --configfile FILE"
            )
    except UserError as error:
        raise WorkflowError(str(error)) from None


@functools.cache  # every job asks for it, and checking a thousand seeds takes a while
def experiment(tier, name):
    """The experiment as the runs of a tier are trained: shrunk in `smoke`."""
    try:
        return ddpg.config.experiment(config, name, config["smoke"] if tier == "smoke" else {})
    except UserError as error:
        raise WorkflowError(str(error)) from None


@functools.cache
def digest(tier, name):
    """What triggers an experiment's training: a digest of its values."""
    return experiment(tier, name).digest()


def seeds(source, name):
    """The seeds of an experiment's runs: those to train, or those that are published."""
    if source == "published":
        runs = Path("results/published", name).glob("seed_*/run.json")
        return sorted(int(run.parent.name.removeprefix("seed_")) for run in runs)
    return list(experiment(source, name).seeds)


def run_files(source, name):
    """run.json of each run of an experiment; a run is complete when it is there."""
    return [f"results/{source}/{name}/seed_{seed}/run.json" for seed in seeds(source, name)]


def all_run_files(source):
    """run.json of every run of every experiment."""
    return [run for name in config["experiments"] for run in run_files(source, name)]


def directories(files):
    """The directories of files, for the command line."""
    return [str(Path(file).parent) for file in files]


def comparison_runs(source, comparison):
    """run.json of each run on our side of a comparison."""
    experiments = config["comparisons"][comparison]["experiments"]
    return [run for name in experiments for run in run_files(source, name)]


def manifest(source):
    """The list of checksums that published runs are held against."""
    return ["results/published/MANIFEST.sha256"] if source == "published" else []


def outcome(source):
    """Every figure and table of a source."""
    return [
        *(f"results/figures/{source}/{name}" for name in config["comparisons"]),
        f"results/tables/{source}/statistics.md",
        f"results/tables/{source}/provenance.csv",
    ]


def title(wildcards):
    """The title of a comparison, for the report."""
    return config["comparisons"][wildcards.comparison]["title"]


def overrides(tier):
    """The command line's words for what a tier changes in every experiment."""
    if tier != "smoke":
        return ""
    # Without spaces, so that each KEY=VALUE stays one word of the shell.
    return "--set " + " ".join(
        f"{key}={value}".replace(" ", "") for key, value in config["smoke"].items()
    )


check_config()
