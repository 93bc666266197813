"""Render what the documents take from other files of the project; `make docs` calls it.

docs/configuration.md   every key of the configuration, from its schema and config.yaml
docs/api.md             signatures and docstrings of the public functions, from ddpg/api.py
docs/artifact.md        the table of stated numbers, from docs/stated_numbers.csv
docs/results.md         tables, from the runs in results/published and results/reference
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import ddpg  # noqa: E402, F401  (pins NumPy's kernels, before NumPy is imported)

# isort: split
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import yaml  # noqa: E402

from ddpg import api, config  # noqa: E402
from ddpg.analysis import curves  # noqa: E402
from ddpg.analysis.claims import read_claims  # noqa: E402
from ddpg.analysis.comparison import (  # noqa: E402
    PLANNED,
    Comparison,
    tabulate_groups,
    tabulate_pairs,
)
from ddpg.analysis.factorial import tabulate_effects  # noqa: E402
from ddpg.analysis.groups import SeedGroup, measure_final  # noqa: E402
from ddpg.analysis.judging import judge_claims  # noqa: E402
from ddpg.analysis.statistics_report import (  # noqa: E402
    format_intervals,
    make_readable_claims,
    make_readable_effects,
)
from ddpg.analysis.tables import format_markdown, format_number  # noqa: E402
from ddpg.commands.check import read_stated_numbers  # noqa: E402
from ddpg.commands.comparisons import build_comparisons  # noqa: E402
from ddpg.evaluation import evaluate_trained, load_trained  # noqa: E402
from ddpg.files import write_atomically  # noqa: E402
from ddpg.runs.directory import format_seed_directory  # noqa: E402

# The steps that the final returns of runs of one million steps are measured over.
MILLION = "steps 900,000 to 1,000,000"
BEGIN, END = "<!-- {}, rendered by docs/render.py -->", "<!-- end of what is rendered -->"

# The keywords of a schema that `_describe_values` and `_list_keys` put into words, or that only
# name or nest.
_KNOWN = set(
    "$ref type description default minimum maximum exclusiveMinimum minItems "
    "uniqueItems items oneOf const minLength maxLength pattern properties required "
    "additionalProperties propertyNames minProperties maxItems".split()
)
# Where the keys of a definition stand.
_PLACES = {
    "comparison": "The keys of `comparisons.<name>:`.",
    "reference": "The keys of `comparisons.<name>.references.<name>:`.",
}
_NUMBERS = {"integer": "whole number", "number": "number"}


def main() -> None:
    """Write the rendered documents."""
    write_atomically(ROOT / "docs/configuration.md", render_configuration(ROOT).encode())
    write_atomically(ROOT / "docs/api.md", render_api().encode())
    artifact = ROOT / "docs/artifact.md"
    write_atomically(artifact, insert_stated_numbers(artifact.read_text("utf-8"), ROOT).encode())
    results = ROOT / "docs/results.md"
    write_atomically(results, insert_results(results.read_text("utf-8"), ROOT).encode())


def insert_stated_numbers(page: str, root: Path) -> str:
    """The page with its table of stated numbers rendered again."""
    rows = ["| claim | what | value | in the tables |", "| --- | --- | --: | --- |"]
    for n in read_stated_numbers(root / "docs/stated_numbers.csv"):
        where = f"`{n.table}`: {n.comparison}, {n.a}{f' against {n.b}' if n.b else ''}"
        rows.append(f"| {n.claim} | {n.statement} | {n.value} | {where}, `{n.column}` |")
    return _insert(page, rows, "stated numbers")


def insert_results(page: str, root: Path) -> str:
    """The page with its tables of returns, effects and claims rendered again."""
    settings = config.read(root / "config.yaml")
    published = root / "results/published"
    runs = curves.aggregate_runs(published.glob("*/seed_*"))
    comparisons = {c.name: c for c in build_comparisons(settings, runs, root=root)}
    for name, rows in (
        ("HalfCheetah", _tabulate_halfcheetah(comparisons, published)),
        ("the 2x2", _tabulate_two_by_two(comparisons)),
        ("Swimmer", _tabulate_swimmer(comparisons)),
        ("the notes' claims", _tabulate_claims(comparisons, settings, root)),
    ):
        page = _insert(page, rows, name)
    return page


def _tabulate_halfcheetah(comparisons: dict[str, Comparison], published: Path) -> list[str]:
    """Final returns and planned differences of both benchmarks, with the saturation of policies."""
    shown = {"halfcheetah-2018": "2018", "halfcheetah-2020": "2020"}
    groups = _tabulate_groups(comparisons, shown, "last 100,000 steps", published)
    differences = _tabulate_planned(comparisons, shown)
    return _format(groups.drop(columns="environment"), differences)


def _tabulate_two_by_two(comparisons: dict[str, Comparison]) -> list[str]:
    """Final returns of the four cells, and the effects of networks and schedule."""
    name = "networks-or-schedule"
    groups = _tabulate_groups(comparisons, {name: ""}, MILLION)
    effects = make_readable_effects(tabulate_effects([comparisons[name]]))
    if not effects["note"].any():
        del effects["note"]
    names = {"estimate": "estimate, 95 % interval", "detectable": "minimum detectable effect"}
    return _format(
        groups.drop(columns=["settings", "environment"]),
        effects.drop(columns=["comparison", "seeds", "steps"]).rename(columns=names),
    )


def _tabulate_swimmer(comparisons: dict[str, Comparison]) -> list[str]:
    """Final returns of all groups, and the planned differences."""
    groups = _tabulate_groups(comparisons, {"swimmer": ""}, MILLION)
    differences = _tabulate_planned(comparisons, {"swimmer": ""})
    return _format(groups.drop(columns="settings"), differences.drop(columns="settings"))


def _format(*tables: pd.DataFrame) -> list[str]:
    return "\n".join(map(format_markdown, tables)).splitlines()


def _tabulate_groups(
    comparisons: dict[str, Comparison],
    shown: dict[str, str],
    steps: str,
    published: Path | None = None,
) -> pd.DataFrame:
    """The final return of each group of the comparisons in `shown`, which maps to their settings.

    `steps` says in words over which steps it is the mean. With the directory of the `published`
    runs, the saturation of each seed's final policy is added.
    """
    groups = tabulate_groups(comparisons[name] for name in shown)
    heading = "each seed, in ascending order of the return"
    if published:
        heading += " (share of saturated action components)"
    return pd.DataFrame(
        {
            f"mean return over the {steps}": groups["label"],
            "environment": groups["env"],
            "settings": groups["comparison"].map(shown),
            "seeds": groups["seeds"],
            "mean": groups["mean"],
            "standard deviation": groups["sd"],
            heading: [
                _list_final_returns(comparisons[row.comparison], row.group, published)
                for row in groups.itertuples()
            ],
        }
    )


def _tabulate_planned(comparisons: dict[str, Comparison], shown: dict[str, str]) -> pd.DataFrame:
    """The planned differences of the comparisons in `shown`, which maps to their settings."""
    # Of all comparisons, because p-values are adjusted for all tests.
    pairs = tabulate_pairs(comparisons.values())
    pairs = pairs[pairs["comparison"].isin(shown) & (pairs["planned"] == PLANNED)]
    return pd.DataFrame(
        {
            "this package minus": [
                _get_label(comparisons, row.comparison, row.b) for row in pairs.itertuples()
            ],
            "settings": pairs["comparison"].map(shown),
            "seeds": pairs["seeds_a"].astype(str) + " and " + pairs["seeds_b"].astype(str),
            "difference, 95 % interval": format_intervals(pairs, "difference"),
            "p": pairs["welch_p"],
            "adjusted p": pairs["welch_p_adjusted"],
            "minimum detectable effect": pairs["detectable_difference"],
        }
    )


def _tabulate_claims(
    comparisons: dict[str, Comparison], settings: config.Settings, root: Path
) -> list[str]:
    """Each statement of the notes, what was measured, and the verdict."""
    claims = judge_claims(read_claims(settings, root), comparisons.values())
    table = make_readable_claims(claims)
    table["group"] = [
        _get_label(comparisons, row.comparison, row.group) for row in claims.itertuples()
    ]
    return format_markdown(table).splitlines()


def _get_label(comparisons: dict[str, Comparison], name: str, group: str) -> str:
    found = comparisons[name].find_group(group)
    assert found is not None  # the tables hold groups of the comparisons only
    return found.label


def _list_final_returns(comparison: Comparison, name: str, published: Path | None) -> str:
    """Final return of each seed of an experiment, ascending. Nothing of another group.

    With `published`, too, the saturation of the seed's final policy over one episode.
    """
    group = comparison.find_group(name)
    if not (isinstance(group, SeedGroup) and group.ours and group.seeds):
        return ""
    final = measure_final(group, comparison.final)
    assert final is not None  # it has seeds
    seeds = []
    for value, seed in sorted(zip(final.values, np.unique(group.runs["seed"]), strict=True)):
        saturated = ""
        if published:
            policy = load_trained(published / name / format_seed_directory(seed))
            saturation = evaluate_trained(policy, episodes=1, seed=0).saturation
            saturated = f" ({100 * saturation:.0f} %)"
        seeds.append(format_number(value) + saturated)
    return ", ".join(seeds)


def _insert(page: str, rows: list[str], name: str) -> str:
    """The page with `rows` between its lines BEGIN and END; ValueError where it has none.

    BEGIN holds the `name` of what is inserted.
    """
    begin = BEGIN.format(name)
    before, found, rest = page.partition(begin)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise ValueError(f"the page has no lines {begin} and {END}")
    return "\n".join([before + begin, "", *rows, "", END + after])


_API_INTRODUCTION = """\
# The public Python functions

