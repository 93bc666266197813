"""A YAML loader that refuses duplicate keys and ambiguous numbers.

PyYAML silently keeps the last of two equal keys, reads the keys `no` and `2018` as a boolean and a
number, and 010 as 8. Here keys are unique text, dates are text, and octal and sexagesimal numbers
are refused.
"""

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

# More values than any configuration has. Nested aliases grow exponentially ("billion laughs").
MAX_VALUES = 1_000_000

# Maximum nesting of [...] and {...}: PyYAML's parsing time is quadratic in it.
MAX_NESTING = 100

MERGE, TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


def load(text: str) -> Any:
    """The value of a YAML text.

    Raises yaml.YAMLError if the text is not YAML, a key appears twice in a mapping or is not a
    scalar, an escape is a surrogate, an integer is octal (010) or sexagesimal (1:30), an alias
    refers to an anchor that contains it, aliases repeat more than MAX_VALUES values, or collections
    are nested too deeply.
    """
    try:
        value = yaml.load(text, Loader=_Loader)
        if _count(value, {}) > MAX_VALUES:
            raise yaml.YAMLError(f"its aliases (*name) repeat more than {MAX_VALUES:,} values")
        return value
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None


def _count(value: Any, known: dict[int, int]) -> int:
    """How many values there are in `value`, each counted as often as it is repeated."""
    if not isinstance(value, list | dict):
        return 1
    if id(value) not in known:
        items = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(item, known) for item in items)
    return known[id(value)]


class _Loader(yaml.SafeLoader):
    def __init__(self, stream: str):
        super().__init__(stream)
        self.unfinished: list[str | None] = []  # anchors whose value is being read

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803  (named by PyYAML)
        if self.flow_level >= MAX_NESTING:
            raise yaml.YAMLError("nested too deeply")
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()
            if alias.anchor in self.unfinished:
                raise _error(f"*{alias.anchor} refers to an anchor that contains it", alias)
        return super().compose_node(parent, index)

    def compose_sequence_node(self, anchor: str | None) -> yaml.Node:
        self.unfinished.append(anchor)
        node = super().compose_sequence_node(anchor)
        self.unfinished.pop()
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.Node:
        """Check and name the keys as they are written, before `<<` adds those of other mappings."""
        self.unfinished.append(anchor)
        node = super().compose_mapping_node(anchor)
        self.unfinished.pop()
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error("a key must be a name", key)
            if key.value in lines:
                first = lines[key.value]
                raise _error(f"the key {key.value!r} appears twice (first in line {first})", key)
            lines[key.value] = key.start_mark.line + 1
            if key.tag != MERGE:
                key.tag = TEXT
        return node

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        """Refuse surrogates, which only escapes can write and which no file can hold."""
        value = super().construct_scalar(node)
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            problem = (
                "an escape from \\ud800 to \\udfff is not a character; write the character itself"
            )
            raise _error(problem, node)
        return value

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """An int or a float; refuses octal and sexagesimal numbers of YAML 1.1."""
        written = self.construct_scalar(node).lstrip("+-").replace("_", "")
        if ":" in written:
            problem = "is a base-60 number in YAML; write a decimal number, or put it in quotes"
            raise _error(f"{node.value} {problem}", node)
        if written.isdigit() and written.startswith("0") and written != "0":
            raise _error(f"{node.value} is octal in YAML; write it without the leading 0", node)
        construct = super().construct_yaml_int
        if node.tag.endswith(":float"):
            construct = super().construct_yaml_float
        try:
            return construct(node)
        except (ValueError, IndexError):  # the latter for `!!int ""`
            raise _error(f"{node.value[:40]!r} cannot be read as a number", node) from None

    def construct_date(self, node: yaml.ScalarNode) -> str:
        """No key of a configuration is a date, so it is meant as text."""
        return self.construct_scalar(node)

    def construct_truth_value(self, node: yaml.ScalarNode) -> bool:
        """A truth value; other text can get here only by its tag, as `!!bool maybe`."""
        try:
            return super().construct_yaml_bool(node)
        except KeyError:
            raise _error(f"{node.value[:40]!r} is neither true nor false", node) from None


_Loader.add_constructor("tag:yaml.org,2002:bool", _Loader.construct_truth_value)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)


def _error(problem: str, where: yaml.Node | yaml.Event) -> ConstructorError:
    return ConstructorError(problem=problem, problem_mark=where.start_mark)
