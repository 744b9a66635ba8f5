"""ccxt's recorded Bybit cases, and a small Bybit that lists ccxt's markets and answers with what a case recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from bybit_server import BybitServer

from fra.core import OrderRequest, OrderType, PositionSide, Side, TimeInForce

ABSENT = pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data")


class Excluded(Exception):
    """A case has no counterpart here; the text is the name of the rule that says why."""


@cache
def fixtures(kind: str) -> Any:
    """``ccxt/<kind>/bybit.json``; empty where the variable is not set."""
    folder = os.environ.get("FRA_FIXTURES")
    if not folder:
        return {}
    with (Path(folder) / "ccxt" / kind / "bybit.json").open() as opened:
        return json.load(opened, parse_float=Decimal)


def cases(kind: str, *methods: str) -> list[Any]:
    """A parameter pair (method, case) for each case that is not disabled, of these methods or of all."""
    found = [
        pytest.param(method, case, id=f"{method}-{case['description']}-{number}")
        for method, of_method in fixtures(kind).get("methods", {}).items()
        if not methods or method in methods
        for number, case in enumerate(of_method)
        if not case.get("disabled")
    ]
    return found or [pytest.param("", None, marks=ABSENT, id="none")]


def listing() -> dict[str, list[dict[str, Any]]]:
    """The raw instruments of ccxt's markets, by category."""
    found: dict[str, list[dict[str, Any]]] = {"spot": [], "linear": [], "inverse": []}
    for market in fixtures("markets").values():
        if not market["option"]:
            found["spot" if market["spot"] else market["subType"]].append(market["info"])
    return found


def server(answers: Mapping[str, Any]) -> BybitServer:
    """A small Bybit with ccxt's markets."""
    return BybitServer(answers, listing=listing())


def at(arguments: Sequence[Any], place: int) -> Any:
    """An argument of a case, None where it is missing."""
    return arguments[place] if len(arguments) > place else None


def order_request(arguments: Sequence[Any]) -> OrderRequest:
    """ccxt's createOrder(symbol, type, side, amount, price, params) as a request of ours. Raises Excluded."""
    symbol, kind, side, amount = arguments[:4]
    price, params = at(arguments, 4), dict(at(arguments, 5) or {})
    spot = ":" not in symbol
    if side == "sample" or params.pop("tradingStopEndpoint", None):
        raise Excluded("position stops")
    if {"takeProfit", "stopLoss"} & params.keys():
        raise Excluded("attached stops")
    fields: dict[str, Any] = {"amount": Decimal(str(amount)), "type": OrderType(kind)}
    if kind == "market":
        if spot and price is not None:
            # ccxt's price of a spot market order makes a cost of it.
            fields |= {"amount": None, "quote_amount": Decimal(str(amount)) * Decimal(str(price))}
        price = None
    if spot and kind == "market" and (cost := params.pop("cost", None)) is not None:
        fields |= {"amount": None, "quote_amount": Decimal(str(cost))}
    trigger = params.pop("triggerPrice", None)
    if trigger is not None:
        below = params.pop("triggerDirection", None) in ("below", "descending", 2)
        stop = (side == "sell") is below
        fields |= {"type": OrderType.STOP if stop else OrderType.TAKE_PROFIT, "trigger_price": Decimal(str(trigger))}
    for name, of in (("stopLossPrice", OrderType.STOP), ("takeProfitPrice", OrderType.TAKE_PROFIT)):
        if (trigger := params.pop(name, None)) is not None:
            # ccxt's are reduce-only by themselves.
            fields |= {"type": of, "trigger_price": Decimal(str(trigger)), "reduce_only": True}
    if spot and "trigger_price" in fields:
        raise Excluded("conditional")
    fields["client_order_id"] = params.pop("clientOrderId", params.pop("orderLinkId", None))
    fields["post_only"] = params.pop("postOnly", False)
    fields["reduce_only"] = params.pop("reduceOnly", False) or fields.get("reduce_only", False)
    if params.pop("hedged", None):
        long = (side == "buy") is not fields["reduce_only"]
        fields["position_side"] = PositionSide.LONG if long else PositionSide.SHORT
    fields["time_in_force"] = TimeInForce(params.pop("timeInForce", "GTC"))
    if params:
        raise Excluded("parameters")
    return OrderRequest(symbol=symbol, side=Side(side), price=None if price is None else Decimal(str(price)), **fields)
