"""Bitfinex's orders, own trades and positions, of the rows as it sends them: lists without names, by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fra.adapters.ccxt import number
from fra.adapters.ccxt.convert import Raw, moment
from fra.core import OrderStatus

REDUCE_ONLY: Final = 1024
POST_ONLY: Final = 4096

_CID, _CREATED, _UPDATED, _TYPE, _FLAGS, _STATUS = 2, 4, 5, 8, 12, 13
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "LIMIT": ("limit", "GTC"),
    "MARKET": ("market", ""),
    "IOC": ("limit", "IOC"),
    "FOK": ("limit", "FOK"),
}
_FEE, _FEE_ASSET, _TRADE_CID = 9, 10, 11
_AMOUNT = 2


def status(raw: Raw) -> OrderStatus | None:
    """Where an order stands, of Bitfinex's own words ("Order Status"); None without them."""
    words = str(_at(raw, _STATUS) or "")
    filled = number(raw.get("filled"))
    if words.startswith(("ACTIVE", "PARTIALLY FILLED")):
        return OrderStatus.OPEN
    if words.startswith("EXECUTED"):
        return OrderStatus.FILLED
    if words.startswith("POSTONLY CANCELED"):
        return OrderStatus.EXPIRED
    if words.startswith(("CANCELED", "IOC CANCELED", "FILLORKILL CANCELED")):
        return OrderStatus.CANCELED
    if words.startswith(("INSUFFICIENT", "RSN_")):
        return OrderStatus.CANCELED if filled else OrderStatus.REJECTED
    return OrderStatus.UNKNOWN if words else None


def reason(raw: Raw) -> str | None:
    """Why an order ended, where Bitfinex says so."""
    words = str(_at(raw, _STATUS) or "")
    told = words.startswith(("POSTONLY", "IOC", "FILLORKILL", "INSUFFICIENT", "RSN_"))
    return words.partition(" was: ")[0].partition(" @ ")[0] if told else None


def order(raw: Raw) -> dict[str, Any]:
    """One of ccxt's orders with what its row says; ccxt reads the client order id of streamed ones from another place,
    and takes the last change for the beginning.
    """
    made = dict(raw)
    kind = _KINDS.get(str(_at(raw, _TYPE) or "").removeprefix("EXCHANGE "))
    if kind is not None:
        made["type"], made["timeInForce"] = kind
    made["clientOrderId"] = _at(raw, _CID)
    made["timestamp"], made["lastUpdateTimestamp"] = moment(_at(raw, _CREATED)), moment(_at(raw, _UPDATED))
    flags = number(_at(raw, _FLAGS))
    if flags is not None:
        made["postOnly"], made["reduceOnly"] = bool(int(flags) & POST_ONLY), bool(int(flags) & REDUCE_ONLY)
    return made


def fill(raw: Raw) -> dict[str, Any]:
    """One of ccxt's own trades with the fee as we count it: Bitfinex's is negative when paid, streamed or not."""
    fee = number(_at(raw, _FEE))
    made = {**raw, "clientOrderId": _at(raw, _TRADE_CID)}
    if fee is not None:
        made["fee"] = {**(raw.get("fee") or {}), "cost": -fee}
    return made


def position(raw: Raw) -> dict[str, Any]:
    """One of ccxt's positions with its amount, which ccxt leaves out; its sign is the side."""
    amount = number(_at(raw, _AMOUNT))
    side = None if not amount else "long" if amount > 0 else "short"
    return {**raw, "contracts": None if amount is None else abs(amount), "side": side, "hedged": False}


def _at(raw: Raw, place: int) -> Any:
    row = raw.get("info")
    return row[place] if isinstance(row, Sequence) and not isinstance(row, str) and len(row) > place else None
