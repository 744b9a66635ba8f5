"""Every recorded private request of ccxt: our adapter asks the same of the same endpoint, or a rule says why not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from bybit_cases import Excluded, at, cases, fixtures, order_request, server
from bybit_server import KEYS, BybitServer

from fra.core import ExchangeHandle, MarginMode, OrderRequest, OrderType, PositionMode, Side
from fra.exchanges.bybit.tables import ENDPOINTS

EXCLUDED: Mapping[str, str] = {
    "account/borrow": "loans are not covered",
    "account/contract-transaction-log": "only unified accounts are covered",
    "account/fee-rate": "the fees of an account are not covered",
    "account/withdrawal": "withdrawals are not covered",
    "crypto-loan": "loans are not covered",
    "order/amend": "orders are not amended",
    "order/cancel-batch": "an order is cancelled by itself, or all are",
    "order/create-batch": "an order is sent by itself",
    "order/disconnected-cancel-all": "what happens when we are gone is not covered",
    "position/add-margin": "margin of a position is not moved",
    "position/closed-pnl": "closed positions are not covered",
    "position/set-risk-limit": "risk limits are not covered",
    "position/switch-isolated": "a unified account has one margin mode for every contract: account/set-margin-mode",
    "spot-lever-token/": "leveraged tokens are not covered",
    "spot-margin-trade/": "loans are not covered",
    "user/a": "keys and sub-accounts are not covered",
    "user/create": "keys and sub-accounts are not covered",
    "user/delete": "keys and sub-accounts are not covered",
    "user/frozen": "keys and sub-accounts are not covered",
    "user/get-member": "keys and sub-accounts are not covered",
    "user/query-sub": "keys and sub-accounts are not covered",
    "user/sub": "keys and sub-accounts are not covered",
    "user/update": "keys and sub-accounts are not covered",
    "asset/": "the funding wallet, deposits and withdrawals are not covered",
    "position/trading-stop": "stops of a position are not covered: an OrderRequest is an order",
}
"""Paths below /v5/, by their beginning, that no operation of ours has, and why."""

METHODS: Mapping[str, str] = {
    "fetchFundingHistory": "ccxt reads settlements among executions, we in the transaction log, which has their sign",
    "fetchOrders": "of a unified account ccxt cannot ask for orders of every state at once, nor can we",
}
"""Methods of ccxt that have no counterpart although their path has."""

RULES: Mapping[str, str] = {
    "time": "we name both ends of a range, ccxt one of them or both",
    "ids": "orderLinkId: ccxt sends none or its own, we the desk's",
    "default": "what Bybit assumes anyway is left out by ccxt",
    "options": "options are not covered",
    "category": "without a symbol ccxt asks one category, we all that are configured",
    "ended": "ccxt asks for filled orders alone, we for all that ended",
    "trades": "ccxt asks for trades alone, we leave out what is none",
    "coin": "ccxt switches the position mode of a symbol, we of all USDT perpetuals",
    "accounts": "only unified accounts are covered, whose wallet is UNIFIED",
    "conditional": "conditional orders of spot, or listed alone, have no counterpart",
    "sales by value": "a sale is by amount",
    "minimum": "what is below the listed smallest value is refused before it is sent",
    "rounding": "ccxt rounds to the grid, we refuse what is off it",
    "position stops": "stops of a position are not covered: an OrderRequest is an order",
    "attached stops": "an OrderRequest is one order",
    "parameters": "what no OrderRequest has is not sent",
    "symbol": "an order is found by its symbol",
    "pages": "we name a page's size",
}

_DEFAULTS: Mapping[str, str] = {"positionIdx": "0", "timeInForce": "GTC", "orderFilter": "Order"}
_UNITS: Mapping[str, str] = {"Buy": "quoteCoin", "Sell": "baseCoin"}
_OURS = ("orderLinkId", "limit", "cursor", "recvWindow", "startTime", "endTime")


def private() -> list[Any]:
    """The cases that are about an account."""
    every = [(param, param.values[1]) for param in cases("request")]
    return [param for param, case in every if case is None or not _path(case).startswith("market/")]


def _path(case: Mapping[str, Any]) -> str:
    return urlsplit(case["url"]).path.removeprefix("/v5/")


def meaning(path: str, params: Mapping[str, Any]) -> dict[str, str]:
    """A call's parameters as Bybit understands them, by the rules."""
    left = {key: value for key, value in params.items() if key not in _OURS}
    if left.get("orderType") == "Market":
        left.pop("timeInForce", None)
        if left.get("marketUnit") == _UNITS[left["side"]]:
            del left["marketUnit"]
    if path == "order/history":
        left.pop("orderStatus", None)
    if path == "execution/list":
        left.pop("execType", None)
    if path == "position/switch-mode":
        left = {key: value for key, value in left.items() if key not in ("symbol", "coin")}
    named = {key: _text(value) for key, value in left.items()}
    return {key: value for key, value in named.items() if _DEFAULTS.get(key) != value}


