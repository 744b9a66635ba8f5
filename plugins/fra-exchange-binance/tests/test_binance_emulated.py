"""Binance end to end: the adapter under the host, over real sockets, against the emulated venue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
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
    StreamGap,
    StreamGapped,
    StreamStatus,
    Subscription,
    SymbolNotFound,
    Ticker,
    Trade,
    connect,
)
from fra.emulator import BinanceVenue, Emulator

SPOT, LINEAR = "BTC/USDT", "BTC/USDT:USDT"
IDS = {SPOT: ("spot", "BTCUSDT"), LINEAR: ("usdm", "BTCUSDT")}
DEPTHS = {SPOT: "/api/v3/depth", LINEAR: "/fapi/v1/depth"}
BOTH = pytest.mark.parametrize("name", [SPOT, LINEAR])
QUICK = {"reconnect_delay": 0.05, "reconnect_max_delay": 0.2}
Running = tuple[BinanceVenue, ExchangeHandle]


@asynccontextmanager
async def running(options: dict[str, object] | None = None, **settings: Any) -> AsyncIterator[Running]:
    async with (
        Emulator(["binance"], seed=7, **settings) as emulator,
        connect("binance", base_url=emulator.binance.markets, options={**QUICK, **(options or {})}) as binance,
    ):
        yield emulator.binance, binance


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


class Watched:
    """A live book whose every valid state is compared, in full, with the venue's own at the same update id."""

    def __init__(self, venue: BinanceVenue, name: str) -> None:
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
        told = [[(Decimal(price), Decimal(size)) for price, size in side] for side in (true.bids, true.asks)]
        self.compared += 1
        if [list(view.bids()), list(view.asks())] != told:
            self.wrong.append(view.sequence)


# --- asking


@BOTH
async def test_an_asked_book_is_the_venues(name: str) -> None:
    async with running() as (venue, binance):
        book = await binance.get_orderbook(name, depth=20)
        true = venue.book(*IDS[name], book.sequence)
        assert list(book.bids) == [(Decimal(price), Decimal(size)) for price, size in true.bids[:20]]
        assert book.bids[0].price < book.asks[0].price


async def test_a_book_costs_the_weight_that_the_venue_counts() -> None:
    async with running() as (venue, binance):
        await binance.get_symbols()
        for name, depth, weight in ((SPOT, None, 250), (SPOT, 100, 5), (LINEAR, None, 20), (LINEAR, 10, 2)):
            before = venue.used_weight(IDS[name][0])
            await binance.get_orderbook(name, depth=depth)
            assert venue.used_weight(IDS[name][0]) - before == weight


async def test_tickers_of_all_markets_come_in_three_requests() -> None:
    async with running() as (venue, binance):
        tickers = {ticker.symbol: ticker for ticker in await binance.get_tickers()}
        assert set(tickers) == {symbol.name for symbol in await binance.get_symbols()}
        assert all(ticker.bid is not None and ticker.last is not None for ticker in tickers.values())
        assert venue.stats.by_path["/fapi/v1/ticker/24hr"] == venue.stats.by_path["/api/v3/ticker/24hr"] == 1
        single = await binance.get_ticker(LINEAR)
        assert single.bid is not None
        assert single.ask is not None
        assert single.bid < single.ask


@BOTH
async def test_trades_come_oldest_first(name: str) -> None:
    async with running() as (_, binance):
        trades = await binance.get_trades(name, limit=20)
        assert len(trades) == 20
        assert [int(trade.id) for trade in trades] == sorted(int(trade.id) for trade in trades)


@BOTH
async def test_klines_are_half_open_and_oldest_first(name: str) -> None:
    async with running() as (_, binance):
        hour = 3_600_000
        end = int(time.time() * 1000) // hour * hour
        klines = await binance.get_klines(name, KlineInterval.H1, since=end - 5 * hour, until=end)
        assert [kline.open_ms for kline in klines] == [end - n * hour for n in (5, 4, 3, 2, 1)]
        assert all(kline.closed for kline in klines)


async def test_all_funding_comes_at_once_and_says_where_its_interval_is_from() -> None:
    async with running() as (venue, binance):
        rates = {rate.symbol: rate for rate in await binance.get_funding_rates()}
        assert set(rates) == {symbol.name for symbol in await binance.get_symbols() if symbol.kind.is_swap}
        assert venue.stats.by_path["/fapi/v1/premiumIndex"] == venue.stats.by_path["/fapi/v1/fundingInfo"] == 1
        sources = {rate.interval_source: rate.interval for rate in rates.values()}
        assert sources[IntervalSource.VENUE_DEFAULT] == timedelta(hours=8)
        assert {timedelta(hours=4), timedelta(hours=1)} & {
            rate.interval for rate in rates.values() if rate.interval_source is IntervalSource.REPORTED
        }
        single = await binance.get_funding_rate(LINEAR)
        assert (single.interval, single.next_settlement_ms) == (
            rates[LINEAR].interval,
            rates[LINEAR].next_settlement_ms,
        )
        assert single.mark_price is not None
        assert venue.stats.by_path["/fapi/v1/fundingInfo"] == 1


