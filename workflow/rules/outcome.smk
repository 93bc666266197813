# What a target ends with: one page to look at, and a few lines that Snakemake's own are followed by.

import atexit

TITLES = {
    "all": "DDPG in TensorFlow 2: the runs trained here",
    "demo": "DDPG on Pendulum: the runs of the demo",
    "figures": "DDPG in TensorFlow 2: the published runs",
    "smoke": "A trial of the workflow: runs of seconds, nothing here is a result",
}
SOURCES = {"all": "runs", "demo": "runs", "figures": "published", "smoke": "smoke"}


def shown(target):
    """The comparisons that a target is about."""
    return [n for n in config["comparisons"] if target != "demo" or n == "pendulum"]


def curves_of(target):
    """The tables that a target's page and last lines are made from."""
    return [f"results/tables/{SOURCES[target]}/{name}/curves.csv" for name in shown(target)]


def figures_of(target):
    """The directories of a target's figures."""
    return [f"results/figures/{SOURCES[target]}/{name}" for name in shown(target)]


def verdict_of(target):
    """The verdict, where everything was trained from scratch."""
    return ["results/verdict.json"] if target == "all" else []


def options(target):
    """The command line's words, quoted, for what a target is about."""
    words = ["--config", *CONFIG_FILES, "--figures", f"results/figures/{SOURCES[target]}"]
    for option, values in (
        ("--only", shown(target)),
        ("--curves", curves_of(target)),
        ("--verdict", verdict_of(target)),
    ):
        words += [option, *values] if values else []
    return shlex.join(words)


# The rules of the targets have no output: they run each time, whatever else there is to do, so the
# last lines are said each time, and a verdict that fails makes each of them fail.


def said(target):
    """Where a target's rule puts what Snakemake then says last."""
    return f"results/logs/summary/{target}.txt"


def summarise(target):
    """The command of a target's rule."""
    return (
        f"python -m ddpg summary {options(target)} --page results/summary/{target}.html"
        f" > {said(target)} 2> {{log}}"
    )


def targets_at_work():
    """The targets whose rules run."""
    return [target for target in TITLES if target in {job.rule.name for job in workflow.dag.jobs}]


def forget_summaries():
    """Before anything runs: what an earlier Snakemake said is not this one's outcome."""
    for target in targets_at_work():
        Path(said(target)).unlink(missing_ok=True)


def say_summaries_last():
    """Print what the targets' rules have to say when Snakemake itself has said everything."""

    def say(paths):
        with contextlib.suppress(OSError):  # who reads may have left
            for path in filter(Path.exists, paths):
                print(f"\n{path.read_text(encoding='utf-8')}", end="", flush=True)

    atexit.register(say, [Path(said(target)).absolute() for target in targets_at_work()])
