"""Experiments: read from config.yaml, checked by its schema, resolved to one frozen record each."""

import dataclasses
import functools
import hashlib
import itertools
import json
import logging
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

from ddpg import strict_yaml
from ddpg.errors import UserError, get_first_line, suggest_spelling
from ddpg.files import read_text

log = logging.getLogger(__name__)

SCHEMA = Path(__file__).parent.parent / "workflow" / "schemas" / "config.schema.yaml"
# The schema states it, too: NumPy and environments take seeds of 32 bits.
LARGEST_SEED = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One experiment with every value filled in; the schema describes each field."""

    name: str
    env: str
    seeds: tuple[int, ...]
    hidden_sizes: tuple[int, ...]
    epochs: int
    steps_per_epoch: int
    start_steps: int
    update_after: int
    update_every: int | str
    batch_size: int
    replay_size: int
    discount: float
    polyak: float
    pi_lr: float
    q_lr: float
    act_noise: float
    max_ep_len: int
    num_test_episodes: int

    @property
    def total_steps(self) -> int:
        """Environment steps of a run."""
        return self.epochs * self.steps_per_epoch

    def hyperparameters(self) -> dict:
        """The fields that determine a run's bytes besides its seed: all but `name` and `seeds`."""
        values = dataclasses.asdict(self)
        del values["name"], values["seeds"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def digest(self, without: Collection[str] = ()) -> str:
        """SHA-256 of the hyperparameters but `without`: equal digests and seeds mean equal runs."""
        values = {k: v for k, v in self.hyperparameters().items() if k not in without}
        canonical = json.dumps(values, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_config(self, seed: int) -> dict:
        """The content of a run's config.json; Spinning Up's plotting looks for `exp_name`."""
        return dict(sorted({"exp_name": self.name, "seed": seed, **self.hyperparameters()}.items()))


class Settings(dict):
    """A checked configuration, and the files that it was read from.

    `layers` holds (file, content) in the order in which later files override earlier ones.
    """

    def __init__(self, merged: dict, layers: Sequence[tuple[str, dict]]):
        super().__init__(merged)
        self.layers = layers

    @property
    def files(self) -> str:
        """The names of the files, for a message about all of them."""
        return ", ".join(file for file, _ in self.layers)

    def file_of(self, path: Sequence[str | int]) -> str:
        """The file that the value at `path` comes from.

        For a mapping, the first file that defines it; for any other value, the last. If no file
        defines the path, the file of its longest defined prefix.
        """
        for length in range(len(path), 0, -1):
            part = path[:length]
            found = [(file, _get_at(part, content)) for file, content in self.layers]
            found = [(file, value) for file, value in found if value is not _ABSENT]
            if found:
                both = all(isinstance(value, dict) for _, value in found)
                return found[0 if both else -1][0]
        return self.files


def read(*paths: Path | str) -> Settings:
    """Read configuration files, later ones overriding earlier ones key by key, and check them.

    Absent `comparisons` and `smoke` are empty. Raises UserError with one line, which names the
    file, for a file that is missing, is not YAML, or violates the schema.
    """
    for path in paths:
        if not Path(path).exists():
            raise UserError(f"{path}: no such file; give the configuration with --config")
    kind = "a configuration; it needs `defaults:` and `experiments:`"
    return combine([(str(path), _load_yaml(path, kind)) for path in paths])


def combine(layers: Sequence[tuple[str, dict]]) -> Settings:
    """Merge and check (name, content) pairs as `read` does files; messages give the names."""
    layers = [(name, _convert_whole_numbers(content)) for name, content in layers]
    merged: dict = {"comparisons": {}, "smoke": {}}
    for _, content in layers:
        merged = merge(merged, content)
    settings = Settings(merged, layers)
    check(settings)
    return settings


def merge(base: dict, override: dict) -> dict:
    """The mapping `base` with `override` written over it, mappings within them likewise."""
    merged = dict(base)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def check(settings: Settings) -> None:
    """Check a whole configuration, and each experiment with the defaults filled in."""
    _validate(settings, _load_schema(), settings.file_of)
    for name in settings["experiments"]:
        resolve_experiment(settings, name)
    headline, comparisons = settings.get("headline"), settings["comparisons"]
    if comparisons and headline is not None and headline not in comparisons:
        raise UserError(
            f"{settings.file_of(('headline',))}: headline: no comparison {headline!r}"
            + suggest_spelling(headline, comparisons)
        )
    for comparison, value in comparisons.items():
        _check_comparison(settings, comparison, value)


def _check_comparison(settings: Settings, comparison: str, value: dict) -> None:
    """UserError for an unknown experiment or group, a reference without exactly one source, or a
    2x2 whose cells do not differ as it says.
    """

    def refuse(part: str, name: str, problem: str) -> NoReturn:
        path = ("comparisons", comparison, part, name)
        raise UserError(f"{settings.file_of(path)}: {'.'.join(path)}: {problem}")

    known = settings["experiments"]
    for name in value["experiments"]:
        if name not in known:
            refuse("experiments", name, f"no experiment {name!r}{suggest_spelling(name, known)}")
    for name, reference in value.get("references", {}).items():
        if name in value["experiments"]:
            refuse("references", name, "an experiment here has the same name; rename this")
        sources = sorted(reference.keys() & {"curve", "table", "runs"})
        path = ("comparisons", comparison, "references", name)
        files = [settings.file_of((*path, source)) for source in sources]
        if len(set(files)) > 1:
            given = " and ".join(f"{s!r} in {f}" for s, f in zip(sources, files, strict=True))
            raise UserError(f"{'.'.join(path)}: {given}; give only one of them, or rename one")
        if len(sources) != 1:
            refuse("references", name, "give one of 'curve', 'table' and 'runs'")
    cells = list(itertools.chain.from_iterable(value.get("factorial", {}).get("cells", ())))
    for name in cells:
        if name not in value["experiments"]:
            hint = suggest_spelling(name, value["experiments"])
            refuse("factorial", "cells", f"no experiment {name!r} here{hint}")
        if cells.count(name) > 1:
            refuse("factorial", "cells", f"{name!r} appears twice; give four different experiments")
    if cells:
        for part, problem in _find_factorial_problems(settings, value["factorial"]):
            refuse("factorial", part, problem)
    groups = [*value["experiments"], *value.get("references", {})]
    for kind, pairs in value.get("pairs", {}).items():
        for name in itertools.chain.from_iterable(pairs):
            if name not in groups:
                refuse("pairs", kind, f"no group {name!r} here{suggest_spelling(name, groups)}")
        if same := [a for a, b in pairs if a == b]:
            refuse("pairs", kind, f"{same[0]!r} cannot be compared with itself")


def _find_factorial_problems(settings: Settings, factorial: dict) -> Iterator[tuple[str, str]]:
    """What contradicts that rows have equal networks and columns equal schedules, by key."""
    for part in ("networks", "schedule"):
        if factorial[part][0] == factorial[part][1]:
            yield part, f"both are called {factorial[part][0]!r}; give different names"
    table = [[resolve_experiment(settings, name) for name in row] for row in factorial["cells"]]
    if len({cell.env for row in table for cell in row}) > 1:
        yield "cells", "the experiments have different environments"
    for keys, lines, what in (
        (("hidden_sizes",), table, "row"),
        (("update_every", "update_after"), list(zip(*table, strict=True)), "column"),
    ):
        values = [[tuple(getattr(cell, key) for key in keys) for cell in line] for line in lines]
        names = " and ".join(keys)
        for line, (first, second) in zip(lines, values, strict=True):
            if first != second:
                both = f"{line[0].name!r} and {line[1].name!r}"
                yield "cells", f"{both} are in one {what}, but their {names} differ"
        if values[0] == values[1]:
            yield "cells", f"{names} are equal in both {what}s; exchange experiments"


def list_other_differences(settings: Settings, factorial: dict) -> tuple[str, ...]:
    """The hyperparameters that differ between the cells of a 2x2, and should not.

    All but those of the networks and of the schedule, and the number of epochs.
    """
    meant = {"hidden_sizes", "update_every", "update_after", "epochs"}
    names = itertools.chain.from_iterable(factorial["cells"])
    cells = [resolve_experiment(settings, name).hyperparameters() for name in names]
    others = sorted(cells[0].keys() - meant)
    return tuple(key for key in others if any(cell[key] != cells[0][key] for cell in cells))


def read_with_schema(path: Path | str, schema: Path, kind: str) -> dict:
    """Read another YAML file of the project and check it against its schema.

    UserError with one line where it is missing, not UTF-8, not YAML, not a mapping (`kind` says
    what it should be), or violates the schema.
    """
    content = _load_yaml(path, kind)
    _validate(content, yaml.safe_load(schema.read_text(encoding="utf-8")), lambda _: str(path))
    return content


def list_seeds(settings: Settings) -> dict[str, tuple[int, ...]]:
    """The seeds of each experiment."""
    return {name: resolve_experiment(settings, name).seeds for name in settings["experiments"]}


def resolve_experiment(settings: Settings, name: str, overrides: dict | None = None) -> Experiment:
    """The experiment `name`: defaults, then its own keys, then `overrides` (of --set).

    Equal values make equal experiments: 50.0 epochs are 50, a discount of 1 is 1.0. Raises
    UserError for an unknown name, a missing key, or a value that violates the schema.
    """
    declared = settings["experiments"]
    if name not in declared:
        raise UserError(
            f"{settings.files}: no experiment {name!r}{suggest_spelling(name, declared)}; there "
            f"are: {', '.join(declared)}"
        )
    overrides = _convert_whole_numbers(overrides or {})
    _validate(overrides, _get_definition("hyperparameters"), lambda path: "--set")
    own = {**settings["defaults"], **declared[name], **overrides}
    _validate(own, _get_experiment_schema(), settings.file_of, prefix=("experiments", name))
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()}
    for field in dataclasses.fields(Experiment):
        if field.type is float:
            values[field.name] = float(values[field.name])
    return Experiment(name=name, **values)


def get_comparison(settings: Settings, name: str) -> dict:
    """What the configuration says of the comparison `name`; UserError if it does not exist."""
    known = settings["comparisons"]
    if name not in known:
        raise UserError(
            f"{settings.files}: no comparison {name!r}{suggest_spelling(name, known)}; there are: "
            f"{', '.join(known) or 'none'}"
        )
    return known[name]


def restore_experiment(settings: dict, where: str) -> tuple[Experiment, int]:
    """The experiment and the seed of `Experiment.to_config`, which a run's config.json holds.

    Raises UserError if a key is missing or violates the schema.
    """
    own = _convert_whole_numbers(settings)
    name, seed = own.pop("exp_name", None), own.pop("seed", None)
    if not isinstance(name, str) or type(seed) is not int:
        raise UserError(f"{where}: not a config.json of this package (no exp_name or no seed)")
    # The name becomes a directory's, so it must not contain path separators.
    names = {"propertyNames": _load_schema()["properties"]["experiments"]["propertyNames"]}
    _validate({name: {}}, names, lambda path: where, prefix=("exp_name",))
    config = {"defaults": {}, "experiments": {name: {**own, "seeds": [seed]}}}
    return resolve_experiment(Settings(config, [(where, config)]), name), seed


def prefix_paths(path: Path, root: Path) -> dict:
    """The configuration in the file `path`, with `root` before the paths of references and claims.

    Raises UserError as `read` does.
    """
    content = dict(read(path))
    if "claims" in content:
        content["claims"] = str(root / content["claims"])
    for comparison in content["comparisons"].values():
        for reference in comparison.get("references", {}).values():
            if "curve" in reference:
                reference["curve"]["file"] = str(root / reference["curve"]["file"])
            if "table" in reference:
                reference["table"] = str(root / reference["table"])
            if "runs" in reference:
                reference["runs"] = [str(root / run) for run in reference["runs"]]
    return content


def list_paths(reference: dict) -> list[str]:
    """The files and directories that hold a reference's curves."""
    if "runs" in reference:
        return reference["runs"]
    return [reference["table"] if "table" in reference else reference["curve"]["file"]]


def format_yaml(content: dict) -> str:
    """A configuration as the text of a file."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def parse_overrides(assignments: list[str]) -> dict:
    """Turn `KEY=VALUE` texts (values in YAML) into a mapping.

    If a key appears twice with different values, the last one counts, with a warning.
    UserError if one has no `=`, or a value that is not YAML.
    """
    overrides: dict = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UserError(f"--set {assignment}: write KEY=VALUE, for example epochs=2")
        try:
            loaded = strict_yaml.load(value)
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or _NOT_YAML
            raise UserError(f"--set {assignment}: {problem}") from None
        if key in overrides and overrides[key] != loaded:
            log.warning("--set %s replaces %s=%s, given before it", assignment, key, overrides[key])
        overrides[key] = loaded
    return overrides


def format_overrides(overrides: dict) -> list[str]:
    """The `KEY=VALUE` texts that `parse_overrides` turns into `overrides`."""
    return [f"{key}={_format_value(value)}" for key, value in overrides.items()]


def _format_value(value: Any) -> str:
    """A value in YAML, on one line: as the element of a list, without the list's brackets."""
    written = yaml.safe_dump([value], default_flow_style=True, width=math.inf, allow_unicode=True)
    return written.strip()[1:-1]


def _convert_whole_numbers(value: Any) -> Any:
    """The value with every whole number in it as an int: equal numbers become the same.

    Beyond 2**53 a float is no longer exact, and no key takes an integer of that size.
    """
    if isinstance(value, dict):
        return {key: _convert_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_convert_whole_numbers(item) for item in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    return int(value) if whole else value


_ABSENT = object()
_NOT_YAML = "is not valid YAML"


def _get_at(path: Sequence[str | int], value: Any) -> Any:
    """The value at `path` in nested mappings and lists; _ABSENT if there is none."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return value


@functools.cache
def _load_schema() -> dict:
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


@functools.cache
def _get_definition(name: str) -> dict:
    """One of the schema's definitions as a schema of its own."""
    return {"$ref": f"#/$defs/{name}", "$defs": _load_schema()["$defs"]}


@functools.cache
def _get_experiment_schema() -> dict:
    """The schema of an experiment with the defaults filled in: no field is missing."""
    fields = [field.name for field in dataclasses.fields(Experiment) if field.name != "name"]
    return {**_get_definition("hyperparameters"), "required": fields}


def _is_number(checker: Any, value: Any) -> bool:
    """JSON's numbers are finite, and so are the schema's; a truth value is not a number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
)


def _load_yaml(path: Path | str, kind: str) -> dict:
    """The mapping in a YAML file; UserError if it has none, where `kind` says what it should be."""
    try:
        loaded = strict_yaml.load(read_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or get_first_line(error)
        raise UserError(f"{path}{line}: {problem}") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: not {kind}")
    return loaded


def _validate(
    value: dict,
    schema: dict,
    file_of: Callable[[Sequence[str | int]], str],
    prefix: tuple[str, ...] = (),
) -> None:
    """UserError with the first violation of the schema; `file_of` names the file of its path."""
    errors = sorted(_Validator(schema).iter_errors(value), key=lambda e: list(e.path))
    if errors:
        error = errors[0]
        path = (*prefix, *error.absolute_path)
        where = file_of((*path, *_find_wrong_key(error)))
        place = ".".join(map(str, path))
        raise UserError(": ".join(filter(None, [where, place, _explain(error)])))


def _explain(error: ValidationError) -> str:
    """What is wrong in a schema error, what to write instead, and what the key means."""
    value, kind, wanted = error.instance, error.validator, error.validator_value
    if kind == "additionalProperties":
        (unknown,) = _find_wrong_key(error)
        return f"unknown key {unknown!r}{suggest_spelling(unknown, error.schema['properties'])}"
    if kind == "required":
        missing = next(key for key in wanted if key not in value)
        if missing == "defaults":  # the file of an experiment alone
            return f"{missing!r} is missing; give it after config.yaml: --config config.yaml FILE"
        return f"{missing!r} is missing"
    message = error.message
    if value is None:
        message = "has no value; write one or remove the key"
    elif kind == "type" and wanted in ("number", "integer"):
        whole = "whole " if wanted == "integer" else ""
        message = _explain_number(value) or f"{value!r} is not a {whole}number"
    elif kind == "uniqueItems":
        message = f"{value!r} has an item twice; write each once"
    elif kind == "minItems" and not value:
        message = "the list is empty; write one item or more"
    elif kind == "type" and wanted == "array":
        message = f"{value!r} is not a list; write [{value}]"
    elif kind == "type" and wanted == "string" and isinstance(value, int | float):
        message = f"{value!r} is not text in YAML; put it in quotes"
    elif kind == "oneOf":
        message = f"{value!r} is neither a whole number from 1 to 1,000,000,000 nor 'episode'"
    elif kind == "type" and wanted == "object" and "steps" in error.schema.get("properties", {}):
        message = f"write a width in environment steps, {{steps: NUMBER}}, in place of {value!r}"
    elif kind == "type" and wanted == "object":
        message = f"{value!r} is not a mapping; write `key: value` lines below it"
    elif kind == "pattern":
        message = f"{value!r} is not allowed"
    meaning = " ".join(error.schema.get("description", "").split()).split(". ")[0].rstrip(".")
    return message + (f" ({meaning})" if meaning else "")


def _find_wrong_key(error: ValidationError) -> tuple[str, ...]:
    """The key below the error's path that is wrong, where a key and not its value is."""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        return (next(key for key in error.instance if key not in known),)
    return (error.instance,) if "propertyNames" in error.absolute_schema_path else ()


def _explain_number(value: Any) -> str | None:
    """Why a value is not a number, and how YAML reads it as one; None where that does not help."""
    try:
        number = float(value) if isinstance(value, str | float) else None
    except ValueError:
        return None
    if number is None:
        return None
    if not math.isfinite(number):
        return f"{value} is not a finite number"
    if isinstance(value, float):
        return None
    decimal = str(int(number)) if number.is_integer() else repr(number)
    if "." not in decimal:
        decimal = decimal.replace("e", ".0e")  # 1e-10 would again be text
    return f"{value!r} is text in YAML; write it as a decimal, {decimal}"
