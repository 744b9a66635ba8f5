"""Every way in which ccxt asks HTX, and how we ask for the same: the endpoint, and what the request means."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from htx_local import SIZES, HtxLocal, setup

from fra.core import (
    ExchangeError,
    ExchangeHandle,
    OrderRequest,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
)

FIXTURES = Path(os.environ["FRA_FIXTURES"]) if "FRA_FIXTURES" in os.environ else None
ABSENT = pytest.param(None, None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))

Case = Mapping[str, Any]

EXCLUDED_PATHS: Mapping[str, str] = {
    "/swap-api/": "coin-margined swaps are not covered",
    "/swap-ex/": "coin-margined swaps are not covered",
    "/api/v1/contract_": "coin-margined dated contracts are not covered",
    "/api/v3/contract_": "coin-margined dated contracts are not covered",
    "/v5/algo/": "conditional orders of swaps are refused",
    "/v5/market/": "the same is asked of /linear-swap-api/v1/, which serves accounts of every kind",
    "/v1/cross-margin/": "margin loans are not covered",
    "/v1/margin/": "margin loans are not covered",
    "/v2/algo-orders": "market stop orders are refused",
    "/v1/order/orders/batchCancelOpenOrders": "ours cancels by ids, which says of each whether it was taken",
}
EXCLUDED: Mapping[str, Callable[[Case], bool]] = {
    "dated contracts are not covered": lambda case: (
        "-24" in case["url"] or "business_type=futures" in case["url"] or "BTC2" in case["url"]
    ),
    "coin-margined contracts are not covered": lambda case: (
        "/USD:" in str(case["input"]) or "inverse" in str(case["input"])
    ),
    "stop loss and take profit attached to an order are no part of an OrderRequest": lambda case: bool(
        {"takeProfit", "stopLoss"} & _more(case).keys()
    ),
    "an option of ccxt's own, which it sends along": lambda case: "useHistoricalEndpoint" in str(case["input"]),
    "market data of dated contracts": lambda case: case["url"].startswith("https://api.hbdm.com/market/"),
}
"""What is not compared here, and why."""

INSTEAD: Mapping[str, str] = {
    "/market/history/candles": "/market/history/kline",  # the documented call, where it reaches back far enough
    "/v1/order/history": "/v1/order/orders",  # which serves more than the last two days of one pair
}
"""What we ask in place of what ccxt asks."""

LEFT_OUT: Mapping[str, str] = {
    "client-order-id": "each client makes its own",
    "client_order_id": "each client makes its own",
    "account-id": "of whoever asks",
    "channel_code": "a broker's",
    "reduce_only": "ccxt leaves out what is false",
    "size": "how many rows a page has",
    "limit": "how many rows a page has",
    "page_size": "how many rows a page has",
    "page_index": "which page it is",
    "from": "where a page begins",
    "to": "where a page ends",
    "start-time": "windows are cut to what HTX serves",
    "end-time": "windows are cut to what HTX serves",
    "start_time": "windows are cut to what HTX serves",
    "end_time": "windows are cut to what HTX serves",
    "states": "which ended orders are wanted; ours leaves out what is open afterwards",
    "marginMode": "an option of ccxt's own, which it sends along",
    "business_type": "swaps are what HTX gives without it",
}
"""Parameters that are not compared, and why."""


def _more(case: Case) -> Mapping[str, Any]:
    return next((value for value in case["input"] if isinstance(value, dict)), {})


def cases() -> list[Any]:
    if FIXTURES is None:
        return [ABSENT]
    with (FIXTURES / "ccxt" / "request" / "htx.json").open() as opened:
        found = json.load(opened, parse_float=Decimal)
    return [
        pytest.param(method, case, id=f"{method}-{number}-{case['description']}")
        for method, of_method in found["methods"].items()
        for number, case in enumerate(of_method)
        if not case.get("disabled")
    ]


def order(case: Case) -> OrderRequest:
    """The request that means what ccxt's call means."""
    symbol, kind, side, amount, *rest = case["input"]
    price = rest[0] if rest and not isinstance(rest[0], dict) else None
    more = _more(case)
    by_value = ":" not in symbol and kind == "market" and side == "buy"
    size = Decimal(str(amount)) * SIZES.get(symbol, Decimal(1))
    spent = size if price is None else size * Decimal(str(price))
    trigger = more.get("stopPrice", more.get("triggerPrice"))
    return OrderRequest(
        symbol=symbol,
        type=OrderType.STOP if trigger is not None else OrderType(kind),
        side=Side(side),
        amount=None if by_value else size,
        quote_amount=spent if by_value else None,
        price=None if price is None or kind == "market" else Decimal(str(price)),
        trigger_price=None if trigger is None else Decimal(str(trigger)),
        time_in_force=TimeInForce(more.get("timeInForce", "GTC")),
        post_only=bool(more.get("postOnly", False)),
        reduce_only=bool(more.get("reduceOnly", False)),
        position_side=PositionSide(more.get("position_side", "net")),
        client_order_id="123",
    )


def named(case: Case) -> Any:
    return case["input"][0] if case["input"] else None


def ids(case: Case) -> tuple[str | None, str | None]:
    """The venue's id, or the client's where ccxt is given that."""
    client = _more(case).get("clientOrderId", _more(case).get("client_order_id"))
    return (None, str(client)) if client is not None else (str(named(case)), None)


