"""YAML in which nothing that is written gets lost or changes its meaning.

PyYAML keeps the last of two equal keys in silence, reads the names `no` and `2018` as a truth value
and a number, and 010 as 8. Here a key is text and stands once, a date is text, and a number that
people read differently than YAML does is refused.
"""

import yaml
from yaml.constructor import ConstructorError

# More values than any configuration has. Aliases of aliases can make more than a computer can hold.
MOST_VALUES = 1_000_000

# Brackets within brackets; PyYAML's time grows with the square of their number.
DEEPEST = 100

MERGE, TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


def load(text: str):
    """The value of a YAML text.

    Raises yaml.YAMLError if the text is not YAML, a key is there twice in a mapping, an integer is
    octal (010) or sexagesimal (1:30), an alias stands inside its own anchor, or aliases repeat more
    than MOST_VALUES values.
    """
    try:
        value = yaml.load(text, Loader=_Loader)
        if _count(value, {}) > MOST_VALUES:
            raise yaml.YAMLError(f"its aliases (*name) repeat more than {MOST_VALUES:,} values")
        return value
    except RecursionError:
        raise yaml.YAMLError("nested too deep") from None


def _count(value, known: dict[int, int]) -> int:
    """How many values there are in `value`, each counted as often as it is repeated."""
    if not isinstance(value, list | dict):
        return 1
    if id(value) not in known:
        items = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(item, known) for item in items)
    return known[id(value)]


class _Loader(yaml.SafeLoader):
    def __init__(self, stream):
        super().__init__(stream)
        self.unfinished = []  # anchors whose value is being read

    def fetch_flow_collection_start(self, TokenClass):  # noqa: N803  (named by PyYAML)
        if self.flow_level >= DEEPEST:
            raise yaml.YAMLError("nested too deep")
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()
            if alias.anchor in self.unfinished:
                raise _error(f"*{alias.anchor} stands inside its own anchor", alias)
        return super().compose_node(parent, index)

    def compose_sequence_node(self, anchor):
        self.unfinished.append(anchor)
        node = super().compose_sequence_node(anchor)
        self.unfinished.pop()
        return node

    def compose_mapping_node(self, anchor):
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
                raise _error(f"the key {key.value!r} is there twice (first in line {first})", key)
            lines[key.value] = key.start_mark.line + 1
            if key.tag != MERGE:
                key.tag = TEXT
        return node

    def construct_number(self, node):
        """An int or a float; refuses what YAML 1.1 reads otherwise than people do."""
        written = node.value.lstrip("+-").replace("_", "")
        if ":" in written:
            problem = "counts in sixties to YAML; write a decimal, or a text in quotes"
            raise _error(f"{node.value} {problem}", node)
        if written.isdigit() and written.startswith("0") and written != "0":
            raise _error(f"{node.value} is octal to YAML; write it without the leading 0", node)
        construct = super().construct_yaml_int
        if node.tag.endswith(":float"):
            construct = super().construct_yaml_float
        try:
            return construct(node)
        except ValueError:
            raise _error(f"{node.value[:40]} cannot be read as a number", node) from None

    def construct_date(self, node):
        """No key of a configuration is a date, so it is meant as text."""
        return node.value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)


def _error(problem: str, where: yaml.Node | yaml.Event) -> ConstructorError:
    return ConstructorError(problem=problem, problem_mark=where.start_mark)
