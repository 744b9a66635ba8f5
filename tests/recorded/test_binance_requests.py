"""Each recorded request of ccxt's: our adapter asks the same endpoint for the same thing, or a rule says why not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from binance_account import Call, Refusal
from binance_cases import Excluded, cases, fixtures, order_request, recorded_account

from fra.core import ExchangeError, ExchangeHandle, KlineInterval, MarginMode, PositionMode, Symbol

ABSENT = pytest.param(None, None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))

EXCLUDED_PATHS: Mapping[str, str] = {
    "/dapi/": "COIN-M futures are no market of this adapter",
    "/eapi/": "options are no market of this adapter",
    "/papi/": "portfolio margin accounts are not covered",
    "/sapi/": "margin accounts, lending and the funding wallet are not covered",
    "/api/v3/order/test": "a test order is no order",
    "/api/v3/ticker": "the rolling window is not asked for: a ticker's statistics are of 24 hours",
    "/api/v3/aggTrades": "spot trades are single ones: /api/v3/trades",
    "/fapi/v1/rpiDepth": "the book is the one that every order meets, without retail price improvement",
}
"""Prefixes that end with a slash, or whole paths."""
EXCLUDED_METHODS: Mapping[str, str] = {
    "createMarketSellOrderWithCost": "quote_amount is for market buys: a sale is of an amount",
}
INSTEAD: Mapping[str, str] = {"/fapi/v2/positionRisk": "/fapi/v3/positionRisk"}
"""Older versions of a call, and the one that is asked: it has the open positions only."""
NAMES: Mapping[tuple[str, str], str] = {
    ("", "newClientOrderId"): "every order has a client id, and ours are no broker's",
    ("", "clientAlgoId"): "every order has a client id; the algo service has its own name for it",
    ("/fapi/v1/algoOrder", "newOrderRespType"): "the algo service answers with the whole order as it is",
    ("/fapi/v1/algoOrder", "timeInForce"): "we say GTC, ccxt leaves the default",
    ("/fapi/v1/algoOrder", "symbol"): "of a conditional order's question: its id is enough, and all that is documented",
    ("/api/v3/ticker/24hr", "symbols"): "many tickers are asked for as all",
    ("/fapi/v1/aggTrades", "startTime"): "the latest trades are asked for, not those of a time",
    ("/fapi/v1/aggTrades", "endTime"): "the latest trades are asked for, not those of a time",
    ("/fapi/v1/klines", "limit"): "without a limit the venue's default holds, which ccxt spells out",
    ("/fapi/v1/depth", "limit"): "without a depth the whole book is asked for",
}
"""Parameters that are not compared ("" for any path), with the rule."""


def excluded(method: str, path: str) -> str | None:
    """The rule under which this request has no counterpart."""
    for known, rule in EXCLUDED_PATHS.items():
        if path.startswith(known) if known.endswith("/") else path == known:
            return rule
    return EXCLUDED_METHODS.get(method)


def requests() -> list[Any]:
    found = [pytest.param(method, case, id=f"{method}-{case['description']}") for method, case in cases("request")]
    return found or [ABSENT]


# --- ccxt's calls as ours


def _at(arguments: Sequence[Any], place: int) -> Any:
    return arguments[place] if len(arguments) > place else None


def _params(arguments: Sequence[Any]) -> Mapping[str, Any]:
    return next((value for value in arguments if isinstance(value, dict)), {})


def _ids(arguments: Sequence[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    client = params.get("clientOrderId")
    return {"client_order_id": client} if client else {"order_id": str(arguments[0])}


def _listed(binance: ExchangeHandle) -> Mapping[str, Symbol]:
    return {symbol.name: symbol for symbol in binance.symbols}


async def create(binance: ExchangeHandle, arguments: Sequence[Any]) -> None:
    await binance.create_order(order_request(arguments, _listed(binance)))


async def buy_for(binance: ExchangeHandle, arguments: Sequence[Any]) -> None:
    name, cost = arguments[:2]
    await create(binance, [name, "market", "buy", 0, None, {"cost": cost}])


async def cancel(binance: ExchangeHandle, arguments: Sequence[Any]) -> None:
    await binance.cancel_order(symbol=arguments[1], **_ids(arguments, _params(arguments)))


async def get(binance: ExchangeHandle, arguments: Sequence[Any]) -> None:
    await binance.get_order(symbol=arguments[1], **_ids(arguments, _params(arguments)))


async def by_client_id(call: Callable[..., Awaitable[Any]], arguments: Sequence[Any]) -> None:
    await call(symbol=arguments[1], client_order_id=arguments[0])


async def candles(binance: ExchangeHandle, arguments: Sequence[Any]) -> None:
    frame = _at(arguments, 1) or "1m"
    await binance.get_klines(arguments[0], KlineInterval(frame), since=_at(arguments, 2), limit=_at(arguments, 3))


async def history(binance: ExchangeHandle, arguments: Sequence[Any]) -> None:
    # ccxt looks for ended orders among all and keeps the limit to itself; ours is the page's.
    await binance.get_order_history(arguments[0], since=_at(arguments, 1))


async def own_trades(binance: ExchangeHandle, arguments: Sequence[Any]) -> None:
    await binance.get_trade_history(arguments[0], since=_at(arguments, 1), limit=_at(arguments, 2))


CALLS: Mapping[str, Callable[[ExchangeHandle, Sequence[Any]], Awaitable[Any]]] = {
    "createOrder": create,
    "createMarketBuyOrderWithCost": buy_for,
    "cancelOrder": cancel,
    "cancelOrderWithClientOrderId": lambda binance, given: by_client_id(binance.cancel_order, given),
    "cancelAllOrders": lambda binance, given: binance.cancel_all_orders(given[0]),
    "fetchOrder": get,
    "fetchOrderWithClientOrderId": lambda binance, given: by_client_id(binance.get_order, given),
    "fetchOpenOrder": get,
    "fetchOpenOrders": lambda binance, given: binance.get_open_orders(_at(given, 0)),
    "fetchOrders": history,
    "fetchClosedOrders": history,
    "fetchCanceledOrders": history,
    "fetchMyTrades": own_trades,
    "fetchBalance": lambda binance, given: binance.get_balance(
        "usdm" if _params(given).get("type") in ("swap", "future") else "spot"
    ),
    "fetchPositions": lambda binance, given: binance.get_positions(),
    "fetchPosition": lambda binance, given: binance.get_positions(given[0]),
    "fetchFundingHistory": lambda binance, given: binance.get_funding_payments(
        _at(given, 0), since=_at(given, 1), limit=_at(given, 2)
    ),
    "setLeverage": lambda binance, given: binance.set_leverage(given[1], given[0]),
    "setMarginMode": lambda binance, given: binance.set_margin_mode(given[1], MarginMode(given[0].lower())),
    "setPositionMode": lambda binance, given: binance.set_position_mode(
        PositionMode.HEDGE if given[0] else PositionMode.ONE_WAY
    ),
    "fetchTicker": lambda binance, given: binance.get_ticker(given[0]),
    "fetchTickers": lambda binance, given: binance.get_tickers(_at(given, 0)),
    "fetchOHLCV": candles,
    "fetchTrades": lambda binance, given: binance.get_trades(given[0], limit=_at(given, 2)),
    "fetchOrderBook": lambda binance, given: binance.get_orderbook(given[0], depth=_at(given, 1)),
    "fetchFundingRate": lambda binance, given: binance.get_funding_rate(given[0]),
    "fetchFundingRates": lambda binance, given: binance.get_funding_rates(_at(given, 0)),
    "fetchFundingRateHistory": lambda binance, given: binance.get_funding_rate_history(
        given[0], since=_at(given, 1), limit=_at(given, 2)
    ),
}


def value(text: str) -> Any:
    """Equal for texts that say the same: numbers by their value."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def meaning(path: str, params: Mapping[str, str]) -> dict[str, Any]:
    skipped = {*fixtures("request")["skipKeys"], *(name for at, name in NAMES if at in ("", path))}
    return {name: value(text) for name, text in params.items() if name not in skipped}