Call = Callable[[ExchangeHandle, Case], Awaitable[Any]]
CALLS: Mapping[str, Call] = {
    "createOrder": lambda htx, case: htx.create_order(order(case)),
    "createMarketBuyOrderWithCost": lambda htx, case: htx.create_order(
        OrderRequest(
            symbol=named(case),
            type=OrderType.MARKET,
            side=Side.BUY,
            quote_amount=Decimal(str(case["input"][1])),
            client_order_id="123",
        )
    ),
    "cancelOrder": lambda htx, case: htx.cancel_order(ids(case)[0], case["input"][1], client_order_id=ids(case)[1]),
    "cancelAllOrders": lambda htx, case: htx.cancel_all_orders(named(case)),
    "fetchOrder": lambda htx, case: htx.get_order(ids(case)[0], case["input"][1], client_order_id=ids(case)[1]),
    "fetchOpenOrders": lambda htx, case: htx.get_open_orders(named(case)),
    "fetchOrders": lambda htx, case: htx.get_order_history(named(case)),
    "fetchClosedOrders": lambda htx, case: htx.get_order_history(named(case)),
    "fetchCanceledOrders": lambda htx, case: htx.get_order_history(named(case)),
    "fetchMyTrades": lambda htx, case: htx.get_trade_history(named(case)),
    "fetchPositions": lambda htx, case: htx.get_positions(),
    "fetchPosition": lambda htx, case: htx.get_positions(named(case)),
    "fetchBalance": lambda htx, case: htx.get_balance("spot" if "/v1/account" in case["url"] else "linear"),
    "fetchFundingHistory": lambda htx, case: htx.get_funding_payments(named(case)),
    "setLeverage": lambda htx, case: htx.set_leverage(case["input"][1], Decimal(str(named(case)))),
    "setPositionMode": lambda htx, case: htx.set_position_mode(
        PositionMode.HEDGE if named(case) else PositionMode.ONE_WAY
    ),
    "fetchTicker": lambda htx, case: htx.get_ticker(named(case)),
    "fetchTickers": lambda htx, case: htx.get_tickers(named(case)),
    "fetchOrderBook": lambda htx, case: htx.get_orderbook(named(case)),
    "fetchTrades": lambda htx, case: htx.get_trades(named(case)),
    "fetchOHLCV": lambda htx, case: htx.get_klines(
        named(case),
        case["input"][1] if len(case["input"]) > 1 else "1m",
        since=case["input"][2] if len(case["input"]) > 2 else None,
        limit=case["input"][3] if len(case["input"]) > 3 else None,
        until=_more(case).get("until"),
    ),
    "fetchFundingRate": lambda htx, case: htx.get_funding_rate(named(case)),
    "fetchFundingRates": lambda htx, case: htx.get_funding_rates(),
    "fetchFundingRateHistory": lambda htx, case: htx.get_funding_rate_history(named(case)),
}


IMPLIED: Mapping[str, str] = {"position_side": "both"}
"""What a one-way account has without saying it."""
ALL_MODES = "/v5/account/bills"
"""Ours asks for the payments of both margin modes."""


def meaning(path: str, values: Mapping[str, Any]) -> dict[str, object]:
    return {
        name: _number(str(value))
        for name, value in values.items()
        if name not in LEFT_OUT and IMPLIED.get(name) != value and (path, name) != (ALL_MODES, "margin_mode")
    }


def _number(text: str) -> object:
    """``10.50`` means ``10.5``."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


@pytest.mark.parametrize(("method", "case"), cases())
async def test_we_ask_as_ccxt_does_or_say_why_not(method: str, case: Case) -> None:
    url = urlsplit(case["url"])
    reasons = [why for prefix, why in EXCLUDED_PATHS.items() if url.path.startswith(prefix)]
    reasons += [why for why, excludes in EXCLUDED.items() if excludes(case)]
    if reasons:
        return
    assert method in CALLS, f"neither compared nor excluded: {method}"
    signature = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp", "Signature")
    query = {name: value for name, value in parse_qsl(url.query) if name not in signature}
    body = json.loads(case["output"]) if case.get("output") else {}
    hedge = "position_side" in body or (method == "setPositionMode" and not named(case))
    server = HtxLocal(setup(mode="dual_side" if hedge else "single_side"))
    options = {
        "account": "multi" if url.path.startswith("/v5/") else "single",
        "margin_mode": _more(case).get("marginMode", body.get("margin_mode", query.get("margin_mode", "cross"))),
        "retries": 0,
    }
    async with server.connected(options=options) as htx:
        await htx.get_symbols()
        server.asked.clear()
        with suppress(ExchangeError, TimeoutError):  # no answer is given: what was asked is all that counts
            await CALLS[method](htx, case)
    asked = [call for call in server.asked if call[1] in (url.path, INSTEAD.get(url.path))]
    assert asked, f"not asked: {url.path}, but {[call[1] for call in server.asked]}"
    sent_method, _, sent_query, sent_body = asked[-1] if method == "setPositionMode" else asked[0]
    assert sent_method == ("POST" if body or case.get("output") else "GET")
    assert meaning(url.path, sent_query) == meaning(url.path, query)
    assert meaning(url.path, sent_body) == meaning(url.path, body)
