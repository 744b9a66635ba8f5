"""Reloads in a row under streams and orders, on each emulated venue, held to what the venue itself knows.

``FRA_RELOADS=60`` draws as many as a release is held to; the default is few. The emulator's windows are ten times as
short as the venue's, and its limits are enforced.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from time import monotonic
from typing import Any

import attrs
import pytest
from traders import LINEAR, PATIENCE_S, Trader, check_fills, check_order, configured, new_account

from fra.core import (
    BookView,
    ErrorRaised,
    ExchangeConfig,
    ExchangePluginInterface,
    Fill,
    FillReceived,
    FundingRate,
    InvalidOrder,
    Kline,
    Order,
    OrderChanged,
    OrderType,
    PluginManager,
    PluginRegistry,
    Side,
    StreamGapped,
    StreamStatus,
    StreamStatusChanged,
    Ticker,
    Trade,
)
from fra.emulator import Emulator, Venue
from fra.emulator.source import StreamKey

RELOADS = int(os.environ.get("FRA_RELOADS", "4"))
SCALE = 0.1


@attrs.frozen
class Channel:
    """How a venue streams trades: the emulator's channel, and where the ids stand in a frame."""

    name: str
    ids: Callable[[Any], list[str]]


CHANNELS = {
    "binance": Channel("aggTrade", lambda frame: [str(frame.get("data", frame)["a"])]),
    "okx": Channel("trades", lambda frame: [row["tradeId"] for row in frame["data"]]),
    "bybit": Channel("publicTrade", lambda frame: [row["i"] for row in frame["data"]]),
    "htx": Channel(
        "trade.detail", lambda frame: [str(row.get("tradeId", row.get("id"))) for row in frame["tick"]["data"]]
    ),
}