async def test_funding_history_ends_with_the_last_settlement_and_derives_its_intervals() -> None:
    async with running() as (_, binance):
        now = await binance.get_funding_rate(LINEAR)
        rates = await binance.get_funding_rate_history(LINEAR, limit=4)
        assert now.next_settlement_ms is not None
        assert [rate.interval for rate in rates] == [None, *([timedelta(hours=8)] * 3)]
        assert [round((rate.settled_ms or 0) / 60_000) for rate in rates] == [
            now.next_settlement_ms // 60_000 - n * 480 for n in (4, 3, 2, 1)
        ]


# --- refusals


async def test_funding_of_spot_is_refused_without_a_request() -> None:
    async with running() as (venue, binance):
        await binance.get_symbols()
        asked = venue.stats.requests
        with pytest.raises(NotSupported):
            await binance.get_funding_rate(SPOT)
        assert venue.stats.requests == asked


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"code":-1121,"msg":"Invalid symbol."}', SymbolNotFound),
        (400, b'{"code":-1100,"msg":"Illegal characters found"}', ExchangeAPIError),
        (503, b'{"code":-1008,"msg":"Server is currently overloaded"}', ExchangeConnectionError),
        (502, b"<html>", ExchangeConnectionError),
        (200, b'{"symbol":"BTCUSDT"}', ExchangeAPIError),
        (200, b"<html>", ExchangeAPIError),
    ],
)
async def test_a_refusal_is_a_typed_error_that_names_the_exchange(
    status: int, body: bytes, kind: type[ExchangeError]
) -> None:
    async with running({"retries": 0}) as (venue, binance):
        await binance.get_symbols()
        venue.answer_with(status, body, path="ticker/24hr")
        with pytest.raises(kind) as caught:
            await binance.get_ticker(SPOT)
        assert caught.value.exchange == "binance"


@pytest.mark.parametrize(("status", "kind"), [(429, ExchangeRateLimitError), (418, Banned)])
async def test_a_full_budget_or_a_ban_holds_the_whole_market_back_for_as_long_as_it_says(
    status: int, kind: type[ExchangeError]
) -> None:
    async with running() as (venue, binance):
        await binance.get_symbols()
        body = b'{"code":-1003,"msg":"Too much request weight used"}'
        venue.answer_with(status, body, count=1, path="/api/v3/", headers={"Retry-After": "2"})
        with pytest.raises(kind) as caught:
            await binance.get_ticker(SPOT)
        assert isinstance(caught.value, ExchangeRateLimitError)
        assert caught.value.retry_after == 2
        refused = time.monotonic()
        await binance.get_ticker(LINEAR)
        assert time.monotonic() - refused < 1.8
        await binance.get_trades(SPOT, limit=1)
        assert time.monotonic() - refused > 1.8


# --- streams


@BOTH
async def test_a_live_book_is_the_venues_at_every_update(name: str) -> None:
    async with running() as (venue, binance):
        watched = Watched(venue, name)
        async with binance.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 15, books)
        assert watched.wrong == []
        assert watched.invalid == 0
        assert venue.stats.by_path[DEPTHS[name]] == 1


@BOTH
@pytest.mark.parametrize("fault", ["drop_next_delta", "swap_next_deltas"])
async def test_a_fault_shows_no_false_book_is_told_and_heals(name: str, fault: str) -> None:
    async with running() as (venue, binance):
        watched = Watched(venue, name)
        told: list[StreamGapped] = []
        binance.register_event_handler(StreamGapped, told.append)
        async with binance.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = getattr(venue, fault)(*IDS[name])
            await until(lambda: watched.invalid > 0, books)
            healed = watched.compared + 5
            await until(lambda: watched.compared >= healed, books)
            assert books.status is StreamStatus.LIVE
        assert pending.applied.is_set()
        assert watched.wrong == []
        assert [event.symbol for event in told] == [name]