`ddpg.api` reads, compares and plots runs and evaluates their policies, without TensorFlow. Names
and arguments do not change between 0.2.x releases; what is not here may change.
[published_runs.ipynb](published_runs.ipynb) uses them on the published runs.

This page is rendered from the docstrings of [ddpg/api.py](../ddpg/api.py) by `make docs`. (B, n) is
the shape of an array; B is any number of rows. Run Python in the project's directory, or put that
directory into `PYTHONPATH`.

```python
from pathlib import Path
from ddpg import api

published = Path("results/published")
here = api.read_runs(published.glob("spinup-exercise-2-2/seed_*"))
there = api.read_table("results/reference/spinup_pytorch_exercise_2_2_rerun.csv")
print(api.compare({"here": here, "Spinning Up": there}, final_steps=10_000).T)
```"""


def render_api() -> str:
    """docs/api.md: signature and docstring of each public function."""
    parts = [_API_INTRODUCTION]
    functions = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]
    for name in functions:
        function = getattr(api, name)
        parts += [f"## `{name}`", _format_signature(name, function), _format_docstring(function)]
    parts += [
        "## `Policy`",
        _format_docstring(api.Policy),
        _format_signature("policy", api.Policy.__call__, skip=1),
        _format_docstring(api.Policy.__call__),
        "## `UserError`",
        _format_docstring(api.UserError),
    ]
    return "\n\n".join(parts) + "\n"


def _format_signature(name: str, function: Callable, skip: int = 0) -> str:
    signature = inspect.signature(function)
    arguments = list(signature.parameters.values())[skip:]
    lines = [f"    {argument}," for argument in arguments]
    text = "\n".join([f"{name}(", *lines, f") -> {_format_type(signature.return_annotation)}"])
    text = re.sub(r"(pathlib(\._local)?|collections\.abc|pandas|numpy)\.", "", text)
    return f"```python\n{text}\n```"


def _format_type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _format_docstring(documented: Callable) -> str:
    return inspect.cleandoc(documented.__doc__ or "")


def render_configuration(root: Path) -> str:
    """docs/configuration.md: what each key of the configuration means and may be."""
    schema = yaml.safe_load((root / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
    shared = yaml.safe_load((root / "config.yaml").read_text("utf-8"))["defaults"]
    definitions = schema["$defs"]
    parts = [
        "# Every key of the configuration",
        "Rendered from [the schema](../workflow/schemas/config.schema.yaml) by `make docs`; "
        "[config.yaml](../config.yaml) is the example. A key that is not here is refused, and so "
        "is a value that is not among those given. What a file leaves out comes from the files "
        "before it: `--configfile mine.yaml` (Snakemake) and `--config config.yaml mine.yaml` "
        "(`python -m ddpg`) merge yours over config.yaml, key by key. So your file can "
        "add keys and change values, but not remove a key. To leave out experiments or comparisons "
        "of config.yaml, write a whole configuration and add `--replace-workflow-config` "
        "(Snakemake) or give it alone (`--config mine.yaml`).",
        "## The file",
        _format_table(_list_keys(schema, definitions)),
        "## An experiment",
        "The keys of `defaults:`, of each experiment under `experiments:`, and of `smoke:`. An "
        "experiment's own key wins over `defaults:`. Together they must give every key.",
        _format_table(_list_keys(definitions["hyperparameters"], definitions), shared=shared),
    ]
    for name, definition in definitions.items():
        if "properties" in definition and name != "hyperparameters":
            parts += [
                f"## {'An' if name[0] in 'aeiou' else 'A'} {name.replace('_', ' ')}",
                " ".join(
                    filter(None, (_format_sentence(definition["description"]), _PLACES.get(name)))
                ),
                _format_table(_list_keys(definition, definitions)),
            ]
    return "\n\n".join(parts) + "\n"


def _list_keys(
    schema: dict, definitions: dict, prefix: str = ""
) -> Iterator[tuple[str, dict, bool]]:
    """(dotted key, its schema with references resolved, whether it is required) of an object.

    What a `$ref` names has a section of its own.
    """
    for key, own in schema["properties"].items():
        value = _resolve(own, definitions)
        if unknown := value.keys() - _KNOWN:
            raise ValueError(f"{prefix}{key}: docs/render.py has no words for {sorted(unknown)}")
        yield f"{prefix}{key}", value, key in schema.get("required", ())
        if "properties" in own:
            yield from _list_keys(own, definitions, f"{prefix}{key}.")


def _resolve(schema: dict, definitions: dict) -> dict:
    """The schema, and that of its items, with what their `$ref` name; its own keywords win."""
    if "items" in schema:
        schema = {**schema, "items": _resolve(schema["items"], definitions)}
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    return {**_resolve(definitions[name], definitions), **schema}


def _format_table(keys: Iterator, shared: dict | None = None) -> str:
    last = "in `defaults:`" if shared is not None else "if left out"
    rows = [f"| key | values | {last} | meaning |", "| --- | --- | --- | --- |"]
    for key, schema, required in keys:
        default = schema.get("default", "") if shared is None else shared.get(key, "")
        cell = f"`{_format_yaml(default)}`" if default != "" else ""
        meaning = _format_sentence(schema.get("description", ""))
        cell = "required" if required else cell
        rows.append(f"| `{key}` | {_describe_values(schema)} | {cell} | {meaning} |")
    return "\n".join(rows)


def _format_yaml(value: Any) -> str:
    """A value as it stands in YAML."""
    text = yaml.safe_dump(value, default_flow_style=True).strip()
    return text.removesuffix("\n...").strip()


def _describe_values(schema: dict) -> str:
    """What a key may be, in words."""
    if "oneOf" in schema:
        return " or ".join(map(_describe_values, schema["oneOf"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema["type"]
    if kind in _NUMBERS:
        return f"{_NUMBERS[kind]}{_format_range(schema)}"
    if kind == "array":
        different = "different " if schema.get("uniqueItems") else ""
        number = f"{schema['maxItems']} " if "maxItems" in schema else ""
        items = re.sub(
            "number|text|mapping|list", r"\g<0>s", _describe_values(schema["items"]), count=1
        )
        return f"list of {number}{different}{items}"
    return {"string": "text", "boolean": "`true` or `false`", "object": "mapping"}[kind]


def _format_range(schema: dict) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None:
        return ""
    return f", {_format_number(low)} to {_format_number(high)}"


def _format_number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _format_sentence(text: str) -> str:
    """The text on one line, safe in a table, with a full stop."""
    text = re.sub(r"\s+", " ", text).strip().replace("|", r"\|")
    return f"{text}." if text and not text.endswith(".") else text


if __name__ == "__main__":
    main()