def method_of(method: str) -> str:
    """The HTTP method by ccxt's; the recordings leave it out."""
    if method.startswith(("create", "set")):
        return "POST"
    return "DELETE" if method.startswith("cancel") else "GET"


@pytest.mark.parametrize(("method", "case"), requests())
async def test_a_recorded_request_is_made_or_falls_under_a_rule(method: str, case: dict[str, Any]) -> None:
    parts = urlsplit(case["url"])
    if excluded(method, parts.path) is not None:
        return
    assert method in CALLS, f"{method} is neither made nor excluded by a rule"
    path = INSTEAD.get(parts.path, parts.path)
    wanted = meaning(path, dict(parse_qsl(f"{parts.query}&{case.get('output') or ''}")))
    given = _params(case["input"])
    account = recorded_account(
        {
            "GET /fapi/v1/positionSide/dual": {"dualSidePosition": bool(given.get("hedged"))},
            # Where a conditional order is meant, the plain service does not know it.
            "DELETE /fapi/v1/order": Refusal(-2011, "Unknown order sent."),
            "GET /fapi/v1/order": Refusal(-2013, "Order does not exist."),
            "GET /fapi/v1/algoOrder": {
                "algoId": 1,
                "clientAlgoId": "",
                "symbol": "BTCUSDT",
                "side": "BUY",
                "algoStatus": "NEW",
            },
            "DELETE /fapi/v1/allOpenOrders": {"code": 200},
            "DELETE /fapi/v1/algoOpenOrders": {"code": 200},
            "GET /fapi/v1/fundingInfo": [],
        }
    )
    async with account.handle() as binance:
        try:
            with suppress(ExchangeError):  # what is answered does not matter here
                await CALLS[method](binance, case["input"])
        except Excluded:
            return
    made = [call for call in account.calls if (call.method, call.path) == (method_of(method), path)]
    assert wanted in [meaning(path, call.params) for call in made], account.calls


def test_a_call_is_compared_without_what_signs_it() -> None:
    call = Call("GET", "/api/v3/order", "symbol=A&orderId=1&recvWindow=5000&timestamp=1&signature=x", "k")
    assert call.params == {"symbol": "A", "orderId": "1"}
