"""Conditional orders that a venue keeps apart are one order with what comes of them, in whatever order it is told."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import Local

from fra.core import InsufficientFunds, Order, OrderRequest, OrderStatus, OrderType, Side, Symbol

pytestmark = pytest.mark.skipif("FRA_FIXTURES" not in os.environ, reason="FRA_FIXTURES is not set")

LINEAR = "BTC/USDT:USDT"
SAID = 1_700_000_000_000
ALGO = {
    "s": "BTCUSDT",
    "aid": 900,
    "caid": "mine",
    "at": "CONDITIONAL",
    "o": "STOP_MARKET",
    "S": "BUY",
    "ps": "BOTH",
    "f": "GTC",
    "q": "0.1",
    "tp": "70000",
    "p": "0",
    "ai": "",
    "aq": "0",
    "ap": "0",
    "R": False,
    "T": SAID,
}
CHILD = {
    "s": "BTCUSDT",
    "c": "mine",
    "i": 55,
    "S": "BUY",
    "o": "MARKET",
    "ot": "STOP_MARKET",
    "f": "GTC",
    "q": "0.1",
    "p": "0",
    "ap": "0",
    "sp": "70000",
    "z": "0",
    "x": "NEW",
    "X": "NEW",
    "ps": "BOTH",
    "T": SAID,
    "R": False,
}
TRADE = {**CHILD, "x": "TRADE", "X": "FILLED", "z": "0.1", "ap": "70010", "l": "0.1", "L": "70010", "t": 7, "m": False}


def told(order: Order) -> tuple[object, ...]:
    return order.id, order.client_order_id, order.type, order.status, order.filled, order.trigger_price


async def test_on_binance_the_plain_order_may_speak_before_the_service_says_that_it_triggered() -> None:
    async with Local().adapter("binance") as binance:
        of, read = binance.symbol(LINEAR), binance.client.parse_ws_order
        said = ("900", "mine", OrderType.STOP)
        waits = binance.order(read({**ALGO, "X": "NEW"}), of)
        assert told(waits) == (*said, OrderStatus.OPEN, 0, 70000)
        assert told(binance.order(read(CHILD), of)) == (*said, OrderStatus.OPEN, 0, 70000)
        filled = binance.order(read(TRADE), of)
        assert told(filled) == (*said, OrderStatus.FILLED, Decimal("0.1"), 70000)
        assert (filled.average_price, filled.price) == (70010, None)
        fill = binance.fill(binance.client.parse_ws_trade(TRADE), of, 0)
        assert (fill.order_id, fill.client_order_id, fill.amount) == ("900", "mine", Decimal("0.1"))
        ended = binance.order(read({**ALGO, "X": "FINISHED", "ai": "55", "aq": "0.1", "ap": "70010"}), of)
        assert told(ended) == told(filled)
        again = binance.order(read({**CHILD, "i": 56, "sp": "0", "ot": "MARKET"}), of)
        assert (again.id, again.type) == ("56", OrderType.MARKET)  # whoever uses the client order id anew


@pytest.mark.parametrize(
    ("state", "traded", "status"),
    [
        ("CANCELED", "0", OrderStatus.CANCELED),
        ("EXPIRED", "0", OrderStatus.EXPIRED),
        ("REJECTED", "0", OrderStatus.REJECTED),
        ("FINISHED", "0.04", OrderStatus.CANCELED),
        ("TRIGGERED", "0.04", OrderStatus.OPEN),
        ("SOMETHING", "0", OrderStatus.UNKNOWN),
    ],
)
async def test_where_an_algo_order_of_binance_stands(state: str, traded: str, status: OrderStatus) -> None:
    async with Local().adapter("binance") as binance:
        raw = binance.client.parse_ws_order({**ALGO, "X": state, "aq": traded, "ap": "70010"})
        order = binance.order(raw, binance.symbol(LINEAR))
    assert (order.status, order.filled) == (status, Decimal(traded))


OKX_CHILD = {
    "instId": "BTC-USDT-SWAP",
    "instType": "SWAP",
    "ordId": "55",
    "clOrdId": "",
    "algoId": "900",
    "side": "buy",
    "algoClOrdId": "mine",
    "source": "7",
    "ordType": "market",
    "state": "filled",
    "sz": "10",
    "accFillSz": "10",
    "avgPx": "70010",
    "px": "",
    "cTime": str(SAID),
    "uTime": str(SAID + 1),
}
OKX_ALGO = {
    "instId": "BTC-USDT-SWAP",
    "instType": "SWAP",
    "algoId": "900",
    "algoClOrdId": "mine",
    "ordType": "conditional",
    "side": "buy",
    "sz": "10",
    "slTriggerPx": "70000",
    "slOrdPx": "-1",
    "tpTriggerPx": "",
    "tpOrdPx": "",
    "state": "effective",
    "ordIdList": ["55"],
    "actualSz": "10",
    "cTime": str(SAID - 1),
}


def by_path(request: Any) -> Any:
    return {"code": "0", "msg": "", "data": [OKX_ALGO if "algo" in request.path else OKX_CHILD]}


async def test_on_okx_a_stop_that_was_never_seen_is_asked_for() -> None:
    async with Local(by_path).adapter("okx") as okx:
        order = await okx.get_order("55", okx.symbol(LINEAR))
    assert (order.id, order.client_order_id, order.type) == ("900", "mine", OrderType.STOP)
    assert (order.trigger_price, order.status, order.average_price) == (70000, OrderStatus.FILLED, 70010)


async def test_on_okx_what_an_algo_order_of_another_kind_makes_has_its_own_ids() -> None:
    async with Local().adapter("okx") as okx:
        rows = [{**OKX_CHILD, "source": "", "ordId": number} for number in ("55", "56")]
        orders = [okx.order(okx.client.parse_order(row), okx.symbol(LINEAR)) for row in rows]
    assert [order.id for order in orders] == ["55", "56"]


def stop(of: Symbol) -> OrderRequest:
    return OrderRequest(
        symbol=of.name, side=Side.BUY, type=OrderType.STOP, amount=of.lot_size, trigger_price=Decimal(70000),
        client_order_id="mine",
    )  # fmt: skip


async def test_a_refusal_of_okx_under_the_code_of_success_is_one() -> None:
    refusal = {"algoId": "", "sCode": "51008", "sMsg": "Order failed. Insufficient balance."}
    local = Local({"code": "0", "msg": "", "data": [refusal]})
    async with local.adapter("okx") as okx:
        okx._hedged = False  # type: ignore[attr-defined]
        with pytest.raises(InsufficientFunds) as caught:
            await okx.create_order(stop(okx.symbol(LINEAR)), okx.symbol(LINEAR))
    assert caught.value.code == "51008"
    assert local.asked[-1].path == "/api/v5/trade/order-algo"