class Heard:
    """What the listeners of one exchange were called with, and how long each kind was silent."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.fills: list[Fill] = []
        self.candles: list[Kline] = []
        self.books = 0
        self.wrong: list[str] = []
        self.pauses: Counter[str] = Counter()
        self._at: dict[str, float] = {}
        self._sequence: int | None = None
        self._ticked: int | None = None
        self.more = asyncio.Event()

    def note(self, kind: str) -> None:
        now = monotonic()
        self.pauses[kind] = max(self.pauses[kind], round(1000 * (now - self._at.get(kind, now))))
        self._at[kind] = now
        self.more.set()

    def book(self, view: BookView) -> None:
        self.note("book")
        self.books += 1
        if not view.valid:
            self.wrong.append("a book that is not valid")
        elif view.sequence is not None:
            if self._sequence is not None and view.sequence < self._sequence:
                self.wrong.append(f"book {view.sequence} after {self._sequence}")
            self._sequence = view.sequence

    def trade(self, trade: Trade) -> None:
        self.note("trades")
        self.trades.append(trade)

    def ticker(self, ticker: Ticker) -> None:
        self.note("ticker")
        if ticker.timestamp_ms is not None:
            if self._ticked is not None and ticker.timestamp_ms < self._ticked:
                self.wrong.append("an older ticker after a newer one")
            self._ticked = ticker.timestamp_ms

    def candle(self, candle: Kline) -> None:
        self.note("klines")
        self.candles.append(candle)

    def funding(self, rate: FundingRate) -> None:
        self.note("funding rate")

    def event(self, event: object) -> None:
        self.note("user data")
        if isinstance(event, Fill):
            self.fills.append(event)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.more.clear()
                await self.more.wait()


class Truth:
    """The trades of a symbol as the venue sends them."""

    def __init__(self, venue: Venue, market: str, venue_id: str) -> None:
        self.ids: list[str] = []
        self._channel = CHANNELS[venue.name]
        opened = venue.source.open(StreamKey(market, self._channel.name, venue_id), self._push)
        assert opened is not None
        self._stream = opened

    def _push(self, frame: str) -> None:
        self.ids += self._channel.ids(json.loads(frame))

    def close(self) -> None:
        self._stream.close()


class Ordering:
    """Orders without pause: some trade, some rest and are cancelled."""

    def __init__(self, trader: Trader) -> None:
        self.trader = trader
        self.sent: list[Order] = []
        self.errors: list[Exception] = []
        self._stop = False

    async def run(self) -> None:
        number = 0
        while not self._stop:
            side = (Side.BUY, Side.SELL)[number % 2]
            number += 1
            try:
                if number % 3:
                    self.sent.append(await self.trader.send(LINEAR, side, amount=Decimal("0.1")))
                else:
                    price = await self.trader.price(LINEAR, "0.05", side)
                    resting = await self.trader.send(
                        LINEAR, side, amount=Decimal("0.1"), type=OrderType.LIMIT, price=price
                    )
                    self.sent.append(resting)
                    await self.trader.handle.cancel_order(resting.id, LINEAR)
            except InvalidOrder:
                pass  # the price had moved
            except Exception as error:
                self.errors.append(error)
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        self._stop = True


@asynccontextmanager
async def loaded(name: str) -> AsyncIterator[tuple[Venue, PluginManager, Trader, list[weakref.ref[object]]]]:
    """An account on a venue with limits, whose plugin instances are counted."""
    born: list[weakref.ref[object]] = []
    registry = PluginRegistry()
    cls: type[ExchangePluginInterface] = registry.get_plugin_class(name)

    class Counted(cls):  # type: ignore[misc, valid-type]
        def __init__(self, config: ExchangeConfig) -> None:
            super().__init__(config)
            born.append(weakref.ref(self))

    registry.register_plugin("counted", Counted)
    async with Emulator([name], seed=11, step_ms=100, rate_window_scale=SCALE) as emulator:
        venue, account = emulator.venues[name], new_account()
        venue.open_account(account)
        config = {**configured(venue, account), "plugin": "counted"}
        async with PluginManager.from_config({"exchanges": {"main": config}}, registry=registry) as manager:
            trader = Trader(manager.get_plugin("main"), venue, account)
            await trader.handle.get_symbols()
            yield venue, manager, trader, born
            trader.leave()


@pytest.mark.parametrize("name", CHANNELS)
async def test_reloads_in_a_row_lose_nothing_and_tell_nothing_twice(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    async with loaded(name) as (venue, manager, trader, born):
        heard, handle = Heard(), trader.handle
        events: dict[type, list[Any]] = {
            kind: [] for kind in (StreamGapped, StreamStatusChanged, ErrorRaised, FillReceived, OrderChanged)
        }
        for kind, kept in events.items():
            handle.register_event_handler(kind, kept.append)
        symbol = handle.symbol(LINEAR)
        truth = Truth(venue, symbol.market, symbol.venue_id)
        subscriptions = {
            handle.subscribe_orderbook(LINEAR): heard.book,
            handle.subscribe_trades(LINEAR): heard.trade,
            handle.subscribe_ticker(LINEAR): heard.ticker,
            handle.subscribe_klines(LINEAR, "1m"): heard.candle,
            handle.subscribe_funding_rate(LINEAR): heard.funding,
            handle.subscribe_user_data(): heard.event,
        }
        async with asyncio.timeout(PATIENCE_S):
            for subscription, listener in subscriptions.items():
                subscription.add_listener(listener)
                await subscription.ready()
        iterated: list[str] = []

        async def iterate() -> None:
            async for trade in handle.subscribe_trades(LINEAR):
                iterated.append(trade.id)

        iterating = asyncio.create_task(iterate())
        events[StreamStatusChanged].clear()
        ordering = Ordering(trader)
        orders = asyncio.create_task(ordering.run())
        began = monotonic()
        for _ in range(RELOADS):
            await manager.reload_plugin("main")
        took = monotonic() - began
        ordering.stop()
        await orders
        last = heard.trades[-1].id
        await heard.until(lambda: heard.trades[-1].id != last)
        await heard.until(lambda: len(heard.fills) >= len(trader.true_fills()))

        # trades
        ids = [trade.id for trade in heard.trades]
        first = truth.ids.index(ids[0])
        assert ids == truth.ids[first : first + len(ids)]
        assert [*iterated] == ids[ids.index(iterated[0]) :][: len(iterated)]
        # fills and orders
        assert ordering.errors == []
        assert len(ordering.sent) > RELOADS
        check_fills(heard.fills, trader.true_fills())
        check_fills([event.fill for event in events[FillReceived]], trader.true_fills())
        known: dict[str | None, Order] = {}
        for event in events[OrderChanged]:
            order, before = event.order, known.get(event.order.client_order_id)
            assert before is None or (order.filled >= before.filled and not before.status.final) or order == before
            known[order.client_order_id] = order
        for sent in ordering.sent:
            check_order(known[sent.client_order_id], trader.true_order(sent), averaged=False)
        # the rest
        assert heard.wrong == []
        assert [(each.open_ms, bool(each.closed)) for each in heard.candles] == sorted(
            (each.open_ms, bool(each.closed)) for each in heard.candles
        )
        assert [str(event.gap) for event in events[StreamGapped]] == []
        assert [event for event in events[StreamStatusChanged] if event.new is not StreamStatus.LIVE] == []
        assert [str(event.error) for event in events[ErrorRaised]] == []
        assert (venue.stats.answered_429, venue.stats.answered_418) == (0, 0)
        assert len(born) == RELOADS + 1
        gc.collect()
        assert sum(each() is not None for each in born) == 1
        truth.close()
        iterating.cancel()
        report = ", ".join(f"{kind} {pause} ms" for kind, pause in sorted(heard.pauses.items()))
        record_property("longest_pauses_ms", json.dumps(heard.pauses))
        print(
            f"\n{name}: {RELOADS} reloads in {took:.1f} s, {len(ids)} trades, {len(heard.fills)} fills, "
            f"{heard.books} books; longest pauses: {report}"
        )
