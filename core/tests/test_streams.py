"""Subscriptions: sharing, conflation, losslessness, gaps and what a failing adapter does to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from fra.core import (
    BookView,
    ErrorRaised,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    FundingIntervalChanged,
    FundingRate,
    FundingRateChanged,
    IntervalSource,
    NotSupported,
    OrderBook,
    RateKind,
    Side,
    StreamGap,
    StreamGapped,
    StreamStatus,
    StreamStatusChanged,
    SymbolNotFound,
    Ticker,
    Trade,
)

NOW = 1_700_000_000_000
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


def trade(number: int) -> Trade:
    return Trade(SPOT, str(number), Decimal(100), Decimal(1), Side.BUY, NOW + number, NOW + number)


def ticker(last: int) -> Ticker:
    return Ticker(SPOT, NOW, last=Decimal(last))


def view(kit, best: int, *, sequence: int | None = None) -> BookView:
    return BookView(SPOT, kit.LiveLevels(best), NOW, sequence=sequence)


def rate(value: str, hours: int = 8, symbol: str = SWAP) -> FundingRate:
    return FundingRate(
        symbol=symbol,
        kind=RateKind.ESTIMATED,
        rate=Decimal(value),
        received_ms=NOW,
        interval=timedelta(hours=hours),
        interval_source=IntervalSource.REPORTED,
    )


async def turn() -> None:
    """Let whoever was woken run."""
    for _ in range(5):
        await asyncio.sleep(0)


# --- one upstream for everybody


async def test_consumers_of_one_symbol_share_one_upstream(kit) -> None:
    async with kit.running() as mem:
        first, second = mem.subscribe_trades(SPOT), mem.subscribe_trades(kit.SPOT)
        kit.plugin.sources["trades", SPOT].publish(trade(1))
        assert (await anext(first), await anext(second)) == (trade(1), trade(1))
        assert kit.plugin.calls.count(("trades", SPOT)) == 1


async def test_the_upstream_closes_with_its_last_consumer(kit) -> None:
    async with kit.running() as mem:
        first, second = mem.subscribe_trades(SPOT), mem.subscribe_trades(SPOT)
        await first.close()
        assert kit.plugin.closed == []
        await second.close()
        await second.close()
        assert kit.plugin.closed == [("trades", SPOT)]


async def test_another_interval_is_another_upstream(kit) -> None:
    async with kit.running() as mem:
        mem.subscribe_klines(SPOT, "1m")
        mem.subscribe_klines(SPOT, "1h")
        mem.subscribe_klines(SPOT, "1h")
        assert kit.plugin.calls.count(("klines", SPOT)) == 2


async def test_a_channel_is_not_opened_again_before_it_is_closed(kit) -> None:
    order, release = [], asyncio.Event()

    class Slow(kit.Memory):
        def subscribe_trades(self, symbol):
            from fra.core import StreamSource

            order.append("open")

            async def close() -> None:
                await release.wait()
                order.append("closed")

            return StreamSource(close=close)

    async with kit.running(Slow) as mem:
        closing = asyncio.create_task(mem.subscribe_trades(SPOT).close())
        await turn()
        again = mem.subscribe_trades(SPOT)
        await turn()
        release.set()
        await closing
        await turn()
        assert order == ["open", "closed", "open"]
        await again.close()


async def test_closing_goes_through_when_the_closer_is_cancelled(kit) -> None:
    release = asyncio.Event()

    class Slow(kit.Memory):
        def subscribe_trades(self, symbol):
            from fra.core import StreamSource

            async def close() -> None:
                await release.wait()
                self.closed.append("done")

            return StreamSource(close=close)

    async with kit.running(Slow) as mem:
        closing = asyncio.create_task(mem.subscribe_trades(SPOT).close())
        await turn()
        closing.cancel()
        await asyncio.wait([closing])
        release.set()
    assert kit.plugin.closed == ["done"]


# --- iterators that conflate


async def test_a_slow_iterator_gets_the_newest_ticker_and_counts_the_skipped(kit) -> None:
    async with kit.running() as mem:
        tickers = mem.subscribe_ticker(SPOT)
        for last in (1, 2, 3):
            kit.plugin.sources["ticker", SPOT].publish(ticker(last))
        assert (await anext(tickers)).last == 3
        assert tickers.dropped == 2


async def test_a_late_consumer_gets_the_present_ticker_at_once(kit) -> None:
    async with kit.running() as mem:
        early = mem.subscribe_ticker(SPOT)
        kit.plugin.sources["ticker", SPOT].publish(ticker(7))
        await anext(early)
        late = mem.subscribe_ticker(SPOT)
        assert (await anext(late)).last == 7
        assert late.dropped == 0


async def test_a_book_is_cut_when_it_is_handed_over(kit) -> None:
    async with kit.running() as mem:
        books = mem.subscribe_orderbook(SPOT, depth=2)
        live = view(kit, 100, sequence=1)
        kit.plugin.sources["orderbook", SPOT].publish(live)
        live.levels.best = 200  # the adapter's book moves on before the iterator looks
        first = await anext(books)
        live.levels.best = 300
        assert isinstance(first, OrderBook)
        assert [level.price for level in first.bids] == [Decimal(200), Decimal(199)]


@pytest.mark.parametrize("loss", ["gap", "recovering", "both"])
async def test_a_book_that_lost_its_place_is_handed_over_once_as_invalid(kit, loss) -> None:
    async with kit.running() as mem:
        books = mem.subscribe_orderbook(SPOT)
        source = kit.plugin.sources["orderbook", SPOT]
        source.publish(view(kit, 100))
        if loss != "recovering":
            source.gap(StreamGap("lost"))
        if loss != "gap":
            source.set_status(StreamStatus.RECOVERING, ExchangeConnectionError("cut"))
        lost = await anext(books)
        assert (lost.valid, list(lost.bids), list(lost.asks)) == (False, [], [])
        waiting = asyncio.ensure_future(anext(books))
        await turn()
        assert not waiting.done()
        source.publish(view(kit, 101))
        assert (await waiting).valid


@pytest.mark.parametrize(
    "lose",
    [lambda source: source.gap(StreamGap("lost")), lambda source: source.set_status(StreamStatus.RECOVERING)],
)
async def test_a_listener_to_a_book_is_told_when_it_lost_its_place(kit, lose) -> None:
    async with kit.running() as mem:
        seen = []
        mem.subscribe_orderbook(SPOT).add_listener(lambda book: seen.append((book.valid, book.best_bid is None)))
        source = kit.plugin.sources["orderbook", SPOT]
        source.publish(view(kit, 100))
        lose(source)
        assert seen == [(True, False), (False, True)]


async def test_a_book_iterator_is_not_starved_by_a_generator_that_never_waits(kit) -> None:
    class Firehose(kit.Memory):
        async def subscribe_orderbook(self, symbol, *, depth=None):
            sequence = 0
            while True:
                sequence += 1
                yield kit.book(sequence)

    async with kit.running(Firehose) as mem, asyncio.timeout(5):
        books = mem.subscribe_orderbook(SPOT)
        seen = [(await anext(books)).sequence for _ in range(5)]
        assert seen == sorted(set(seen))
        await books.close()


# --- iterators that keep everything


async def test_no_trade_is_lost_between_subscribing_and_iterating(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        source = kit.plugin.sources["trades", SPOT]
        sent = [trade(number) for number in range(5_000)]
        for item in sent:
            source.publish(item)
        assert [await anext(trades) for _ in sent] == sent
        assert trades.dropped == 0


async def test_a_full_buffer_is_a_gap_at_its_place_and_iterating_goes_on(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        source = kit.plugin.sources["trades", SPOT]
        for number in range(10_003):
            source.publish(trade(number))
        assert [(await anext(trades)).id for _ in range(10_000)] == [str(number) for number in range(10_000)]
        with pytest.raises(StreamGap) as gap:
            await anext(trades)
        assert (gap.value.start, gap.value.end) == (NOW + 10_000, NOW + 10_002)
        assert trades.dropped == 3
        source.publish(trade(20_000))
        assert (await anext(trades)).id == "20000"
        assert len(kit.heard(StreamGapped)) == 1


async def test_a_buffer_takes_items_again_after_the_gap_once_half_of_it_is_read(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        source = kit.plugin.sources["trades", SPOT]
        for number in range(10_001):
            source.publish(trade(number))
        for _ in range(5_000):
            await anext(trades)
        source.publish(trade(10_001))
        rest = []
        for _ in range(5_002):
            try:
                rest.append((await anext(trades)).id)
            except StreamGap:
                rest.append("gap")
        assert rest[4_999:] == ["9999", "gap", "10001"]


async def test_a_gap_of_the_venue_is_raised_between_the_trades_around_it(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        source = kit.plugin.sources["trades", SPOT]
        source.publish(trade(1))
        source.gap(StreamGap("lost", start=2, end=4))
        source.publish(trade(5))
        assert (await anext(trades)).id == "1"
        with pytest.raises(StreamGap, match="mem: lost"):
            await anext(trades)
        assert (await anext(trades)).id == "5"
        (event,) = kit.heard(StreamGapped)
        assert (event.exchange, event.channel, event.symbol, event.gap.start) == ("mem", "trades", SPOT, 2)


async def test_hooks_hear_where_a_stream_stands(kit) -> None:
    cut = ExchangeConnectionError("cut")
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        source = kit.plugin.sources["trades", SPOT]
        source.publish(trade(1))
        source.publish(trade(2))
        source.set_status(StreamStatus.RECOVERING, cut)
        source.publish(trade(3))
        await trades.close()
        changes = kit.heard(StreamStatusChanged)
        assert [(change.old.value, change.new.value) for change in changes] == [
            ("starting", "live"),
            ("live", "recovering"),
            ("recovering", "live"),
            ("live", "closed"),
        ]
        assert [change.error for change in changes] == [None, cut, None, None]
        assert {(change.channel, change.symbol) for change in changes} == {("trades", SPOT)}


# --- listeners


async def test_listeners_have_run_when_publish_returns(kit) -> None:
    async with kit.running() as mem:
        seen = []
        trades = mem.subscribe_trades(SPOT)
        remove = trades.add_listener(seen.append)
        source = kit.plugin.sources["trades", SPOT]
        source.publish(trade(1))
        assert seen == [trade(1)]
        remove()
        source.publish(trade(2))
        assert seen == [trade(1)]


async def test_a_listener_that_raises_is_reported_and_hurts_nobody(kit) -> None:
    async with kit.running() as mem:
        seen = []
        trades = mem.subscribe_trades(SPOT)
        trades.add_listener(lambda item: 1 / 0)
        trades.add_listener(seen.append)
        source = kit.plugin.sources["trades", SPOT]
        source.publish(trade(1))
        source.publish(trade(2))
        assert seen == [trade(1), trade(2)]
        assert [event.where for event in kit.heard(ErrorRaised)] == [f"a listener to trades of {SPOT}"] * 2
        assert "ZeroDivisionError" in str(kit.heard(ErrorRaised)[0].error)


async def test_a_status_is_told_at_once_to_who_listens_to_it(kit) -> None:
    async with kit.running() as mem:
        told = []
        trades = mem.subscribe_trades(SPOT)
        trades.add_status_listener(lambda status: 1 / 0)
        remove = trades.add_status_listener(lambda status: told.append((status, trades.status, trades.error)))
        source, cut = kit.plugin.sources["trades", SPOT], ExchangeConnectionError("cut")
        for number in range(3):
            source.publish(trade(number))
        source.set_status(StreamStatus.RECOVERING, cut)
        source.publish(trade(3))
        live, recovering = StreamStatus.LIVE, StreamStatus.RECOVERING
        assert told == [(live, live, None), (recovering, recovering, cut), (live, live, None)]
        assert "ZeroDivisionError" in str(kit.heard(ErrorRaised)[0].error)
        remove()
        source.set_status(StreamStatus.STALE)
        assert len(told) == 3
        await anext(trades)  # listening to the status alone does not end what is kept for an iterator


async def test_what_is_only_listened_to_keeps_nothing_for_an_iterator(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        trades.add_listener(lambda item: None)
        source = kit.plugin.sources["trades", SPOT]
        for number in range(20_000):
            source.publish(trade(number))
        assert trades.dropped == 0
        waiting = asyncio.ensure_future(anext(trades))
        await turn()
        source.publish(trade(20_001))
        assert (await waiting).id == "20001"


# --- ready, status, age, close


async def test_ready_waits_for_the_first_data(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        ready = asyncio.ensure_future(trades.ready())
        await turn()
        assert (ready.done(), trades.status, trades.age) == (False, StreamStatus.STARTING, None)
        kit.plugin.sources["trades", SPOT].publish(trade(1))
        await ready
        assert trades.status is StreamStatus.LIVE
        assert trades.age < 5


async def test_a_failed_stream_raises_its_error_everywhere(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        source = kit.plugin.sources["trades", SPOT]
        source.publish(trade(1))
        source.fail(ExchangeAuthError("no rights"))
        assert (await anext(trades)).id == "1"
        for attempt in (trades.__anext__, trades.ready):
            with pytest.raises(ExchangeAuthError, match="mem: no rights"):
                await attempt()
        assert trades.status is StreamStatus.FAILED
        assert kit.heard(ErrorRaised)[0].error is trades.error


async def test_after_a_failure_subscribing_opens_a_new_upstream(kit) -> None:
    async with kit.running() as mem:
        mem.subscribe_trades(SPOT)
        kit.plugin.sources["trades", SPOT].fail(ExchangeAuthError("no rights"))
        again = mem.subscribe_trades(SPOT)
        kit.plugin.sources["trades", SPOT].publish(trade(2))
        assert (await anext(again)).id == "2"


async def test_closing_ends_an_iteration_that_waits(kit) -> None:
    async with kit.running() as mem:
        for subscription in (mem.subscribe_trades(SPOT), mem.subscribe_ticker(SPOT)):
            loop = asyncio.ensure_future(_all(subscription))
            await turn()
            await subscription.close()
            assert await loop == []
            assert subscription.status is StreamStatus.CLOSED


async def test_closing_ends_whoever_waits_for_the_first_data(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        ready = asyncio.ensure_future(trades.ready())
        await turn()
        await trades.close()
        with pytest.raises(ExchangeConnectionError):
            await ready


async def test_two_iterators_over_one_subscription_are_refused(kit) -> None:
    async with kit.running() as mem:
        trades = mem.subscribe_trades(SPOT)
        waiting = asyncio.ensure_future(anext(trades))
        await turn()
        with pytest.raises(RuntimeError, match="subscribe once more"):
            await anext(trades)
        kit.plugin.sources["trades", SPOT].publish(trade(1))
        assert (await waiting).id == "1"


async def test_health_shows_the_age_and_the_consumers_of_each_stream(kit) -> None:
    async with kit.running() as mem:
        mem.subscribe_trades(SPOT)
        mem.subscribe_trades(SPOT)
        mem.subscribe_ticker(SPOT)
        kit.plugin.sources["trades", SPOT].publish(trade(1))
        kit.plugin.sources["trades", SPOT].set_status(StreamStatus.STALE)
        health = await mem.health_check()
        assert [(s.channel, s.status, s.consumers, s.age is None) for s in health.streams] == [
            ("trades", "stale", 2, False),
            ("ticker", "starting", 1, True),
        ]
        assert not health.healthy


# --- before the symbols are known


async def test_a_name_is_looked_up_in_the_background(kit) -> None:
    async with kit.running(symbols=False) as mem:
        trades = mem.subscribe_trades(SPOT)
        assert kit.plugin.calls == []
        await turn()
        kit.plugin.sources["trades", SPOT].publish(trade(1))
        assert (await anext(trades)).id == "1"
        assert kit.plugin.calls == ["get_symbols", ("trades", SPOT)]


async def test_an_unknown_name_fails_the_stream(kit) -> None:
    async with kit.running(symbols=False) as mem:
        with pytest.raises(SymbolNotFound, match="did you mean 'BTC/USDT'"):
            async with mem.subscribe_trades("BTC/USDTT"):
                pass


async def test_an_unknown_name_raises_at_once_when_the_symbols_are_loaded(kit) -> None:
    async with kit.running() as mem:
        with pytest.raises(SymbolNotFound):
            mem.subscribe_trades("BTC/EUR")


@pytest.mark.parametrize("symbols", [True, False])
async def test_an_empty_cell_of_the_matrix_raises_without_asking_the_adapter(kit, symbols) -> None:
    async with kit.running(symbols=symbols) as mem:
        before = list(kit.plugin.calls)
        with pytest.raises(NotSupported, match="subscribe_funding_rate is not supported for spot markets"):
            mem.subscribe_funding_rate(SPOT)
        assert kit.plugin.calls == before


async def test_the_lookup_is_tried_again_when_the_venue_does_not_answer(kit, monkeypatch) -> None:
    monkeypatch.setattr("random.Random.uniform", lambda self, low, high: low)

    class Shaky(kit.Memory):
        async def get_symbols(self):
            if not self.calls:
                self.calls.append("failed")
                raise ConnectionResetError("reset")
            return await super().get_symbols()

        async def subscribe_trades(self, symbol):
            yield trade(1)
            await asyncio.Event().wait()

    async with kit.running(Shaky, symbols=False) as mem, asyncio.timeout(5):
        assert (await anext(mem.subscribe_trades(SPOT))).id == "1"


# --- adapters whose streams are generators


@pytest.fixture
def no_delay(monkeypatch) -> None:
    monkeypatch.setattr("random.Random.uniform", lambda self, low, high: low)


@pytest.mark.parametrize("how", ["raises", "ends"])
@pytest.mark.usefixtures("no_delay")
async def test_a_generator_that_is_cut_is_made_anew_with_a_gap_between(kit, how) -> None:
    runs = []

    class Cut(kit.Memory):
        async def subscribe_trades(self, symbol) -> AsyncIterator[Trade]:
            runs.append(None)
            yield trade(len(runs))
            if len(runs) > 1:
                await asyncio.Event().wait()
            if how == "raises":
                raise ExchangeConnectionError("cut")

    async with kit.running(Cut) as mem, asyncio.timeout(5):
        trades = mem.subscribe_trades(SPOT)
        assert (await anext(trades)).id == "1"
        with pytest.raises(StreamGap):
            await anext(trades)
        assert (await anext(trades)).id == "2"
        assert len(kit.heard(StreamGapped)) == 1
        assert trades.status is StreamStatus.LIVE


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyError("lastPx"), ExchangeError),
        (ExchangeAuthError("bad key"), ExchangeAuthError),
        (SymbolNotFound("gone"), SymbolNotFound),
    ],
)
async def test_what_a_new_attempt_cannot_cure_fails_a_generator_for_good(kit, error, expected) -> None:
    class Broken(kit.Memory):
        async def subscribe_trades(self, symbol):
            raise error
            yield

    async with kit.running(Broken) as mem, asyncio.timeout(5):
        trades = mem.subscribe_trades(SPOT)
        with pytest.raises(expected) as raised:
            await anext(trades)
        assert raised.value.exchange == "mem"
        assert len(kit.heard(ErrorRaised)) == 1


async def test_a_generator_of_books_reaches_listeners_as_views(kit) -> None:
    class Books(kit.Memory):
        async def subscribe_orderbook(self, symbol, *, depth=None):
            yield kit.book(1, levels=3)
            await asyncio.Event().wait()

    async with kit.running(Books) as mem, asyncio.timeout(5):
        got = asyncio.get_running_loop().create_future()
        books = mem.subscribe_orderbook(SPOT, depth=2)
        books.add_listener(lambda seen: got.set_result((type(seen), seen.best_bid.price, len(seen.asks()))))
        assert await got == (BookView, Decimal(100), 3)


async def test_closing_closes_the_generator(kit) -> None:
    closed = []

    class Polite(kit.Memory):
        async def subscribe_trades(self, symbol):
            try:
                yield trade(1)
                await asyncio.Event().wait()
            finally:
                closed.append(True)

    async with kit.running(Polite) as mem:
        async with mem.subscribe_trades(SPOT):
            assert closed == []
        assert closed == [True]


async def test_a_subscribe_that_returns_something_else_says_so(kit) -> None:
    class Odd(kit.Memory):
        async def subscribe_trades(self, symbol):
            return 1

    async with kit.running(Odd) as mem:
        with pytest.raises(ExchangeError, match="must return a StreamSource or be an async generator"):
            mem.subscribe_trades(SPOT)


# --- funding


async def test_a_streamed_rate_that_moves_is_an_event(kit) -> None:
    async with kit.running() as mem:
        mem.subscribe_funding_rate(SWAP)
        source = kit.plugin.sources["funding_rate", SWAP]
        for value in ("0.0001", "0.0001", "0.0002"):
            source.publish(rate(value))
        assert [event.funding_rate.rate for event in kit.heard(FundingRateChanged)] == [
            Decimal("0.0001"),
            Decimal("0.0002"),
        ]


async def test_another_interval_is_an_event_whether_streamed_or_asked_for(kit) -> None:
    async with kit.running() as mem:
        kit.plugin.funding = rate("0.0001", hours=8)
        await mem.get_funding_rate(SWAP)
        kit.plugin.funding = attrs.evolve(rate("0.0001"), interval=None, interval_source=None)
        await mem.get_funding_rate(SWAP)
        mem.subscribe_funding_rate(SWAP)
        kit.plugin.sources["funding_rate", SWAP].publish(rate("0.0001", hours=4))
        (event,) = kit.heard(FundingIntervalChanged)
        assert (event.old.interval, event.new.interval) == (timedelta(hours=8), timedelta(hours=4))


async def _all(subscription) -> list:
    return [item async for item in subscription]
