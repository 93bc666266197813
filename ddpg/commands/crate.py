"""`crate`: describe the published runs as an RO-Crate, in the profile Workflow Run Crate 0.5.

ro-crate-metadata.json names the workflow, its parameters, and each run: its values, code revision,
software, machine, times, and output files with their SHA-256.
"""

import datetime
import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import yaml

from ddpg.errors import UserError
from ddpg.runs.directory import (
    CONFIG,
    EVALUATION_EPISODES,
    POLICY,
    PROGRESS,
    RECORD,
    STATE_DIGESTS,
    RunDirectory,
    read_records,
)
from ddpg.runs.published import (
    PUBLISHED,
    find_published_runs,
    list_published_files,
    name_below,
)
from ddpg.runs.record import RunRecord

HELP = "describe published runs as an RO-Crate (ro-crate-metadata.json)"

METADATA = "ro-crate-metadata.json"
RO = "https://w3id.org/ro/"
BIOSCHEMAS = "https://bioschemas.org/profiles/"
PROFILES = {
    f"{RO}wfrun/process/0.5": ("Process Run Crate", "0.5"),
    f"{RO}wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
# The terms of the profile that the context of RO-Crate 1.1 lacks.
_TERMS = (
    "ContainerImage", "SIFImage", "containerImage", "environment", "resourceUsage", "sha256",
)  # fmt: skip
TERMS = {term: f"{RO}terms/workflow-run#{term}" for term in _TERMS}
FORMATS = {
    ".csv": "text/csv", ".json": "application/json", ".txt": "text/plain",
    ".npz": "application/zip", ".yaml": "application/yaml", ".cff": "application/yaml",
    ".md": "text/markdown",
}  # fmt: skip
FILES = {
    PROGRESS: "statistics of each epoch, in Spinning Up's format",
    EVALUATION_EPISODES: "return and length of each evaluation episode",
    STATE_DIGESTS: "digests of the state after each epoch",
    POLICY: "the trained policy: weights, biases and action bounds",
    RECORD: "what produced the run",
    CONFIG: "the run's configuration",
}
# What the crate takes from CITATION.cff: each key's types and their name.
CITED: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("title", "abstract", "license", "version"), ((str,), "text")),
    "date-released": ((datetime.date, str), "a date"),
    **dict.fromkeys(("keywords", "authors"), ((list,), "a list")),
}
TYPES = {int: "Integer", float: "Float", str: "Text"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--root", type=Path, default=Path(), metavar="DIR",
        help=f"the project, where {METADATA} is written (default: .)",
    )  # fmt: skip
    parser.add_argument(
        "--published", type=Path, metavar="DIR",
        help=f"where the runs are, below the root (default: {PUBLISHED} there)",
    )  # fmt: skip


def run(options: Namespace) -> None:
    """Write the metadata; UserError if a run is damaged or there are no runs."""
    from ddpg.files import encode_json, write_atomically

    published = options.published or options.root / PUBLISHED
    metadata = describe_runs(options.root, published)
    write_atomically(options.root / METADATA, encode_json(metadata))
    actions = sum(entity["@type"] == "CreateAction" for entity in metadata["@graph"])
    print(f"{options.root / METADATA}: {actions} runs")


def describe_runs(root: Path, published: Path) -> dict:
    """The RO-Crate's metadata, the same for the same files."""
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise UserError(
            "the package rocrate is not installed; use the environment that `make` sets up"
        ) from None
    runs = _read_runs(root, published)
    citation = _read_citation(root)
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(TERMS)
    maker = _Describer(crate, root, citation)
    for directory, record in runs.items():
        maker.add_run(directory, record)
    maker.add_parameters_and_profiles()
    return crate.metadata.generate()


def _read_runs(root: Path, published: Path) -> dict[Path, RunRecord]:
    if not published.is_dir():
        raise UserError(f"{published}: no such directory; give it with --published")
    if name_below(root, published) is None:
        raise UserError(
            f"{published}: not below {root}; a crate can describe only files below its root"
        )
    directories = find_published_runs(published)
    if not directories:
        raise UserError(f"{published}: no finished run")
    for directory in directories:
        RunDirectory(directory).read_undamaged()
    return read_records(directories)


def _read_citation(root: Path) -> dict[str, Any]:
    """The content of CITATION.cff; UserError unless it has what the crate takes from it."""
    from ddpg.files import read_text

    path = root / "CITATION.cff"
    if not path.exists():
        raise UserError(f"{path}: no such file; give the project's directory with --root")
    try:
        citation = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError for 2026-13-40
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not YAML ({reason}); correct it") from None
    if not isinstance(citation, dict):
        raise UserError(f"{path}: not a citation; write it as on citation-file-format.github.io")
    for key, (types, kind) in CITED.items():
        if not citation.get(key) or not isinstance(citation[key], types):
            raise UserError(f"{path}: {key} is missing or not {kind}; add it")
    if not all(_is_author(author) for author in citation["authors"]):
        raise UserError(f"{path}: an author has neither `name` nor given-names and family-names")
    if not all(isinstance(keyword, str) for keyword in citation["keywords"]):
        raise UserError(f"{path}: a keyword is not text; put it in quotes")
    return citation


