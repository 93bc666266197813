# The outcome of a target: a summary page, and a few lines that are printed after Snakemake's own.

import atexit

TITLES = {
    "all": "DDPG in TensorFlow 2: the runs trained here",
    "demo": "DDPG on Pendulum: the runs of the demo",
    "figures": "DDPG in TensorFlow 2: the published runs",
    "smoke": "A trial of the workflow: runs of seconds, nothing here is a result",
}
COLLECTIONS = {"all": "runs", "demo": "runs", "figures": "published", "smoke": "smoke"}
DEMO = "pendulum"  # the only comparison of `demo`


def list_comparisons(target):
    """The comparisons of a target."""
    return [n for n in config["comparisons"] if target != "demo" or n == DEMO]


def list_curves(target):
    """The tables for a target's page and summary."""
    return [
        f"results/tables/{COLLECTIONS[target]}/{name}/curves.csv"
        for name in list_comparisons(target)
    ]


def list_figures(target):
    """The directories of a target's figures."""
    return [f"results/figures/{COLLECTIONS[target]}/{name}" for name in list_comparisons(target)]


def list_verdict(target):
    """The verdict file, if the target trains everything from scratch."""
    return ["results/verdict.json"] if target == "all" else []


def format_options(target):
    """The options of `page` and `summary` for a target, quoted."""
    words = ["--config", CONFIG, "--figures", f"results/figures/{COLLECTIONS[target]}"]
    for option, values in (
        ("--only", list_comparisons(target)),
        ("--curves", list_curves(target)),
        ("--verdict", list_verdict(target)),
    ):
        words += [option, *values] if values or option == "--curves" else []  # it is required
    return shlex.join(words)


# The targets' rules have no output, so they run every time: the summary is printed every time, and
# the target fails every time that its verdict fails.


def get_summary_path(target):
    """The file with the lines that are printed at the end."""
    return f"results/logs/summary/{target}.txt"


def make_summary_command(target):
    """The command of a target's rule, which writes the summary."""
    options = format_options(target).replace("{", "{{").replace("}", "}}")  # Snakemake formats it
    return (
        f"python -m ddpg summary {options} --page results/summary/{target}.html"
        f" > {get_summary_path(target)} 2> {{log}}"
    )


def list_running_targets():
    """The targets whose rules run now."""
    return [target for target in TITLES if target in {job.rule.name for job in workflow.dag.jobs}]


def forget_summaries():
    """Delete the summaries of earlier Snakemakes before anything runs."""
    for target in list_running_targets():
        Path(get_summary_path(target)).unlink(missing_ok=True)


def print_summaries_at_exit():
    """Print the targets' summaries at exit, after Snakemake's own messages."""

    def print_files(paths):
        with contextlib.suppress(OSError):  # the pipe may be closed
            sys.stdout.reconfigure(errors="backslashreplace")  # the terminal may be Latin-1
            for path in filter(Path.exists, paths):
                print(f"\n{path.read_text(encoding='utf-8')}", end="", flush=True)

    atexit.register(
        print_files,
        [Path(get_summary_path(target)).absolute() for target in list_running_targets()],
    )
