"""MEXC's contract orders, whose numbers ccxt takes for those of spot orders (futures, "Get Order by order id")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fra.adapters.ccxt.convert import Raw
from fra.core import OrderRequest, OrderType, PositionSide, TimeInForce

SIDES: Final[Mapping[str, tuple[str, PositionSide, bool]]] = {
    "1": ("buy", PositionSide.LONG, False),
    "2": ("buy", PositionSide.SHORT, True),
    "3": ("sell", PositionSide.SHORT, False),
    "4": ("sell", PositionSide.LONG, True),
}
"""``side`` → buy or sell, the position it is for, whether it closes."""

TYPES: Final[Mapping[str, tuple[str, str | None, bool]]] = {
    "1": ("limit", "GTC", False),
    "2": ("limit", "GTC", True),
    "3": ("limit", "IOC", False),
    "4": ("limit", "FOK", False),
    "5": ("market", None, False),
    "6": ("market", None, False),
}
"""``orderType`` → type, time in force, post-only."""

HEDGED: Final = "1"
INVALID: Final = "5"
"""``state`` of an order that MEXC did not take."""

_FORCES: Final = {TimeInForce.IOC: 3, TimeInForce.FOK: 4}
_POST_ONLY: Final = 2
_MARKET: Final = 5


def type_number(request: OrderRequest) -> int | None:
    """The ``type`` of a contract order where it is not the plain limit order that ccxt would make of it."""
    if request.type is OrderType.MARKET:
        return _MARKET
    return _POST_ONLY if request.post_only else _FORCES.get(request.time_in_force)


def side_number(request: OrderRequest) -> int:
    """The ``side`` of a contract order that closes."""
    return 2 if request.side.value == "buy" else 4


def contract_order(raw: Raw) -> dict[str, Any]:
    """One of ccxt's contract orders with what MEXC's row says."""
    row = raw.get("info") or {}
    made = dict(raw)
    if (told := SIDES.get(str(row.get("side")))) is not None:
        made["side"], _, made["reduceOnly"] = told
    if (kind := TYPES.get(str(row.get("orderType")))) is not None:
        made["type"], made["timeInForce"], made["postOnly"] = kind
    made["clientOrderId"] = row.get("externalOid") or raw.get("clientOrderId")
    return made


def position_side(raw: Raw) -> PositionSide | None:
    """LONG or SHORT in hedge mode, NET in one-way mode; None where MEXC does not say the mode."""
    row = raw.get("info") or {}
    told = SIDES.get(str(row.get("side")))
    if told is None or not row.get("positionMode"):
        return None
    return told[1] if str(row["positionMode"]) == HEDGED else PositionSide.NET


def contract_fill(raw: Raw) -> dict[str, Any]:
    """One of ccxt's own trades with the side that MEXC's row says."""
    told = SIDES.get(str((raw.get("info") or {}).get("side")))
    return dict(raw) if told is None else {**raw, "side": told[0]}
