"""JSON as text that may be written again: numbers stay as they were spelt, and of two fields of one name both count."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

Value = object
"""A text, a :class:`Number`, a bool, None, a list, or :class:`Fields`."""


class Number(str):
    """A number, as it was spelt."""

    __slots__ = ()


class Fields(list[tuple[str, Value]]):
    """An object: its fields in order."""

    __slots__ = ()


LOOSE: Final = re.compile(
    r'(?P<head>(?P<quote>\\*")(?P<name>[^"\\]+)(?P=quote)\s*:\s*)'
    r'(?P<value>(?P=quote)[^"\\]*(?P=quote)|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
)
"""A field in a text that is no JSON as a whole: cut off, or with something around it."""


def parse(text: str) -> list[Value] | Fields | None:
    """The object or array that ``text`` is, None for anything else."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        parsed: list[Value] | Fields = json.loads(
            text, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=Fields
        )
    except (ValueError, RecursionError):
        return None
    return parsed


def dump(value: Value) -> str:
    """A value as JSON."""
    if isinstance(value, Fields):
        return "{" + ", ".join(f"{dump(name)}: {dump(item)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def rewrite(value: Value, change: Callable[[str, Value], Value], name: str = "") -> Value:
    """``value`` with each scalar replaced by what ``change`` makes of it and of the name of the field around it."""
    if isinstance(value, Fields):
        return Fields((key, rewrite(item, change, key)) for key, item in value)
    if isinstance(value, list):
        return [rewrite(item, change, name) for item in value]
    return change(name, value)
