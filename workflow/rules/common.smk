# Functions that the rules share: the checked configuration, and the runs of each collection.
#
# results/<collection>/<experiment>/seed_<seed>/ holds a run. `runs` are trained here in full,
# `smoke` are trained here with the experiments shrunk to seconds, and `published` came with the
# repository: no rule makes them, so no file time and no setting ever trains them again.

import contextlib
import functools
import hashlib
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# The project's directory, that of the Snakefile; and whether another workflow imports it.
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
IS_MODULE = not workflow.modifier.is_main_snakefile()
sys.path.insert(0, str(PROJECT))

import ddpg.config
from ddpg.analysis.claims import read_claims
from ddpg.errors import UserError
from ddpg.files import name_source, write_text
from ddpg.runs.directory import (
    PROGRESS,
    RECORD,
    RESULT_FILES,
    RunDirectory,
    find_finished_runs,
    format_seed_directory,
)
from ddpg.runs.differences import describe_differences
from ddpg.runs.published import MANIFEST
from ddpg.runs.walk import walk_visible

# What Snakemake and its SLURM plugin write into commands without quotes may have these characters.
PLAIN_PATH = re.compile(r"[\w./+@:,=-]+")

# The rules' `python` is the one that runs Snakemake, also where its environment is not activated.
os.environ |= {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
}

# Where the published runs and the curves of others are. As a module the workflow runs in another
# directory, which has neither them nor the package.
DATA = Path(os.path.relpath(PROJECT)) if IS_MODULE else Path()
PUBLISHED = DATA / "results/published"
# Jobs find the package also where Snakemake runs in another directory, and with PYTHONSAFEPATH.
paths = filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])
os.environ |= {"PYTHONPATH": os.pathsep.join(paths)}

# The user's configuration files, in the order in which Snakemake merges them.
CONFIG_FILES = ["config.yaml", *map(os.path.relpath, workflow.overwrite_configfiles)]
if workflow.config_settings.replace_workflow_config and workflow.overwrite_configfiles:
    del CONFIG_FILES[0]


# The variable that names the copy of the configuration, for Snakemake in a cluster's job.
CONFIG_VARIABLE = "DDPG_CONFIG"


def read_settings():
    """The configuration; in a job of another Snakemake, as that one has read it.

    UserError as `ddpg.config.read`.
    """
    copy = os.environ.get(CONFIG_VARIABLE)
    if copy and not workflow.is_main_process:
        return ddpg.config.read(copy)
    if IS_MODULE and not isinstance(config, dict):
        raise UserError(
            f'the module\'s config: {config!r} is not a mapping; write config: config["ddpg"], with '
            "`experiments:` below `ddpg:`"
        )
    if IS_MODULE:
        project = ddpg.config.prefix_paths(PROJECT / "config.yaml", DATA)
        return ddpg.config.combine(
            [(str(DATA / "config.yaml"), project), ("the module's config", config)]
        )
    own = ("results", "config")  # the copies below are configurations
    parts = {path: Path(path).parts for path in CONFIG_FILES}
    if targets := [path for path, p in parts.items() if p[0] == "results" and p[:2] != own]:
        raise UserError(
            f"{targets[0]}: a result, given as a configuration file; write -- before the targets"
        )
    missing = "config.yaml" in CONFIG_FILES and not Path("config.yaml").exists()
    if missing and Path.cwd() != PROJECT:
        raise UserError(
            f"{Path.cwd()} has no config.yaml: start Snakemake in {PROJECT}, or copy its "
            f"config.yaml, {PUBLISHED}, results/reference and results/rates.csv"
        )
    return ddpg.config.read(*CONFIG_FILES)


def check_command_line():
    """Stop with one line if a part of the configuration, or what must happen first, would be left out."""
    if any(re.fullmatch("--no-h(o(o(ks?)?)?)?", word) for word in sys.argv):
        if workflow.is_main_process:  # jobs of a cluster have the option
            raise WorkflowError(
                "--no-hooks: without its hooks this workflow would lose earlier runs and have no "
                "configuration; leave the option out"
            )
    for option, pattern in (
        ("--configfile", "--configfiles?(=.*)?"),
        ("--config", "--config(=.*)?|-C.*"),
    ):
        times = sum(bool(re.fullmatch(pattern, word, re.DOTALL)) for word in sys.argv)
        if times > 1 and workflow.is_main_process:
            raise WorkflowError(
                f"{option} is given {times} times, but Snakemake uses only the last; "
                f"give all values to one {option}"
            )


