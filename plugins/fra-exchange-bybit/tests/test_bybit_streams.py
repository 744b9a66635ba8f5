"""What frames of Bybit's sockets become for a user: books, rates, and the events of an account."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from bybit_server import KEYS, BybitServer, now_ms

from fra.core import (
    Balance,
    ErrorRaised,
    ExchangeHandle,
    Fill,
    FundingRate,
    Order,
    OrderBook,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    StreamStatus,
    Subscription,
    UserEvent,
)

NOW = now_ms()
HOUR = 3_600_000
SWAP = "BTC/USDT:USDT"
BOOK = {
    "topic": "orderbook.200.BTCUSDT",
    "type": "snapshot",
    "ts": NOW,
    "data": {"s": "BTCUSDT", "b": [["100.1", "2"]], "a": [["100.2", "3"]], "u": 7, "seq": 9},
    "cts": NOW - 5,
}
TICKER = {
    "symbol": "BTCUSDT",
    "fundingRate": "0.0001",
    "nextFundingTime": str(NOW + HOUR),
    "fundingIntervalHour": "8",
    "markPrice": "100",
    "bid1Price": "99",
    "ask1Price": "101",
}


def frames(**by_topic: list[Any]) -> Callable[[str], list[str]]:
    """The frames that topics begin with, by what their names begin with."""
    return lambda topic: [json.dumps(frame) for frame in by_topic.get(topic.partition(".")[0], [])]


async def test_a_snapshot_that_comes_before_the_acknowledgement_is_the_book() -> None:
    server = BybitServer(say=frames(orderbook=[BOOK]))
    async with server.asked(markets=["linear"]) as bybit, bybit.subscribe_orderbook(SWAP) as books:
        async with asyncio.timeout(20):
            book = await anext(books)
    assert isinstance(book, OrderBook)
    assert (book.sequence, book.timestamp_ms, book.bids[0].price) == (7, NOW - 5, Decimal("100.1"))
    assert [frame["op"] for frame in server.frames].count("subscribe") == 1


async def test_a_delta_without_a_snapshot_is_no_book() -> None:
    delta = {**BOOK, "type": "delta"}
    server = BybitServer(say=frames(orderbook=[delta]))
    async with server.asked(markets=["linear"]) as bybit, asyncio.timeout(20):
        books = bybit.subscribe_orderbook(SWAP)
        reading = asyncio.create_task(anext(books))
        await bybit.get_symbols()
        await server.subscribed.wait()
        await server.push("/ws/linear", delta, BOOK)
        assert (await reading).sequence == 7
        await books.close()


@asynccontextmanager
async def rates(server: BybitServer) -> AsyncIterator[tuple[ExchangeHandle, list[FundingRate]]]:
    seen: list[FundingRate] = []
    async with server.asked(markets=["linear"]) as bybit, asyncio.timeout(30):
        stream = bybit.subscribe_funding_rate(SWAP)
        stream.add_listener(seen.append)
        async with stream:
            yield bybit, seen


async def until(condition: Callable[[], bool], stream: Subscription[Any]) -> None:
    changed = asyncio.Event()
    stream.add_listener(lambda item: changed.set())
    async with asyncio.timeout(30):
        while not condition():
            await changed.wait()
            changed.clear()


def told(kind: str, **fields: str) -> dict[str, Any]:
    return {"topic": "tickers.BTCUSDT", "type": kind, "ts": NOW, "data": {"symbol": "BTCUSDT", **fields}}


async def test_a_rate_is_told_when_it_changes_and_not_with_each_best_price() -> None:
    server = BybitServer(say=frames(tickers=[told("snapshot", **TICKER)]))
    async with rates(server) as (bybit, seen):
        stream = bybit.subscribe_funding_rate(SWAP)
        many = [told("delta", bid1Price=str(n)) for n in range(50)]
        await server.push("/ws/linear", *many, told("delta", fundingRate="0.0002"))
        await until(lambda: seen[-1].rate == Decimal("0.0002"), stream)
        await stream.close()
    # The mark price alone comes once a second.
    assert len([rate for rate in seen if rate.rate == Decimal("0.0001")]) < 5
    # What a delta leaves out did not change.
    assert {(rate.next_settlement_ms, rate.mark_price) for rate in seen} == {(NOW + HOUR, Decimal(100))}


# --- the account

LINEAR_ORDER = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "orderId": "1",
    "orderLinkId": "mine",
    "side": "Buy",
    "orderType": "Limit",
    "orderStatus": "PartiallyFilled",
    "qty": "3",
    "price": "100",
    "cumExecQty": "1",
    "avgPrice": "99.5",
    "timeInForce": "PostOnly",
    "positionIdx": 0,
    "reduceOnly": False,
    "createdTime": str(NOW),
    "updatedTime": str(NOW + 1),
}
EXECUTION = {
    "category": "linear",
    "symbol": "BTCUSDT",
    "orderId": "1",
    "execId": "x",
    "side": "Buy",
    "execPrice": "99.5",
    "execQty": "1",
    "execTime": str(NOW),
    "execFee": "-0.01",
    "isMaker": True,
    "execType": "Trade",
}
POSITION = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "size": "1", "positionIdx": 0, "entryPrice": "99"}
WALLET = {
    "coin": [{"coin": "USDT", "walletBalance": "100", "totalPositionIM": "10", "totalOrderIM": "5", "locked": "1"}]
}
ANSWERS: dict[str, Any] = {
    "order/realtime": {"list": []},
    "order/history": {"list": []},
    "execution/list": {"list": []},
    "position/list": {"list": []},
    "account/info": {"marginMode": "ISOLATED_MARGIN"},
    "account/wallet-balance": {"list": [WALLET]},
}


class Account:
    """The stream of an account, and what it said."""

    def __init__(self, server: BybitServer, bybit: ExchangeHandle, stream: Subscription[UserEvent]) -> None:
        self.server, self.bybit, self.stream = server, bybit, stream
        self.events: list[UserEvent] = []
        self.errors: list[str] = []
        stream.add_listener(self.events.append)
        bybit.register_event_handler(ErrorRaised, lambda event: self.errors.append(str(event.error)))

    async def push(self, topic: str, *rows: dict[str, Any]) -> None:
        await self.server.push("/ws/private", {"id": "i", "topic": topic, "creationTime": NOW, "data": list(rows)})

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def account(*markets: str, **answers: Any) -> AsyncIterator[Account]:
    server = BybitServer({**ANSWERS, **answers})
    async with server.asked(markets=list(markets) or ["linear"], **KEYS) as bybit, asyncio.timeout(30):
        stream = bybit.subscribe_user_data()
        found = Account(server, bybit, stream)
        async with stream:
            yield found


async def test_it_logs_in_and_subscribes_to_all_topics_of_the_account() -> None:
    async with account() as found:
        sent = [frame for frame in found.server.frames if frame["op"] != "ping"]
        assert found.stream.status is StreamStatus.LIVE
    assert [frame["op"] for frame in sent] == ["auth", "subscribe"]
    assert sent[0]["args"][0] == "the-key"
    assert set(sent[1]["args"]) == {"order", "execution", "position", "wallet"}


async def test_spot_alone_has_no_positions() -> None:
    async with account("spot") as found:
        assert set(found.server.frames[-1]["args"]) == {"order", "execution", "wallet"}
    assert "position/list" not in found.server.paths()


async def test_each_message_becomes_its_event() -> None:
    async with account() as found:
        await found.push("order", LINEAR_ORDER)
        await found.push("execution", EXECUTION, {**EXECUTION, "execType": "Funding", "execId": "f"})
        await found.push("position", POSITION)
        await found.push("wallet", {"coin": [{"coin": "USDT", "walletBalance": "7"}]})
        await until(lambda: bool(found.told(Balance)) and found.told(Balance)[-1].total == 7, found.stream)
    order = found.told(Order)[-1]
    assert (order.status, order.filled, order.average_price) == (OrderStatus.OPEN, 1, Decimal("99.5"))
    assert (order.post_only, order.client_order_id, order.type) == (True, "mine", OrderType.LIMIT)
    (fill,) = found.told(Fill)
    assert (fill.trade_id, fill.fee, fill.fee_asset, fill.maker) == ("x", Decimal("-0.01"), "USDT", True)
    assert [(p.side, p.amount, p.entry_price) for p in found.told(Position)][-1] == (PositionSide.LONG, 1, 99)
    first = found.told(Balance)[0]
    assert (first.free, first.used, first.total, first.market) == (84, 16, 100, "unified")
    assert found.errors == []


async def test_an_instrument_that_is_not_listed_is_reported_once_and_harms_nothing() -> None:
    option = {**LINEAR_ORDER, "category": "option", "symbol": "BTC-26DEC26-90000-C"}
    dated = {**LINEAR_ORDER, "symbol": "BTCUSDT-26DEC26"}
    async with account() as found:
        await found.push("order", option, option, dated, LINEAR_ORDER)
        await found.push("order", {**LINEAR_ORDER, "orderId": "2"})
        await until(lambda: {order.id for order in found.told(Order)} >= {"1", "2"}, found.stream)
    assert len(found.errors) == 2
    assert "BTC-26DEC26-90000-C" in found.errors[0]
    assert "BTCUSDT-26DEC26" in found.errors[1]


async def test_what_happens_in_a_market_that_is_not_configured_is_nobodys_concern() -> None:
    async with account("linear") as found:
        await found.push("order", {**LINEAR_ORDER, "category": "spot", "orderId": "s"})
        await found.push("order", LINEAR_ORDER)
        await until(lambda: bool(found.told(Order)), found.stream)
    assert [order.id for order in found.told(Order)] == ["1"]
    assert found.errors == []


async def test_a_flat_position_is_told_as_the_side_that_it_was() -> None:
    async with account() as found:
        await found.push("position", POSITION)
        await found.push("position", {**POSITION, "side": "", "size": "0"})
        await found.push("position", {**POSITION, "side": "Sell", "size": "2"})
        await found.push("position", POSITION)
        await until(lambda: len(found.told(Position)) >= 5, found.stream)
    assert [(p.side.value, p.amount) for p in found.told(Position)] == [
        ("long", 1),
        ("long", 0),
        ("short", 2),
        ("short", 0),
        ("long", 1),
    ]


@pytest.mark.parametrize(("index", "side"), [(1, PositionSide.LONG), (2, PositionSide.SHORT)])
async def test_a_flat_side_of_hedge_mode_is_its_own(index: int, side: PositionSide) -> None:
    held = {**POSITION, "positionIdx": index, "side": "Buy" if index == 1 else "Sell"}
    async with account() as found:
        await found.push("position", held, {**held, "side": "", "size": "0"})
        await until(lambda: len(found.told(Position)) >= 2, found.stream)
    assert [(p.side, p.amount, p.hedge_mode) for p in found.told(Position)] == [(side, 1, True), (side, 0, True)]


async def test_what_was_there_before_is_told_first() -> None:
    position = {**POSITION, "avgPrice": "98", "tradeMode": 0}
    realtime = {"list": [LINEAR_ORDER]}
    async with account(**{"order/realtime": realtime, "position/list": {"list": [position]}}) as found:
        pass
    assert {order.id for order in found.told(Order)} == {"1"}
    (held,) = found.told(Position)[:1]
    assert held.margin_mode is not None
    assert (held.entry_price, held.margin_mode.value) == (98, "isolated")


async def test_a_ticker_of_a_price_that_is_not_even_a_number_is_told_of_and_not_handed_over() -> None:
    pushed = [[told("snapshot", **{**TICKER, "bid1Price": "NaN"})], [told("snapshot", **TICKER)]]
    # Each subscription begins with the next of them: the first is answered by a new connection.
    say = frames(tickers=[])

    def begins(topic: str) -> list[str]:
        return [json.dumps(frame) for frame in pushed.pop(0)] if topic.startswith("tickers") and pushed else say(topic)

    server = BybitServer(say=begins)
    async with server.asked(markets=["linear"], options={"reconnect_delay": 0.01}) as bybit:
        reported: list[ErrorRaised] = []
        bybit.register_event_handler(ErrorRaised, reported.append)
        async with bybit.subscribe_ticker(SWAP) as tickers, asyncio.timeout(10):
            assert (await anext(tickers)).bid == 99
        assert any("a ticker with NaN" in str(event.error) for event in reported)
