"""The documents: rendered pages are current, links resolve, every key is described."""

import re

import numpy as np
import pytest
import yaml
from helpers.checkout import ROOT
from helpers.load_script import load_script
from helpers.make_curves import make_seeds

from ddpg.analysis import comparison, factorial, judging
from ddpg.analysis.curves import RUN_COLUMNS
from ddpg.runs.directory import RESULT_FILES

films = load_script(ROOT / "docs/films.py")
render = load_script(ROOT / "docs/render.py")

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks/README.md"])


def test_the_reference_of_the_configuration_is_current():
    page = (ROOT / "docs/configuration.md").read_text()
    assert page == render.render_configuration(ROOT), "run `make docs`"


def test_the_page_of_the_public_functions_is_current():
    assert (ROOT / "docs/api.md").read_text() == render.render_api(), "run `make docs`"


def test_configuration_reference_describes_every_key_of_the_schema():
    def keys(value):
        if isinstance(value, dict):
            yield from value.get("properties", {})
            for item in value.values():
                yield from keys(item)

    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    page = (ROOT / "docs/configuration.md").read_text()
    described = {key.split(".")[-1]: meaning for key, meaning in
                 re.findall(r"^\| `(\S+)` \|.*\| (.*) \|$", page, re.MULTILINE)}  # fmt: skip
    assert set(keys(schema)) == set(described)
    assert all(described.values())


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("A run", [*RESULT_FILES, "run.json", "failure.txt", "checkpoint/", "set_aside_<n>/"]),
        ("Curves: `<comparison>/curves.csv`", RUN_COLUMNS),
        ("Final returns: `groups.csv`", comparison.GROUP_COLUMNS),
        ("Differences: `pairs.csv`", comparison.PAIR_COLUMNS),
        ("Effects of a 2x2: `effects.csv`", factorial.COLUMNS),
        ("Claims: `claims.csv`", judging.COLUMNS),
    ],
)
def test_every_file_of_a_run_and_every_column_of_a_table_is_described(heading, names):
    _, _, section = (ROOT / "docs/files.md").read_text().partition(f"\n## {heading}\n")
    section = section.partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert sorted(re.findall("`(.*?)`", " ".join(cells))) == sorted(names)


def test_undocumented_schema_keyword_is_refused():
    schema = {"properties": {"speed": {"type": "integer", "exclusiveMaximum": 3}}}
    with pytest.raises(ValueError, match=r"speed: .* no words for \['exclusiveMaximum'\]"):
        list(render._list_keys(schema, {}))


def test_the_stated_numbers_of_the_artifact_page_are_current():
    page = (ROOT / "docs/artifact.md").read_text()
    assert page == render.insert_stated_numbers(page, ROOT), "run `make docs`"
    with pytest.raises(ValueError, match="the page has no lines"):
        render.insert_stated_numbers("# A page\n", ROOT)


def test_the_tables_of_results_are_those_of_the_published_runs():
    page = (ROOT / "docs/results.md").read_text()
    assert page == render.insert_results(page, ROOT), "run `make docs`"


@pytest.mark.parametrize(("seeds", "best", "median"), [(1, 0, 0), (4, 1, 0), (5, 1, 4)])
def test_films_show_the_best_and_the_median_seed(seeds, best, median):
    returns = np.array([20.0, 50.0, 10.0, 40.0, 30.0])
    runs = make_seeds(seeds, test_return_mean=0.0)
    runs["test_return_mean"] = returns[runs["seed"]]
    assert films.choose_best_and_median(runs) == (best, median)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_resolve(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{page.name}: {link}"


def test_functions_named_by_the_architecture_page_exist():
    page = (ROOT / "docs/architecture.md").read_text()
    named = re.findall(r"`([\w.]+)` (?:in|of) `((?:ddpg|workflow)/[\w/.]+|Snakefile)`", page)
    assert len(named) > 20
    for name, file in named:
        last = name.rpartition(".")[2]
        defined = rf"^\s*(?:def {last}\(|class {last}\b|{last}(?:: \w+)? = |{last}: )"
        assert re.search(defined, (ROOT / file).read_text(), re.MULTILINE), f"{name} in {file}"