def refuse_braces(settings):
    """UserError for a path with braces, which Snakemake takes for a wildcard."""
    references = [
        reference
        for comparison in settings["comparisons"].values()
        for reference in comparison.get("references", {}).values()
    ]
    paths = [path for reference in references for path in ddpg.config.list_paths(reference)]
    named = [settings.get("claims", ""), settings.get("container", ""), *paths]
    if wrong := [path for path in named if {"{", "}"} & {*path}]:
        raise UserError(f"{settings.files}: {wrong[0]}: has braces; rename the file without them")


def describe_disk_error(error):
    """One line about a file that cannot be written."""
    return f"{error.filename}: {error.strerror}; check its permissions and the disk"


@contextlib.contextmanager
def stop_on_disk_errors():
    """Stop with one line if a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise WorkflowError(describe_disk_error(error)) from None


def read_config():
    """Put into `config` what the commands of the rules will read; returns it.

    Stops with one line if that is invalid, or if values were given that the commands would not see.
    """
    try:
        settings = read_settings()
        read_claims(settings)  # refuses them now, not when everything is trained
        refuse_braces(settings)
        given = {} if IS_MODULE else dict(workflow.config_settings.config)
        for key in given:
            if key != "container":  # which no command reads
                raise UserError(
                    f"--config {key}=...: reaches Snakemake but not the training; write it "
                    "into a file and give that with --configfile FILE"
                )
        image = settings.get("container", given.get("container"))
        if image != given.get("container", image):
            raise UserError(
                f"{settings.file_of(['container'])}: container is {image}, and {given['container']} "
                "on the command line or in the profile; give it once"
            )
    except UserError as error:
        raise WorkflowError(str(error)) from None
    config.clear()
    config.update(settings | given)
    return settings


if not IS_MODULE:
    check_command_line()
SETTINGS = read_config()

# What the commands of the rules read: a copy of the configuration as Snakemake has read it. So jobs that
# start later have the same values, also if the user's files are edited meanwhile.
CONFIG_TEXT = ddpg.config.format_yaml(dict(SETTINGS))
CONFIG = f"results/config/{hashlib.sha256(CONFIG_TEXT.encode()).hexdigest()[:12]}.yaml"


def keep_config():
    """Write the copy of the configuration, and name it to jobs on other nodes."""
    copy = Path(CONFIG)
    if not copy.is_file() or copy.read_bytes() != CONFIG_TEXT.encode():
        write_text(copy, CONFIG_TEXT)
    os.environ |= {CONFIG_VARIABLE: CONFIG}


if IS_MODULE and workflow.is_main_process:  # a module's handlers do not run
    with stop_on_disk_errors():
        keep_config()

CLAIMS = [config["claims"]] if "claims" in config else []

# A digest of the package's code: if it changes, tables and figures are made again, in minutes. Nothing
# is trained again; the version of the arithmetic says whether that is necessary.
CODE = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted((PROJECT / "ddpg").rglob("*.py")))
).hexdigest()


wildcard_constraints:
    collection="runs|smoke|published",
    experiment=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    seed=r"\d+",
    comparison="[a-z0-9][a-z0-9-]*",


def stop(message):
    """Stop Snakemake with one line. Of an exception in an input function it prints the traceback."""
    logger.error(message)
    raise SystemExit(1)


@functools.cache  # every job asks for it, and checking a thousand seeds takes a while
def get_experiment(collection, name):
    """The experiment as the runs of a collection are trained: shrunk in `smoke`."""
    if collection == "smoke" and not config["smoke"]:
        stop("the configuration has no `smoke:`, which shrinks the experiments")
    try:
        return ddpg.config.resolve_experiment(
            SETTINGS, name, config["smoke"] if collection == "smoke" else {}
        )
    except UserError as error:
        stop(str(error))


@functools.cache
def compute_digest(collection, name):
    """What triggers an experiment's training: a digest of its values."""
    return get_experiment(collection, name).digest()


