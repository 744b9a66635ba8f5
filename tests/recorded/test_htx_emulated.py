"""HTX end to end: the adapter under the host, over real sockets, against the emulated venue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from fra.core import (
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
    PriceLevel,
    StreamGap,
    Subscription,
    SymbolNotFound,
    Ticker,
    Trade,
    connect,
)
from fra.emulator import Emulator, HtxVenue
from fra.emulator.source import NoData, TrueBook

SPOT, LINEAR = "BTC/USDT", "BTC/USDT:USDT"
IDS = {SPOT: ("spot", "btcusdt"), LINEAR: ("linear", "BTC-USDT")}
SIZES = {SPOT: Decimal(1), LINEAR: Decimal("0.001")}
QUICK = {"reconnect_delay": 0.05, "reconnect_max_delay": 0.2}
Running = tuple[HtxVenue, ExchangeHandle]


@asynccontextmanager
async def running(options: dict[str, object] | None = None, **settings: Any) -> AsyncIterator[Running]:
    async with (
        Emulator(["htx"], seed=7, **{"htx_snapshot_lag_s": 0.2, **settings}) as emulator,
        connect("htx", base_url=emulator.htx.markets, options={**QUICK, **(options or {})}) as htx,
    ):
        yield emulator.htx, htx


async def until(condition: Callable[[], bool], subscription: Subscription[Any], *, within: float = 15.0) -> None:
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


class Watched:
    """A live book whose every valid state is compared, in full, with the venue's own at the same sequence.

    A swap's pushes count versions of their own, so the venue's book is found by the moment at which it stood so.
    """

    def __init__(self, venue: HtxVenue, name: str) -> None:
        self.venue, self.name = venue, name
        self.compared = 0
        self.invalid = 0
        self.wrong: list[int | None] = []

    def true(self, view: BookView) -> TrueBook:
        market, venue_id = IDS[self.name]
        if market == "spot":
            return self.venue.book(market, venue_id, view.sequence)
        book = self.venue.book(market, venue_id)
        update_id = book.update_id
        while book.time_ms != view.timestamp_ms:
            update_id -= 1
            with suppress(NoData):
                book = self.venue.book(market, venue_id, update_id)
            assert book.time_ms >= (view.timestamp_ms or 0), "the venue never stood so"
        return book

    def __call__(self, view: BookView) -> None:
        if not view.valid:
            self.invalid += 1
            assert list(view.bids()) == list(view.asks()) == []
            return
        true = self.true(view)
        size = SIZES[self.name]
        bids = [PriceLevel(Decimal(price), Decimal(contracts) * size) for price, contracts in true.bids]
        asks = [PriceLevel(Decimal(price), Decimal(contracts) * size) for price, contracts in true.asks]
        self.compared += 1
        if list(view.bids()) != bids or list(view.asks()) != asks:
            self.wrong.append(view.sequence)


# --- asking ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_an_asked_book_is_the_venues_in_coins(name: str) -> None:
    async with running() as (venue, htx):
        book = await htx.get_orderbook(name)
        true = venue.book(*IDS[name], book.sequence)
        assert [(level.price, level.amount) for level in book.bids] == [
            (Decimal(price), Decimal(contracts) * SIZES[name]) for price, contracts in true.bids[:150]
        ]
        assert len((await htx.get_orderbook(name, depth=3)).asks) == 3


async def test_tickers_of_all_markets_come_in_one_request_each() -> None:
    async with running() as (venue, htx):
        tickers = {ticker.symbol: ticker for ticker in await htx.get_tickers()}
        assert set(tickers) == {symbol.name for symbol in await htx.get_symbols()}
        assert venue.stats.by_path["/market/tickers"] == 1
        assert venue.stats.by_path["/linear-swap-ex/market/detail/batch_merged"] == 1
        for name in (SPOT, LINEAR):
            single = await htx.get_ticker(name)
            assert single.bid is not None
            assert tickers[name].quote_volume is not None


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_trades_come_oldest_first(name: str) -> None:
    async with running() as (_, htx):
        trades = await htx.get_trades(name, limit=20)
        assert len(trades) == 20
        assert [int(trade.id) for trade in trades] == sorted(int(trade.id) for trade in trades)
        assert all(trade.amount % htx.symbol(name).lot_size == 0 for trade in trades)


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_klines_are_half_open_and_oldest_first(name: str) -> None:
    async with running() as (_, htx):
        hour = 3_600_000
        end = int(time.time() * 1000) // hour * hour
        klines = await htx.get_klines(name, KlineInterval.H1, since=end - 5 * hour, until=end)
        assert [kline.open_ms for kline in klines] == [end - n * hour for n in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_klines_from_long_ago_begin_where_they_were_asked_to(name: str) -> None:
    async with running() as (venue, htx):
        minute = 60_000
        start = int(time.time() * 1000) // minute * minute - 5_000 * minute
        klines = await htx.get_klines(name, KlineInterval.M1, since=start, limit=100)
        assert [kline.open_ms for kline in klines] == [start + n * minute for n in range(100)]
        assert venue.stats.by_path["/market/history/candles"] == (name == SPOT)


async def test_an_interval_that_htx_lacks_is_refused_before_any_request() -> None:
    async with running() as (venue, htx):
        await htx.get_symbols()
        asked = venue.stats.requests
        with pytest.raises(NotSupported, match="no 8h candles"):
            await htx.get_klines(SPOT, KlineInterval.H8)
        with pytest.raises(NotSupported):
            await htx.get_funding_rate(SPOT)
        assert venue.stats.requests == asked


async def test_all_funding_comes_in_two_requests_and_agrees_with_the_single_answer() -> None:
    async with running() as (venue, htx):
        rates = {rate.symbol: rate for rate in await htx.get_funding_rates()}
        assert set(rates) == {symbol.name for symbol in await htx.get_symbols() if symbol.kind.is_swap}
        assert venue.stats.by_path["/linear-swap-api/v1/swap_batch_funding_rate"] == 1
        assert venue.stats.by_path["/linear-swap-api/v1/swap_query_elements"] == 1
        assert {rate.interval for rate in rates.values()} == {timedelta(hours=hours) for hours in (1, 4, 8)}
        single = await htx.get_funding_rate(LINEAR)
        assert single.interval == rates[LINEAR].interval
        assert single.interval_source is IntervalSource.REPORTED
        assert single.next_settlement_ms == rates[LINEAR].next_settlement_ms
        assert single.mark_price is not None


async def test_funding_history_is_complete_from_its_start() -> None:
    async with running() as (venue, htx):
        hourly = next(rate for rate in await htx.get_funding_rates() if rate.interval == timedelta(hours=1))
        start = int(time.time() * 1000) - 20 * 86_400_000
        rates = await htx.get_funding_rate_history(hourly.symbol, since=start)
        settled = [rate.settled_ms for rate in rates if rate.settled_ms is not None]
        assert len(settled) == 50
        assert start <= settled[0] < start + 3_600_000
        assert {later - earlier for earlier, later in pairwise(settled)} == {3_600_000}
        assert {rate.interval for rate in rates} == {timedelta(hours=1)}
        assert venue.stats.by_path["/linear-swap-api/v1/swap_historical_funding_rate"] < 20


async def test_a_middle_of_the_funding_history_is_found() -> None:
    async with running() as (_, htx):
        hourly = next(rate for rate in await htx.get_funding_rates() if rate.interval == timedelta(hours=1))
        hour = 3_600_000
        end = (int(time.time() * 1000) // hour - 300) * hour
        rates = await htx.get_funding_rate_history(hourly.symbol, until=end, limit=40)
        assert [rate.settled_ms for rate in rates] == [end - n * hour for n in range(40, 0, -1)]


async def test_the_latest_funding_history_ends_with_the_last_settlement() -> None:
    async with running() as (_, htx):
        running_rate = await htx.get_funding_rate(LINEAR)
        rates = await htx.get_funding_rate_history(LINEAR, limit=3)
        assert running_rate.next_settlement_ms is not None
        assert running_rate.interval is not None
        interval_ms = running_rate.interval // timedelta(milliseconds=1)
        assert [rate.settled_ms for rate in rates] == [
            running_rate.next_settlement_ms - n * interval_ms for n in (3, 2, 1)
        ]


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"status":"error","err-code":"invalid-parameter","err-msg":"invalid symbol"}', SymbolNotFound),
        (200, b'{"status":"error","err_code":1014,"err_msg":"This contract doesnt exist.","ts":1}', SymbolNotFound),
        (200, b'{"status":"error","err-code":"bad-argument","err-msg":"bad","data":null}', ExchangeAPIError),
        (200, b'{"status":"error","err-code":"rate-too-many-requests","err-msg":"no"}', ExchangeRateLimitError),
        (429, b'{"status":"error","err_code":1032,"err_msg":"no","ts":1}', ExchangeRateLimitError),
        (503, b'{"status":"error","err-code":"system-maintenance","err-msg":"no"}', ExchangeConnectionError),
        (200, b'{"code":1002,"message":"unauthorized"}', ExchangeError),
        (200, b'{"status":"ok","tick":{"close":"cheap"}}', ExchangeAPIError),
        (200, b"<html>", ExchangeAPIError),
    ],
)
async def test_a_refusal_is_a_typed_error_that_names_the_exchange(
    status: int, body: bytes, kind: type[ExchangeError]
) -> None:
    async with running({"retries": 0}) as (venue, htx):
        await htx.get_symbols()
        venue.answer_with(status, body, path="market/detail/merged")
        with pytest.raises(kind) as caught:
            await htx.get_ticker(SPOT)
        assert caught.value.exchange == "htx"


async def test_a_burst_is_paced_by_the_budget_so_that_none_is_refused() -> None:
    async with running(rate_window_scale=1.0) as (venue, htx):
        await htx.get_symbols()
        begun = time.monotonic()
        await asyncio.gather(*(htx.get_ticker(SPOT) for _ in range(15)))
        assert time.monotonic() - begun > 0.9
        assert venue.stats.answered_429 == 0


# --- streams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_a_live_book_is_the_venues_at_every_sequence(name: str) -> None:
    async with running() as (venue, htx):
        watched = Watched(venue, name)
        async with htx.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 10, books)
        assert watched.wrong == []
        assert watched.invalid == 0


async def test_an_answer_that_is_older_than_all_changes_makes_no_book() -> None:
    async with running(htx_snapshot_lag_s=0.8) as (venue, htx):
        watched = Watched(venue, SPOT)
        async with htx.subscribe_orderbook(SPOT) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 5, books)
        assert watched.wrong == []
        assert watched.invalid == 0


@pytest.mark.parametrize("fault", ["drop_next_delta", "swap_next_deltas"])
@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_a_fault_shows_no_false_book_and_heals(name: str, fault: str) -> None:
    async with running() as (venue, htx):
        watched = Watched(venue, name)
        async with htx.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = getattr(venue, fault)(*IDS[name])
            await until(lambda: watched.invalid > 0, books)
            healed = watched.compared + 5
            await until(lambda: watched.compared >= healed, books)
        assert pending.applied.is_set()
        assert watched.wrong == []


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_a_doubled_delta_causes_no_resync(name: str) -> None:
    async with running() as (venue, htx):
        watched = Watched(venue, name)
        async with htx.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = venue.duplicate_next_delta(*IDS[name])
            await until(lambda: pending.applied.is_set(), books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
        assert watched.invalid == 0
        assert watched.wrong == []


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_a_cut_heals_with_every_subscription(name: str) -> None:
    async with running() as (venue, htx):
        watched = Watched(venue, name)
        statuses: list[ConnectionStatus] = []
        htx.register_event_handler(ConnectionChanged, lambda event: statuses.append(event.new))
        async with htx.subscribe_orderbook(name) as books, htx.subscribe_trades(name) as trades:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            assert venue.cut() > 0
            await until(lambda: watched.invalid > 0, books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
            async with asyncio.timeout(10):
                trade = None
                while not isinstance(trade, Trade):
                    try:
                        trade = await anext(trades)
                    except StreamGap:
                        continue
        assert watched.wrong == []
        assert statuses[0] is ConnectionStatus.RECONNECTING
        assert statuses[-1] is ConnectionStatus.CONNECTED


async def test_pings_of_the_server_are_answered_on_every_socket() -> None:
    async with (
        running(ping_interval_s=0.1, funding_push_s=0.05) as (venue, htx),
        htx.subscribe_orderbook(SPOT) as books,
        htx.subscribe_trades(SPOT) as trades,
        htx.subscribe_ticker(LINEAR) as tickers,
        htx.subscribe_funding_rate(LINEAR) as rates,
    ):
        for stream in (books, trades, tickers, rates):
            async with asyncio.timeout(10):
                await anext(stream)
        sockets = venue.sockets()
        assert len(sockets) == 4
        await until(lambda: all(socket.pongs >= 8 for socket in sockets), tickers)
        assert venue.sockets() == sockets


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_every_trade_reaches_the_listener_once_and_in_order(name: str) -> None:
    async with running() as (_, htx):
        seen: list[Trade] = []
        async with htx.subscribe_trades(name) as trades:
            trades.add_listener(seen.append)
            await until(lambda: len(seen) >= 10, trades)
            ids = [int(trade.id) for trade in seen]
            asked = {trade.id: trade for trade in await htx.get_trades(name)}
        assert ids == sorted(set(ids))
        for trade in seen:
            told = asked[trade.id]
            assert (trade.price, trade.amount, trade.side) == (told.price, told.amount, told.side)


@pytest.mark.parametrize("channel", ["detail", "bbo"])
@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_tickers_stream_best_prices(name: str, channel: str) -> None:
    async with running({"ticker_channel": channel}) as (_, htx):
        async with htx.subscribe_ticker(name) as tickers:
            async with asyncio.timeout(10):
                ticker = await anext(tickers)
        assert isinstance(ticker, Ticker)
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid < ticker.ask
        assert (ticker.volume is None) is (channel == "bbo")


@pytest.mark.parametrize("name", [SPOT, LINEAR])
async def test_klines_stream(name: str) -> None:
    async with running() as (_, htx):
        async with htx.subscribe_klines(name, KlineInterval.M1) as klines:
            async with asyncio.timeout(10):
                kline = await anext(klines)
        assert isinstance(kline, Kline)
        assert kline.low <= kline.open <= kline.high


async def test_funding_streams_with_the_same_terms_as_asked() -> None:
    async with running(funding_push_s=0.05) as (_, htx):
        asked = await htx.get_funding_rate(LINEAR)
        async with htx.subscribe_funding_rate(LINEAR) as rates:
            async with asyncio.timeout(10):
                first = second = await anext(rates)
                while second.mark_price is not None:
                    second = await anext(rates)
        for rate in (first, second):
            assert isinstance(rate, FundingRate)
            assert (rate.interval, rate.next_settlement_ms) == (asked.interval, asked.next_settlement_ms)
            assert rate.interval_source is IntervalSource.REPORTED


@pytest.mark.parametrize("push_period", [0.05, 600.0], ids=["pushed", "silent"])
async def test_funding_rolls_over_a_settlement_whether_or_not_a_push_comes(push_period: float) -> None:
    async with running(funding_push_s=push_period, settle_in_s=2.0) as (_, htx):
        async with htx.subscribe_funding_rate(LINEAR) as rates:
            first = second = await anext(rates)
            async with asyncio.timeout(10):
                while second.next_settlement_ms == first.next_settlement_ms:
                    second = await anext(rates)
        assert first.next_settlement_ms is not None
        assert second.next_settlement_ms is not None
        assert first.interval is not None
        assert second.next_settlement_ms - first.next_settlement_ms == first.interval // timedelta(milliseconds=1)


async def test_garbage_on_the_socket_is_survived() -> None:
    async with running() as (venue, htx):
        watched = Watched(venue, LINEAR)
        async with htx.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            venue.push_raw('{"ch":"market.BTC-USDT.depth.size_150.high_freq","tick":{"asks":"none"}}', "linear")
            await until(lambda: watched.invalid > 0, books)
            after = watched.compared + 3
            await until(lambda: watched.compared >= after, books)
        assert watched.wrong == []
