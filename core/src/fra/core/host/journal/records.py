"""Requests and orders as text and back, exactly: money as it was written, never as a binary fraction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeVar

import attrs

from fra.core.contract.account import PositionSide
from fra.core.contract.orders import Order, OrderRequest, OrderStatus, OrderType, TimeInForce
from fra.core.contract.symbol import Side

R = TypeVar("R", Order, OrderRequest)

# How a field is read; what is not here stands in JSON as it is.
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "side": Side,
    "type": OrderType,
    "status": OrderStatus,
    "time_in_force": TimeInForce,
    "position_side": PositionSide,
    "amount": Decimal,
    "quote_amount": Decimal,
    "filled": Decimal,
    "price": Decimal,
    "average_price": Decimal,
    "trigger_price": Decimal,
}


def to_text(record: Order | OrderRequest) -> str:
    """One JSON object; fields that are None are left out."""
    values = ((field.name, getattr(record, field.name)) for field in attrs.fields(type(record)))
    return json.dumps({name: _plain(value) for name, value in values if value is not None}, separators=(",", ":"))


def from_text(cls: type[R], text: str) -> R:
    """What :func:`to_text` was given. Raises ValueError, TypeError or ArithmeticError for a text that is not of it."""
    values: dict[str, Any] = json.loads(text)
    return cls(**{name: _READ[name](value) if name in _READ else value for name, value in values.items()})


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Decimal) else value