def describe_values(collection, names):
    """A digest of the values of each experiment's runs; nothing of published runs."""
    return [compute_digest(collection, name) for name in names if collection != "published"]


def list_seeds(collection, name):
    """The seeds of an experiment's runs: those to train, or those that are published."""
    if collection == "published":
        return list(find_published_runs(name))
    return list(get_experiment(collection, name).seeds)


@functools.cache
def find_published_runs(name):
    """The published runs of an experiment by seed.

    Warns of directories that are not runs, and of runs with other values than the configuration's.
    """
    try:
        runs, skipped = find_finished_runs(PUBLISHED / name)
    except UserError as error:
        stop(str(error))
    for line in skipped:
        logger.warning(line)
    if runs and workflow.is_main_process:
        # One run stands for all: `aggregate` refuses runs of one experiment that differ.
        seed, run = next(iter(runs.items()))
        expected = get_experiment("published", name).to_config(seed)
        if changed := describe_differences(RunDirectory(run).read_config(), expected):
            logger.warning(
                f"{run.parent}: its runs have other values than the configuration "
                f"({'; '.join(changed)}); they are shown as they were trained"
            )
    return runs


def list_run_files(collection, name):
    """run.json of each run of an experiment; a run is complete when it is there."""
    directory = PUBLISHED if collection == "published" else Path("results", collection)
    return [
        str(directory / name / format_seed_directory(seed) / RECORD)
        for seed in list_seeds(collection, name)
    ]


def list_all_run_files(collection):
    """run.json of every run of every experiment."""
    return [run for name in config["experiments"] for run in list_run_files(collection, name)]


def get_directories(files):
    """The directories of files, for the command line."""
    return [str(Path(file).parent) for file in files]


def get_comparison(comparison):
    """What the configuration says of a comparison."""
    try:
        return ddpg.config.get_comparison(SETTINGS, comparison)
    except UserError as error:
        stop(str(error))


def describe_comparisons(*comparisons):
    """What the tables and figures of comparisons depend on besides their input files."""
    settings = {name: get_comparison(name) for name in comparisons}
    experiments = {name for own in settings.values() for name in own["experiments"]}
    seeds = {name: list_seeds("runs", name) for name in sorted(experiments)}
    return [CODE, settings, seeds]


def list_comparison_runs(collection, comparison):
    """run.json of each of our runs in a comparison."""
    return [
        run
        for name in get_comparison(comparison)["experiments"]
        for run in list_run_files(collection, name)
    ]


def list_reference_paths(*comparisons):
    """The files and directories that comparisons name as the curves of others.

    Beside a table may be a file that says where it is from, with its checksum.
    """
    paths = []
    for comparison in comparisons:
        for reference in get_comparison(comparison).get("references", {}).values():
            for path in ddpg.config.list_paths(reference):
                paths.append(path)
                if Path(path).is_file() and (source := name_source(Path(path))).exists():
                    paths.append(str(source))
    return sorted(set(paths))


def list_references(*comparisons):
    """The files of the curves of others; a path that does not exist stays as it is."""
    files = []
    for path in list_reference_paths(*comparisons):
        try:
            held = [str(run / PROGRESS) for run, names in walk_visible(path) if PROGRESS in names]
        except UserError as error:
            stop(str(error))
        files += held or [path]
    return sorted(set(files))


def list_manifest(collection):
    """The list of checksums that published runs must match."""
    return [str(PUBLISHED / MANIFEST)] if collection == "published" else []


def list_outputs(collection):
    """Every figure and table of a collection."""
    return [
        *(f"results/figures/{collection}/{name}" for name in config["comparisons"]),
        f"results/tables/{collection}/statistics.md",
        f"results/tables/{collection}/provenance.csv",
    ]


def get_title(wildcards):
    """The title of a comparison, for the report, which takes what is in braces for a wildcard."""
    return get_comparison(wildcards.comparison)["title"].translate(str.maketrans("{}", "()"))


def quote_overrides(collection):
    """The quoted --set options of a collection; empty except for `smoke`."""
    if collection != "smoke":
        return ""
    return shlex.join(["--set", *ddpg.config.format_overrides(config["smoke"])])
