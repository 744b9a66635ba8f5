"""Bybit end to end: the adapter under the host, over real sockets, against the emulated venue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from fra.core import (
    Banned,
    BookView,
    ConnectionChanged,
    ConnectionStatus,
    ExchangeAPIError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeHandle,
    ExchangeRateLimitError,
    FundingRate,
    IntervalSource,
    Kline,
    KlineInterval,
    NotSupported,
    OrderBook,
    PriceLevel,
    StreamGap,
    StreamStatus,
    Subscription,
    SymbolNotFound,
    Ticker,
    Trade,
    connect,
)
from fra.emulator import BybitVenue, Emulator

SPOT, LINEAR, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
IDS = {SPOT: ("spot", "BTCUSDT"), LINEAR: ("linear", "BTCUSDT"), INVERSE: ("inverse", "BTCUSD")}
QUICK = {"reconnect_delay": 0.05, "reconnect_max_delay": 0.2}
HOUR = 3_600_000
Running = tuple[BybitVenue, ExchangeHandle]


@asynccontextmanager
async def running(
    options: dict[str, object] | None = None, *, markets: Sequence[str] = (), **settings: Any
) -> AsyncIterator[Running]:
    async with (
        Emulator(["bybit"], seed=7, **settings) as emulator,
        connect(
            "bybit", base_url=emulator.bybit.markets, markets=list(markets), options={**QUICK, **(options or {})}
        ) as bybit,
    ):
        yield emulator.bybit, bybit


async def until(condition: Callable[[], bool], subscription: Subscription[Any], *, within: float = 10.0) -> None:
    """Wait for a condition that an item of the stream brings about."""
    changed = asyncio.Event()
    remove = subscription.add_listener(lambda item: changed.set())
    try:
        async with asyncio.timeout(within):
            while not condition():
                await changed.wait()
                changed.clear()
    finally:
        remove()


async def exhaust(subscription: Subscription[Any]) -> None:
    async for _ in subscription:
        pass


def levels(rows: Any) -> list[PriceLevel]:
    return [PriceLevel(Decimal(price), Decimal(size)) for price, size in rows]


class Watched:
    """A live book whose every valid state is compared, in full, with the venue's own at the same update id."""

    def __init__(self, venue: BybitVenue, name: str) -> None:
        self.venue, self.name = venue, name
        self.compared = 0
        self.invalid = 0
        self.wrong: list[int | None] = []

    def __call__(self, view: BookView) -> None:
        if not view.valid:
            self.invalid += 1
            assert list(view.bids()) == list(view.asks()) == []
            return
        true = self.venue.book(*IDS[self.name], view.sequence)
        self.compared += 1
        if list(view.bids()) != levels(true.bids) or list(view.asks()) != levels(true.asks):
            self.wrong.append(view.sequence)


# --- asking ------------------------------------------------------------------------------------------------------


async def test_all_markets_are_listed_under_their_own_names() -> None:
    async with running() as (_, bybit):
        symbols = {symbol.name: symbol for symbol in await bybit.get_symbols()}
        assert bybit.refused == ()
        for name, (market, venue_id) in IDS.items():
            assert (symbols[name].market, symbols[name].venue_id) == (market, venue_id)
        shib = symbols["1000SHIB/USDT:USDT"]
        assert (shib.venue_id, shib.asset, shib.multiplier) == ("SHIB1000USDT", "SHIB", Decimal(1000))


@pytest.mark.parametrize("name", [SPOT, LINEAR, INVERSE])
async def test_an_asked_book_is_the_venues(name: str) -> None:
    async with running() as (venue, bybit):
        book = await bybit.get_orderbook(name)
        true = venue.book(*IDS[name], book.sequence)
        assert (list(book.bids), list(book.asks)) == (levels(true.bids), levels(true.asks))
        assert book.bids[0].price < book.asks[0].price
        assert len((await bybit.get_orderbook(name, depth=3)).bids) == 3


async def test_tickers_of_all_markets_come_in_one_request_each() -> None:
    async with running() as (venue, bybit):
        tickers = {ticker.symbol: ticker for ticker in await bybit.get_tickers()}
        assert set(tickers) == {symbol.name for symbol in await bybit.get_symbols()}
        assert venue.stats.by_path["/v5/market/tickers"] == 3
        single = await bybit.get_ticker(INVERSE)
        assert single.volume == single.quote_volume
        assert all(ticker.bid < ticker.ask for ticker in tickers.values() if ticker.bid and ticker.ask)


