"""Experiments: read from config.yaml, checked by its schema, resolved to one frozen record each."""

import dataclasses
import difflib
import functools
import hashlib
import json
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from ddpg.errors import UserError

SCHEMA = Path(__file__).parent.parent / "workflow" / "schemas" / "config.schema.yaml"


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
        """What determines a run's bytes besides its seed: every field but `name` and `seeds`."""
        values = dataclasses.asdict(self)
        del values["name"], values["seeds"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def digest(self) -> str:
        """SHA-256 of the hyperparameters: equal digests and seeds mean equal runs."""
        canonical = json.dumps(self.hyperparameters(), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def record(self, seed: int) -> dict:
        """A run's config.json; `exp_name` is what Spinning Up's plotting looks for."""
        return dict(sorted({"exp_name": self.name, "seed": seed, **self.hyperparameters()}.items()))


def read(*paths: Path | str) -> dict:
    """Read configuration files, later ones overriding earlier ones key by key, and check them.

    Raises UserError with one line for a file that is missing, no YAML, or against the schema.
    """
    config: dict = {}
    for path in paths:
        config = merge(config, _load_yaml(path))
    check(config, where=str(paths[-1]))
    return config


def merge(base: dict, override: dict) -> dict:
    """The mapping `base` with `override` written over it, mappings within them likewise."""
    merged = dict(base)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def check(config: dict, where: str = "config.yaml") -> None:
    """Check a whole configuration, and each experiment with the defaults filled in."""
    _validate(config, _schema(), where)
    for name in config["experiments"]:
        experiment(config, name, where=where)
    headline = config.get("headline")
    if headline is not None and headline not in config.get("comparisons", {}):
        raise UserError(
            f"{where}: headline: no comparison {headline!r}"
            + _hint(headline, config.get("comparisons", {}))
        )
    for comparison, value in config.get("comparisons", {}).items():
        for name in value["experiments"]:
            if name not in config["experiments"]:
                raise UserError(
                    f"{where}: comparisons.{comparison}.experiments: no experiment {name!r}"
                    + _hint(name, config["experiments"])
                )


def experiment(
    config: dict, name: str, overrides: dict | None = None, where: str = "config.yaml"
) -> Experiment:
    """The experiment `name`: defaults, then its own keys, then `overrides`.

    Raises UserError for an unknown name, a missing key, or a value against the schema.
    """
    if name not in config["experiments"]:
        known = ", ".join(config["experiments"])
        raise UserError(
            f"{where}: no experiment {name!r}{_hint(name, config['experiments'])}; "
            f"there are: {known}"
        )
    own = {**config["defaults"], **config["experiments"][name], **(overrides or {})}
    schema = {**_schema(), "$ref": "#/$defs/experiment"}
    for key in ("required", "properties", "additionalProperties"):
        del schema[key]
    _validate(own, schema, where, prefix=f"experiments.{name}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in own.items()}
    for key in ("discount", "polyak", "pi_lr", "q_lr", "act_noise"):
        values[key] = float(values[key])
    return Experiment(name=name, **values)


def recorded(settings: dict, where: str) -> tuple[Experiment, int]:
    """The experiment and the seed of `Experiment.record`, which a run's config.json holds.

    Raises UserError where a key is missing or against the schema.
    """
    own = dict(settings)
    name, seed = own.pop("exp_name", None), own.pop("seed", None)
    if not isinstance(name, str) or not isinstance(seed, int):
        raise UserError(f"{where}: not a config.json of this package (no exp_name or no seed)")
    config = {"defaults": {}, "experiments": {name: {**own, "seeds": [seed]}}}
    return experiment(config, name, where=where), seed


def parse_overrides(assignments: list[str]) -> dict:
    """Turn `KEY=VALUE` texts (values in YAML) into a mapping; UserError where one has no `=`."""
    overrides = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UserError(f"--set {assignment}: write KEY=VALUE, for example epochs=2")
        try:
            overrides[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"--set {assignment}: {value!r} is no YAML value") from None
    return overrides


@functools.cache
def _schema() -> dict:
    return yaml.safe_load(SCHEMA.read_text())


def _load_yaml(path: Path | str) -> dict:
    try:
        loaded = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the configuration with --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise UserError(f"{path}{line}: {problem}") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: not a configuration; it needs `defaults:` and `experiments:`")
    return loaded


def _validate(value: dict, schema: dict, where: str, prefix: str = "") -> None:
    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: list(e.path))
    if errors:
        raise UserError(f"{where}: {_explain(errors[0], prefix)}")


def _explain(error, prefix: str) -> str:
    """One line for a schema error: the place, what is wrong, what the key means."""
    place = ".".join(filter(None, [prefix, *map(str, error.absolute_path)])) or "top level"
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = next(key for key in error.instance if key not in known)
        return f"{place}: unknown key {unknown!r}{_hint(unknown, known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"{place}: {missing!r} is missing"
    message = error.message
    if error.validator == "oneOf":
        message = f"{error.instance!r} is neither a positive whole number nor 'episode'"
    if error.validator == "type" and _is_number(error.instance):
        message = f"{error.instance!r} is text to YAML; write it as a decimal, for example 0.001"
    meaning = " ".join(error.schema.get("description", "").split()).split(". ")[0].rstrip(".")
    return f"{place}: {message}" + (f" ({meaning})" if meaning else "")


def _is_number(value) -> bool:
    try:
        return isinstance(value, str) and float(value) is not None
    except ValueError:
        return False


def _hint(word: str, known) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
