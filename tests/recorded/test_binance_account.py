"""Recorded answers about accounts through the adapter over a socket, against ccxt's view of them, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from binance_account import BinanceAccount
from binance_cases import Excluded, cases, numbers, order_request, recorded_account
from captures import lines, recordings

from fra.core import (
    Balance,
    ExchangeHandle,
    Fill,
    FundingPayment,
    MarginMode,
    MarketKind,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    Side,
    Symbol,
)
from fra.exchanges.binance import account, orders
from fra.exchanges.binance import account_tables as tables
from fra.exchanges.binance import account_wire as wire

ABSENT = pytest.param(None, None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))

RULES: Mapping[str, str] = {
    "float": "ccxt's numbers went through floats",
    "market price": "ccxt gives a market order the price it was filled at; ours has none, and the average beside it",
    "conditional type": "ccxt calls a conditional order by whether it has a price; ours is STOP or TAKE_PROFIT",
    "post-only": "ccxt's time in force PO is our GTC with post_only",
    "when created": "ccxt reads -1 as a time, or takes the only one that there is; ours is unknown where none is told",
    "expired": "ccxt tells FILLED as closed and EXPIRED as its own; our statuses are the venue's",
    "margin mode": "ccxt takes a position without a margin of its own for cross; ours is asked for, or unknown",
    "zero": "coins that are zero everywhere are left out",
    "acknowledged": "ccxt makes an empty order of an acknowledgement; ours are the orders that were asked for after it",
}
EXCLUDED: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "market data, compared in test_binance_messages": lambda case: (
        case["method"] in ("fetchOHLCV", "fetchOrderBook", "fetchTicker", "fetchTickers", "fetchTrades")
        or case["method"].startswith("fetchFundingRate")
    ),
    "a portfolio margin account's balance is none of our wallets": lambda case: (
        case["method"] == "fetchBalance" and _option(case, "type") in ("papi", "margin", "funding", "delivery")
    ),
    "positions are asked for by themselves: the account's answer has no prices": lambda case: (
        case["method"] == "fetchPositions" and _option(case, "method") == "account"
    ),
    "margin, COIN-M and options are no markets of this adapter": lambda case: (
        any(isinstance(name, str) and re.search(r"/USD:|-\d{6}-|:(?!USD)", name) for name in case["input"])
        or _option(case, "marginMode") is not None
    ),
}
"""What is not compared here, and why."""


def _option(case: Mapping[str, Any], name: str) -> Any:
    return next((value.get(name) for value in case["input"] if isinstance(value, dict)), None)


def each() -> list[Any]:
    found = [pytest.param(method, case, id=f"{method}-{case['description']}") for method, case in cases("response")]
    return found or [ABSENT]


def near(ours: Decimal | None, theirs: object) -> bool:
    """Equal, or as near as a float comes (rule "float")."""
    if ours is None or theirs is None:
        return ours is theirs
    return float(ours) == pytest.approx(float(str(theirs)), rel=1e-12)


# --- one comparison per kind of answer

_STATUSES = {"filled": "closed", "canceled": "canceled", "expired": "expired", "rejected": "rejected"}


def check_order(ours: Order, theirs: Mapping[str, Any]) -> None:
    named = (ours.symbol, ours.id, ours.client_order_id, ours.side.value)
    assert named == (theirs["symbol"], theirs["id"], theirs["clientOrderId"], theirs["side"])
    assert _STATUSES.get(ours.status.value, "open") == theirs["status"]
    conditional = ours.type in (OrderType.STOP, OrderType.TAKE_PROFIT)
    priced = "market" if ours.price is None else "limit"
    assert (priced if conditional else ours.type.value) == theirs["type"]
    if theirs["timestamp"] not in (None, -1):
        assert ours.created_ms in (theirs["timestamp"], None)
    assert ours.timestamp_ms == theirs["lastUpdateTimestamp"]
    assert near(ours.amount, theirs["amount"])
    assert near(ours.filled, theirs["filled"])
    assert near(ours.average_price, theirs["average"])
    assert near(ours.trigger_price, theirs["triggerPrice"])
    assert ours.reduce_only == theirs["reduceOnly"]
    assert bool(ours.post_only) is bool(theirs["postOnly"])
    if ours.type is not OrderType.MARKET:
        assert near(ours.price, theirs["price"])
        force = "GTC" if theirs["timeInForce"] == "PO" else theirs["timeInForce"]
        assert (ours.time_in_force.value if ours.time_in_force else None) == force


def check_fill(ours: Fill, theirs: Mapping[str, Any]) -> None:
    assert (ours.symbol, ours.trade_id, ours.order_id) == (theirs["symbol"], theirs["id"], theirs["order"])
    assert (ours.side.value, ours.maker) == (theirs["side"], theirs["takerOrMaker"] == "maker")
    assert ours.timestamp_ms == theirs["timestamp"]
    assert near(ours.price, theirs["price"])
    assert near(ours.amount, theirs["amount"])
    assert near(ours.fee, theirs["fee"]["cost"])
    assert ours.fee_asset == theirs["fee"]["currency"]


def check_position(ours: Position, theirs: Mapping[str, Any]) -> None:
    assert (ours.symbol, ours.side.value, ours.hedge_mode) == (theirs["symbol"], theirs["side"], theirs["hedged"])
    assert ours.timestamp_ms == theirs["timestamp"]
    assert near(ours.amount, theirs["contracts"])
    assert near(ours.entry_price, theirs["entryPrice"])
    assert near(ours.mark_price, theirs["markPrice"])
    assert near(ours.liquidation_price, theirs["liquidationPrice"])
    assert near(ours.unrealized_pnl, theirs["unrealizedPnl"])
    assert near(ours.leverage, theirs["leverage"])
    assert ours.margin_mode is None or ours.margin_mode.value == theirs["marginMode"]


def check_balances(ours: Sequence[Balance], theirs: Mapping[str, Any]) -> None:
    told = {balance.asset: balance for balance in ours}
    assert told.keys() == {coin for coin, total in theirs["total"].items() if total}
    for coin, balance in told.items():
        assert near(balance.total, theirs["total"][coin])
        assert near(balance.free, theirs["free"][coin])


def check_payment(ours: FundingPayment, theirs: Mapping[str, Any]) -> None:
    assert (ours.symbol, ours.id, ours.asset) == (theirs["symbol"], theirs["id"], theirs["code"])
    assert ours.timestamp_ms == theirs["timestamp"]
    assert near(ours.amount, theirs["amount"])


# --- the calls


def _rows(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [answer]


def _conditional(answer: Any) -> bool:
    return any(isinstance(row, dict) and "algoId" in row for row in _rows(answer))


def serve(venue: BinanceAccount, answer: Any, *calls: str) -> None:
    """Give ``answer`` to the calls that it is one of: those of the algo service, or of the plain one."""
    for call in calls:
        if ("lgo" in call) == _conditional(answer):
            venue.answers[call] = answer


def _name(arguments: Sequence[Any], place: int = 0) -> str | None:
    value = arguments[place] if len(arguments) > place else None
    return value[0] if isinstance(value, list) and value else value if isinstance(value, str) else None


def _sorted(theirs: Any) -> list[Mapping[str, Any]]:
    return sorted(_rows(theirs), key=lambda row: (row["timestamp"] or 0, row["id"]))


async def listed(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    """Orders: those that ended and those that are open, together as ccxt has them."""
    answer = numbers(case["httpResponse"])
    for market in ("/api/v3", "/fapi/v1"):
        serve(venue, answer, f"GET {market}/openOrders", f"GET {market}/allOrders")
    serve(venue, answer, "GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/allAlgoOrders")
    name = _name(case["input"])
    ours = [order for order in await binance.get_open_orders(name) if not order.status.final]
    if case["method"] != "fetchOpenOrders":
        ours += await binance.get_order_history(name)
    ours.sort(key=lambda order: (order.created_ms or 0, order.id or ""))
    for order, theirs in zip(ours, _sorted(case["parsedResponse"]), strict=True):
        check_order(order, theirs)


async def one(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    answer = numbers(case["httpResponse"])
    serve(venue, answer, "GET /api/v3/order", "GET /fapi/v1/order", "GET /fapi/v1/algoOrder")
    check_order(await binance.get_order(str(case["input"][0]), case["input"][1]), case["parsedResponse"])


async def cancelled(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    answer = numbers(case["httpResponse"])
    serve(venue, answer, "DELETE /api/v3/order", "DELETE /fapi/v1/order", "DELETE /fapi/v1/algoOrder")
    serve(venue, answer, "GET /fapi/v1/algoOrder")
    check_order(await binance.cancel_order(str(case["input"][0]), case["input"][1]), case["parsedResponse"])


async def all_cancelled(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    answer = numbers(case["httpResponse"])
    if isinstance(answer, list):
        venue.answers["DELETE /api/v3/openOrders"] = answer
    else:
        venue.answers |= {"DELETE /fapi/v1/allOpenOrders": answer, "DELETE /fapi/v1/algoOpenOrders": answer}
    ours = await binance.cancel_all_orders(_name(case["input"]))
    if isinstance(answer, list):  # else rule "acknowledged"
        for order, theirs in zip(ours, case["parsedResponse"], strict=True):
            check_order(order, theirs)


async def made(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    """What was asked may have no counterpart; the answer is compared all the same."""
    answer = numbers(case["httpResponse"])
    serve(venue, answer, "POST /api/v3/order", "POST /fapi/v1/order", "POST /fapi/v1/algoOrder")
    try:
        request = order_request(case["input"], {symbol.name: symbol for symbol in binance.symbols})
    except Excluded:
        name, kind, side, size, price = case["input"][:5]
        request = OrderRequest(
            symbol=name,
            side=Side(side),
            type=OrderType(kind),
            amount=Decimal(str(size)),
            price=None if price is None else Decimal(str(price)),
        )
    check_order(await binance.create_order(request), case["parsedResponse"])


async def fills(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    answer = numbers(case["httpResponse"])
    venue.answers |= {"GET /api/v3/myTrades": answer, "GET /fapi/v1/userTrades": answer}
    ours = await binance.get_trade_history(_name(case["input"]))
    for fill, theirs in zip(ours, case["parsedResponse"], strict=True):
        check_fill(fill, theirs)


async def balances(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    answer = numbers(case["httpResponse"])
    spot = "balances" in answer
    venue.answers["GET /api/v3/account" if spot else "GET /fapi/v3/account"] = answer
    check_balances(await binance.get_balance("spot" if spot else "usdm"), case["parsedResponse"])


async def positions(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    venue.answers["GET /fapi/v3/positionRisk"] = numbers(case["httpResponse"])
    ours = await binance.get_positions(_name(case["input"]))
    theirs = [row for row in _rows(case["parsedResponse"]) if row["contracts"]]
    for position, told in zip(ours, theirs, strict=True):
        check_position(position, told)


async def payments(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    venue.answers["GET /fapi/v1/income"] = numbers(case["httpResponse"])
    ours = await binance.get_funding_payments(_name(case["input"]))
    for payment, theirs in zip(ours, _sorted(case["parsedResponse"]), strict=True):
        check_payment(payment, theirs)


async def leverage(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    venue.answers["POST /fapi/v1/leverage"] = numbers(case["httpResponse"])
    await binance.set_leverage(case["input"][1], str(case["input"][0]))


async def margin(binance: ExchangeHandle, venue: BinanceAccount, case: Mapping[str, Any]) -> None:
    venue.answers["POST /fapi/v1/marginType"] = numbers(case["httpResponse"])
    await binance.set_margin_mode(case["input"][1], MarginMode(case["input"][0].lower()))


COMPARED: Mapping[str, Callable[[ExchangeHandle, BinanceAccount, Mapping[str, Any]], Awaitable[None]]] = {
    "cancelAllOrders": all_cancelled,
    "cancelOrder": cancelled,
    "createOrder": made,
    "fetchBalance": balances,
    "fetchCanceledOrders": listed,
    "fetchClosedOrders": listed,
    "fetchFundingHistory": payments,
    "fetchMyTrades": fills,
    "fetchOpenOrder": one,
    "fetchOpenOrders": listed,
    "fetchOrder": one,
    "fetchOrders": listed,
    "fetchPosition": positions,
    "fetchPositions": positions,
    "setLeverage": leverage,
    "setMarginMode": margin,
}


@pytest.mark.parametrize(("method", "case"), each())
async def test_a_recorded_answer_agrees_or_falls_under_a_rule(method: str, case: dict[str, Any]) -> None:
    if any(excludes(case) for excludes in EXCLUDED.values()):
        return
    assert method in COMPARED, f"{method} is neither compared nor excluded by a rule"
    venue = recorded_account()
    async with venue.handle() as binance:
        await COMPARED[method](binance, venue, case)


# --- private samples


def of(venue_id: str) -> Symbol:
    return Symbol(
        venue_id,
        venue_id,
        MarketKind.LINEAR_SWAP,
        venue_id,
        "USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.001"),
    )


def _known(order: Order) -> Order:
    assert order.status is not OrderStatus.UNKNOWN
    assert order.amount is None or order.filled <= order.amount
    return order


def _order(row: wire.Order) -> object:
    return _known(orders.order(row, of(row.symbol)))


def _algo(row: wire.AlgoOrder) -> object:
    order = _known(orders.algo_order(row, of(row.symbol)))
    assert order.trigger_price is not None
    return order


def _every(convert: Callable[[Any], object]) -> Callable[[list[Any]], object]:
    return lambda rows: [convert(row) for row in rows]


def _positions(rows: list[wire.PositionRisk]) -> object:
    found = account.positions(rows, {row.symbol: of(row.symbol) for row in rows}, {})
    assert len(found) == sum(1 for row in rows if row.positionAmt)
    return found


ANSWERS: Mapping[tuple[str, str], tuple[Any, Callable[[Any], object]]] = {
    ("GET", "/api/v3/account"): (wire.SpotAccount, account.spot_balances),
    ("GET", "/api/v3/allOrders"): (list[wire.Order], _every(_order)),
    ("GET", "/api/v3/myTrades"): (list[wire.SpotFill], _every(lambda row: orders.spot_fill(row, of(row.symbol)))),
    ("GET", "/api/v3/openOrders"): (list[wire.Order], _every(_order)),
    ("DELETE", "/api/v3/openOrders"): (
        list[wire.CancelledOrder],
        _every(lambda group: [_order(row) for row in (group.orderReports or (group,))]),
    ),
    ("GET", "/api/v3/order"): (wire.Order, _order),
    ("POST", "/api/v3/order"): (wire.Order, _order),
    ("DELETE", "/api/v3/order"): (wire.Order, _order),
    ("GET", "/fapi/v2/account"): (wire.UsdmAccount, account.usdm_balances),
    ("GET", "/fapi/v3/account"): (wire.UsdmAccount, account.usdm_balances),
    ("DELETE", "/fapi/v1/algoOpenOrders"): (wire.Done, lambda row: row),
    ("GET", "/fapi/v1/algoOrder"): (wire.AlgoOrder, _algo),
    ("POST", "/fapi/v1/algoOrder"): (wire.AlgoOrder, _algo),
    ("DELETE", "/fapi/v1/algoOrder"): (wire.AlgoAnswer, lambda row: row),
    ("GET", "/fapi/v1/allAlgoOrders"): (list[wire.AlgoOrder], _every(_algo)),
    ("DELETE", "/fapi/v1/allOpenOrders"): (wire.Done, lambda row: row),
    ("GET", "/fapi/v1/allOrders"): (list[wire.Order], _every(_order)),
    ("GET", "/fapi/v1/income"): (list[wire.Income], lambda rows: rows),
    ("POST", "/fapi/v1/leverage"): (wire.Leverage, lambda row: row),
    ("POST", "/fapi/v1/listenKey"): (wire.ListenKey, lambda row: row),
    ("PUT", "/fapi/v1/listenKey"): (wire.ListenKey, lambda row: row),
    ("POST", "/fapi/v1/marginType"): (wire.Done, lambda row: row),
    ("GET", "/fapi/v1/openAlgoOrders"): (list[wire.AlgoOrder], _every(_algo)),
    ("GET", "/fapi/v1/openOrder"): (wire.Order, _order),
    ("GET", "/fapi/v1/openOrders"): (list[wire.Order], _every(_order)),
    ("GET", "/fapi/v1/order"): (wire.Order, _order),
    ("POST", "/fapi/v1/order"): (wire.Order, _order),
    ("DELETE", "/fapi/v1/order"): (wire.Order, _order),
    ("GET", "/fapi/v1/positionSide/dual"): (wire.PositionSides, lambda row: row),
    ("POST", "/fapi/v1/positionSide/dual"): (wire.Done, lambda row: row),
    ("GET", "/fapi/v2/positionRisk"): (list[wire.PositionRisk], _positions),
    ("GET", "/fapi/v3/positionRisk"): (list[wire.PositionRisk], _positions),
    ("GET", "/fapi/v1/symbolConfig"): (list[wire.SymbolConfig], lambda rows: rows),
    ("GET", "/fapi/v1/userTrades"): (list[wire.UsdmFill], _every(lambda row: orders.usdm_fill(row, of(row.symbol)))),
}


def answers() -> list[Any]:
    found = []
    for folder in ("*-rest-recorded", "samples-rest"):
        for path in recordings(f"binance/{folder}/*"):
            for line in lines(path):
                kind = (line.get("method") or "GET", line.get("path") or "")
                refused = line["raw"].strip() == "null" or line["raw"].lstrip().startswith('{"code":-')
                if kind in ANSWERS and not refused:
                    found.append(pytest.param(kind, line["raw"], id=f"{path.parent.name}/{line['name']}"))
    return found or [ABSENT]


@pytest.mark.parametrize(("kind", "raw"), answers())
def test_a_sampled_answer_about_an_account_is_understood(kind: tuple[str, str], raw: str) -> None:
    expected, convert = ANSWERS[kind]
    convert(msgspec.json.decode(raw, type=expected))


# --- samples of user streams

_REPORT = msgspec.json.Decoder(wire.ExecutionReport)


def _report(event: wire.ExecutionReport) -> None:
    _known(orders.spot_report(event, of(event.s)))
    if event.x == "TRADE" and Decimal(event.l):
        assert orders.pushed_fill(event, of(event.s)) is not None


def _update(event: wire.OrderUpdate) -> None:
    order = _known(orders.usdm_update(event.o, of(event.o.s)))
    fill = orders.pushed_fill(event.o, of(event.o.s))
    assert fill is None or fill.amount <= order.filled


def _pushed(event: wire.AccountUpdate) -> None:
    for row in event.a.P:
        side = orders.POSITION_SIDES[row.ps] if row.ps != "BOTH" else account.side_of(row.ps, row.pa)
        account.pushed_position(row, of(row.s), side, leverage=None, timestamp_ms=event.T)


EVENTS: Mapping[str, tuple[type[msgspec.Struct], Callable[[Any], object]]] = {
    "executionReport": (wire.ExecutionReport, _report),
    "outboundAccountPosition": (wire.AccountPosition, account.pushed_balances),
    "ORDER_TRADE_UPDATE": (wire.OrderUpdate, _update),
    "ALGO_UPDATE": (wire.AlgoUpdate, lambda event: _known(orders.usdm_algo(event.o, of(event.o.s), event.T))),
    "ACCOUNT_UPDATE": (wire.AccountUpdate, _pushed),
    "ACCOUNT_CONFIG_UPDATE": (wire.ConfigUpdate, lambda event: event),
    "MARGIN_CALL": (wire.MarginCall, lambda event: event),
    "CONDITIONAL_ORDER_TRIGGER_REJECT": (wire.TriggerRefusal, lambda event: event),
}


def _texts(path: Path) -> Iterable[str]:
    for line in lines(path):
        for raw in [step["raw"] for step in line["steps"]] if "steps" in line else [line["raw"]]:
            if raw:
                yield raw


def pushes() -> list[Any]:
    found = [
        pytest.param(path, None, id=f"{path.parent.name}/{path.name}")
        for folder in ("samples-ws", "samples-messages")
        for path in recordings(f"binance/{folder}/*")
    ]
    return found or [ABSENT]


@pytest.mark.parametrize(("path", "nothing"), pushes())
def test_sampled_events_of_an_account_are_understood(path: Path, nothing: None) -> None:
    for raw in _texts(path):
        with suppress(json.JSONDecodeError):  # a sample with blanks to fill in
            message = json.loads(raw)
            if not isinstance(message, dict):
                continue
            inner = message.get("event") or message.get("data") or message
            told = inner.get("e") if isinstance(inner, dict) else None
            if told not in EVENTS or isinstance(inner.get("o"), list):
                continue  # options, which are no market of this adapter, list their orders
            event = wire.event_in(raw.encode())
            assert event.kind == told
            kind, understand = EVENTS[told]
            understand(msgspec.json.decode(event.body, type=kind))


def test_every_row_of_the_account_is_about_a_declared_market() -> None:
    assert {row.market for row in tables.ENDPOINTS} == {"spot", "usdm"}
    assert all(row.signed or row.key_only for row in tables.ENDPOINTS)
