"""Recorded answers about accounts, through the adapter over a socket: what ccxt makes of them, field by field."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from captures import lines, recordings
from okx_account import Excluded, RecordedAccount, fixtures, order_request

from fra.core import (
    Balance,
    ExchangeHandle,
    Fill,
    FundingPayment,
    MarketKind,
    Order,
    OrderStatus,
    OrderType,
    Position,
    Symbol,
    TimeInForce,
)
from fra.exchanges.okx import account, conditional, wire

ABSENT = pytest.param(None, None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))

RULES: Mapping[str, str] = {
    "contracts": "ccxt counts contracts of swaps, we count coins: its amounts times the contract's size are ours",
    "market price": "ccxt gives a market order the price it was filled at; ours has none, and the average beside it",
    "market time in force": "ccxt calls every market order IOC; OKX says nothing of it, so ours is unknown",
    "post-only": "ccxt's time in force PO is our GTC with post_only; where it has None for no, ours is False",
    "order fee": "fees are told by fills, not by orders",
    "position time": "ccxt's timestamp is when a position began, ours when it last changed: its lastUpdateTimestamp",
    "zero": "coins that are zero everywhere are left out",
    "float": "ccxt's numbers went through floats",
}
EXCLUDED: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "the funding wallet is no wallet that orders are paid from": lambda case: (
        case["method"] == "fetchBalance" and "type" in _first(case) and _first(case)["type"] == "funding"
    ),
    "the history of positions is not covered": lambda case: (
        case["method"].startswith("fetchPosition") and any("closeTotalPos" in row for row in _sent(case))
    ),
    "market data": lambda case: case["method"] in ("fetchTicker", "fetchOrderBook", "fetchTickers", "fetchTrades"),
}
"""What is not compared here, and why."""


def _sent(case: Mapping[str, Any]) -> list[Any]:
    return list(case["httpResponse"].get("data") or ())


def _first(case: Mapping[str, Any]) -> Any:
    return case["input"][0] if case["input"] and isinstance(case["input"][0], dict) else {}


def cases() -> list[Any]:
    found = [
        pytest.param(method, {**case, "method": method}, id=f"{method}-{case['description']}")
        for method, of_method in fixtures("response").get("methods", {}).items()
        for case in of_method
        if not case.get("disabled")
    ]
    return found or [ABSENT]


def near(ours: Decimal | None, theirs: object) -> bool:
    """Equal, or as near as a float comes (rule "float")."""
    if ours is None or theirs is None:
        return ours is theirs
    return float(ours) == pytest.approx(float(str(theirs)), rel=1e-12)


# --- one comparison per kind of answer


def check_order(ours: Order, theirs: Mapping[str, Any], listed: Mapping[str, Symbol]) -> None:
    size = listed[ours.symbol].contract_size
    ended = ours.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
    assert theirs["status"] in (None, "canceled" if ended else {"filled": "closed"}.get(ours.status.value, "open"))
    assert (ours.symbol, ours.id, ours.client_order_id) == (
        theirs["symbol"],
        theirs["id"],
        theirs["clientOrderId"] or None,
    )
    assert (ours.side.value, ours.type.value) == (theirs["side"], theirs["type"])
    assert (ours.created_ms, ours.timestamp_ms) == (theirs["timestamp"], theirs["lastUpdateTimestamp"])
    assert near(ours.amount, None if theirs["amount"] is None else Decimal(str(theirs["amount"])) * size)
    assert near(ours.filled, Decimal(str(theirs["filled"])) * size)
    assert near(ours.average_price, theirs["average"])
    assert bool(ours.reduce_only) is bool(theirs["reduceOnly"])
    assert bool(ours.post_only) is bool(theirs["postOnly"])
    if ours.type is OrderType.MARKET:
        assert (ours.price, ours.time_in_force) in ((None, None), (None, TimeInForce.IOC))
    else:
        assert near(ours.price, theirs["price"])
        assert (ours.time_in_force.value if ours.time_in_force else None) == (
            "GTC" if theirs["timeInForce"] == "PO" else theirs["timeInForce"]
        )


def check_position(ours: Position, theirs: Mapping[str, Any], listed: Mapping[str, Symbol]) -> None:
    assert (ours.symbol, ours.side.value) == (theirs["symbol"], theirs["side"])
    assert near(ours.amount, Decimal(str(theirs["contracts"])) * listed[ours.symbol].contract_size)
    assert near(ours.entry_price, theirs["entryPrice"])
    assert near(ours.mark_price, theirs["markPrice"])
    assert near(ours.liquidation_price, theirs["liquidationPrice"])
    assert near(ours.unrealized_pnl, theirs["unrealizedPnl"])
    assert near(ours.leverage, theirs["leverage"])
    assert ours.margin_mode is not None
    assert ours.margin_mode.value == theirs["marginMode"]
    assert ours.hedge_mode is theirs["hedged"]
    assert ours.timestamp_ms == theirs["lastUpdateTimestamp"]


def check_balances(ours: Sequence[Balance], theirs: Mapping[str, Any]) -> None:
    assert all(balance.market == "trading" for balance in ours)
    told = {balance.asset: balance for balance in ours}
    named = {coin: total for coin, total in theirs["total"].items() if Decimal(str(total))}
    assert told.keys() == named.keys()
    for coin, balance in told.items():
        assert near(balance.total, theirs["total"][coin])
        assert near(balance.free, theirs["free"][coin])


def check_fill(ours: Fill, theirs: Mapping[str, Any], listed: Mapping[str, Symbol]) -> None:
    size = listed[ours.symbol].contract_size
    assert (ours.symbol, ours.trade_id, ours.order_id) == (theirs["symbol"], theirs["id"], theirs["order"])
    assert (ours.side.value, ours.maker) == (theirs["side"], theirs["takerOrMaker"] == "maker")
    assert near(ours.price, theirs["price"])
    assert near(ours.amount, Decimal(str(theirs["amount"])) * size)
    fee = theirs.get("fee") or {}
    assert near(ours.fee, fee.get("cost"))
    assert ours.fee_asset == fee.get("currency")


def check_payment(ours: FundingPayment, theirs: Mapping[str, Any]) -> None:
    assert (ours.symbol, ours.id, ours.asset) == (theirs["symbol"], theirs["id"], theirs["code"])
    assert ours.timestamp_ms == theirs["timestamp"]
    assert near(ours.amount, theirs["amount"])


# --- the calls


def _symbol(arguments: Sequence[Any], place: int) -> str | None:
    value = arguments[place] if len(arguments) > place else None
    return value[0] if isinstance(value, list) else value if isinstance(value, str) else None


def by(theirs: Sequence[Mapping[str, Any]], key: str = "id") -> list[Mapping[str, Any]]:
    return sorted(theirs, key=lambda row: (row["timestamp"] or 0, str(row[key])))


async def orders(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any, *, ended: bool) -> None:
    listed = {symbol.name: symbol for symbol in okx.symbols}
    name = _symbol(arguments, 0)
    ours = await okx.get_order_history(name) if ended else await okx.get_open_orders(name)
    assert len(ours) == len(expected)
    for order, theirs in zip(sorted(ours, key=lambda order: order.created_ms or 0), by(expected), strict=True):
        check_order(order, theirs, listed)


async def open_orders(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    await orders(okx, arguments, expected, ended=False)


async def closed_orders(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    await orders(okx, arguments, expected, ended=True)


async def one_order(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    order = await okx.get_order(arguments[0], arguments[1])
    check_order(order, expected, {symbol.name: symbol for symbol in okx.symbols})


async def balance(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    check_balances(await okx.get_balance(), expected)


async def positions(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    expected = expected if isinstance(expected, list) else [expected]
    ours = await okx.get_positions(_symbol(arguments, 0))
    assert len(ours) == len(expected)
    listed = {symbol.name: symbol for symbol in okx.symbols}
    for position, theirs in zip(ours, expected, strict=True):
        check_position(position, theirs, listed)


async def fills(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    ours = await okx.get_trade_history(_symbol(arguments, 0))
    listed = {symbol.name: symbol for symbol in okx.symbols}
    assert len(ours) == len(expected)
    for fill, theirs in zip(ours, by(expected), strict=True):
        check_fill(fill, theirs, listed)


async def payments(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    ours = await okx.get_funding_payments(_symbol(arguments, 0))
    assert len(ours) == len(expected)
    for payment, theirs in zip(ours, by(expected), strict=True):
        check_payment(payment, theirs)


async def made(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    request = order_request(arguments, {symbol.name: symbol for symbol in okx.symbols})
    order = await okx.create_order(request)
    assert (order.id, order.symbol, order.side.value) == (expected["id"], expected["symbol"], expected["side"])
    assert order.status is OrderStatus.PENDING


async def leverage(okx: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    await okx.set_leverage(arguments[1], Decimal(str(arguments[0])))


COMPARED: Mapping[str, Callable[[ExchangeHandle, Sequence[Any], Any], Awaitable[None]]] = {
    "createOrder": made,
    "fetchBalance": balance,
    "fetchClosedOrders": closed_orders,
    "fetchCanceledOrders": closed_orders,
    "fetchFundingHistory": payments,
    "fetchMyTrades": fills,
    "fetchOpenOrders": open_orders,
    "fetchOrder": one_order,
    "fetchPosition": positions,
    "fetchPositions": positions,
    "setLeverage": leverage,
}


@pytest.mark.parametrize(("method", "case"), cases())
async def test_a_recorded_answer_agrees_or_falls_under_a_rule(method: str, case: dict[str, Any]) -> None:
    if any(excludes(case) for excludes in EXCLUDED.values()):
        return
    assert method in COMPARED, f"{method} is neither compared nor excluded by a rule"
    async with RecordedAccount(case["httpResponse"]).handle() as okx:
        with suppress(Excluded):
            await COMPARED[method](okx, case["input"], case["parsedResponse"])


# --- private samples


SAMPLES: Mapping[str, type[msgspec.Struct]] = {
    "/api/v5/account/balance": wire.Account,
    "/api/v5/account/bills": wire.Bill,
    "/api/v5/account/bills-archive": wire.Bill,
    "/api/v5/account/config": wire.AccountConfig,
    "/api/v5/account/positions": wire.Position,
    "/api/v5/account/set-leverage": wire.Leverage,
    "/api/v5/account/set-position-mode": wire.PositionMode,
    "/api/v5/trade/cancel-algos": wire.Ack,
    "/api/v5/trade/cancel-batch-orders": wire.Ack,
    "/api/v5/trade/cancel-order": wire.Ack,
    "/api/v5/trade/fills": wire.Fill,
    "/api/v5/trade/fills-history": wire.Fill,
    "/api/v5/trade/orders-algo-pending": wire.AlgoOrder,
    "/api/v5/trade/orders-history": wire.Order,
    "/api/v5/trade/orders-history-archive": wire.Order,
    "/api/v5/trade/orders-pending": wire.Order,
}
BY_METHOD: Mapping[tuple[str, str], type[msgspec.Struct]] = {
    ("GET", "/api/v5/trade/order"): wire.Order,
    ("POST", "/api/v5/trade/order"): wire.Ack,
    ("GET", "/api/v5/trade/order-algo"): wire.AlgoOrder,
    ("POST", "/api/v5/trade/order-algo"): wire.Ack,
}
CHANNELS: Mapping[str, type[msgspec.Struct]] = {
    "account": wire.Account,
    "orders": wire.Order,
    "orders-algo": wire.AlgoOrder,
    "positions": wire.Position,
}


def symbol_of(venue_id: str) -> Symbol:
    """A symbol of the right kind: only kind and contract size matter here."""
    base, quote, *more = venue_id.split("-")
    kind = MarketKind.SPOT if not more else MarketKind.INVERSE_SWAP if quote == "USD" else MarketKind.LINEAR_SWAP
    size = Decimal(1) if not more else Decimal("0.01")
    return Symbol(venue_id, venue_id, kind, base, quote, tick_size=Decimal("0.1"), lot_size=size, contract_size=size)


def understand(row: Any) -> None:
    """Convert, and hold what must be true of any row."""
    match row:
        case wire.Order():
            order = account.order(row, symbol_of(row.instId))
            assert order.status is not OrderStatus.UNKNOWN
            fill = account.pushed_fill(row, symbol_of(row.instId), order)
            assert fill is None or fill.amount <= order.filled
        case wire.AlgoOrder() if row.ordType == conditional.KINDS:
            assert conditional.untriggered(row, symbol_of(row.instId)).trigger_price is not None
        case wire.Position():
            assert account.position(row, symbol_of(row.instId)).amount >= 0
        case wire.Fill():
            assert account.fill(row, symbol_of(row.instId)).amount > 0
        case wire.Account():
            assert all(balance.asset for balance in account.balances(row))


def files(pattern: str) -> list[Any]:
    found = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in recordings(f"okx/{pattern}")]
    return found or [pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the recorded data"))]


@pytest.mark.parametrize("capture", files("samples-rest/*"))
def test_sampled_answers_about_an_account_are_understood(capture: Path) -> None:
    for line in lines(capture):
        kind = SAMPLES.get(line["path"]) or BY_METHOD.get((line["method"], line["path"]))
        if kind is not None:
            reply = msgspec.json.decode(line["raw"], type=wire.Reply[kind])  # type: ignore[valid-type]
            assert len(reply.data) == len(json.loads(line["raw"])["data"]) > 0
            for row in reply.data:
                understand(row)


@pytest.mark.parametrize("capture", files("samples-ws/*") + files("samples-messages/*"))
def test_sampled_pushes_about_an_account_are_understood(capture: Path) -> None:
    for line in lines(capture):
        raws = [step["raw"] for step in line["steps"]] if "steps" in line else [line["raw"]]
        for raw in raws:
            try:
                message = json.loads(raw)
            except json.JSONDecodeError:
                continue  # a sample with numbers or blanks around it
            arg = message.get("arg") if isinstance(message, dict) else None
            kind = CHANNELS.get(arg.get("channel", "")) if arg else None
            if kind is not None and "data" in message:
                push = msgspec.json.decode(raw, type=wire.UserPush[kind])  # type: ignore[valid-type]
                for row in push.data:
                    understand(row)
