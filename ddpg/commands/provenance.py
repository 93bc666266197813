"""`provenance`: what produced runs, as a table."""

from argparse import ArgumentParser, Namespace

from ddpg.commands.arguments import add_output_directory, add_runs

HELP = "tabulate code, versions and machine of runs"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_runs(parser, "--runs", "finished run directories", nargs="*", required=True)
    add_output_directory(parser)


def run(options: Namespace) -> None:
    """Write provenance.csv and provenance.md into the output directory."""
    from ddpg.analysis import tables
    from ddpg.analysis.provenance_table import tabulate_provenance

    table = tabulate_provenance(options.runs)
    tables.write_csv(options.output / "provenance.csv", table)
    text = "# What produced the runs\n\n" + tables.format_markdown(table)
    tables.write_document(options.output / "provenance", text)
