"""Native and ccxt beside each other on one emulated venue: one word in the configuration, and the same data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

import attrs
import pytest
import pytest_asyncio
from ccxt_again import emulator, through_ccxt
from traders import INVERSE, LINEAR, SPOT, VENUES, WITH_INVERSE, configured, managed

from fra.core import (
    BookView,
    ExchangeHandle,
    IntervalSource,
    KlineInterval,
    MarketKind,
    NotSupported,
    Operation,
    StreamStatus,
    Symbol,
)
from fra.emulator import Venue

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = [(name, symbol) for name in VENUES for symbol in (SPOT, LINEAR)]
CASES += [(name, INVERSE) for name in WITH_INVERSE]
SWAPS = [case for case in CASES if case[1] != SPOT]

RULES: Mapping[str, str] = {
    "min_notional": "ccxt leaves out the minimum notional of some markets, or takes it for another filter",
    "max_amount": "ccxt takes the largest market order of some venues, we the largest limit order, or none",
    "min_amount": "HTX's contract minimum is one contract, and Bybit's spot minimum by value is left out by ccxt",
}
"""Fields of a Symbol that may differ, and why; all the others are equal."""


@attrs.frozen
class Pair:
    """One venue through both."""

    venue: Venue
    native: ExchangeHandle
    ccxt: ExchangeHandle


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pairs() -> AsyncIterator[Mapping[str, Pair]]:
    async with emulator() as running:
        config = {}
        for name, venue in running.venues.items():
            config[name] = configured(venue, None)
            config[f"{name}2"] = configured(venue, None, **through_ccxt(venue, {}))
        async with managed(config) as manager:
            made = {
                name: Pair(venue, manager.get_plugin(name), manager.get_plugin(f"{name}2"))
                for name, venue in running.venues.items()
            }
            for pair in made.values():
                await asyncio.gather(pair.native.get_symbols(), pair.ccxt.get_symbols())
            yield made


@pytest.fixture
def pair(pairs: Mapping[str, Pair], name: str) -> Pair:
    return pairs[name]


@pytest.fixture
def still(pair: Pair, symbol: str) -> AsyncIterator[None]:
    """The public book stands still."""
    found = pair.native.symbol(symbol)
    pair.venue.freeze_book(found.market, found.venue_id)
    yield  # type: ignore[misc]
    pair.venue.freeze_book(found.market, found.venue_id, frozen=False)


each = pytest.mark.parametrize(("name", "symbol"), CASES)
swaps = pytest.mark.parametrize(("name", "symbol"), SWAPS)
venues = pytest.mark.parametrize("name", VENUES)


@venues
async def test_the_same_instruments_are_listed_with_the_same_units(pair: Pair) -> None:
    def facts(symbols: tuple[Symbol, ...]) -> dict[str, dict[str, object]]:
        fields = [field.name for field in attrs.fields(Symbol) if field.name not in RULES]
        return {symbol.name: {name: getattr(symbol, name) for name in fields} for symbol in symbols}

    assert facts(pair.ccxt.symbols) == facts(pair.native.symbols)


@each
async def test_the_same_book_is_asked_for(pair: Pair, symbol: str, still: None) -> None:
    ours, theirs = await pair.native.get_orderbook(symbol, depth=20), await pair.ccxt.get_orderbook(symbol, depth=20)
    assert list(theirs.bids[:20]) == list(ours.bids[:20])
    assert list(theirs.asks[:20]) == list(ours.asks[:20])


@each
async def test_the_same_book_is_streamed(pair: Pair, symbol: str) -> None:
    async with pair.ccxt.subscribe_orderbook(symbol) as stream:
        seen = 0
        async with asyncio.timeout(15):
            async for book in stream:
                assert book.valid
                assert list(book.bids) == sorted(book.bids, key=lambda level: -level.price)
                assert book.best_bid is not None
                assert book.best_ask is not None
                assert book.best_bid.price < book.best_ask.price
                seen += 1
                if seen == 5:
                    break
        assert stream.status is StreamStatus.LIVE


@each
async def test_a_streamed_book_is_a_copy_of_ccxts_live_one(pair: Pair, symbol: str) -> None:
    told: list[tuple[object, object]] = []
    enough = asyncio.Event()

    def hear(view: BookView) -> None:
        cut = view.snapshot(5)
        told.append((cut, (list(cut.bids), list(cut.asks))))
        if len(told) == 5:
            enough.set()

    stream = pair.ccxt.subscribe_orderbook(symbol)
    stream.add_listener(hear)
    async with asyncio.timeout(15), stream:
        await enough.wait()
    assert all((list(cut.bids), list(cut.asks)) == then for cut, then in told)  # type: ignore[attr-defined]


@each
async def test_a_book_comes_back_after_a_cut(pair: Pair, symbol: str) -> None:
    async with pair.ccxt.subscribe_orderbook(symbol) as stream, asyncio.timeout(20):
        await anext(stream)
        pair.venue.cut()
        lost = False
        async for book in stream:
            lost = lost or not book.valid
            if lost and book.valid and stream.status is StreamStatus.LIVE:
                break


@each
async def test_trades_tickers_and_candles_are_the_same(pair: Pair, symbol: str, still: None) -> None:
    ours, theirs = await pair.native.get_trades(symbol, limit=20), await pair.ccxt.get_trades(symbol, limit=20)
    mine = {(trade.price, trade.amount, trade.side, trade.timestamp_ms) for trade in ours}
    assert mine & {(trade.price, trade.amount, trade.side, trade.timestamp_ms) for trade in theirs}
    one, other = await pair.native.get_ticker(symbol), await pair.ccxt.get_ticker(symbol)
    assert one.last == other.last
    hour = KlineInterval.H1
    candles, others = (
        await pair.native.get_klines(symbol, hour, limit=5),
        await pair.ccxt.get_klines(symbol, hour, limit=5),
    )
    for candle, same in zip(candles[:-1], others[-len(candles) : -1], strict=True):
        assert (candle.open_ms, candle.open, candle.high, candle.low, candle.close, candle.volume) == (
            same.open_ms,
            same.open,
            same.high,
            same.low,
            same.close,
            same.volume,
        )


@each
async def test_trades_tickers_and_candles_are_streamed(pair: Pair, symbol: str) -> None:
    async with asyncio.timeout(20):
        async with pair.ccxt.subscribe_trades(symbol) as trades:
            trade = await anext(trades)
            assert trade.amount > 0
        async with pair.ccxt.subscribe_ticker(symbol) as tickers:
            assert (await anext(tickers)).symbol == symbol
        async with pair.ccxt.subscribe_klines(symbol, KlineInterval.M1) as candles:
            candle = await anext(candles)
            assert candle.low <= candle.close <= candle.high


@swaps
async def test_funding_is_the_same(pair: Pair, symbol: str) -> None:
    ours, theirs = await pair.native.get_funding_rate(symbol), await pair.ccxt.get_funding_rate(symbol)
    assert abs(theirs.rate - ours.rate) < Decimal("0.0001")
    assert theirs.next_settlement_ms == ours.next_settlement_ms
    assert theirs.interval == ours.interval
    assert theirs.interval is not None
    assert theirs.interval_source is not None
    past = await pair.ccxt.get_funding_rate_history(symbol, limit=5)
    known = {rate.settled_ms: rate.rate for rate in await pair.native.get_funding_rate_history(symbol, limit=10)}
    assert past
    assert all(known[rate.settled_ms] == rate.rate for rate in past if rate.settled_ms in known)
    assert [rate.settled_ms for rate in past] == sorted(rate.settled_ms or 0 for rate in past)


async def test_binances_intervals_are_reported_where_listed_and_its_default_elsewhere(
    pairs: Mapping[str, Pair],
) -> None:
    rates = await pairs["binance"].ccxt.get_funding_rates()
    native = {
        rate.symbol: (rate.interval, rate.interval_source) for rate in await pairs["binance"].native.get_funding_rates()
    }
    told = {rate.symbol: (rate.interval, rate.interval_source) for rate in rates}
    assert told == {name: native[name] for name in told}
    assert {source for _, source in told.values()} == {IntervalSource.REPORTED, IntervalSource.VENUE_DEFAULT}


@venues
async def test_a_stream_that_ccxt_has_not_is_polled_and_says_so(pair: Pair) -> None:
    support = pair.ccxt.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, MarketKind.LINEAR_SWAP)
    assert support.mode == ("native" if pair.venue.name == "okx" else "polled")
    async with pair.ccxt.subscribe_funding_rate(LINEAR) as rates, asyncio.timeout(10):
        assert (await anext(rates)).symbol == LINEAR


@venues
async def test_an_empty_cell_is_refused_before_anything_is_sent(pair: Pair) -> None:
    before = pair.venue.stats.requests
    with pytest.raises(NotSupported):
        await pair.ccxt.get_funding_rate(SPOT)
    assert pair.venue.stats.requests == before


@venues
async def test_health_has_latency_and_skew(pair: Pair) -> None:
    health = await pair.ccxt.health_check()
    assert health.latency is not None
    assert health.latency > 0
    assert health.clock_skew is not None
    assert abs(health.clock_skew) < 2