@pytest.mark.parametrize("name", [SPOT, LINEAR, INVERSE])
async def test_trades_come_oldest_first(name: str) -> None:
    async with running() as (_, bybit):
        trades = await bybit.get_trades(name, limit=20)
        assert len(trades) == 20
        assert [trade.timestamp_ms for trade in trades] == sorted(trade.timestamp_ms for trade in trades)


async def test_klines_are_half_open_and_oldest_first() -> None:
    async with running() as (_, bybit):
        end = int(time.time() * 1000) // HOUR * HOUR
        klines = await bybit.get_klines(SPOT, KlineInterval.H1, since=end - 5 * HOUR, until=end)
        assert [kline.open_ms for kline in klines] == [end - n * HOUR for n in (5, 4, 3, 2, 1)]
        assert all(kline.closed for kline in klines)
        first = await bybit.get_klines(LINEAR, KlineInterval.H1, since=end - 50 * HOUR, limit=3)
        assert [kline.open_ms for kline in first] == [end - n * HOUR for n in (50, 49, 48)]


@pytest.mark.parametrize("interval", [KlineInterval.H8, KlineInterval.D3])
async def test_an_interval_that_bybit_lacks_is_refused_before_any_request(interval: KlineInterval) -> None:
    async with running() as (venue, bybit):
        await bybit.get_symbols()
        asked = venue.stats.requests
        with pytest.raises(NotSupported, match=f"no {interval.value} candles"):
            await bybit.get_klines(SPOT, interval)
        assert venue.stats.requests == asked


async def test_all_funding_comes_in_a_request_a_market_and_agrees_with_the_single_answer() -> None:
    async with running() as (venue, bybit):
        rates = {rate.symbol: rate for rate in await bybit.get_funding_rates()}
        assert set(rates) == {symbol.name for symbol in await bybit.get_symbols() if symbol.kind.is_swap}
        assert venue.stats.by_path["/v5/market/tickers"] == 2
        assert {rate.interval for rate in rates.values()} == {timedelta(hours=hours) for hours in (1, 4, 8)}
        assert {rate.interval_source for rate in rates.values()} == {IntervalSource.REPORTED}
        single = await bybit.get_funding_rate(LINEAR)
        assert (single.interval, single.next_settlement_ms) == (
            rates[LINEAR].interval,
            rates[LINEAR].next_settlement_ms,
        )
        assert single.mark_price is not None
        assert single.cap == -single.floor  # type: ignore[operator]


async def test_funding_history_is_complete_from_its_start() -> None:
    async with running() as (_, bybit):
        hourly = next(rate for rate in await bybit.get_funding_rates() if rate.interval == timedelta(hours=1))
        start = int(time.time() * 1000) - 20 * 24 * HOUR
        rates = await bybit.get_funding_rate_history(hourly.symbol, since=start)
        settled = [rate.settled_ms for rate in rates if rate.settled_ms is not None]
        assert len(settled) == 200
        assert start <= settled[0] < start + HOUR
        assert {later - earlier for earlier, later in pairwise(settled)} == {HOUR}
        assert {rate.interval for rate in rates} == {timedelta(hours=1)}


async def test_the_latest_funding_history_ends_with_the_last_settlement() -> None:
    async with running() as (_, bybit):
        running_rate = await bybit.get_funding_rate(LINEAR)
        rates = await bybit.get_funding_rate_history(LINEAR, limit=3)
        assert running_rate.next_settlement_ms is not None
        assert running_rate.interval is not None
        step = running_rate.interval // timedelta(milliseconds=1)
        assert [rate.settled_ms for rate in rates] == [running_rate.next_settlement_ms - n * step for n in (3, 2, 1)]


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"retCode":10001,"retMsg":"params error: symbol invalid","result":{},"time":1}', SymbolNotFound),
        (200, b'{"retCode":10001,"retMsg":"Illegal category","result":{},"time":1}', ExchangeAPIError),
        (200, b'{"retCode":10006,"retMsg":"Too many visits!","result":{},"time":1}', ExchangeRateLimitError),
        (200, b'{"retCode":10016,"retMsg":"Server error","result":{},"time":1}', ExchangeConnectionError),
        (403, b"access too frequent", Banned),
        (200, b'{"retCode":0,"retMsg":"OK","result":{"list":[{"symbol":7}]},"time":1}', ExchangeAPIError),
        (200, b"<html>", ExchangeAPIError),
    ],
)
async def test_a_refusal_is_a_typed_error_that_names_the_exchange(
    status: int, body: bytes, kind: type[ExchangeError]
) -> None:
    async with running({"retries": 0}) as (venue, bybit):
        await bybit.get_symbols()
        venue.answer_with(status, body, path="market/tickers")
        with pytest.raises(kind) as caught:
            await bybit.get_ticker(SPOT)
        assert caught.value.exchange == "bybit"


