"""OKX end to end: the adapter under the host, over real sockets, against the emulated venue."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
from fra.emulator import Emulator, OkxVenue

SPOT, LINEAR, INVERSE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"
IDS = {SPOT: ("spot", "BTC-USDT"), LINEAR: ("swap", "BTC-USDT-SWAP"), INVERSE: ("swap", "BTC-USD-SWAP")}
SIZES = {SPOT: Decimal(1), LINEAR: Decimal("0.01"), INVERSE: Decimal(100)}
QUICK = {"reconnect_delay": 0.05, "reconnect_max_delay": 0.2}
Running = tuple[OkxVenue, ExchangeHandle]


@asynccontextmanager
async def running(options: dict[str, object] | None = None, **settings: Any) -> AsyncIterator[Running]:
    async with (
        Emulator(["okx"], seed=7, **settings) as emulator,
        connect("okx", base_url=emulator.okx.markets, options={**QUICK, **(options or {})}) as okx,
    ):
        yield emulator.okx, okx


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
    """A live book whose every valid state is compared, in full, with the venue's own at the same sequence."""

    def __init__(self, venue: OkxVenue, name: str) -> None:
        self.venue, self.name = venue, name
        self.compared = 0
        self.invalid = 0
        self.wrong: list[int | None] = []

    def __call__(self, view: BookView) -> None:
        if not view.valid:
            self.invalid += 1
            assert list(view.bids()) == list(view.asks()) == []
            return
        market, venue_id = IDS[self.name]
        true = self.venue.book(market, venue_id, view.sequence)
        size = SIZES[self.name]
        bids = [PriceLevel(Decimal(price), Decimal(contracts) * size) for price, contracts in true.bids]
        asks = [PriceLevel(Decimal(price), Decimal(contracts) * size) for price, contracts in true.asks]
        self.compared += 1
        if list(view.bids()) != bids or list(view.asks()) != asks:
            self.wrong.append(view.sequence)


# --- asking ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [SPOT, LINEAR, INVERSE])
async def test_an_asked_book_is_the_venues_in_coins(name: str) -> None:
    async with running() as (venue, okx):
        book = await okx.get_orderbook(name)
        true = venue.book(*IDS[name], book.sequence)
        assert [(level.price, level.amount) for level in book.bids] == [
            (Decimal(price), Decimal(contracts) * SIZES[name]) for price, contracts in true.bids
        ]
        assert book.bids[0].price < book.asks[0].price


async def test_depth_is_asked_for_where_it_is_to_be_had() -> None:
    async with running(levels=450) as (venue, okx):
        assert len((await okx.get_orderbook(LINEAR, depth=3)).bids) == 3
        assert venue.stats.by_path["/api/v5/market/books-full"] == 0
        assert len((await okx.get_orderbook(LINEAR, depth=420)).bids) == 420
        assert venue.stats.by_path["/api/v5/market/books-full"] == 1


async def test_tickers_of_all_markets_come_in_one_request_each() -> None:
    async with running() as (venue, okx):
        tickers = {ticker.symbol: ticker for ticker in await okx.get_tickers()}
        assert set(tickers) == {symbol.name for symbol in await okx.get_symbols()}
        assert venue.stats.by_path["/api/v5/market/tickers"] == 2
        single = await okx.get_ticker(INVERSE)
        assert single.volume == single.quote_volume
        assert tickers[LINEAR].quote_volume is None


async def test_trades_come_oldest_first() -> None:
    async with running() as (_, okx):
        trades = await okx.get_trades(LINEAR, limit=20)
        assert len(trades) == 20
        assert [int(trade.id) for trade in trades] == sorted(int(trade.id) for trade in trades)


async def test_klines_are_half_open_and_oldest_first() -> None:
    async with running() as (_, okx):
        hour = 3_600_000
        end = int(time.time() * 1000) // hour * hour
        klines = await okx.get_klines(SPOT, KlineInterval.H1, since=end - 5 * hour, until=end)
        assert [kline.open_ms for kline in klines] == [end - n * hour for n in (5, 4, 3, 2, 1)]
        assert all(kline.closed for kline in klines)


async def test_klines_from_long_ago_begin_where_they_were_asked_to() -> None:
    async with running() as (venue, okx):
        minute = 60_000
        start = int(time.time() * 1000) // minute * minute - 5_000 * minute
        klines = await okx.get_klines(SPOT, KlineInterval.M1, since=start)
        assert [kline.open_ms for kline in klines] == [start + n * minute for n in range(len(klines))]
        assert len(klines) == 100
        assert venue.stats.by_path["/api/v5/market/history-candles"] == 1


