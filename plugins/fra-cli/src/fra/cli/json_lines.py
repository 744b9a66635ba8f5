"""Machine-readable output: one JSON object a line, with the version of its schema; decimals are strings."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import attrs

from fra.core import FraError


def dumps(schema: str, **fields: object) -> str:
    """One line. ``schema`` is ``name/version``; the version rises when a field changes its meaning or goes."""
    return json.dumps({"schema": f"fra.{schema}", **plain(fields)}, ensure_ascii=False, separators=(",", ":"))


def write(schema: str, **fields: object) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(dumps(schema, **fields) + "\n")
    sys.stdout.flush()


def error_fields(error: FraError, *, exchange: str | None = None) -> dict[str, object]:
    """An error as data: its class, what happened, and what to do."""
    return {
        "exchange": exchange or getattr(error, "exchange", None),
        "error": type(error).__name__,
        "message": error.message,
        "code": getattr(error, "code", None),
        "cure": error.cure,
    }


def plain(value: object) -> dict[str, object]:
    """``value`` (a mapping or an attrs object) as JSON types."""
    made = _plain(value)
    if not isinstance(made, dict):
        raise TypeError(f"{type(value).__name__} is no object of fields")
    return made


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, FraError):
        return error_fields(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    kind: type = type(value)
    if attrs.has(kind):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(kind)}
    if isinstance(value, Sequence | frozenset | set):
        return [_plain(item) for item in value]
    return str(value)
