"""JSON to frozen dataclasses and back, by the types of their fields.

A field may be text, a number, a truth value, a datetime, another dataclass, `X | None`,
`tuple[X, ...]`, `dict[str, X]`, or `Any` for a value that is taken as it is.
"""

import dataclasses
import math
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ddpg.errors import UserError
from ddpg.files import read_json

T = TypeVar("T")

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def read_dataclass(cls: type[T], path: Path, name: str) -> T:
    """The JSON file `path` as the dataclass `cls`; UserError with one line if it is not one.

    `name` is the name that this package gives to such a file.
    """
    try:
        return from_json(cls, read_json(path))
    except ValueError as error:
        raise UserError(f"{path}: not a {name} of this package: {error}") from None


def from_json(kind: Any, value: Any, key: str = "") -> Any:
    """`value`, as `json.loads` returns it, as an instance of `kind`.

    Keys that a dataclass does not have are ignored: a later version of this package may write
    more. Raises ValueError with one line that names the key, dotted, and what is wrong with it.
    """
    if dataclasses.is_dataclass(kind):
        return _record(kind, _check_type(dict, "an object", value, key), key)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:  # X | None
        return None if value is None else from_json(arguments[0], value, key)
    if origin is tuple:  # tuple[X, ...]
        items = _check_type(list, "a list", value, key)
        return tuple(from_json(arguments[0], item, f"{key}[{i}]") for i, item in enumerate(items))
    if origin is dict:  # dict[str, X]
        items = _check_type(dict, "an object", value, key).items()
        return {name: from_json(arguments[1], item, _join(key, name)) for name, item in items}
    if kind is datetime:
        return _parse_time(value, key)
    if kind is float:
        return _parse_number(value, key)
    if kind is int:
        return _parse_whole_number(value, key)
    return value if kind is Any else _check_type(kind, _NAMES[kind], value, key)


def to_json(value: Any) -> Any:
    """A JSON value from which `from_json` restores the instance."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _record(kind: Any, values: dict, key: str) -> Any:
    hints, found = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        if field.name in values:
            name = _join(key, field.name)
            found[field.name] = from_json(hints[field.name], values[field.name], name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{_join(key, field.name)} is missing")
    return kind(**found)


def _parse_time(value: Any, key: str) -> datetime:
    try:
        return datetime.fromisoformat(_check_type(str, "a time", value, key))
    except ValueError:
        raise ValueError(f"{key} is {_shorten(value)}, not a time as 2026-01-31T12:00:00") from None


def _parse_number(value: Any, key: str) -> float:
    """A finite float; JSON of Python may also hold NaN, Infinity and integers beyond floats."""
    if type(value) is not int:
        _check_type(float, _NAMES[float], value, key)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{key} is {_shorten(value)}, not a finite number")
    return number


def _parse_whole_number(value: Any, key: str) -> int:
    """An integer of 64 bits: JSON allows any, and floats and arrays cannot hold a larger one."""
    number = _check_type(int, _NAMES[int], value, key)
    if abs(number) >= 2**63:
        raise ValueError(f"{key} is {_shorten(value)}, beyond 64 bits")
    return number


def _check_type(kind: type, name: str, value: Any, key: str) -> Any:
    if type(value) is not kind:  # not isinstance: true is not a number
        raise ValueError(f"{key or 'the file'} is {_shorten(value)}, not {name}")
    return value


def _shorten(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = "nothing (null)" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