async def test_an_interval_that_okx_lacks_is_refused_before_any_request() -> None:
    async with running() as (venue, okx):
        await okx.get_symbols()
        asked = venue.stats.requests
        with pytest.raises(NotSupported, match="no 8h candles"):
            await okx.get_klines(SPOT, KlineInterval.H8)
        assert venue.stats.requests == asked


async def test_all_funding_comes_in_one_request_and_agrees_with_the_single_answer() -> None:
    async with running() as (venue, okx):
        rates = {rate.symbol: rate for rate in await okx.get_funding_rates()}
        assert set(rates) == {symbol.name for symbol in await okx.get_symbols() if symbol.kind.is_swap}
        assert venue.stats.by_path["/api/v5/public/funding-rate"] == 1
        assert {rate.interval for rate in rates.values()} == {timedelta(hours=hours) for hours in (1, 4, 8)}
        single = await okx.get_funding_rate(LINEAR)
        assert single.interval == rates[LINEAR].interval
        assert single.interval_source is IntervalSource.DERIVED
        assert single.next_settlement_ms == rates[LINEAR].next_settlement_ms
        assert single.mark_price is not None


async def test_funding_history_is_complete_from_its_start() -> None:
    async with running() as (_, okx):
        hourly = next(rate for rate in await okx.get_funding_rates() if rate.interval == timedelta(hours=1))
        start = int(time.time() * 1000) - 20 * 86_400_000
        rates = await okx.get_funding_rate_history(hourly.symbol, since=start)
        settled = [rate.settled_ms for rate in rates if rate.settled_ms is not None]
        assert len(settled) == 100
        assert start <= settled[0] < start + 3_600_000
        assert {later - earlier for earlier, later in pairwise(settled)} == {3_600_000}
        assert {rate.interval for rate in rates} == {timedelta(hours=1)}


async def test_the_latest_funding_history_ends_with_the_last_settlement() -> None:
    async with running() as (_, okx):
        running_rate = await okx.get_funding_rate(LINEAR)
        rates = await okx.get_funding_rate_history(LINEAR, limit=3)
        assert running_rate.next_settlement_ms is not None
        assert running_rate.interval is not None
        interval_ms = running_rate.interval // timedelta(milliseconds=1)
        assert [rate.settled_ms for rate in rates] == [
            running_rate.next_settlement_ms - n * interval_ms for n in (3, 2, 1)
        ]


# --- refusals ----------------------------------------------------------------------------------------------------


async def test_funding_of_spot_is_refused_without_a_request() -> None:
    async with running() as (venue, okx):
        await okx.get_symbols()
        asked = venue.stats.requests
        with pytest.raises(NotSupported):
            await okx.get_funding_rate(SPOT)
        assert venue.stats.requests == asked


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"code":"51001","msg":"no such instrument","data":[]}', SymbolNotFound),
        (200, b'{"code":"51000","msg":"Parameter error","data":[]}', ExchangeAPIError),
        (429, b'{"code":"50011","msg":"Too Many Requests","data":[]}', ExchangeRateLimitError),
        (503, b'{"code":"50001","msg":"Service temporarily unavailable","data":[]}', ExchangeConnectionError),
        (200, b'{"code":500,"data":{},"msg":"server error 1"}', ExchangeConnectionError),
        (200, b'{"code":"0","msg":"","data":[{"instId":7}]}', ExchangeAPIError),
        (200, b'{"code":"0","msg":"","data":[{"instId":"BTC-USDT","ts":"1","last":"cheap"}]}', ExchangeError),
        (200, b"<html>", ExchangeAPIError),
    ],
)
async def test_a_refusal_is_a_typed_error_that_names_the_exchange(
    status: int, body: bytes, kind: type[ExchangeError]
) -> None:
    async with running({"retries": 0}) as (venue, okx):
        await okx.get_symbols()
        venue.answer_with(status, body, path="market/ticker")
        with pytest.raises(kind) as caught:
            await okx.get_ticker(SPOT)
        assert caught.value.exchange == "okx"


async def test_a_burst_is_paced_by_the_budget_so_that_none_is_refused() -> None:
    async with running(rate_window_scale=1.0) as (venue, okx):
        await okx.get_symbols()
        begun = time.monotonic()
        await asyncio.gather(*(okx.get_ticker(SPOT) for _ in range(30)))
        assert time.monotonic() - begun > 1.9
        assert venue.stats.answered_429 == 0


