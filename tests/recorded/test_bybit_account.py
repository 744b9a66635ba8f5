"""Recorded answers about accounts, through the adapter over a socket: what ccxt makes of them, field by field."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest
from bybit_cases import Excluded, at, cases, order_request, server
from bybit_server import KEYS

from fra.core import Balance, ExchangeHandle, Fill, Order, OrderRequest, OrderStatus, OrderType, Position, Side

RULES: Mapping[str, str] = {
    "profit": "a total counts what open positions have won or lost so far, as on every venue; ccxt's does not",
    "market price": "ccxt gives a market order the worst price that it might have had; ours has none",
    "post-only": "ccxt's time in force PO is our GTC with post_only",
    "by value": "ccxt gives the value of a spot market order as its amount; ours is its quote_amount",
    "cancelled with fills": "ccxt calls an order of spot that ended short of its value closed; for us it is cancelled",
    "order fee": "fees are told by fills, not by orders",
    "position time": "ccxt's timestamp is when a position began, ours when it last changed: its lastUpdateTimestamp",
    "margin mode": "ccxt leaves a unified account's margin mode out; ours is the account's",
    "funding": "ccxt lists settlements among an account's trades; for us they are payments",
    "zero": "coins that are zero everywhere, and flat positions, are left out",
    "float": "ccxt's numbers went through floats",
}
"""Where we differ on purpose; each is applied by the comparison of its kind below."""

PUBLIC = (
    "fetchFundingRate",
    "fetchFundingRateHistory",
    "fetchFundingRates",
    "fetchOHLCV",
    "fetchOrderBook",
    "fetchTicker",
    "fetchTickers",
    "fetchTrades",
)
EXCLUDED: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "market data": lambda case: case["method"] in PUBLIC,
    "settlements are read in the transaction log, not among executions": lambda case: (
        case["method"] == "fetchFundingHistory"
    ),
    "orders of every state at once are not asked for": lambda case: case["method"] == "fetchOrders",
    "only unified accounts are covered": lambda case: (
        case["method"] == "fetchBalance" and "UNIFIED" not in str(case["httpResponse"])
    ),
}
"""What is not compared here, and why."""


def private() -> list[Any]:
    """The cases that are about an account."""
    found = []
    for param in cases("response"):
        method, case = param.values
        if case is None or not any(test({**case, "method": method}) for test in EXCLUDED.values()):
            found.append(param)
    return found


def near(ours: Decimal | None, theirs: object) -> bool:
    """Equal, or as near as a float comes (rule "float")."""
    if ours is None or theirs is None:
        return ours is theirs
    return float(ours) == pytest.approx(float(str(theirs)), rel=1e-12)


# --- one comparison per kind of answer


def check_order(ours: Order, theirs: Mapping[str, Any]) -> None:
    status = {OrderStatus.FILLED: "closed", OrderStatus.OPEN: "open"}.get(ours.status, ours.status.value)
    short = ours.status is OrderStatus.CANCELED and ours.filled > 0
    assert status == theirs["status"] or (short and theirs["status"] == "closed")
    assert (ours.symbol, ours.id, ours.client_order_id) == (theirs["symbol"], theirs["id"], theirs["clientOrderId"])
    assert (ours.side.value, ours.type.value) == (theirs["side"], theirs["type"])
    assert (ours.created_ms, ours.timestamp_ms) == (theirs["timestamp"], theirs["lastUpdateTimestamp"])
    by_value = ours.quote_amount is not None
    assert near(ours.quote_amount if by_value else ours.amount, theirs["amount"])
    assert near(ours.filled, theirs["filled"])
    assert near(ours.average_price, theirs["average"])
    assert ours.reduce_only is theirs["reduceOnly"]
    assert ours.post_only is theirs["postOnly"]
    assert ours.time_in_force is not None
    assert ("PO" if ours.post_only else ours.time_in_force.value) == theirs["timeInForce"]
    assert near(ours.trigger_price, theirs["triggerPrice"])
    if ours.type is OrderType.MARKET:
        assert ours.price is None
    else:
        assert near(ours.price, theirs["price"])


def check_position(ours: Position, theirs: Mapping[str, Any]) -> None:
    assert (ours.symbol, ours.side.value) == (theirs["symbol"], theirs["side"])
    assert near(ours.amount, theirs["contracts"])
    assert near(ours.entry_price, theirs["entryPrice"])
    assert near(ours.mark_price, theirs["markPrice"])
    assert near(ours.liquidation_price, theirs["liquidationPrice"])
    assert near(ours.unrealized_pnl, theirs["unrealizedPnl"])
    assert near(ours.leverage, theirs["leverage"])
    assert (ours.margin_mode is not None, theirs["marginMode"]) == (True, None)
    assert ours.hedge_mode is theirs["hedged"]
    assert ours.timestamp_ms == theirs["lastUpdateTimestamp"]


def check_balances(ours: Sequence[Balance], theirs: Mapping[str, Any]) -> None:
    assert {balance.market for balance in ours} == {"unified"}
    told = {balance.asset: balance for balance in ours}
    assert told.keys() == {coin for coin, total in theirs["total"].items() if total}
    rows = [row for wallet in theirs["info"]["result"]["list"] for row in wallet["coin"]]
    profits = {row["coin"]: Decimal(row.get("unrealisedPnl") or 0) for row in rows}
    for coin, balance in told.items():
        assert near(balance.total - profits[coin], theirs["total"][coin])
        assert near(balance.free - profits[coin], theirs["free"][coin])
        assert near(balance.used, theirs["used"][coin])
        assert near(balance.borrowed, theirs[coin]["debt"])
        assert balance.timestamp_ms == theirs["timestamp"]


def check_fill(ours: Fill, theirs: Mapping[str, Any]) -> None:
    assert (ours.symbol, ours.trade_id, ours.order_id) == (theirs["symbol"], theirs["id"], theirs["order"])
    assert (ours.side.value, ours.maker) == (theirs["side"], theirs["takerOrMaker"] == "maker")
    assert ours.timestamp_ms == theirs["timestamp"]
    assert near(ours.price, theirs["price"])
    assert near(ours.amount, theirs["amount"])
    assert near(ours.fee, theirs["fee"]["cost"])
    assert ours.fee_asset == theirs["fee"]["currency"]


def check_ids(ours: Order, theirs: Mapping[str, Any]) -> None:
    """An answer to an order has its id and nothing else; the client's id is the one that we sent."""
    assert (ours.id, ours.status, ours.filled) == (theirs["id"], OrderStatus.PENDING, 0)


