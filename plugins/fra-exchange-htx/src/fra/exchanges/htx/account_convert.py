"""What HTX's three families of account answers have in common on their way to fra's models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Final, NamedTuple

from fra.core import (
    Balance,
    FundingPayment,
    KeyPermissions,
    MarginMode,
    OrderType,
    PositionSide,
    Symbol,
    TimeInForce,
)
from fra.exchanges.htx import account_wire as wire

_DAY_MS: Final = 86_400_000
_QUOTIENT: Final = Context(prec=28)
NOTHING: Final = Decimal(0)


class Terms(NamedTuple):
    """Type, time in force and post-only of one of HTX's order types."""

    type: OrderType
    time_in_force: TimeInForce | None = None
    post_only: bool | None = False


POSITION_SIDES: Final[Mapping[str, PositionSide]] = {
    "long": PositionSide.LONG,
    "short": PositionSide.SHORT,
    "both": PositionSide.NET,
}
MARGIN_MODES: Final[Mapping[str, MarginMode]] = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
MAKERS: Final[Mapping[str, bool]] = {"maker": True, "taker": False}
FUNDING_TYPES: Final = "30,31"
"""Financial records of funding: received and paid."""


def id_text(value: str | int | None) -> str | None:
    """An id as text, None for nothing."""
    return None if value is None or value in ("", "0", 0) else str(value)


def number(text: str | None) -> Decimal | None:
    """A Decimal, None for nothing and ``''``."""
    return Decimal(text) if text else None


def average(worth: Decimal | None, filled: Decimal) -> Decimal | None:
    """The price paid for each unit; ``None`` when nothing filled."""
    return _QUOTIENT.divide(worth, filled) if worth and filled else None


def price_or_none(value: Decimal | None) -> Decimal | None:
    """A price; zero and below are none."""
    return value if value is not None and value > 0 else None


def funding_payment(row: wire.Record, symbol: Symbol) -> FundingPayment:
    """One settlement: positive when received, as HTX signs it."""
    at = row.created_time or row.ts
    assert at is not None
    return FundingPayment(
        symbol=symbol.name,
        amount=row.amount,
        asset=row.currency or row.asset,
        timestamp_ms=at,
        id=id_text(row.id) or id_text(row.query_id),
    )


def held(rows: Iterable[Balance]) -> list[Balance]:
    """Without those that are zero everywhere."""
    return [row for row in rows if row.total or row.free]


def key_permissions(row: wire.ApiKey, *, now_ms: int) -> KeyPermissions:
    """HTX counts the days that are left, so that the end of a key is known to the day."""
    rights = tuple(filter(None, row.permission.split(",")))
    return KeyPermissions(
        read="readOnly" in rights,
        trade="trade" in rights,
        withdraw="withdraw" in rights,
        ip_restricted=bool(row.ipAddresses),
        expires_ms=None if row.validDays < 0 else now_ms + row.validDays * _DAY_MS,
        rights=rights,
    )
