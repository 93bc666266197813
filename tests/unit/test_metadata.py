"""The package's metadata: one version, one origin, and what catalogues require."""

import json
import re

import pytest
import yaml
from helpers.checkout import ROOT
from helpers.load_script import load_script

import ddpg

metadata = load_script(ROOT / "docs/metadata.py")


@pytest.mark.parametrize(
    ("name", "render"),
    [("codemeta.json", metadata.make_codemeta), (".zenodo.json", metadata.make_zenodo)],
)
def test_rendered_files_are_current(name, render):
    assert (ROOT / name).read_text() == metadata.format_json(
        render(*metadata.read_sources(ROOT))
    ), "run `make docs`"


def test_every_place_has_the_same_version():
    citation, project = metadata.read_sources(ROOT)
    heading = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert project["version"] == ddpg.__version__ == heading[1]
    assert str(citation["date-released"]) == heading[2]


def test_different_versions_are_refused(tmp_path):
    for name in ("CITATION.cff", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    cff = yaml.safe_load((tmp_path / "CITATION.cff").read_text())
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump({**cff, "version": "0.0.1"}))
    with pytest.raises(ValueError, match=r"version: CITATION.cff has 0.0.1, pyproject.toml \S+"):
        metadata.read_sources(tmp_path)


def test_authors_follow_each_format():
    references = json.loads((ROOT / "codemeta.json").read_text())["citation"]
    assert references[0]["author"][0] == {
        "@type": "Person", "givenName": "Timothy P.", "familyName": "Lillicrap",
    }  # fmt: skip
    group = json.loads((ROOT / "codemeta.json").read_text())["author"]
    assert [author["@type"] for author in group] == ["Organization"]
    assert (
        metadata._format_name({"family-names": "Silver", "given-names": "David"}) == "Silver, David"
    )


def test_the_required_snakemake_is_the_locked_one():
    (required,) = re.findall(r'^min_version\("(.*)"\)$', (ROOT / "Snakefile").read_text(), re.M)
    (locked,) = re.findall(
        r"^snakemake==(\S+)", (ROOT / "containers/locks/cpu.txt").read_text(), re.MULTILINE
    )
    assert locked.split(".")[: len(required.split("."))] == required.split(".")


def test_workflow_catalog_entry_has_the_required_keys():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"] == {"conda": False, "apptainer": True}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert usage["report"] is True
