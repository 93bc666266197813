"""The command line: python -m ddpg COMMAND."""

import argparse
import codecs
import io
import logging
import sys
from pathlib import Path

from ddpg import config
from ddpg.commands import card, check, completion, crate, export, import_reference
from ddpg.errors import Diverged, Interrupted, Mismatch, UserError
from ddpg.options import Parser, positive_number, whole_number
from ddpg.provenance import check_image

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 or what `ddpg.errors` says."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("ddpg").setLevel(logging.INFO)
    _let_print_anything()
    try:
        options = parser().parse_args(arguments)
        check_image()
        options.command(options)
        return 0
    except (UserError, Diverged, Interrupted, Mismatch) as error:
        print("ddpg:", str(error).replace("\n", " "), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("ddpg: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, `head` say, has left
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        advice = "see to its permissions and its disk, or give another path"
        print(f"ddpg: {error.filename}: {error.strerror}; {advice}", file=sys.stderr)
        return UserError.exit_code


def _let_print_anything() -> None:
    """What is printed is UTF-8, as all files are, whatever the locale and the files' names hold.

    Only a terminal that shows another encoding gets that, and what it lacks as \\x escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):  # closed, or taken by a test or a notebook
            continue
        if stream.isatty() and codecs.lookup(stream.encoding).name not in ("ascii", "utf-8"):
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def parser(prog: str = "python -m ddpg") -> Parser:
    """The parser of every command, each with `command` set to its function."""
    top = Parser(prog=prog, description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("train", help="train one seed of an experiment, or resume it")
    command.set_defaults(command=train)
    command.add_argument("experiment", help="a name under `experiments:` of the configuration")
    command.add_argument(
        "--seed", required=True, type=whole_number, help="one of the experiment's seeds"
    )
    command.add_argument("--output", required=True, type=Path, metavar="DIR", help="run directory")
    add_config(command)
    command.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="override keys, as epochs=2"
    )
    command.add_argument(
        "--checkpoint-every", type=positive_number, default=1, metavar="EPOCHS", help="default: 1"
    )
    command.add_argument(
        "--restart",
        action="store_true",
        help="train from the beginning; what is there is set aside",
    )
    command.add_argument(
        "--restart-edited",
        action="store_true",
        help="the same, only where what is there was begun with other values",
    )

    command = commands.add_parser("verify", help="check a finished run; say what produced it")
    command.set_defaults(command=verify)
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories")
    command.add_argument(
        "--replay",
        type=positive_number,
        default=0,
        metavar="N",
        help="train the first N epochs again",
    )

    command = commands.add_parser("bisect", help="find where two runs diverge")
    command.set_defaults(command=bisect)
    command.add_argument("first", type=Path, metavar="RUN", help="a run directory")
    command.add_argument("second", type=Path, metavar="RUN", help="another one")

    command = commands.add_parser("status", help="show what every run is doing")
    command.set_defaults(command=status)
    command.add_argument(
        "directory", nargs="?", type=Path, default=Path("results/runs"), metavar="DIR",
        help="where to look for runs (default: results/runs)",
    )  # fmt: skip
    command.add_argument("--watch", action="store_true", help="refresh until Ctrl-C")

    command = commands.add_parser("evaluate", help="play a trained policy and count its returns")
    command.set_defaults(command=evaluate)
    add_policy(command)
    command.add_argument("--episodes", type=positive_number, default=100, help="default: 100")

    command = commands.add_parser("record", help="film an episode of a trained policy")
    command.set_defaults(command=record)
    add_policy(command)
    command.add_argument("--output", type=Path, required=True, metavar="FILE", help=".gif or .mp4")
    command.add_argument("--width", type=positive_number, metavar="PIXELS", help="scale the frames")
    command.add_argument(
        "--seconds", type=positive_number, default=60, help="at most (default: 60)"
    )

    command = commands.add_parser("publish", help="copy finished runs to the published ones")
    command.set_defaults(command=publish)
    add_runs(command, "runs", "finished run directories")
    command.add_argument(
        "--to", type=Path, default=Path("results/published"), metavar="DIR",
        help="default: results/published",
    )  # fmt: skip

    command = commands.add_parser("aggregate", help="gather the curves of many runs in one table")
    command.set_defaults(command=aggregate)
    add_runs(command, "--runs", "run directories; none make an empty table", nargs="*")
    command.add_argument("--output", type=Path, required=True, metavar="CSV")
    command.add_argument(
        "--manifest", type=Path, metavar="FILE", help="refuse runs that this list does not know"
    )

    command = commands.add_parser("compare", help="statistics of the comparisons, as tables")
    command.set_defaults(command=compare)
    add_comparisons(command)
    command.add_argument("--output", type=Path, required=True, metavar="DIR")

    command = commands.add_parser("plot", help="the figures of the comparisons")
    command.set_defaults(command=plot)
    add_comparisons(command)
    command.add_argument("--output", type=Path, required=True, metavar="DIR")

    command = commands.add_parser(
        "page", help="one page with the outcome: figures, results, claims"
    )
    command.set_defaults(command=page)
    add_comparisons(command)
    add_outcome(command)
    command.add_argument("--title", default="DDPG, trained and compared", metavar="TEXT")
    command.add_argument("--output", type=Path, required=True, metavar="HTML")

    command = commands.add_parser(
        "summary", help="the outcome in a few lines; fails where the verdict does"
    )
    command.set_defaults(command=summary)
    add_comparisons(command)
    add_outcome(command)
    command.add_argument("--page", type=Path, metavar="HTML", help="from `page`")

    command = commands.add_parser("import-reference", help=import_reference.HELP)
    command.set_defaults(command=import_reference.run)
    import_reference.add_arguments(command)

    command = commands.add_parser("provenance", help="what produced runs, as a table")
    command.set_defaults(command=provenance)
    add_runs(command, "--runs", "finished run directories", nargs="*")
    command.add_argument("--output", type=Path, required=True, metavar="DIR")

    command = commands.add_parser("verdict", help="do fresh runs reproduce the published ones?")
    command.set_defaults(command=verdict)
    add_runs(command, "--fresh", "fresh run directories")
    add_runs(command, "--published", "published run directories", nargs="*")
    command.add_argument("--output", type=Path, required=True, metavar="DIR")

    command = commands.add_parser("plan", help="what training all experiments would cost")
    command.set_defaults(command=plan)
    add_config(command)
    command.add_argument(
        "--published", nargs="*", type=Path, metavar="RUN",
        help="published run directories, to measure by (default: results/published/*/seed_* beside "
        "the configuration)",
    )  # fmt: skip

    for name, module in {
        "check": check,
        "export": export,
        "card": card,
        "crate": crate,
        "completion": completion,
    }.items():
        command = commands.add_parser(name, help=module.HELP)
        command.set_defaults(command=module.run)
        module.add_arguments(command)
    return top


def add_runs(command: argparse.ArgumentParser, name: str, what: str, nargs: str = "+") -> None:
    command.add_argument(name, nargs=nargs, type=Path, default=[], metavar="RUN", help=what)


def add_policy(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "policy", type=Path, metavar="RUN", help="a run directory, published or not, or policy.npz"
    )
    command.add_argument("--env", help="the environment, where no config.json tells it")
    command.add_argument(
        "--seed", type=whole_number, default=0, help="of the episodes (default: 0)"
    )


def add_comparisons(command: argparse.ArgumentParser) -> None:
    add_config(command)
    command.add_argument(
        "--curves", nargs="*", type=Path, required=True, metavar="CSV", help="from `aggregate`"
    )
    command.add_argument(
        "--only", nargs="+", metavar="NAME", help="these comparisons (default: all)"
    )


def add_outcome(command: argparse.ArgumentParser) -> None:
    command.add_argument("--figures", type=Path, required=True, metavar="DIR", help="from `plot`")
    command.add_argument("--verdict", type=Path, metavar="JSON", help="from `verdict`")


def add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        nargs="+",
        default=["config.yaml"],
        metavar="FILE",
        help="configuration files, later ones overriding earlier ones (default: config.yaml)",
    )


def train(options) -> None:
    settings = config.read(*options.config)
    overrides = config.parse_overrides(options.set)
    experiment = config.experiment(settings, options.experiment, overrides)
    if options.seed not in experiment.seeds:
        path = ("experiments", experiment.name, "seeds")
        where = "--set" if "seeds" in overrides else settings.file_of(path)
        raise UserError(
            f"{where}: seed {options.seed} is not among {experiment.name}'s seeds "
            f"({', '.join(map(str, experiment.seeds))}); add it to `seeds:` or give --set "
            f"seeds=[{options.seed}]"
        )
    from ddpg import training  # TensorFlow takes seconds to import, other commands do without
    from ddpg.progress import show

    with show(experiment, options.seed) as report:
        record = training.train(
            experiment,
            options.seed,
            options.output,
            checkpoint_every=options.checkpoint_every,
            restart=options.restart,
            restart_edited=options.restart_edited,
            report=report,
        )
    print(f"{options.output}: {record.steps:,} steps, {record.steps_per_second:,.0f} a second")


def verify(options) -> None:
    from ddpg.verify import verify as verify_runs

    verify_runs(options.runs, options.replay)


def bisect(options) -> None:
    from ddpg.bisect import bisect_runs

    print(bisect_runs(options.first, options.second))


def status(options) -> None:
    from ddpg.status import show

    show(options.directory, options.watch)


def evaluate(options) -> None:
    from ddpg import evaluation

    trained = evaluation.load(options.policy, options.env)
    returns, lengths = evaluation.evaluate(trained, options.episodes, options.seed)
    print(
        f"{options.policy} on {trained.env}, {options.episodes} episodes: mean return "
        f"{returns.mean():.1f}, standard deviation {returns.std():.1f}, from {returns.min():.1f} "
        f"to {returns.max():.1f}; mean length {lengths.mean():.1f} steps"
    )


def record(options) -> None:
    from ddpg import evaluation

    trained = evaluation.load(options.policy, options.env)
    total = evaluation.record(trained, options.output, options.seed, options.width, options.seconds)
    print(f"{options.output}: return {total:.1f}")


def publish(options) -> None:
    from ddpg.publish import publish as publish_run

    for run in options.runs:
        print(publish_run(run, options.to))


def aggregate(options) -> None:
    from ddpg.analysis import curves, tables
    from ddpg.publish import check_manifest

    if options.manifest:
        check_manifest(options.manifest, options.runs)
    tables.write_csv(options.output, curves.aggregate_runs(options.runs))


def compare(options) -> None:
    from ddpg.analysis import comparison, factorial, judging, tables
    from ddpg.analysis.statistics_report import format_statistics

    comparisons = _comparisons(options)
    found = {
        "groups": comparison.tabulate_groups(comparisons),
        "pairs": comparison.tabulate_pairs(comparisons),
        "effects": factorial.tabulate_effects(comparisons),
        "claims": judging.judge_claims(_claims(options), comparisons),
    }
    text = format_statistics(**found)
    for name, table in found.items():
        tables.write_csv(options.output / f"{name}.csv", table)
    tables.write_document(options.output / "statistics", text)


def plot(options) -> None:
    from ddpg.analysis.figures import draw_figures

    draw_figures(_comparisons(options), options.output)


def page(options) -> None:
    from ddpg.analysis import tables
    from ddpg.analysis.page import render_page

    comparisons, verdict = _headline_first(options), _verdict(options)
    claims = _claims(options)
    text = render_page(options.title, comparisons, claims, options.figures, verdict)
    tables.write_text(options.output, text)


def summary(options) -> None:
    from ddpg.analysis.summary import print_summary
    from ddpg.analysis.verdict import FAIL

    comparisons, verdict = _headline_first(options), _verdict(options)
    paths = {"all figures": options.figures}
    if comparisons:
        main = options.figures / comparisons[0].name / "comparison.png"
        paths = {"main figure": main, **paths}
    if options.page:
        paths["report"] = options.page
    print_summary(comparisons, verdict, paths)
    if verdict and verdict.result == FAIL:
        failed = [name for name, found in verdict.experiments.items() if found.result == FAIL]
        raise Mismatch(f"{options.verdict}: not reproduced: {', '.join(failed)}")


def provenance(options) -> None:
    from ddpg.analysis import tables

    table = tables.tabulate_provenance(options.runs)
    tables.write_csv(options.output / "provenance.csv", table)
    text = "# What produced the runs\n\n" + tables.format_markdown(table)
    tables.write_document(options.output / "provenance", text)


def verdict(options) -> None:
    from ddpg.analysis import tables
    from ddpg.analysis.verdict import format_verdict, judge_runs
    from ddpg.runs.typed_json import to_json

    result = judge_runs(options.fresh, options.published)
    tables.write_json(options.output / "verdict.json", to_json(result))
    tables.write_document(options.output / "verdict", format_verdict(result))
    print(f"{options.output / 'verdict.json'}: {result.result}")


def plan(options) -> None:
    from ddpg import plan as plans

    published = options.published
    if published is None:
        published = plans.find_published(Path(options.config[0]).parent)
    plans.show(config.read(*options.config), published)


def _comparisons(options) -> list:
    from ddpg.analysis import curves
    from ddpg.analysis.comparison import load_comparison

    settings = config.read(*options.config)
    declared = settings["comparisons"]
    names = list(dict.fromkeys(options.only or declared))
    for name in names:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise UserError(f"{settings.files}: no comparison {name!r}; there are: {known}")
    if not names:
        log.info("%s: no comparisons, so none in %s", settings.files, options.output)
    runs = curves.read_curves(options.curves)
    planned = config.count_seeds(settings)
    return [load_comparison(name, declared[name], runs, planned=planned) for name in names]


def _headline_first(options) -> list:
    """The comparisons, the configuration's `headline` before the others."""
    headline = config.read(*options.config).get("headline")
    return sorted(_comparisons(options), key=lambda comparison: comparison.name != headline)


def _claims(options) -> tuple:
    from ddpg.analysis.claims import read_claims

    return read_claims(config.read(*options.config))


def _verdict(options):
    from ddpg.analysis.verdict import Verdict

    return Verdict.read(options.verdict) if options.verdict else None