# --- streams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [50, 200, 1000])
@pytest.mark.parametrize("name", [SPOT, LINEAR, INVERSE])
async def test_a_live_book_is_the_venues_at_every_update_id(name: str, depth: int) -> None:
    # Books of 40 levels are whole at every depth.
    async with running({"book_depth": depth}, levels=40) as (venue, bybit):
        watched = Watched(venue, name)
        async with bybit.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 10, books)
        assert watched.wrong == []
        assert watched.invalid == 0
        assert venue.stats.subscriptions[f"orderbook.{depth}.{IDS[name][1]}"] == 1


@pytest.mark.parametrize("fault", ["drop_next_delta", "swap_next_deltas"])
async def test_a_fault_shows_no_false_book_and_heals(fault: str) -> None:
    async with running() as (venue, bybit):
        watched = Watched(venue, LINEAR)
        async with bybit.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = getattr(venue, fault)(*IDS[LINEAR])
            await until(lambda: watched.invalid > 0, books)
            healed = watched.compared + 5
            await until(lambda: watched.compared >= healed, books)
        assert pending.applied.is_set()
        assert watched.wrong == []


async def test_a_doubled_delta_causes_no_resync() -> None:
    async with running() as (venue, bybit):
        watched = Watched(venue, LINEAR)
        async with bybit.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = venue.duplicate_next_delta(*IDS[LINEAR])
            await until(lambda: pending.applied.is_set(), books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
            assert venue.stats.subscriptions["orderbook.200.BTCUSDT"] == 1
        assert watched.invalid == 0
        assert watched.wrong == []


async def test_a_restart_of_the_service_is_followed_without_a_loss() -> None:
    async with running() as (venue, bybit):
        watched = Watched(venue, LINEAR)
        async with bybit.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            venue.renumber_book(*IDS[LINEAR])
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
            assert (await anext(books)).sequence < 1000  # type: ignore[operator]
            assert venue.stats.subscriptions["orderbook.200.BTCUSDT"] == 1
        assert watched.invalid == 0
        assert watched.wrong == []


async def test_a_cut_heals_with_every_subscription() -> None:
    async with running() as (venue, bybit):
        watched = Watched(venue, LINEAR)
        statuses: list[ConnectionStatus] = []
        bybit.register_event_handler(ConnectionChanged, lambda event: statuses.append(event.new))
        async with bybit.subscribe_orderbook(LINEAR) as books, bybit.subscribe_trades(LINEAR) as trades:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            assert venue.cut() > 0
            await until(lambda: watched.invalid > 0, books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
            with pytest.raises(StreamGap) as caught:
                async with asyncio.timeout(10):
                    await exhaust(trades)
            async with asyncio.timeout(10):
                assert isinstance(await anext(trades), Trade)
        assert watched.wrong == []
        assert statuses[0] is ConnectionStatus.RECONNECTING
        assert statuses[-1] is ConnectionStatus.CONNECTED
        assert venue.stats.subscriptions["orderbook.200.BTCUSDT"] == 2
        assert caught.value.start is not None


async def test_every_trade_reaches_the_listener_once_and_in_order() -> None:
    async with running() as (_, bybit):
        seen: list[Trade] = []
        async with bybit.subscribe_trades(SPOT) as trades:
            trades.add_listener(seen.append)
            await until(lambda: len(seen) >= 10, trades)
            ids = [int(trade.id) for trade in seen]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize(
    ("name", "channel", "subscribed", "has_day"),
    [
        (SPOT, None, "orderbook.1.BTCUSDT", False),
        (SPOT, "tickers", "tickers.BTCUSDT", True),
        (LINEAR, None, "tickers.BTCUSDT", True),
        (LINEAR, "orderbook.1", "orderbook.1.BTCUSDT", False),
        (INVERSE, None, "tickers.BTCUSD", True),
    ],
)
async def test_tickers_stream(name: str, channel: str | None, subscribed: str, has_day: bool) -> None:
    options: dict[str, object] = {} if channel is None else {"ticker_channel": channel}
    async with running(options) as (venue, bybit):
        async with bybit.subscribe_ticker(name) as tickers, asyncio.timeout(10):
            for _ in range(3):
                ticker = await anext(tickers)
                assert isinstance(ticker, Ticker)
                assert (ticker.volume is not None) is has_day
                if (name, channel) == (SPOT, "tickers"):
                    assert ticker.bid is ticker.ask is None
                else:
                    assert ticker.bid < ticker.ask  # type: ignore[operator]
        assert venue.stats.subscriptions[subscribed] == 1


async def test_a_ticker_and_the_funding_in_it_share_a_topic() -> None:
    async with running() as (venue, bybit):
        async with bybit.subscribe_ticker(LINEAR) as tickers, bybit.subscribe_funding_rate(LINEAR) as rates:
            async with asyncio.timeout(10):
                assert (await anext(tickers)).bid is not None
                assert (await anext(rates)).interval is not None
                assert (await anext(tickers)).volume is not None
        # Once for each: what joins needs a snapshot of its own.
        assert venue.stats.subscriptions["tickers.BTCUSDT"] == 2


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_klines_stream(name: str) -> None:
    async with running() as (_, bybit):
        async with bybit.subscribe_klines(name, KlineInterval.M1) as klines:
            async with asyncio.timeout(10):
                kline = await anext(klines)
        assert isinstance(kline, Kline)
        assert kline.closed is not None
        assert kline.low <= kline.open <= kline.high


async def test_funding_streams_with_the_same_terms_as_asked() -> None:
    async with running() as (_, bybit):
        asked = await bybit.get_funding_rate(LINEAR)
        async with bybit.subscribe_funding_rate(LINEAR) as rates:
            async with asyncio.timeout(10):
                rate = await anext(rates)
        assert isinstance(rate, FundingRate)
        assert (rate.interval, rate.next_settlement_ms) == (asked.interval, asked.next_settlement_ms)
        assert (rate.cap, rate.floor) == (asked.cap, asked.floor)


@pytest.mark.parametrize("told", [True, False], ids=["pushed", "silent"])
async def test_funding_rolls_over_a_settlement_whether_or_not_a_push_comes(told: bool) -> None:
    async with running(settle_in_s=1.5) as (venue, bybit):
        async with bybit.subscribe_funding_rate(LINEAR) as rates:
            first = second = await anext(rates)
            if not told:
                venue.pause_funding()
            async with asyncio.timeout(10):
                while second.next_settlement_ms == first.next_settlement_ms:
                    second = await anext(rates)
        assert first.next_settlement_ms is not None
        assert second.next_settlement_ms is not None
        assert first.interval is not None
        assert second.next_settlement_ms - first.next_settlement_ms == first.interval // timedelta(milliseconds=1)
        assert second.next_settlement_derived is False
        assert venue.stats.by_path["/v5/market/tickers"] == (not told)


async def test_more_spot_topics_than_a_request_may_name_are_all_subscribed() -> None:
    async with running() as (venue, bybit):
        names = [symbol.name for symbol in await bybit.get_symbols() if symbol.market == "spot"][:25]
        opened = [bybit.subscribe_trades(name) for name in names]
        async with asyncio.timeout(10):
            await asyncio.gather(*(trades.ready() for trades in opened))
        assert sum(venue.stats.subscriptions.values()) == 25
        assert {trades.status for trades in opened} == {StreamStatus.LIVE}
        for trades in opened:
            await trades.close()


@pytest.mark.parametrize(("market", "gone"), [("linear", "GONE/USDT:USDT"), ("spot", "GONE/USDT")])
async def test_a_subscription_that_the_venue_refuses_fails_for_good_and_harms_no_other(market: str, gone: str) -> None:
    async with running(markets=[market]) as (venue, bybit):
        body = b"""{"retCode":0,"retMsg":"OK","time":1,"result":{"list":[
            {"symbol":"GONEUSDT","baseCoin":"GONE","quoteCoin":"USDT","settleCoin":"USDT","status":"Trading",
             "contractType":"LinearPerpetual","priceFilter":{"tickSize":"1"},
             "lotSizeFilter":{"qtyStep":"1","basePrecision":"1","minOrderQty":"1"}},
            {"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT","settleCoin":"USDT","status":"Trading",
             "contractType":"LinearPerpetual","priceFilter":{"tickSize":"0.1"},
             "lotSizeFilter":{"qtyStep":"0.001","basePrecision":"0.000001","minOrderQty":"0.001"}}]}}"""
        venue.answer_with(200, body, path="market/instruments-info", count=1)
        await bybit.get_symbols()
        # Opened in one breath, so that they leave in one request, of which Bybit takes nothing.
        refused = bybit.subscribe_trades(gone)
        books = bybit.subscribe_orderbook(gone.replace("GONE", "BTC"))
        async with asyncio.timeout(10):
            with pytest.raises(SymbolNotFound, match="GONEUSDT"):
                await refused.ready()
            assert isinstance(await anext(books), OrderBook)
        assert refused.status is StreamStatus.FAILED
        await refused.close()
        await books.close()