def _text(value: object) -> str:
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    try:
        return format(Decimal(text).normalize(), "f")
    except ArithmeticError:
        return text


def theirs(case: Mapping[str, Any]) -> dict[str, str]:
    body = json.loads(case["output"]) if case.get("output") else dict(parse_qsl(urlsplit(case["url"]).query))
    return meaning(_path(case), body)


def ours(asked: BybitServer, path: str) -> list[dict[str, str]]:
    rows = [*asked.bodies(path)] if asked.methods(path) == {"POST"} else [*asked.queries(path)]
    return [meaning(path, row) for row in rows]


# --- the calls


Arguments = Sequence[Any]


async def place(bybit: ExchangeHandle, arguments: Arguments) -> None:
    request = order_request(arguments)
    (symbol,) = [one for one in bybit.symbols if one.name == request.symbol] or [None]
    if symbol is None:
        raise Excluded("options")
    if request.side is Side.SELL and request.quote_amount is not None:
        raise Excluded("sales by value")
    off_lot = request.amount is not None and request.amount % symbol.lot_size
    if symbol.inverse and request.amount is not None and request.amount < (symbol.min_notional or 0):
        raise Excluded("minimum")
    if off_lot or (request.price is not None and request.price % symbol.tick_size):
        raise Excluded("rounding")
    await bybit.create_order(request)


async def place_by_cost(bybit: ExchangeHandle, arguments: Arguments) -> None:
    await bybit.create_order(
        OrderRequest(symbol=arguments[0], side=Side.BUY, type=OrderType.MARKET, quote_amount=Decimal(str(arguments[1])))
    )


async def sell_by_cost(bybit: ExchangeHandle, arguments: Arguments) -> None:
    raise Excluded("sales by value")


async def cancel(bybit: ExchangeHandle, arguments: Arguments) -> None:
    params = at(arguments, 2) or {}
    if params.get("stop") or params.get("trigger"):
        raise Excluded("conditional")
    name = params.get("clientOrderId", params.get("orderLinkId"))
    await bybit.cancel_order(None if name else arguments[0], arguments[1], client_order_id=name)


async def cancel_all(bybit: ExchangeHandle, arguments: Arguments) -> None:
    if at(arguments, 1):
        raise Excluded("conditional")
    await bybit.cancel_all_orders(arguments[0])


async def open_orders(bybit: ExchangeHandle, arguments: Arguments) -> None:
    if at(arguments, 3):
        raise Excluded("conditional")
    await bybit.get_open_orders(at(arguments, 0))


async def order(bybit: ExchangeHandle, arguments: Arguments) -> None:
    if at(arguments, 1) is None:
        raise Excluded("symbol")
    await bybit.get_order(arguments[0], arguments[1])


async def balance(bybit: ExchangeHandle, arguments: Arguments) -> None:
    await bybit.get_balance()


async def margin_mode(bybit: ExchangeHandle, arguments: Arguments) -> None:
    if arguments[0] not in ("cross", "isolated"):
        raise Excluded("parameters")
    await bybit.set_margin_mode(at(arguments, 1) or "BTC/USDT:USDT", MarginMode(arguments[0]))


async def position_mode(bybit: ExchangeHandle, arguments: Arguments) -> None:
    await bybit.set_position_mode(PositionMode.HEDGE if arguments[0] else PositionMode.ONE_WAY)


async def ended_orders(bybit: ExchangeHandle, arguments: Arguments) -> None:
    since = at(arguments, 1)
    await bybit.get_order_history(at(arguments, 0), since=since)


async def trades(bybit: ExchangeHandle, arguments: Arguments) -> None:
    if at(arguments, 3):
        raise Excluded("parameters")
    await bybit.get_trade_history(at(arguments, 0), since=at(arguments, 1))


async def positions(bybit: ExchangeHandle, arguments: Arguments) -> None:
    names = at(arguments, 0)
    await bybit.get_positions(names[0] if isinstance(names, list) and len(names) == 1 else None)


CALLS: Mapping[str, Callable[[ExchangeHandle, Arguments], Awaitable[object]]] = {
    "cancelAllOrders": cancel_all,
    "cancelOrder": cancel,
    "createMarketBuyOrderWithCost": place_by_cost,
    "createMarketSellOrderWithCost": sell_by_cost,
    "createOrder": place,
    "fetchBalance": balance,
    "fetchClosedOrder": order,
    "fetchCanceledAndClosedOrders": ended_orders,
    "fetchCanceledOrders": ended_orders,
    "fetchClosedOrders": ended_orders,
    "fetchMyTrades": trades,
    "fetchOpenOrder": order,
    "fetchOpenOrders": open_orders,
    "fetchOrder": order,
    "fetchPosition": lambda bybit, arguments: bybit.get_positions(arguments[0]),
    "fetchPositions": positions,
    "setLeverage": lambda bybit, arguments: bybit.set_leverage(arguments[1], Decimal(str(arguments[0]))),
    "setMarginMode": margin_mode,
    "setPositionMode": position_mode,
}