# --- streams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [SPOT, LINEAR, INVERSE])
async def test_a_live_book_is_the_venues_at_every_sequence(name: str) -> None:
    async with running() as (venue, okx):
        watched = Watched(venue, name)
        async with okx.subscribe_orderbook(name) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 10, books)
        assert watched.wrong == []
        assert watched.invalid == 0


@pytest.mark.parametrize("fault", ["drop_next_delta", "swap_next_deltas"])
async def test_a_fault_shows_no_false_book_and_heals(fault: str) -> None:
    async with running() as (venue, okx):
        watched = Watched(venue, LINEAR)
        async with okx.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = getattr(venue, fault)(*IDS[LINEAR])
            await until(lambda: watched.invalid > 0, books)
            healed = watched.compared + 5
            await until(lambda: watched.compared >= healed, books)
        assert pending.applied.is_set()
        assert watched.wrong == []


async def test_a_doubled_delta_causes_no_resync() -> None:
    async with running() as (venue, okx):
        watched = Watched(venue, LINEAR)
        async with okx.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            pending = venue.duplicate_next_delta(*IDS[LINEAR])
            await until(lambda: pending.applied.is_set(), books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
            assert venue.stats.subscriptions["books:BTC-USDT-SWAP"] == 1
        assert watched.invalid == 0
        assert watched.wrong == []


async def test_a_restart_of_the_numbering_is_followed() -> None:
    async with running() as (venue, okx):
        watched = Watched(venue, LINEAR)
        async with okx.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            venue.renumber_book(*IDS[LINEAR])
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
        assert watched.wrong == []


async def test_a_book_without_a_first_snapshot_starts_from_the_asked_one() -> None:
    async with running(okx_initial_snapshot=False) as (venue, okx):
        watched = Watched(venue, LINEAR)
        async with okx.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 10, books)
        assert venue.stats.by_path["/api/v5/market/books"] >= 1
        assert watched.wrong == []


async def test_a_cut_heals_with_every_subscription() -> None:
    async with running() as (venue, okx):
        watched = Watched(venue, LINEAR)
        statuses: list[ConnectionStatus] = []
        okx.register_event_handler(ConnectionChanged, lambda event: statuses.append(event.new))
        async with okx.subscribe_orderbook(LINEAR) as books, okx.subscribe_trades(LINEAR) as trades:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            assert venue.cut() > 0
            await until(lambda: watched.invalid > 0, books)
            after = watched.compared + 5
            await until(lambda: watched.compared >= after, books)
            async with asyncio.timeout(10):
                assert isinstance(await anext(trades), Trade)
        assert watched.wrong == []
        assert statuses[0] is ConnectionStatus.RECONNECTING
        assert statuses[-1] is ConnectionStatus.CONNECTED
        assert venue.stats.subscriptions["books:BTC-USDT-SWAP"] == 2


async def test_trades_lost_over_a_cut_are_told_at_their_place() -> None:
    async with running() as (venue, okx):
        async with okx.subscribe_orderbook(LINEAR), okx.subscribe_trades(LINEAR) as trades:
            seen: list[Trade] = []
            trades.add_listener(seen.append)
            await until(lambda: len(seen) >= 2, trades)
            venue.pause_channel("trades")
            async with asyncio.timeout(10):
                while int((await okx.get_trades(LINEAR, limit=1))[-1].id) < int(seen[-1].id) + 3:
                    pass
            before = int(seen[-1].id)
            venue.cut()
            venue.resume_channel("trades")
            async with asyncio.timeout(10):
                with pytest.raises(StreamGap) as caught:
                    await exhaust(trades)
                following = await anext(trades)
        assert caught.value.start == before
        assert caught.value.end == int(following.id) > before + 1


async def test_a_closing_notice_moves_to_a_new_connection_without_losing_the_book() -> None:
    async with running() as (venue, okx):
        watched = Watched(venue, LINEAR)
        async with okx.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            opened = venue.stats.sockets_opened
            venue.announce_shutdown()
            await until(lambda: venue.stats.sockets_opened > opened, books)
            after = watched.compared + 10
            await until(lambda: watched.compared >= after, books)
        assert watched.wrong == []
        assert watched.invalid == 0


async def test_every_trade_reaches_the_listener_once_and_in_order() -> None:
    async with running() as (_, okx):
        seen: list[Trade] = []
        async with okx.subscribe_trades(INVERSE) as trades:
            trades.add_listener(seen.append)
            await until(lambda: len(seen) >= 10, trades)
            ids = [int(trade.id) for trade in seen]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert all(trade.amount % 100 == 0 for trade in seen)


