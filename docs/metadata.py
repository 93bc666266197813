"""Write codemeta.json and .zenodo.json from CITATION.cff and pyproject.toml (`make docs`)."""

import json
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the files at the top of the project."""
    for name, render in (("codemeta.json", make_codemeta), (".zenodo.json", make_zenodo)):
        (ROOT / name).write_text(format_json(render(*read_sources(ROOT))), encoding="utf-8")


def read_sources(root: Path) -> tuple[dict, dict]:
    """(CITATION.cff, the `project` table of pyproject.toml).

    ValueError if they are of different versions or licences.
    """
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for key in ("version", "license"):
        if citation[key] != project[key]:
            raise ValueError(
                f"{key}: CITATION.cff has {citation[key]}, pyproject.toml {project[key]}"
            )
    return citation, project


def format_json(metadata: dict) -> str:
    """The file's text."""
    return json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"


def make_codemeta(citation: dict, project: dict) -> dict:
    """codemeta.json, version 3.0 of its vocabulary."""
    return {
        "@context": "https://w3id.org/codemeta/3.0",
        "@type": "SoftwareSourceCode",
        "name": project["name"],
        "alternateName": citation["title"],
        "description": citation["abstract"],
        "version": citation["version"],
        "datePublished": str(citation["date-released"]),
        "license": f"https://spdx.org/licenses/{citation['license']}",
        "author": [_describe_agent(author) for author in citation["authors"]],
        "keywords": citation["keywords"],
        "programmingLanguage": f"Python {project['requires-python']}",
        "operatingSystem": "Linux on x86-64",
        "softwareRequirements": [
            _parse_requirement(name)
            for name in (*project["dependencies"], *project["optional-dependencies"]["workflow"])
        ],
        "citation": [
            {
                "@type": "ScholarlyArticle",
                "name": reference["title"],
                "author": [_describe_agent(author) for author in reference["authors"]],
                "datePublished": str(reference["year"]),
                "url": reference["url"],
            }
            for reference in citation["references"]
        ],
    }


def make_zenodo(citation: dict, project: dict) -> dict:
    """The metadata that Zenodo takes for a release."""
    return {
        "title": citation["title"],
        "description": citation["abstract"],
        "upload_type": "software",
        "access_right": "open",
        "version": citation["version"],
        "publication_date": str(citation["date-released"]),
        "license": citation["license"],
        "language": "eng",
        "creators": [{"name": _format_name(author)} for author in citation["authors"]],
        "keywords": citation["keywords"],
        "related_identifiers": [
            {"identifier": reference["url"], "relation": "references"}
            for reference in citation["references"]
        ],
    }


def _format_name(author: dict) -> str:
    """As Zenodo writes names; a group has one name."""
    return author.get("name") or f"{author['family-names']}, {author['given-names']}"


def _describe_agent(author: dict) -> dict:
    if "name" in author:
        return {"@type": "Organization", "name": author["name"]}
    return {
        "@type": "Person",
        "givenName": author["given-names"],
        "familyName": author["family-names"],
    }


def _parse_requirement(name: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", name)[0]


if __name__ == "__main__":
    main()
