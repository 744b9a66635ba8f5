"""Every recorded private request of ccxt: our adapter asks the same of the same endpoint, or a rule says why not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from okx_account import KEYS, Call, Excluded, RecordedAccount, fixtures, order_request

from fra.core import ExchangeHandle, OrderRequest, OrderType, PositionMode, Side
from fra.exchanges.okx.tables import ENDPOINTS

ABSENT = pytest.param(None, None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))

EXCLUDED: Mapping[str, str] = {
    "asset/": "the funding wallet, deposits and withdrawals are not covered",
    "trade/orders-algo-history": "conditional orders that ended untriggered are found by id, not listed",
    "sprd/": "spread trading is not covered",
    "copytrading/": "copy trading is not covered",
    "account/positions-history": "closed positions are not covered",
    "account/set-isolated-mode": "margin transfers of isolated positions are not covered",
    "account/leverage-info": "the leverage is told with positions",
    "account/trade-fee": "fees are told as published",
    "account/position/": "the margin of a position is not changed",
    "account/interest": "borrowing is not covered",
    "account/spot-": "borrowing is not covered",
    "trade/amend": "orders are not amended",
    "trade/close-position": "positions are closed by reduce-only orders",
    "trade/cancel-all-after": "a dead man's switch is not covered",
}
"""Paths below /api/v5/, by their beginning, that no operation of ours has, and why."""

PUBLIC = ("market/", "public/", "rubik/", "system/")

METHODS: Mapping[str, str] = {
    "setMarginMode": "OKX has the margin mode at each order: it is an option of the adapter",
    "fetchAccounts": "the account's settings are read where they are needed",
    "fetchLedger": "of all bills those of funding are told",
    "createOrders": "orders are placed one by one",
    "cancelOrders": "orders are cancelled one by one, or all",
}
"""Methods of ccxt that have no counterpart although their path has."""

RULES: Mapping[str, str] = {
    "list of one": "ccxt places an order as a list of one (trade/batch-orders), we by trade/order: the same fields",
    "ids": "clOrdId, algoClOrdId and tag: ccxt sends its broker's code, we the desk's id and no code",
    "clOrdId of algo orders": "the client's id of an algo order is algoClOrdId",
    "default": "what OKX assumes anyway is left out by one of the two",
    "closing": "in hedge mode what closes is reduce-only by itself: we leave the flag out",
    "whole order": "we forbid OKX to make a spot market order smaller (banAmend)",
    "ended": "ccxt asks for filled orders of spot alone, we for all that ended in all configured markets",
    "swaps": "we ask for positions of swaps alone, which is all that an adapter of spot and swap tells",
    "cash": "ccxt sends conditional spot orders as cross margin by its own default",
    "number": "a number may be written as text",
}

_IDS = ("clOrdId", "algoClOrdId", "tag")
_DEFAULTS: Sequence[tuple[str, object]] = (
    ("posSide", "net"),
    ("slTriggerPxType", "last"),
    ("tpTriggerPxType", "last"),
    ("reduceOnly", False),
    ("limit", "100"),
)


def cases() -> list[Any]:
    found = []
    for method, of_method in fixtures("request").get("methods", {}).items():
        for number, case in enumerate(of_method):
            path = urlsplit(case["url"]).path.removeprefix("/api/v5/")
            if not case.get("disabled") and not path.startswith(PUBLIC):
                found.append(pytest.param(method, case, id=f"{method}-{case['description']}-{number}"))
    return found or [ABSENT]


def meaning(method: str, path: str, params: Mapping[str, Any]) -> tuple[str, str, dict[str, str]]:
    """A call as OKX understands it, by the rules."""
    if path == "trade/batch-orders":
        path = "trade/order"
    left = {key: value for key, value in params.items() if key not in _IDS and value is not None}
    for key, value in _DEFAULTS:
        if str(left.get(key)).lower() == str(value).lower():
            del left[key]
    defaulted = left.get("ordType") not in ("market", "conditional") or left.get("side") == "sell"
    if defaulted and left.get("tgtCcy") == "base_ccy":
        del left["tgtCcy"]
    if left.get("posSide") in ("long", "short"):
        left.pop("reduceOnly", None)
    left.pop("banAmend", None)
    if path == "trade/orders-history":
        left.pop("state", None)
    if path == "account/positions":
        left.pop("instType", None)
    if path == "trade/order-algo" and "-SWAP" not in str(left.get("instId")):
        left.pop("tdMode", None)
    return method, path, {key: _text(value) for key, value in left.items()}


def _text(value: object) -> str:
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    try:
        return format(Decimal(text).normalize(), "f")
    except ArithmeticError:
        return text


def theirs(case: Mapping[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    url = urlsplit(case["url"])
    body = json.loads(case["output"]) if case.get("output") else None
    rows = body if isinstance(body, list) else [body if body is not None else dict(parse_qsl(url.query))]
    method = "GET" if body is None else "POST"
    return [meaning(method, url.path.removeprefix("/api/v5/"), row) for row in rows]


def ours(calls: Sequence[Call]) -> list[tuple[str, str, dict[str, str]]]:
    return [meaning(call.method, call.path, call.params) for call in calls]


# --- the calls


Arguments = Sequence[Any]


def at(arguments: Arguments, place: int) -> Any:
    return arguments[place] if len(arguments) > place else None


def of(okx: ExchangeHandle) -> dict[str, Any]:
    return {symbol.name: symbol for symbol in okx.symbols}


async def place(okx: ExchangeHandle, arguments: Arguments) -> None:
    await okx.create_order(order_request(arguments, of(okx)))


async def place_by_value(okx: ExchangeHandle, arguments: Arguments) -> None:
    request = OrderRequest(
        symbol=arguments[0], side=Side.BUY, type=OrderType.MARKET, quote_amount=Decimal(str(arguments[1]))
    )
    await okx.create_order(request)


async def place_stop(okx: ExchangeHandle, arguments: Arguments) -> None:
    *order, _, params = arguments
    await okx.create_order(order_request([*order, params], of(okx)))


async def attached(okx: ExchangeHandle, arguments: Arguments) -> None:
    raise Excluded("attached stops: an OrderRequest is one order")


async def open_orders(okx: ExchangeHandle, arguments: Arguments) -> None:
    params = at(arguments, 3) or {}
    if params.get("trigger") and "ordType" not in params:
        raise Excluded("trigger orders have no direction: ours are stop losses or take profits")
    await okx.get_open_orders(at(arguments, 0))


async def cancel(okx: ExchangeHandle, arguments: Arguments) -> None:
    if (at(arguments, 2) or {}).get("trailing"):
        raise Excluded("trailing stops are not covered")
    client_id = (at(arguments, 2) or {}).get("clientOrderId")
    await okx.cancel_order(None if client_id else arguments[0], arguments[1], client_order_id=client_id)


async def one_order(okx: ExchangeHandle, arguments: Arguments) -> None:
    client_id = (at(arguments, 2) or {}).get("clientOrderId")
    await okx.get_order(None if client_id else arguments[0], arguments[1], client_order_id=client_id)


CALLS: Mapping[str, Callable[[ExchangeHandle, Arguments], Awaitable[object]]] = {
    "cancelOrder": cancel,
    "createMarketBuyOrderWithCost": place_by_value,
    "createOrder": place,
    "createOrderWithTakeProfitAndStopLoss": attached,
    "createStopLossOrder": place_stop,
    "createTakeProfitOrder": place_stop,
    "fetchBalance": lambda okx, arguments: okx.get_balance(),
    "fetchCanceledOrders": lambda okx, arguments: okx.get_order_history(at(arguments, 0)),
    "fetchClosedOrders": lambda okx, arguments: okx.get_order_history(at(arguments, 0)),
    "fetchFundingHistory": lambda okx, arguments: okx.get_funding_payments(at(arguments, 0)),
    "fetchMyTrades": lambda okx, arguments: okx.get_trade_history(at(arguments, 0)),
    "fetchOpenOrders": open_orders,
    "fetchOrder": one_order,
    "fetchPosition": lambda okx, arguments: okx.get_positions(arguments[0]),
    "fetchPositions": lambda okx, arguments: okx.get_positions((at(arguments, 0) or [None])[0]),
    "setPositionMode": lambda okx, arguments: okx.set_position_mode(
        PositionMode.HEDGE if arguments[0] else PositionMode.ONE_WAY
    ),
    "setLeverage": lambda okx, arguments: okx.set_leverage(arguments[1], Decimal(str(arguments[0]))),
}


def answers(case: Mapping[str, Any]) -> dict[str, object]:
    """What makes our calls succeed: an acknowledgement, and the order that is asked for."""
    params = json.loads(case["output"]) if case.get("output") else dict(parse_qsl(urlsplit(case["url"]).query))
    row = params[0] if isinstance(params, list) else params
    order = {"instId": row.get("instId", "BTC-USDT"), "side": "buy", "ordType": "limit", "state": "live", "sz": "1"}
    algo = {**order, "instType": "SWAP", "algoId": row.get("algoId", "1"), "slTriggerPx": "1", "slOrdPx": "-1"}
    answer = {"code": "0", "msg": ""}
    conditional = "algo" in urlsplit(case["url"]).path
    found = [] if conditional else [{**order, "instType": "SPOT", "ordId": row.get("ordId", "1")}]
    missing = {"code": "51400", "msg": "does not exist", "data": []}
    ack = {**answer, "data": [{"ordId": "1", "algoId": "1" if conditional else "", "sCode": "0"}]}
    return {
        "trade/order": ack if case.get("output") and not conditional else {**answer, "data": found},
        "trade/order-algo": ack if "order-algo" in case["url"] else {**answer, "data": [algo]},
        "trade/cancel-order": missing if conditional else ack,
        "trade/cancel-algos": ack,
    }


@pytest.mark.parametrize(("method", "case"), cases())
async def test_a_recorded_request_is_ours_too_or_falls_under_a_rule(method: str, case: dict[str, Any]) -> None:
    expected = theirs(case)
    if any(path.startswith(tuple(EXCLUDED)) for _, path, _ in expected) or method in METHODS:
        return
    hedge = any(call[2].get("posSide") in ("long", "short") for call in expected)
    account = RecordedAccount(mode="long_short_mode" if hedge else "net_mode", answers=answers(case))
    async with account.handle() as okx:
        try:
            await CALLS[method](okx, case["input"])
        except Excluded:
            return
    sent = ours(account.asked())
    assert all(call in sent for call in expected), sent


def test_no_excluded_path_is_one_that_the_adapter_calls() -> None:
    paths = {row.path.removeprefix("/api/v5/") for row in ENDPOINTS}
    assert not [path for path in paths if path.startswith(tuple(EXCLUDED))]


# --- signatures


SIGNED: Sequence[tuple[str, Callable[[ExchangeHandle], Awaitable[object]]]] = (
    ("account/balance", lambda okx: okx.get_balance()),
    ("trade/orders-pending", lambda okx: okx.get_open_orders("BTC/USDT:USDT")),
    (
        "trade/order",
        lambda okx: okx.create_order(
            OrderRequest(
                symbol="BTC/USDT:USDT",
                side=Side.BUY,
                type=OrderType.LIMIT,
                amount=Decimal("0.01"),
                price=Decimal("70000.1"),
                reduce_only=True,
            )
        ),
    ),
    ("account/set-leverage", lambda okx: okx.set_leverage("BTC/USDT:USDT", Decimal(5))),
)


@pytest.mark.parametrize(("path", "call"), SIGNED, ids=[path for path, _ in SIGNED])
async def test_bytes_and_signature_are_those_that_ccxt_makes(
    path: str, call: Callable[[ExchangeHandle], Awaitable[object]]
) -> None:
    if not fixtures("markets"):
        pytest.skip("FRA_FIXTURES does not name the folder of recorded data")
    ccxt = pytest.importorskip("ccxt")
    ack = {"code": "0", "msg": "", "data": [{"ordId": "1", "sCode": "0"}]}
    account = RecordedAccount(answers={"trade/order": ack, "account/set-leverage": {**ack, "data": [{}]}})
    async with account.handle() as okx:
        await call(okx)
    asked = [one for one in account.asked() if one.path == path]
    assert asked  # by the account that is followed beside it, too
    keys = {"apiKey": KEYS["api_key"], "secret": KEYS["secret_key"], "password": KEYS["passphrase"]}
    client = ccxt.okx({**keys, "hostname": "okx.com"})
    for sent in asked:
        stamp = sent.headers["OK-ACCESS-TIMESTAMP"]
        client.iso8601 = lambda milliseconds, stamp=stamp: stamp
        made = client.sign(path, ["private"], sent.method, dict(sent.params))
        for header in ("OK-ACCESS-KEY", "OK-ACCESS-PASSPHRASE", "OK-ACCESS-SIGN", "OK-ACCESS-TIMESTAMP"):
            assert sent.headers[header] == made["headers"][header]
        assert sent.body == (made["body"] or "")
        url = urlsplit(made["url"])
        assert sent.target == f"{url.path}?{url.query}".rstrip("?")
