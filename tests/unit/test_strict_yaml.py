"""Strict YAML: refuses text that YAML would silently drop or read differently than people do."""

import pytest
import yaml

from ddpg import strict_yaml


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 1\n", 3, "the key 'a' appears twice (first in line 1)"),
        ("x: {y: [{a: 1, a: 2}]}", 1, "the key 'a' appears twice (first in line 1)"),
        ("2018: 1\n'2018': 2", 2, "the key '2018' appears twice (first in line 1)"),
        ("x: &x {a: 1}\ny: {<<: *x, <<: *x}", 2, "the key '<<' appears twice (first in line 2)"),
        ("? [a]\n: 1", 1, "a key must be a name"),
        ("x: &x [*x]", 1, "*x refers to an anchor that contains it"),
        ("x: &x {<<: *x}", 1, "*x refers to an anchor that contains it"),
        ("a: 010", 1, "010 is octal in YAML; write it without the leading 0"),
        ("a: [-00]", 1, "-00 is octal in YAML; write it without the leading 0"),
        (
            "a: 1:30",
            1,
            "1:30 is a base-60 number in YAML; write a decimal number, or put it in quotes",
        ),
        ("a: 0x_", 1, "'0x_' cannot be read as a number"),
        ("a: " + "9" * 5000, 1, "'" + "9" * 40 + "' cannot be read as a number"),
        ('a: !!int ""', 1, "'' cannot be read as a number"),
        ('a: !!float "-"', 1, "'-' cannot be read as a number"),
        ("a: !!int [1]", 1, "expected a scalar node, but found sequence"),
        ("a: !!timestamp [1]", 1, "expected a scalar node, but found sequence"),
        ("a:\n  !!bool maybe", 2, "'maybe' is neither true nor false"),
    ],
)
def test_ambiguous_yaml_is_refused_with_its_line(text, line, problem):
    with pytest.raises(yaml.YAMLError) as error:
        strict_yaml.load(text)
    assert (error.value.problem_mark.line + 1, error.value.problem) == (line, problem)


def test_anchors_and_merge_keys_may_be_overridden():
    text = """
    x: &x {a: 1, b: 2}
    y: &y {b: 3, c: 4}
    one: {<<: *x, b: 5}
    both: {<<: [*x, *y], d: 6}
    again: *x
    chain: &z {<<: *x, c: 7}
    end: {<<: *z}
    """
    assert strict_yaml.load(text) == {
        "x": {"a": 1, "b": 2},
        "y": {"b": 3, "c": 4},
        "one": {"a": 1, "b": 5},
        "both": {"a": 1, "b": 2, "c": 4, "d": 6},
        "again": {"a": 1, "b": 2},
        "chain": {"a": 1, "b": 2, "c": 7},
        "end": {"a": 1, "b": 2, "c": 7},
    }


def test_keys_and_dates_stay_text():
    text = "{2018: 2018-01-01, no: no, ~: ~, on: 1_000, 1.50: 0, 2018-01-01: 0.5, =: 1}"
    assert strict_yaml.load(text) == {
        "2018": "2018-01-01", "no": False, "~": None, "on": 1000, "1.50": 0, "2018-01-01": 0.5,
        "=": 1,
    }  # fmt: skip


def test_infinite_nesting_is_refused():
    with pytest.raises(yaml.YAMLError, match="nested too deeply"):
        strict_yaml.load("[" * 5000)
