"""How values enter a model: exact numbers, UTC milliseconds, real enum members. Everything else is refused.

A refusal is a TypeError or ValueError whose message says which field, what came and what was expected.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

Number = Decimal | str | int
Moment = int | datetime

# 1973-03-03 in ms; the same figure in seconds is the year 5138. A timestamp below it was given in seconds.
_SMALLEST_MS: Final = 100_000_000_000
_LARGEST_MS: Final = 10_000_000_000_000


def as_decimal(value: Number, field: str = "value") -> Decimal:
    """An exact, finite Decimal from Decimal, str or int; a float is a TypeError."""
    if type(value) is Decimal:
        number = value
    elif isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise ValueError(f"{field} must be a number, not {value!r}") from None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(value)
    elif isinstance(value, float):
        raise TypeError(f"{field} must be a Decimal or str, not the float {value!r}: a float cannot hold money exactly")
    else:
        raise TypeError(f"{field} must be a Decimal or str, not {type(value).__name__}")
    if not number.is_finite():
        raise ValueError(f"{field} must be finite, not {number}")
    return number


def as_timestamp_ms(value: Moment, field: str = "timestamp_ms") -> int:
    """UTC milliseconds since 1970 from an int or an *aware* datetime; naive datetimes and seconds are refused."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(
                f"{field} must be an aware datetime, not the naive {value!r}: "
                "say datetime(..., tzinfo=UTC) or give milliseconds"
            )
        delta = value - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} must be int milliseconds or an aware datetime, not {type(value).__name__} {value!r}")
    if value < _SMALLEST_MS:
        raise ValueError(f"{field} must be in milliseconds; {value} looks like seconds")
    if value >= _LARGEST_MS:
        raise ValueError(f"{field} must be in milliseconds; {value} looks like microseconds or nanoseconds")
    return value


def as_datetime(timestamp_ms: int) -> datetime:
    """The aware UTC datetime of UTC milliseconds."""
    seconds, milliseconds = divmod(timestamp_ms, 1000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=milliseconds * 1000)


# --- validators of attrs fields: they never convert, they refuse ---------------------------------------------------


def decimal(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """A finite Decimal; the message for a float says why."""
    if type(value) is not Decimal:
        raise TypeError(_not_decimal(instance, field, value))
    if not value.is_finite():
        raise ValueError(f"{_name(instance, field)} must be finite, not {value}")


def decimal_or_none(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """A finite Decimal, or None for unknown."""
    if value is not None:
        decimal(instance, field, value)


# The next three look first and call only to refuse: venues list thousands of symbols, with six of these fields each.


def positive(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """A Decimal above zero."""
    if not (type(value) is Decimal and value.is_finite() and value > 0):
        decimal(instance, field, value)
        raise ValueError(f"{_name(instance, field)} must be above zero, not {value}")


def positive_or_none(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """A Decimal above zero, or None for unknown."""
    if value is not None and not (type(value) is Decimal and value.is_finite() and value > 0):
        positive(instance, field, value)


def not_negative(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """A Decimal of zero or more."""
    if not (type(value) is Decimal and value.is_finite() and value >= 0):
        decimal(instance, field, value)
        raise ValueError(f"{_name(instance, field)} must not be negative, not {value}")


def timestamp(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """UTC milliseconds as int; datetimes are refused with the way to convert them."""
    if type(value) is int and _SMALLEST_MS <= value < _LARGEST_MS:
        return
    name = _name(instance, field)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(f"{name} must be int UTC milliseconds, not the naive datetime {value!r}")
        raise TypeError(f"{name} must be int UTC milliseconds: as_timestamp_ms(...) makes them from {value!r}")
    as_timestamp_ms(value, name)  # type: ignore[arg-type]


def timestamp_or_none(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """UTC milliseconds as int, or None for unknown."""
    if value is not None:
        timestamp(instance, field, value)


def text(instance: object, field: attrs.Attribute[Any], value: object) -> None:
    """A str that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"{_name(instance, field)} must be str, not {type(value).__name__} {value!r}")
    if not value:
        raise ValueError(f"{_name(instance, field)} is empty")


def member(kind: type[enum.Enum], *, optional: bool = False) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """A member of the enum ``kind``; its bare value is refused, with the members listed."""

    def check(instance: object, field: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, kind) or (optional and value is None):
            return
        names = ", ".join(f"{kind.__name__}.{item.name}" for item in kind)
        raise TypeError(f"{_name(instance, field)} must be one of {names}, not {value!r}")

    return check


def _name(instance: object, field: attrs.Attribute[Any]) -> str:
    return f"{type(instance).__name__}.{field.name}"


def _not_decimal(instance: object, field: attrs.Attribute[Any], value: object) -> str:
    name = _name(instance, field)
    if isinstance(value, float):
        return f"{name} must be a Decimal, not the float {value!r}: a float cannot hold money exactly"
    return f"{name} must be a Decimal, not {type(value).__name__} {value!r}"