@BOTH
async def test_a_doubled_delta_causes_no_resync(name: str) -> None:
    async with running() as (venue, binance):
        watched = Watched(venue, name)
        async with binance.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = venue.duplicate_next_delta(*IDS[name])
            await until(lambda: pending.applied.is_set(), books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
        assert watched.invalid == 0
        assert watched.wrong == []
        assert venue.stats.by_path[DEPTHS[name]] == 1


@BOTH
async def test_a_snapshot_older_than_the_stream_is_asked_for_again(name: str) -> None:
    async with running() as (venue, binance):
        watched = Watched(venue, name)
        async with binance.subscribe_orderbook(name) as warm:
            await warm.ready()
            venue.stale_snapshots(*IDS[name], count=1)
            venue.cut()
            warm.add_listener(watched)
            await until(lambda: watched.compared >= 5, warm)
        assert watched.wrong == []


async def test_a_cut_heals_with_every_subscription() -> None:
    async with running() as (venue, binance):
        watched = Watched(venue, LINEAR)
        statuses: list[ConnectionStatus] = []
        binance.register_event_handler(ConnectionChanged, lambda event: statuses.append(event.new))
        async with binance.subscribe_orderbook(LINEAR) as books, binance.subscribe_trades(LINEAR) as trades:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            assert venue.cut() == 2  # book on /public, trades on /market
            await until(lambda: watched.invalid > 0, books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
            async with asyncio.timeout(30):
                assert isinstance(await anext(trades), Trade)
        assert watched.wrong == []
        assert statuses[0] is ConnectionStatus.RECONNECTING
        assert statuses[-1] is ConnectionStatus.CONNECTED


@pytest.mark.parametrize(("name", "channel"), [(SPOT, "trade"), (LINEAR, "aggTrade")])
async def test_trades_lost_over_a_cut_are_told_at_their_place(name: str, channel: str) -> None:
    async with running() as (venue, binance):
        async with binance.subscribe_orderbook(name) as books, binance.subscribe_trades(name) as trades:
            seen: list[Trade] = []
            trades.add_listener(seen.append)
            await until(lambda: len(seen) >= 2, trades)
            venue.pause_channel(channel)
            async with asyncio.timeout(30):
                async for _ in books:  # the venue's market moves with each: asking faster would only cost budget
                    if int((await binance.get_trades(name, limit=1))[-1].id) >= int(seen[-1].id) + 3:
                        break
            before = int(seen[-1].id)
            venue.cut()
            venue.resume_channel(channel)
            async with asyncio.timeout(30):
                with pytest.raises(StreamGap) as caught:
                    await exhaust(trades)
                following = await anext(trades)
        assert caught.value.start == before
        assert caught.value.end == int(following.id) > before + 1


async def test_an_announced_shutdown_moves_the_book_without_losing_it() -> None:
    async with running() as (venue, binance):
        watched = Watched(venue, SPOT)
        async with binance.subscribe_orderbook(SPOT) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            opened = venue.stats.sockets_opened
            venue.announce_shutdown()
            await until(lambda: venue.stats.sockets_opened > opened, books)
            after = watched.compared + 10
            await until(lambda: watched.compared >= after, books)
        assert watched.wrong == []
        assert watched.invalid == 0


@BOTH
async def test_best_prices_stream(name: str) -> None:
    async with running() as (_, binance):
        async with binance.subscribe_ticker(name) as tickers, asyncio.timeout(30):
            ticker = await anext(tickers)
        assert isinstance(ticker, Ticker)
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid < ticker.ask


@BOTH
async def test_klines_stream(name: str) -> None:
    async with running() as (_, binance):
        async with binance.subscribe_klines(name, KlineInterval.M1) as klines, asyncio.timeout(30):
            kline = await anext(klines)
        assert isinstance(kline, Kline)
        assert kline.closed is not None
        assert kline.low <= kline.open <= kline.high


async def test_funding_streams_with_the_same_terms_as_asked() -> None:
    async with running() as (_, binance):
        asked = await binance.get_funding_rate(LINEAR)
        async with binance.subscribe_funding_rate(LINEAR) as rates, asyncio.timeout(30):
            rate = await anext(rates)
        assert isinstance(rate, FundingRate)
        assert (rate.interval, rate.interval_source, rate.next_settlement_ms) == (
            asked.interval,
            asked.interval_source,
            asked.next_settlement_ms,
        )


async def test_funding_rolls_over_at_a_settlement_and_asks_for_its_terms_again() -> None:
    async with running(settle_in_s=2.0) as (venue, binance):
        async with binance.subscribe_funding_rate(LINEAR) as rates, asyncio.timeout(15):
            first = second = await anext(rates)
            while second.next_settlement_ms == first.next_settlement_ms:
                second = await anext(rates)
            while venue.stats.by_path["/fapi/v1/fundingInfo"] < 2:
                await anext(rates)
        assert first.next_settlement_ms is not None
        assert second.next_settlement_ms is not None
        assert second.next_settlement_ms - first.next_settlement_ms == 8 * 3_600_000


async def test_funding_without_its_terms_has_no_interval_rather_than_a_guessed_one() -> None:
    async with running({"retries": 0}) as (venue, binance):
        venue.answer_with(503, b"", path="fundingInfo")
        async with binance.subscribe_funding_rate(LINEAR) as rates, asyncio.timeout(30):
            rate = await anext(rates)
        assert rate.rate is not None
        assert (rate.interval, rate.interval_source) == (None, None)


async def test_the_single_base_of_before_still_serves_when_asked_for() -> None:
    async with (
        running({"legacy_streams": True}) as (venue, binance),
        binance.subscribe_ticker(LINEAR) as tickers,
        binance.subscribe_trades(LINEAR) as trades,
        asyncio.timeout(30),
    ):
        assert isinstance(await anext(tickers), Ticker)
        assert isinstance(await anext(trades), Trade)
        assert len(venue.sockets("usdm")) == 1
