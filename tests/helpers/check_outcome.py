"""Check the outcome of a target of the workflow: its files, and the last lines of its output."""

import csv
import re
from pathlib import Path

from helpers.run_files import read_results

from ddpg.runs.record import Image, RunRecord

FIGURES = ("comparison", "values_and_losses", "final_returns")


def check_outcome(
    directory: Path,
    output: str,
    target: str,
    collection: str,
    comparisons: list[str],
    runs: list[str],
) -> list[str]:
    """Assert that `target` has made all its outputs from `runs` of a `collection` in `directory`.

    `comparisons[0]` is the headline comparison. Returns the lines printed after Snakemake's own
    output.
    """
    for name in comparisons:
        for figure in FIGURES:
            for suffix, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
                path = directory / f"results/figures/{collection}/{name}/{figure}.{suffix}"
                assert path.read_bytes().startswith(start), path
    page = (directory / f"results/summary/{target}.html").read_text()
    assert page.count('src="data:image/svg+xml;base64,') == len(comparisons)
    if target != "demo":
        check_tables(directory / "results/tables" / collection, comparisons, runs)
    for run in runs:
        RunRecord.read(directory / "results" / collection / run / "run.json")
    check_nothing_went_wrong(directory, output)
    said = extract_outcome(output)
    assert said[-3:] == [
        f"main figure  results/figures/{collection}/{comparisons[0]}/comparison.png",
        f"all figures  results/figures/{collection}",
        f"page         results/summary/{target}.html",
    ]
    return said


def check_tables(tables: Path, comparisons: list[str], runs: list[str]) -> None:
    """Assert that the tables are about these comparisons and runs."""
    with open(tables / "provenance.csv", newline="") as file:
        found = [f"{row['experiment']}/seed_{row['seed']}" for row in csv.DictReader(file)]
    assert sorted(found) == sorted(runs)
    with open(tables / "groups.csv", newline="") as file:
        assert {row["comparison"] for row in csv.DictReader(file)} == set(comparisons)
    for name in ("pairs.csv", "claims.csv"):
        assert len((tables / name).read_text().splitlines()) > 1
    assert "## Final returns" in (tables / "statistics.md").read_text()
    for name in ("statistics", "provenance"):
        assert "<table>" in (tables / f"{name}.html").read_text()


def check_nothing_went_wrong(directory: Path, output: str) -> None:
    """Assert that neither Snakemake nor a log of a rule has a traceback or MuJoCo's warning."""
    logs = {path: path.read_text() for path in directory.glob("results/logs/**/*.log")}
    assert logs
    for path, text in {**logs, "Snakemake": output}.items():
        for noise in ("Traceback", "settotalmass"):
            assert noise not in text, f"{path}: {text}"
    assert not list(directory.rglob("MUJOCO_LOG.TXT"))


def extract_outcome(output: str) -> list[str]:
    """The lines printed after Snakemake's own output."""
    said = re.search(r"^(?:Verdict|Final returns): .*", output, re.MULTILINE | re.DOTALL)
    assert said, output
    for its_own in ("Elapsed time", "Complete log", "WorkflowError"):
        assert its_own not in said[0], output
    return said[0].rstrip("\n").splitlines()


def parse_seed_counts(said: list[str]) -> dict[str, int]:
    """The number of seeds by experiment in the table of final returns; each mean is a number."""
    rows = [re.match(r" (\S+) +(\d+) +(-?[\d,.]+) +(-?[\d,.]+) +(-?[\d,.]+) *$", s) for s in said]
    return {row[1]: int(row[2]) for row in rows if row}


def parse_verdict(said: list[str]) -> dict[str, str]:
    """The result by experiment in the table of a verdict."""
    rows = [re.match(r" (\S+) +(pass|fail|too few seeds to tell|no runs) +\S", s) for s in said]
    return {row[1]: row[2] for row in rows if row}


def read_portable_outputs(
    directory: Path, collection: str, comparisons: list[str], runs: list[str]
) -> dict:
    """All outputs whose bytes must be the same on every machine."""
    made = {run: read_results(directory / "results" / collection / run) for run in runs}
    for folder in (f"figures/{collection}/{name}" for name in comparisons):
        found = (directory / "results" / folder).iterdir()
        made |= {f"{folder}/{path.name}": path.read_bytes() for path in found}
    for name in (f"tables/{collection}/groups.csv", f"tables/{collection}/pairs.csv"):
        made[name] = (directory / "results" / name).read_bytes()
    return made


def read_images(directory: Path, collection: str, runs: list[str]) -> list[Image | None]:
    """The image that each run records, or None."""
    paths = [directory / "results" / collection / run / "run.json" for run in runs]
    return [RunRecord.read(path).machine.image for path in paths]
