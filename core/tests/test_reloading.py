"""Reloading: consumers and callers go on at the new plugin as if nothing had been, or are told what may be missing."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import pytest

from fra.core import (
    Balance,
    BookView,
    ConfigError,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeHandle,
    Fill,
    Kline,
    KlineInterval,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PluginManager,
    Side,
    StreamGap,
    StreamGapped,
    StreamSource,
    StreamStatus,
    StreamStatusChanged,
    SymbolList,
    SymbolsChanged,
    Ticker,
    Trade,
)

NOW = 1_700_000_000_000
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
MEM = {"plugin": "memory", "timeout": 2}
QUICK = {"plugin": "memory", "timeout": 0.05}


def trade(number: int, *, id: str | None = None) -> Trade:
    return Trade(SPOT, f"t{number}" if id is None else id, Decimal(100), Decimal(1), Side.BUY, NOW + number, NOW)


def view(kit, best: int, sequence: int) -> BookView:
    return BookView(SPOT, kit.LiveLevels(best), NOW, sequence=sequence)


def candle(number: int, volume: int, *, closed: bool = False) -> Kline:
    price = Decimal(100)
    return Kline(
        symbol=SPOT,
        interval=KlineInterval.M1,
        open_ms=NOW + number * 60_000,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(volume),
        closed=closed,
    )


def order(filled: str = "0", status: OrderStatus = OrderStatus.OPEN, id: str = "1") -> Order:
    return Order(
        symbol=SPOT,
        side=Side.BUY,
        type=OrderType.LIMIT,
        status=status,
        id=id,
        amount=Decimal(3),
        filled=Decimal(filled),
        price=Decimal(100),
    )


def fill(trade_id: str) -> Fill:
    return Fill(
        symbol=SPOT,
        trade_id=trade_id,
        side=Side.BUY,
        price=Decimal(100),
        amount=Decimal(1),
        timestamp_ms=NOW,
        order_id="1",
    )


class Reload:
    """One exchange in the middle of a reload: ``old`` serves, ``new`` is connected and its streams are opened."""

    def __init__(self, kit, manager: PluginManager) -> None:
        self.kit = kit
        self.manager = manager
        self.handle: ExchangeHandle = manager.get_plugin("mem")
        self.old = kit.plugin
        self.task: asyncio.Task[ExchangeHandle] | None = None

    @property
    def new(self):
        assert self.kit.plugin is not self.old
        return self.kit.plugin

    async def begin(self, *channels: str) -> None:
        """Start it, and wait until the new plugin has been asked for these channels."""
        self.task = asyncio.create_task(self.manager.reload_plugin("mem"))
        await until(lambda: self.kit.plugin is not self.old)
        wanted = {(channel, None if channel == "user_data" else SPOT) for channel in channels}
        await until(lambda: wanted <= self.new.sources.keys())

    async def end(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(5):
            assert await self.task is self.handle


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens within a few turns of the loop
            await asyncio.sleep(0)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def reloading(kit, cls=None, **keys) -> AsyncIterator[Reload]:
    async with kit.manager({"mem": {**MEM, **keys}}, memory=cls or kit.Memory) as manager:
        await manager.get_plugin("mem").get_symbols()
        yield Reload(kit, manager)


def ids(trades: list[Trade]) -> list[str]:
    return [each.id for each in trades]


# --- trades


async def test_trades_are_neither_lost_nor_told_twice_nor_out_of_order(kit) -> None:
    async with reloading(kit) as reload:
        heard: list[Trade] = []
        subscription = reload.handle.subscribe_trades(SPOT)
        subscription.add_listener(heard.append)
        iterated = reload.handle.subscribe_trades(SPOT)
        old = reload.old.sources["trades", SPOT]
        old.publish(trade(1))
        await reload.begin("trades")
        new = reload.new.sources["trades", SPOT]
        old.publish(trade(2))  # before the new one is subscribed
        new.publish(trade(4))  # the new one is ahead: 3 is under way at the old one
        await turns()
        assert ids(heard) == ["t1", "t2"]
        old.publish(trade(3))
        await turns()
        assert not reload.task.done()
        old.publish(trade(4))
        old.publish(trade(5))  # now the old one is ahead
        await reload.end()
        for number in (5, 6):
            new.publish(trade(number))
        assert ids(heard) == ["t1", "t2", "t3", "t4", "t5", "t6"]
        assert ids([await anext(iterated) for _ in range(6)]) == ids(heard)
        assert reload.old.closed == [("trades", SPOT)]
        assert kit.heard(StreamGapped) == []
        assert {event.new for event in kit.heard(StreamStatusChanged)} == {StreamStatus.LIVE}


async def test_what_a_venue_sends_again_upon_subscribing_is_not_told_again(kit) -> None:
    async with reloading(kit) as reload:
        heard: list[Trade] = []
        reload.handle.subscribe_trades(SPOT).add_listener(heard.append)
        for number in range(3, 300):
            reload.old.sources["trades", SPOT].publish(trade(number))
        await reload.begin("trades")
        for number in (1, 2, 5, *range(190, 302)):
            reload.new.sources["trades", SPOT].publish(trade(number))
        await reload.end()
        assert ids(heard) == [f"t{number}" for number in range(3, 302)]


async def test_a_trade_that_only_the_new_plugin_has_is_told_when_the_old_one_has_passed_it(kit) -> None:
    async with reloading(kit) as reload:
        heard: list[Trade] = []
        reload.handle.subscribe_trades(SPOT).add_listener(heard.append)
        old = reload.old.sources["trades", SPOT]
        old.publish(trade(1))
        await reload.begin("trades")
        reload.new.sources["trades", SPOT].publish(trade(5))
        old.publish(trade(6))
        await reload.end()
        reload.new.sources["trades", SPOT].publish(trade(6))
        assert sorted(ids(heard)) == ["t1", "t5", "t6"]


async def test_ids_in_a_row_need_no_overlap(kit) -> None:
    async with reloading(kit) as reload:
        heard: list[Trade] = []
        reload.handle.subscribe_trades(SPOT).add_listener(heard.append)
        reload.old.sources["trades", SPOT].publish(trade(1, id="41"))
        await reload.begin("trades")
        reload.new.sources["trades", SPOT].publish(trade(2, id="42"))
        await reload.end()
        assert (ids(heard), kit.heard(StreamGapped)) == (["41", "42"], [])


async def test_a_quiet_market_that_is_subscribed_passes_over_without_a_gap(kit) -> None:
    async with reloading(kit) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        reload.old.sources["trades", SPOT].publish(trade(1))
        await reload.begin("trades")
        reload.new.sources["trades", SPOT].confirm()
        await reload.end()
        assert trades.status is StreamStatus.LIVE
        reload.new.sources["trades", SPOT].publish(trade(1))
        reload.new.sources["trades", SPOT].publish(trade(2))
        assert ids([await anext(trades), await anext(trades)]) == ["t1", "t2"]


async def test_a_quiet_market_of_which_nobody_knows_whether_it_is_subscribed_is_a_gap(kit) -> None:
    async with reloading(kit, timeout=0.1) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        reload.old.sources["trades", SPOT].publish(trade(1))
        await reload.begin("trades")
        await reload.end()
        assert (await anext(trades)).id == "t1"
        with pytest.raises(StreamGap, match="reloaded"):
            await anext(trades)
        assert trades.status is StreamStatus.RECOVERING
        reload.new.sources["trades", SPOT].publish(trade(2))
        assert ((await anext(trades)).id, trades.status) == ("t2", StreamStatus.LIVE)
        assert len(kit.heard(StreamGapped)) == 1


async def test_trades_without_ids_have_no_seam_and_say_so(kit) -> None:
    async with reloading(kit) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        reload.old.sources["trades", SPOT].publish(trade(1, id=""))
        await reload.begin("trades")
        reload.new.sources["trades", SPOT].publish(trade(2, id=""))
        await reload.end()
        assert (await anext(trades)).timestamp_ms == NOW + 1
        with pytest.raises(StreamGap):
            await anext(trades)
        assert (await anext(trades)).timestamp_ms == NOW + 2


async def test_a_stream_that_the_new_plugin_does_not_bring_up_leaves_the_old_one_at_work(kit) -> None:
    async with reloading(kit, timeout=1.2) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        old = reload.old.sources["trades", SPOT]
        old.publish(trade(1))
        await reload.begin("trades")
        old.publish(trade(2))
        with pytest.raises(ExchangeConnectionError, match="does not stream trades of BTC/USDT"):
            await reload.task
        old.publish(trade(3))
        assert ids([await anext(trades) for _ in range(3)]) == ["t1", "t2", "t3"]
        assert (reload.new.disconnects, reload.new.closed, reload.old.disconnects) == (1, [("trades", SPOT)], 0)
        assert kit.heard(StreamGapped) == []


async def test_a_stream_that_fails_at_the_new_plugin_leaves_the_old_one_at_work(kit) -> None:
    async with reloading(kit) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        old = reload.old.sources["trades", SPOT]
        old.publish(trade(1))
        await reload.begin("trades")
        reload.new.sources["trades", SPOT].fail(ExchangeAuthError("no rights"))
        with pytest.raises(ExchangeAuthError, match="no rights"):
            await reload.task
        old.publish(trade(2))
        assert ids([await anext(trades), await anext(trades)]) == ["t1", "t2"]
        assert (trades.status, reload.new.disconnects) == (StreamStatus.LIVE, 1)


async def test_a_stream_that_neither_plugin_has_yet_does_not_stop_a_reload(kit) -> None:
    class Second(kit.Memory):
        def subscribe_trades(self, symbol):
            if len(self.instances) > 1:
                raise ExchangeAuthError("no rights")
            return super().subscribe_trades(symbol)

    async with reloading(kit, Second) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        old = reload.old.sources["trades", SPOT]
        await reload.begin()
        assert old.status is StreamStatus.STARTING
        await reload.end()
        with pytest.raises(ExchangeAuthError, match="no rights"):
            await anext(trades)


async def test_generators_pass_over_too(kit) -> None:
    published: list[asyncio.Queue[Trade]] = []
    ended = []

    class Numbered(kit.Memory):
        async def subscribe_trades(self, symbol):
            queue, number = asyncio.Queue(), len(published)
            published.append(queue)
            try:
                while True:
                    yield await queue.get()
            finally:
                ended.append(number)

    async with reloading(kit, Numbered) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        await until(lambda: published)
        published[0].put_nowait(trade(1))
        assert (await anext(trades)).id == "t1"
        await reload.begin()
        await until(lambda: len(published) == 2)
        for queue in published:
            queue.put_nowait(trade(2))
        await reload.end()
        published[1].put_nowait(trade(3))
        assert ids([await anext(trades), await anext(trades)]) == ["t2", "t3"]
        assert (ended, kit.heard(StreamGapped)) == ([0], [])


# --- books, candles, tickers


async def test_a_book_passes_over_when_the_new_one_is_valid_and_not_older(kit) -> None:
    async with reloading(kit) as reload:
        heard: list[tuple[int | None, bool]] = []
        books = reload.handle.subscribe_orderbook(SPOT)
        books.add_listener(lambda book: heard.append((book.sequence, book.valid)))
        iterated = reload.handle.subscribe_orderbook(SPOT)
        old = reload.old.sources["orderbook", SPOT]
        old.publish(view(kit, 100, 10))
        await reload.begin("orderbook")
        new = reload.new.sources["orderbook", SPOT]
        new.publish(attrs.evolve(view(kit, 100, 0), sequence=None, valid=False))
        await turns()
        new.publish(view(kit, 99, 9))
        await turns()
        old.publish(view(kit, 101, 11))
        await turns()
        assert not reload.task.done()
        new.publish(view(kit, 101, 11))
        await reload.end()
        new.publish(view(kit, 102, 12))
        assert heard == [(10, True), (11, True), (11, True), (12, True)]
        assert (await anext(iterated)).best_bid.price == 102
        assert {event.new for event in kit.heard(StreamStatusChanged)} == {StreamStatus.LIVE}


async def test_a_book_that_stays_behind_is_invalid_before_it_begins_anew(kit) -> None:
    async with reloading(kit, timeout=0.1) as reload:
        heard: list[tuple[int | None, bool]] = []
        reload.handle.subscribe_orderbook(SPOT).add_listener(lambda book: heard.append((book.sequence, book.valid)))
        reload.old.sources["orderbook", SPOT].publish(view(kit, 100, 10))
        await reload.begin("orderbook")
        reload.new.sources["orderbook", SPOT].publish(view(kit, 90, 3))  # the venue began its numbers anew
        await reload.end()
        reload.new.sources["orderbook", SPOT].publish(view(kit, 91, 4))
        assert heard == [(10, True), (None, False), (3, True), (4, True)]


async def test_candles_are_not_told_twice_and_their_ends_are_not_lost(kit) -> None:
    async with reloading(kit) as reload:
        candles = reload.handle.subscribe_klines(SPOT, "1m")
        old = reload.old.sources["klines", SPOT]
        old.publish(candle(1, 5))
        await reload.begin("klines")
        new = reload.new.sources["klines", SPOT]
        new.publish(candle(1, 4))
        new.publish(candle(1, 6, closed=True))
        new.publish(candle(2, 1))
        await reload.end()
        new.publish(candle(2, 2))
        heard = [await anext(candles) for _ in range(4)]
        assert [(each.open_ms, each.volume, each.closed) for each in heard] == [
            (NOW + 60_000, 5, False),
            (NOW + 60_000, 6, True),
            (NOW + 120_000, 1, False),
            (NOW + 120_000, 2, False),
        ]


async def test_an_older_ticker_does_not_follow_a_newer_one(kit) -> None:
    async with reloading(kit) as reload:
        heard: list[int | None] = []
        reload.handle.subscribe_ticker(SPOT).add_listener(lambda item: heard.append(item.timestamp_ms))
        reload.old.sources["ticker", SPOT].publish(Ticker(SPOT, NOW, NOW + 2))
        await reload.begin("ticker")
        reload.new.sources["ticker", SPOT].publish(Ticker(SPOT, NOW, NOW + 1))
        await turns()
        reload.new.sources["ticker", SPOT].publish(Ticker(SPOT, NOW, NOW + 3))
        await reload.end()
        assert heard == [NOW + 2, NOW + 3]


# --- the account


async def test_events_of_the_account_are_told_once_whichever_plugin_has_them_first(kit) -> None:
    keys = {"api_key": "a-key", "secret_key": "a-secret"}
    async with reloading(kit, **keys) as reload:
        events = reload.handle.subscribe_user_data()
        old = reload.old.sources["user_data", None]
        balance = Balance(asset="USDT", market="spot", free=Decimal(5), total=Decimal(5), timestamp_ms=NOW)
        for event in (order(), balance):
            old.publish(event)
        await reload.begin("user_data")
        new = reload.new.sources["user_data", None]
        new.deliver(fill("f1"))
        old.deliver(fill("f1"))
        old.deliver(fill("f2"))
        new.publish(attrs.evolve(balance, timestamp_ms=NOW + 1))  # the state of the account, which is known
        new.deliver(fill("f2"))
        await reload.end()
        new.publish(fill("f3"))
        new.publish(order("3", OrderStatus.FILLED))
        told = [await anext(events) for _ in range(6)]
        assert [event.trade_id for event in told if isinstance(event, Fill)] == ["f1", "f2", "f3"]
        assert [event for event in told if isinstance(event, Balance)] == [balance]
        assert told[-1].status is OrderStatus.FILLED


async def test_an_account_whose_keys_were_taken_away_ends_with_a_reason(kit) -> None:
    class Account(kit.Memory):
        def subscribe_user_data(self):
            if not self.config.has_credentials:
                raise ExchangeAuthError("credentials are missing")
            return super().subscribe_user_data()

    async with kit.manager({"mem": {**MEM, "api_key": "a-key", "secret_key": "a-secret"}}, memory=Account) as manager:
        handle = manager.get_plugin("mem")
        await handle.get_symbols()
        events = handle.subscribe_user_data()
        kit.plugin.sources["user_data", None].publish(order())
        manager.set_config_manager(type(manager.config_manager).from_mapping({"exchanges": {"mem": MEM}}))
        await manager.reload_plugin("mem")
        await anext(events)
        with pytest.raises(ExchangeAuthError, match="credentials are missing"):
            await anext(events)
        await handle.get_ticker(SPOT)


# --- calls


async def test_an_order_under_way_ends_at_the_old_plugin_and_the_next_goes_to_the_new_one(kit) -> None:
    answer = asyncio.Event()

    class Slow(kit.Memory):
        async def create_order(self, request, symbol):
            placed = await super().create_order(request, symbol)
            if self is self.instances[0]:
                await answer.wait()
                assert self.connected
            return placed

    async with reloading(kit, Slow) as reload:
        request = OrderRequest(symbol=SPOT, side=Side.BUY, type=OrderType.MARKET, amount=Decimal(1))
        under_way = asyncio.create_task(reload.handle.create_order(request))
        await until(lambda: any(call[0] == "create_order" for call in reload.old.calls if isinstance(call, tuple)))
        await reload.begin()
        await until(lambda: reload.handle.capabilities and reload.handle._plugin is reload.new)
        await reload.handle.get_ticker(SPOT)
        assert (reload.new.calls[-1][0], reload.old.disconnects) == ("get_ticker", 0)
        answer.set()
        assert (await under_way).status is OrderStatus.OPEN
        await reload.end()
        assert reload.old.disconnects == 1


async def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_old_plugin_for_ever(kit) -> None:
    class Hanging(kit.Memory):
        async def get_ticker(self, symbol):
            await asyncio.Event().wait()

    async with reloading(kit, Hanging, timeout=0.1) as reload:
        hanging = asyncio.create_task(reload.handle.get_ticker(SPOT))
        await turns()
        await reload.begin()
        await reload.end()
        assert reload.old.disconnects == 1
        hanging.cancel()


async def test_symbols_that_the_new_plugin_lists_otherwise_are_an_event(kit) -> None:
    async with reloading(kit) as reload:

        class Fewer(kit.Memory):
            def __init__(self, config):
                super().__init__(config)
                self.symbols = SymbolList((kit.SPOT,))

        reload.manager.registry.register_plugin("memory", Fewer, replace=True)
        await reload.manager.reload_plugin("mem")
        assert [event.removed for event in kit.heard(SymbolsChanged)] == [(SWAP,)]
        assert [symbol.name for symbol in reload.handle.symbols] == [SPOT]


# --- while it goes on


async def test_streams_may_be_opened_and_closed_in_the_middle(kit) -> None:
    async with reloading(kit) as reload:
        first, second = reload.handle.subscribe_trades(SPOT), reload.handle.subscribe_orderbook(SPOT)
        reload.old.sources["trades", SPOT].publish(trade(1))
        reload.old.sources["orderbook", SPOT].publish(view(kit, 100, 1))
        await reload.begin("trades", "orderbook")
        await second.close()
        third = reload.handle.subscribe_klines(SPOT, "1m")
        reload.old.sources["klines", SPOT].publish(candle(1, 1))
        heard: list[Trade] = []
        first.add_listener(heard.append)
        for plugin in (reload.new, reload.old):
            plugin.sources["trades", SPOT].publish(trade(2))
        await until(lambda: ("klines", SPOT) in reload.new.sources)
        reload.new.sources["klines", SPOT].publish(candle(1, 2))
        await reload.end()
        assert (await anext(third)).volume == 1
        assert (await anext(third)).volume == 2
        assert ids(heard) == ["t2"]
        assert sorted(reload.old.closed) == [("klines", SPOT), ("orderbook", SPOT), ("trades", SPOT)]
        assert reload.new.closed == [("orderbook", SPOT)]
        await first.close()
        await third.close()
        assert not reload.new.sources


async def test_two_reloads_at_once_wait_for_each_other(kit) -> None:
    async with reloading(kit) as reload:
        await asyncio.gather(reload.manager.reload_plugin("mem"), reload.manager.reload_plugin("mem"))
        first, second, third = kit.Memory.instances
        assert [plugin.disconnects for plugin in (first, second, third)] == [1, 1, 0]
        await reload.handle.get_ticker(SPOT)
        assert third.calls[-1][0] == "get_ticker"


async def test_a_reload_right_after_another_tells_nothing_twice(kit) -> None:
    async with reloading(kit) as reload:
        heard: list[Trade] = []
        reload.handle.subscribe_trades(SPOT).add_listener(heard.append)
        reload.old.sources["trades", SPOT].publish(trade(1))
        await reload.begin("trades")
        for plugin in (reload.old, reload.new):
            plugin.sources["trades", SPOT].publish(trade(2))
        reload.old.sources["trades", SPOT].publish(trade(3))
        await reload.end()
        reload.old = kit.plugin  # which has not told of 3 yet
        await reload.begin("trades")
        reload.old.sources["trades", SPOT].publish(trade(3))
        for plugin in (reload.old, reload.new):
            plugin.sources["trades", SPOT].publish(trade(4))
        await reload.end()
        assert ids(heard) == ["t1", "t2", "t3", "t4"]


async def test_a_shutdown_in_the_middle_closes_both(kit) -> None:
    async with reloading(kit) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        reload.old.sources["trades", SPOT].publish(trade(1))
        await reload.begin("trades")
        new = reload.new
        async with asyncio.timeout(1):
            await reload.manager.shutdown()
        with pytest.raises(ConfigError, match="closed meanwhile"):
            await reload.task
        assert (reload.old.disconnects, new.disconnects) == (1, 1)
        assert (reload.old.sources, new.sources) == ({}, {})
        assert ids([item async for item in trades]) == ["t1"]


async def test_one_that_is_cancelled_changes_nothing(kit) -> None:
    async with reloading(kit) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        old = reload.old.sources["trades", SPOT]
        old.publish(trade(1))
        await reload.begin("trades")
        reload.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reload.task
        old.publish(trade(2))
        assert ids([await anext(trades), await anext(trades)]) == ["t1", "t2"]
        assert (reload.old.disconnects, reload.new.disconnects) == (0, 1)


async def test_what_ends_at_the_old_plugin_meanwhile_ends_for_its_consumers(kit) -> None:
    async with reloading(kit) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        reload.old.sources["trades", SPOT].publish(trade(1))
        await reload.begin("trades")
        reload.old.sources["trades", SPOT].fail(ExchangeAPIError("delisted"))
        await reload.end()
        await anext(trades)
        with pytest.raises(ExchangeAPIError, match="delisted"):
            await anext(trades)
        assert reload.new.closed == [("trades", SPOT)]


@pytest.mark.parametrize("when", ["before it begins", "before the swap"])
async def test_an_old_stream_that_breaks_in_the_middle_is_a_gap(kit, when: str) -> None:
    async with reloading(kit) as reload:
        trades = reload.handle.subscribe_trades(SPOT)
        old = reload.old.sources["trades", SPOT]
        old.publish(trade(1))
        if when == "before it begins":
            old.set_status(StreamStatus.RECOVERING)
        await reload.begin("trades")
        old.set_status(StreamStatus.RECOVERING)
        reload.new.sources["trades", SPOT].publish(trade(4))
        await reload.end()
        assert (await anext(trades)).id == "t1"
        with pytest.raises(StreamGap):
            await anext(trades)
        assert ((await anext(trades)).id, trades.status) == ("t4", StreamStatus.LIVE)


async def test_an_old_stream_that_breaks_after_the_new_one_has_caught_up_is_none(kit) -> None:
    async with reloading(kit) as reload:
        trades, books = reload.handle.subscribe_trades(SPOT), reload.handle.subscribe_orderbook(SPOT)
        old = reload.old.sources["trades", SPOT]
        old.publish(trade(1))
        reload.old.sources["orderbook", SPOT].publish(view(kit, 100, 1))
        await reload.begin("trades", "orderbook")
        for source in (old, reload.new.sources["trades", SPOT]):
            source.publish(trade(2))
        old.set_status(StreamStatus.RECOVERING)
        reload.new.sources["trades", SPOT].publish(trade(3))
        reload.new.sources["orderbook", SPOT].publish(view(kit, 100, 1))
        await reload.end()
        assert ids([await anext(trades) for _ in range(3)]) == ["t1", "t2", "t3"]
        assert (trades.status, books.status, kit.heard(StreamGapped)) == (StreamStatus.LIVE, StreamStatus.LIVE, [])


async def test_old_plugins_are_forgotten(kit) -> None:
    class Mortal(kit.Memory):
        def __init__(self, config):
            super().__init__(config)
            born.append(weakref.ref(self))

        def subscribe_ticker(self, symbol):
            source: StreamSource[Ticker] = super().subscribe_ticker(symbol)
            source.fail(ExchangeAPIError("no"))
            return source

    born: list[weakref.ref[object]] = []
    async with reloading(kit, Mortal) as reload:
        trades, books = reload.handle.subscribe_trades(SPOT), reload.handle.subscribe_orderbook(SPOT)
        failed = reload.handle.subscribe_ticker(SPOT)
        for number in range(1, 4):
            reload.old = kit.plugin
            if number == 1:
                reload.old.sources["trades", SPOT].publish(trade(number))
                reload.old.sources["orderbook", SPOT].publish(view(kit, 100, number))
            await reload.begin("trades", "orderbook")
            for plugin in (reload.old, reload.new):
                plugin.sources["trades", SPOT].publish(trade(number + 1))
            reload.new.sources["orderbook", SPOT].publish(view(kit, 100, number + 1))
            await reload.end()
            reload.task = None
            Mortal.instances[:] = [kit.plugin]
        reload.old, plugin = kit.plugin, None
        gc.collect()
        assert [each() is None for each in born] == [True, True, True, False]
        assert failed.status is StreamStatus.FAILED
        await trades.close()
        await books.close()


async def test_reloading_what_is_not_configured_says_so(kit) -> None:
    async with kit.manager({"mem": MEM}) as manager:
        with pytest.raises(ConfigError):
            await manager.reload_plugin("other")
