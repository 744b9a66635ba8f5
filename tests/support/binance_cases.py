"""ccxt's recorded cases of Binance: its listings as the venue writes them, and its calls as ours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from binance_account import BinanceAccount

from fra.core import OrderRequest, OrderType, PositionSide, Side, Symbol, TimeInForce

_NUMBERS = frozenset(
    {
        "algoId",
        "createTime",
        "deliveryDate",
        "goodTillDate",
        "id",
        "lastUpdateId",
        "makerCommission",
        "onboardDate",
        "orderId",
        "orderListId",
        "takerCommission",
        "time",
        "tranId",
        "transactTime",
        "triggerTime",
        "uid",
        "updateTime",
        "workingTime",
    }
)


def numbers(value: Any) -> Any:
    """As the venue writes it: ccxt's recorder has made texts of ids and times."""
    if isinstance(value, dict):
        return {
            key: int(item)
            if key in _NUMBERS and isinstance(item, str) and item.lstrip("-").isdigit()
            else numbers(item)
            for key, item in value.items()
        }
    return [numbers(item) for item in value] if isinstance(value, list) else value


def fixtures(kind: str) -> Any:
    """``ccxt/KIND/binance.json`` of the recorded data; nothing where FRA_FIXTURES does not name its folder."""
    if "FRA_FIXTURES" not in os.environ:
        return {}
    path = Path(os.environ["FRA_FIXTURES"]) / "ccxt" / kind / "binance.json"
    return json.loads(path.read_text(), parse_float=Decimal)


def cases(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Method and case of every recorded one that is not disabled."""
    return [
        (method, {**case, "method": method})
        for method, of_method in fixtures(kind).get("methods", {}).items()
        for case in of_method
        if not case.get("disabled")
    ]


def recorded_account(answers: Mapping[str, object] | None = None) -> BinanceAccount:
    """An empty account at a venue that lists what was recorded.

    Without smallest notionals: many orders were recorded at test venues, whose minimums are smaller.
    """
    listed = [market for market in fixtures("markets").values() if market.get("info")]
    return BinanceAccount(
        answers,
        spot=[_row(market) for market in listed if market["spot"]],
        usdm=[_row(market) for market in listed if market["contract"] and market["linear"]],
    )


def _row(market: Mapping[str, Any]) -> Mapping[str, Any]:
    row = numbers(market["info"])
    grid = [rule for rule in row["filters"] if rule["filterType"] in ("PRICE_FILTER", "LOT_SIZE")]
    return {**row, "filters": grid}


class Excluded(Exception):
    """Why a recorded call has no counterpart; the text is the name of the rule."""


_PARAMS: Mapping[str, str] = {
    "trailingPercent": "trailing stops are not covered",
    "priceMatch": "prices that the venue picks are not covered: an OrderRequest has a price of its own",
    "icebergAmount": "iceberg orders are not covered",
    "selfTradePrevention": "how own orders meet is the account's setting, not an order's",
    "test": "test orders are no orders",
}
"""Parameters of ccxt's createOrder that exclude a case, with the rule."""


def on_grid(value: object, step: Decimal) -> Decimal | None:
    """What a user who takes the nearest valid value sends (ccxt rounds by itself, we refuse)."""
    if value is None:
        return None
    steps = (Decimal(str(value)) / step).to_integral_value(ROUND_HALF_UP)
    return steps * step


def order_request(arguments: Sequence[Any], listed: Mapping[str, Symbol]) -> OrderRequest:
    """ccxt's createOrder(symbol, type, side, amount, price, params) as ours. Raises Excluded."""
    name, kind, side, size, price, params = [*arguments, *[None] * (6 - len(arguments))]
    params = params or {}
    for key, rule in _PARAMS.items():
        if key in params:
            raise Excluded(rule)
    symbol = listed[name]
    stop = params.get("triggerPrice", params.get("stopPrice", params.get("stopLossPrice")))
    take = params.get("takeProfitPrice")
    trigger = take if stop is None else stop
    market = kind == "market"
    # ccxt counts amount times price as what a spot market buy shall spend.
    spent = params.get("cost") or (Decimal(str(size)) * price if market and price and symbol.settle is None else None)
    closing = {"buy": PositionSide.SHORT, "sell": PositionSide.LONG}
    opening = {"buy": PositionSide.LONG, "sell": PositionSide.SHORT}
    sides = closing if params.get("reduceOnly") else opening
    conditional = OrderType.STOP if stop is not None else OrderType.TAKE_PROFIT
    return OrderRequest(
        symbol=name,
        side=Side(side),
        type=conditional if trigger is not None else OrderType(kind),
        amount=None if spent else _down(size, symbol.lot_size),
        quote_amount=on_grid(spent, symbol.tick_size) if spent else None,
        price=None if market else on_grid(price, symbol.tick_size),
        trigger_price=on_grid(trigger, symbol.tick_size),
        time_in_force=TimeInForce(params.get("timeInForce", "GTC")) if not params.get("postOnly") else TimeInForce.GTC,
        post_only=bool(params.get("postOnly")),
        reduce_only=bool(params.get("reduceOnly")),
        position_side=sides[side] if params.get("hedged") else PositionSide.NET,
        client_order_id=params.get("clientOrderId"),
    )


def _down(value: object, step: Decimal) -> Decimal:
    return (Decimal(str(value)) // step) * step