def answers(case: Mapping[str, Any]) -> dict[str, Any]:
    """What makes our calls succeed: acknowledgements, the order that is asked for, and the position mode."""
    sent = theirs(case)
    hedge = "positionIdx" in sent
    row = {
        "symbol": sent.get("symbol", ""),
        "orderId": sent.get("orderId", "1"),
        "side": "Buy",
        "orderType": "Limit",
        "orderStatus": "New",
    }
    ended = {"list": [{**row, "orderStatus": "Filled"}]}
    found = {"list": [row] if sent.get("orderId") and _path(case) != "order/history" else []}
    return {
        "order/create": {"orderId": "1"},
        "order/cancel": {"orderId": "1"},
        "order/cancel-all": {"list": []},
        "order/realtime": found,
        "order/history": ended if sent.get("orderId") else {"list": []},
        "execution/list": {"list": []},
        "position/list": lambda request: {
            "list": [{"symbol": request.query.get("symbol", ""), "size": "0", "positionIdx": 1 if hedge else 0}]
        },
        "account/info": {"marginMode": "REGULAR_MARGIN"},
        "account/wallet-balance": {"list": []},
        "position/set-leverage": {},
        "position/switch-mode": {},
        "account/set-margin-mode": {},
    }


@pytest.mark.parametrize(("method", "case"), private())
async def test_a_recorded_request_is_ours_too_or_falls_under_a_rule(method: str, case: dict[str, Any]) -> None:
    path, expected = _path(case), theirs(case)
    if path.startswith(tuple(EXCLUDED)) or method in METHODS or expected.get("accountType", "UNIFIED") != "UNIFIED":
        return
    asked = server(answers(case))
    rule = ""
    async with asked.asked(**KEYS) as bybit:
        await bybit.get_symbols()
        try:
            await CALLS[method](bybit, case["input"])
        except Excluded as reason:
            rule = str(reason)
    assert rule in RULES or expected in ours(asked, path)


def test_no_excluded_path_is_one_that_the_adapter_calls() -> None:
    paths = {row.path.removeprefix("/v5/") for row in ENDPOINTS}
    assert not [path for path in paths if path.startswith(tuple(EXCLUDED))]


# --- signatures


SIGNED: Sequence[tuple[str, Callable[[ExchangeHandle], Awaitable[object]]]] = (
    ("account/wallet-balance", lambda bybit: bybit.get_balance()),
    ("order/realtime", lambda bybit: bybit.get_open_orders("BTC/USDT:USDT")),
    (
        "order/create",
        lambda bybit: bybit.create_order(
            OrderRequest(
                symbol="BTC/USDT:USDT",
                side=Side.BUY,
                type=OrderType.LIMIT,
                amount=Decimal("0.001"),
                price=Decimal("70000.1"),
                reduce_only=True,
            )
        ),
    ),
    ("position/set-leverage", lambda bybit: bybit.set_leverage("BTC/USDT:USDT", Decimal(5))),
)


@pytest.mark.parametrize(("path", "call"), SIGNED, ids=[path for path, _ in SIGNED])
async def test_bytes_and_signature_are_those_that_ccxt_makes(
    path: str, call: Callable[[ExchangeHandle], Awaitable[object]]
) -> None:
    if not fixtures("markets"):
        pytest.skip("FRA_FIXTURES does not name the folder of recorded data")
    ccxt = pytest.importorskip("ccxt")
    asked = server(answers({"url": f"https://api.bybit.com/v5/{path}"}))
    async with asked.asked(**KEYS) as bybit:
        await call(bybit)
    # The account that is followed beside it may ask for the same.
    sent = [(request, body) for request, body in asked.requests if request.path == f"/v5/{path}"]
    assert sent
    client = ccxt.bybit({"apiKey": KEYS["api_key"], "secret": KEYS["secret_key"], "options": {"recvWindow": 5000}})
    for request, body in sent:
        client.nonce = partial(int, request.headers["X-BAPI-TIMESTAMP"])
        params = json.loads(body) if body else dict(request.query)
        made = client.sign(f"v5/{path}", ["private"], request.method, params)
        for header in ("X-BAPI-API-KEY", "X-BAPI-TIMESTAMP", "X-BAPI-RECV-WINDOW", "X-BAPI-SIGN"):
            assert request.headers[header] == made["headers"][header]
        assert body.decode() == (made["body"] or "")
        url = urlsplit(made["url"])
        assert request.path_qs == f"{url.path}?{url.query}".rstrip("?")
