"""`verdict`: do fresh runs reproduce the published ones?"""

from argparse import ArgumentParser, Namespace

from ddpg.commands.arguments import add_output_directory, add_runs
from ddpg.errors import UserError

HELP = "test whether fresh runs reproduce the published ones"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "--fresh", "fresh run directories", required=True)
    add_runs(parser, "--published", "published run directories", nargs="*", required=True)
    add_output_directory(parser)


def run(options: Namespace) -> None:
    """Write verdict.json and verdict.md into the output directory and print the result.

    UserError if a run's files are not those that its run.json lists.
    """
    from ddpg.analysis import tables
    from ddpg.analysis.verdict import format_verdict, judge_runs
    from ddpg.files import write_json
    from ddpg.runs.directory import RunDirectory
    from ddpg.runs.typed_json import to_json

    if same := {path.resolve() for path in options.fresh} & {
        path.resolve() for path in options.published
    }:
        raise UserError(f"{min(same)}: given as fresh and as published; give two different runs")
    for path in [*options.fresh, *options.published]:
        RunDirectory(path).read_undamaged()
    result = judge_runs(options.fresh, options.published)
    write_json(options.output / "verdict.json", to_json(result))
    tables.write_document(options.output / "verdict", format_verdict(result))
    print(f"{options.output / 'verdict.json'}: {result.result}")