@pytest.mark.parametrize("channel", ["tickers", "bbo-tbt"])
async def test_tickers_stream_best_prices(channel: str) -> None:
    async with running({"ticker_channel": channel}) as (venue, okx):
        async with okx.subscribe_ticker(LINEAR) as tickers:
            async with asyncio.timeout(10):
                ticker = await anext(tickers)
        assert isinstance(ticker, Ticker)
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid < ticker.ask
        assert (ticker.volume is None) is (channel == "bbo-tbt")
        assert venue.stats.subscriptions[f"{channel}:BTC-USDT-SWAP"] == 1


async def test_klines_stream_from_the_business_address() -> None:
    async with running() as (_, okx):
        async with okx.subscribe_klines(SPOT, KlineInterval.M1) as klines:
            async with asyncio.timeout(10):
                kline = await anext(klines)
        assert isinstance(kline, Kline)
        assert kline.closed is not None
        assert kline.low <= kline.open <= kline.high


async def test_funding_streams_with_the_same_terms_as_asked() -> None:
    async with running(funding_push_s=0.1) as (_, okx):
        asked = await okx.get_funding_rate(LINEAR)
        async with okx.subscribe_funding_rate(LINEAR) as rates:
            async with asyncio.timeout(10):
                rate = await anext(rates)
        assert isinstance(rate, FundingRate)
        assert (rate.interval, rate.next_settlement_ms) == (asked.interval, asked.next_settlement_ms)


@pytest.mark.parametrize("push_period", [0.1, 600.0], ids=["pushed", "silent"])
async def test_funding_rolls_over_a_settlement_whether_or_not_a_push_comes(push_period: float) -> None:
    async with running(funding_push_s=push_period, settle_in_s=1.5) as (venue, okx):
        async with okx.subscribe_funding_rate(LINEAR) as rates:
            first = second = await anext(rates)
            async with asyncio.timeout(10):
                while second.next_settlement_ms == first.next_settlement_ms:
                    second = await anext(rates)
        assert first.next_settlement_ms is not None
        assert second.next_settlement_ms is not None
        assert first.interval is not None
        assert second.next_settlement_ms - first.next_settlement_ms == first.interval // timedelta(milliseconds=1)
        assert venue.stats.by_path["/api/v5/public/funding-rate"] == (push_period > 1)


def listing(venue_id: str) -> dict[str, str]:
    base, quote, _ = venue_id.split("-")
    return {
        "instType": "SWAP",
        "instId": venue_id,
        "state": "live",
        "uly": f"{base}-{quote}",
        "settleCcy": quote,
        "ctType": "linear",
        "ctVal": "0.01",
        "ctMult": "1",
        "ctValCcy": base,
        "tickSz": "0.1",
        "lotSz": "0.01",
        "minSz": "0.01",
    }


async def test_a_subscription_that_the_venue_refuses_fails_for_good_and_harms_no_other() -> None:
    async with running() as (venue, okx):
        listed = {"code": "0", "msg": "", "data": [listing("BTC-USDT-SWAP"), listing("GONE-USDT-SWAP")]}
        venue.answer_with(200, json.dumps(listed), path="public/instruments")
        await okx.get_symbols()
        # Opened in one breath, so that they leave in one request.
        refused, tickers, books = (
            okx.subscribe_trades("GONE/USDT:USDT"),
            okx.subscribe_ticker(LINEAR),
            okx.subscribe_orderbook(LINEAR),
        )
        async with asyncio.timeout(10):
            with pytest.raises(SymbolNotFound, match="GONE-USDT-SWAP") as caught:
                await refused.ready()
            assert isinstance(await anext(tickers), Ticker)
            assert isinstance(await anext(books), OrderBook)
        assert caught.value.code == "60018"
        assert refused.status is StreamStatus.FAILED
        for subscription in (refused, tickers, books):
            await subscription.close()


async def test_garbage_on_the_socket_is_survived() -> None:
    async with running() as (venue, okx):
        watched = Watched(venue, LINEAR)
        async with okx.subscribe_orderbook(LINEAR) as books:
            books.add_listener(watched)
            await until(lambda: watched.compared >= 3, books)
            venue.push_raw(
                '{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":[{"asks":"none"}]}'
            )
            await until(lambda: watched.invalid > 0, books)
            after = watched.compared + 3
            await until(lambda: watched.compared >= after, books)
        assert watched.wrong == []