# --- the calls


async def place(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    try:
        request = order_request(arguments)
    except Excluded:
        return
    check_ids(await bybit.create_order(attrs.evolve(request, client_order_id="mine")), expected)


async def place_by_cost(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    request = OrderRequest(
        symbol=arguments[0], side=Side.BUY, type=OrderType.MARKET, quote_amount=Decimal(str(arguments[1]))
    )
    check_ids(await bybit.create_order(request), expected)


async def one_order(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    check_order(await bybit.get_order(arguments[0], arguments[1]), expected)


async def ended_orders(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    ours = await bybit.get_order_history(at(arguments, 0))
    assert len(ours) == len(expected)
    for order, theirs in zip(ours, sorted(expected, key=lambda row: row["timestamp"]), strict=True):
        check_order(order, theirs)


async def open_orders(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    ours = {order.id: order for order in await bybit.get_open_orders(at(arguments, 0))}
    assert ours.keys() == {theirs["id"] for theirs in expected}
    for theirs in expected:
        check_order(ours[theirs["id"]], theirs)


async def leverage(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    await bybit.set_leverage(arguments[1], Decimal(str(arguments[0])))


async def balance(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    check_balances(await bybit.get_balance(), expected)


async def positions(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    name = at(arguments, 0)
    ours = await bybit.get_positions(name[0] if isinstance(name, list) else name)
    theirs = [row for row in (expected if isinstance(expected, list) else [expected]) if row["contracts"]]
    assert len(ours) == len(theirs)
    for position, other in zip(ours, theirs, strict=True):
        check_position(position, other)


async def fills(bybit: ExchangeHandle, arguments: Sequence[Any], expected: Any) -> None:
    traded = [theirs for theirs in expected if theirs["info"]["execType"] != "Funding"]
    ours = await bybit.get_trade_history(at(arguments, 0))
    assert len(ours) == len(traded)
    for fill, theirs in zip(ours, sorted(traded, key=lambda row: row["timestamp"]), strict=True):
        check_fill(fill, theirs)


CALLS: Mapping[str, Callable[[ExchangeHandle, Sequence[Any], Any], Awaitable[None]]] = {
    "createMarketBuyOrderWithCost": place_by_cost,
    "createOrder": place,
    "fetchOrder": one_order,
    "fetchOpenOrder": one_order,
    "fetchOpenOrders": open_orders,
    "fetchCanceledAndClosedOrders": ended_orders,
    "fetchCanceledOrders": ended_orders,
    "setLeverage": leverage,
    "fetchClosedOrder": one_order,
    "fetchClosedOrders": ended_orders,
    "fetchBalance": balance,
    "fetchPosition": positions,
    "fetchPositions": positions,
    "fetchMyTrades": fills,
}
PATHS = (
    "order/create",
    "order/realtime",
    "order/history",
    "position/list",
    "execution/list",
    "account/wallet-balance",
    "account/info",
    "position/set-leverage",
)


@pytest.mark.parametrize(("method", "case"), private())
async def test_a_recorded_answer_means_the_same_to_ccxt_and_to_us(method: str, case: dict[str, Any]) -> None:
    answer = json.loads(json.dumps(case["httpResponse"], default=str))
    category = answer["result"].get("category")
    # What concerns the modes of an account is no part of the case.
    modes = {"account/info": {"marginMode": "REGULAR_MARGIN"}}
    if method.startswith("create"):
        modes["position/list"] = {"list": []}  # type: ignore[dict-item]
    markets = [category] if category else []
    async with server({**dict.fromkeys(PATHS, answer), **modes}).asked(markets=markets, **KEYS) as bybit:
        await CALLS[method](bybit, case["input"], case["parsedResponse"])