def _is_author(author: Any) -> bool:
    return isinstance(author, dict) and (
        isinstance(author.get("name"), str) or author.keys() >= {"given-names", "family-names"}
    )


class _Describer:
    """Adds entities to a crate; equal values are one entity."""

    def __init__(self, crate: Any, root: Path, citation: dict[str, Any]):
        from ddpg.runs.provenance import find_versions

        self.crate, self.root = crate, root
        self.actions: list[Any] = []
        self.examples: dict[str, list[Any]] = {}
        authors = [a.get("name") or f"{a['given-names']} {a['family-names']}"
                   for a in citation["authors"]]  # fmt: skip
        self.agent = self._get_entity("#maintainers", "Organization", name=", ".join(authors))
        licence = self._get_entity(
            f"https://spdx.org/licenses/{citation['license']}", "CreativeWork",
            name=f"{citation['license']} License",
            identifier=f"https://spdx.org/licenses/{citation['license']}",
        )  # fmt: skip
        crate.name, crate.description = citation["title"], " ".join(citation["abstract"].split())
        crate.keywords = ", ".join(citation["keywords"])
        crate.license = licence
        crate.root_dataset["datePublished"] = str(citation["date-released"])
        crate.root_dataset["author"] = self.agent
        crate.root_dataset["publisher"] = self.agent
        crate.root_dataset["version"] = citation["version"]
        self.workflow = crate.add_workflow(
            root / "Snakefile", "Snakefile", main=True, lang="snakemake",
            lang_version=find_versions(["snakemake"]).get("snakemake"),
            properties={
                "conformsTo": {"@id": f"{BIOSCHEMAS}ComputationalWorkflow/1.0-RELEASE"},
                "encodingFormat": "text/plain",
                "name": citation["title"], "version": citation["version"],
                "description": crate.description, "dateCreated": str(citation["date-released"]),
                **_measure_file(root / "Snakefile"),
            },
        )  # fmt: skip
        self.workflow["license"], self.workflow["creator"] = licence, self.agent
        for name, what in {
            "config.yaml": "every number of every experiment",
            "README.md": "what the package is, and how to start",
            "CITATION.cff": "how to cite the package",
            "containers/locks/cpu.txt": "the packages that the workflow runs on, with hashes",
        }.items():
            if (root / name).is_file():
                self._make_file(root / name, what)
        if (root / "README.md").is_file():
            crate.get("README.md")["about"] = crate.root_dataset

    def add_run(self, directory: Path, record: RunRecord) -> None:
        """Add a run as an action: its parameters, its files, and what it ran on."""
        inputs = [self._add_example(self._make_file(directory / CONFIG, FILES[CONFIG]), CONFIG)]
        inputs.append(self._make_value("experiment", record.experiment))
        inputs.append(self._make_value("seed", record.seed))
        for key, value in record.identity.config.items():
            inputs.append(self._make_value(key, value))
        outputs = [
            self._add_example(self._make_file(directory / name, FILES[name]), name)
            for name in list_published_files(record)
            if name != CONFIG
        ]
        title = f"{record.experiment}, seed {record.seed}"
        action = self._get_entity(
            f"#run/{record.experiment}/{record.seed}", "CreateAction",
            name=f"Training of {title}",
            description=f"{record.steps} environment steps of {record.identity.config.get('env')}",
            startTime=record.sessions[0].started.isoformat(),
            endTime=record.finished.isoformat(),
            actionStatus="http://schema.org/CompletedActionStatus",
        )  # fmt: skip
        action["instrument"], action["agent"] = self.workflow, self.agent
        action["object"], action["result"] = inputs, outputs
        action["softwareRequirements"] = self._make_software(record)
        action["additionalProperty"] = self._make_circumstances(record)
        action["resourceUsage"] = [
            self._measure(record, "steps", record.steps, "steps"),
            self._measure(record, "seconds", record.seconds, "s"),
            self._measure(record, "steps per second", record.steps_per_second, "1/s"),
            self._measure(record, "peak memory", record.peak_memory_bytes, "bytes"),
        ]
        if record.machine.variables:
            action["environment"] = _unwrap_single(
                [
                    self._make_property("variable", name, value)
                    for name, value in record.machine.variables.items()
                ]
            )
        if image := record.machine.image:
            action["containerImage"] = self._get_entity(
                f"#image/{image.id}", "ContainerImage", name=image.id, version=image.version,
                additionalType={"@id": f"{RO}terms/workflow-run#SIFImage"},
            )  # fmt: skip
        self.actions.append(action)

    def add_parameters_and_profiles(self) -> None:
        """Add the parameters of the workflow and the profiles that the crate conforms to."""
        inputs: list[Any] = []
        outputs: list[Any] = []
        for name, examples in self.examples.items():
            is_output = name in FILES and name != CONFIG
            kinds = {type(example.get("value")) for example in examples}
            kind = "File" if name in FILES else TYPES[next(iter(kinds))] if len(kinds) == 1 else ""
            parameter = self._get_entity(
                _make_parameter_id(name), "FormalParameter",
                name=name, additionalType=kind or "Text",
                conformsTo={
                    "@id": f"{BIOSCHEMAS}FormalParameter/1.0-RELEASE"
                },
            )  # fmt: skip
            parameter["workExample"] = _unwrap_single(examples)
            (outputs if is_output else inputs).append(parameter)
        self.workflow["input"], self.workflow["output"] = inputs, outputs
        root = self.crate.root_dataset
        root["mentions"] = self.actions
        root["conformsTo"] = [
            self._get_entity(address, "CreativeWork", name=name, version=version)
            for address, (name, version) in PROFILES.items()
        ]

    def _get_entity(self, identifier: str, kind: str, /, **properties: Any) -> Any:
        """The entity with this identifier, made if it is not there."""
        from rocrate.model.contextentity import ContextEntity

        found = self.crate.get(identifier)
        if found is not None:
            return found
        return self.crate.add(
            ContextEntity(self.crate, identifier, properties={"@type": kind, **properties})
        )

    def _make_file(self, path: Path, what: str) -> Any:
        name = name_below(self.root, path)
        assert name is not None  # all that is described is below the root
        properties = {"name": name, "description": what, **_measure_file(path)}
        if path.suffix in FORMATS:
            properties["encodingFormat"] = FORMATS[path.suffix]
        return self.crate.add_file(path, name, properties=properties)

    def _make_value(self, name: str, value: Any) -> Any:
        """A parameter's value as an example of the parameter."""
        if not isinstance(value, int | float | str):
            value = json.dumps(value)
        entity = self._make_property("value", name, value)
        return self._add_example(entity, name)

    def _add_example(self, entity: Any, name: str) -> Any:
        examples = self.examples.setdefault(name, [])
        if entity not in examples:
            entity["exampleOfWork"] = {"@id": _make_parameter_id(name)}
            examples.append(entity)
        return entity

    def _make_property(self, group: str, name: str, value: Any) -> Any:
        identifier = f"#{group}/{name}/{value}".replace(" ", "_")
        return self._get_entity(identifier, "PropertyValue", name=name, value=value)

    def _measure(self, record: RunRecord, name: str, value: float, unit: str) -> Any:
        identifier = f"#usage/{record.experiment}/{record.seed}/{name}".replace(" ", "_")
        return self._get_entity(identifier, "PropertyValue", name=name, value=value, unitText=unit)

    def _make_software(self, record: RunRecord) -> list[Any]:
        versions = {"python": record.machine.python, **record.machine.packages}
        return [
            self._get_entity(
                _make_package_url(name, version), "SoftwareApplication",
                name=name, softwareVersion=version,
            )
            for name, version in versions.items()
        ]  # fmt: skip

    def _make_circumstances(self, record: RunRecord) -> list[Any]:
        machine = record.machine
        known = {
            "processor": machine.cpu.model,
            "processor type": machine.cpu.type,
            "GPU": ", ".join(machine.gpu),
            "operating system": machine.platform,
            "code revision": str(machine.git or ""),
            "version of the arithmetic": record.arithmetic_version,
            "SHA-256 of weights and optimiser state": record.weights_sha256,
            "interruptions": len(record.sessions) - 1,
        }
        return [self._make_property("about", name, value) for name, value in known.items()
                if value != ""]  # fmt: skip


def _unwrap_single(entities: list) -> Any:
    """JSON-LD of RO-Crate writes a single value without a list."""
    return entities[0] if len(entities) == 1 else entities


def _make_parameter_id(name: str) -> str:
    return f"#parameter/{name}"


def _make_package_url(package: str, version: str) -> str:
    """An identifier of a release: its package URL, which names no server."""
    kind = "generic" if package == "python" else "pypi"
    return f"pkg:{kind}/{package}@{version}"


def _measure_file(path: Path) -> dict[str, str]:
    from ddpg.files import hash_file

    return {"contentSize": str(path.stat().st_size), "sha256": hash_file(path)}
