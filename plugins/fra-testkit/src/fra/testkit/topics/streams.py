"""Streams: what they tell, what they say when something is lost, and that silence does not look alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs

from fra.core import BookView, ExchangeHandle, MarketKind, Operation, OrderBook, StreamStatus, Subscription
from fra.testkit import judgements
from fra.testkit.bench import Bench
from fra.testkit.calls import DEPTH, STREAMS
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotClaimed, ensure

_TICK_S = 0.001
"""How often a status is looked at; one that may pass within a moment is looked at on every turn of the loop."""


class StreamsConformance(Topic):
    """What is streamed is judged as what is asked for; then the connection is hurt."""

    topic = "streams"

    @check(Operation.SUBSCRIBE_ORDERBOOK, scope="kind")
    async def test_a_streamed_book_is_sorted_and_not_crossed_at_every_update(
        self, bench: Bench, case: MarketKind
    ) -> None:
        """Every view that says valid is one to trade on."""
        symbol = await bench.symbol(case)
        for told in await bench.told(Operation.SUBSCRIBE_ORDERBOOK, case):
            if told.valid:
                judgements.book(symbol, told, "the streamed book")

    @check(Operation.SUBSCRIBE_ORDERBOOK, scope="kind")
    async def test_a_streamed_book_has_prices_and_amounts_of_the_symbol(self, bench: Bench, case: MarketKind) -> None:
        """The same units as the book that is asked for."""
        symbol = await bench.symbol(case)
        for told in await bench.told(Operation.SUBSCRIBE_ORDERBOOK, case):
            levels = [*told.bids, *told.asks]
            judgements.on_grid(symbol, (level.price for level in levels), "the streamed book")
            judgements.amounts(symbol, (level.amount for level in levels), "the streamed book")

    @check(Operation.SUBSCRIBE_ORDERBOOK, Operation.GET_ORDERBOOK, scope="kind", faults=("hold_book",))
    async def test_a_streamed_book_is_the_book_that_is_asked_for(self, bench: Bench, case: MarketKind) -> None:
        """Two ways to one book."""
        symbol = await bench.symbol(case)
        async with following(bench, Operation.SUBSCRIBE_ORDERBOOK, case) as stream:
            await stream.until(lambda: stream.valid_books, "a valid book")
            async with bench.faulty("hold_book", symbol):
                asked = top(await bench.handle.get_orderbook(symbol, depth=DEPTH))
                await stream.until(
                    lambda: top(stream.items[-1]) == asked, "the book that is asked for to be streamed", of=symbol.name
                )

    @check(Operation.SUBSCRIBE_TRADES, scope="kind")
    async def test_streamed_trades_are_one_each_and_in_order(self, bench: Bench, case: MarketKind) -> None:
        """A trade told twice is volume that was not."""
        symbol = await bench.symbol(case)
        trades = await bench.told(Operation.SUBSCRIBE_TRADES, case)
        ids = [trade.id for trade in trades]
        ensure(len({*ids}) == len(ids), "a trade is streamed twice", "publish each of the venue's trade ids once")
        judgements.rising([trade.timestamp_ms for trade in trades], "the stream of trades")
        judgements.on_grid(symbol, (trade.price for trade in trades), "streamed trades")
        judgements.amounts(symbol, (trade.amount for trade in trades), "streamed trades")

    @check(Operation.SUBSCRIBE_TICKER, scope="kind")
    async def test_a_streamed_ticker_is_the_right_way_round(self, bench: Bench, case: MarketKind) -> None:
        """Bid below ask."""
        for told in await bench.told(Operation.SUBSCRIBE_TICKER, case):
            judgements.ticker(await bench.symbol(case), told)

    @check(Operation.SUBSCRIBE_KLINES, scope="kind")
    async def test_a_streamed_candle_holds_its_prices(self, bench: Bench, case: MarketKind) -> None:
        """Open and close lie within low and high."""
        told = await bench.told(Operation.SUBSCRIBE_KLINES, case)
        for one in told:
            judgements.kline(one)
        judgements.rising([one.open_ms for one in told], "the stream of candles")

    @check(Operation.SUBSCRIBE_FUNDING_RATE, Operation.GET_FUNDING_RATE, scope="swap")
    async def test_streamed_funding_settles_when_the_asked_for_does(self, bench: Bench, case: MarketKind) -> None:
        """One truth for the scanner that asks and the position that listens."""
        asked = await bench.sample(Operation.GET_FUNDING_RATE, case)
        told = (await bench.told(Operation.SUBSCRIBE_FUNDING_RATE, case))[-1]
        for field in ("interval", "next_settlement_ms"):
            one, other = getattr(asked, field), getattr(told, field)
            ensure(
                one is None or other is None or one == other or (told.received_ms - asked.received_ms) > 60_000,
                f"{field} is {one} asked for and {other} streamed",
                "convert both by the same rule",
            )

    # --- when it hurts: an instance of its own, which takes its wounds along

    @check(Operation.SUBSCRIBE_ORDERBOOK, faults=("silence",))
    async def test_a_silent_stream_does_not_look_live(self, bench: Bench) -> None:
        """A book that stands still for ever looks like a quiet market, and is traded on."""
        kind = _first(bench, Operation.SUBSCRIBE_ORDERBOOK)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own.handle) as stream:
            await stream.until(lambda: stream.valid_books, "a valid book")
            async with bench.faulty("silence"):
                await stream.until(
                    lambda: stream.status is not StreamStatus.LIVE,
                    f"a silent stream to be called stale (after {bench.venue.stale_after:g} s)",
                    within=3 * bench.venue.stale_after + 1,
                )
            at = len(stream.items)
            await stream.until(lambda: stream.valid_books_since(at), "the book to come back after the silence")

    @check(Operation.SUBSCRIBE_ORDERBOOK, faults=("cut",))
    async def test_a_cut_stream_says_so_and_comes_back(self, bench: Bench) -> None:
        """Between the cut and the new snapshot nobody may trade on the old book."""
        kind = _first(bench, Operation.SUBSCRIBE_ORDERBOOK)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own.handle) as stream:
            await stream.until(lambda: stream.valid_books, "a valid book")
            at = len(stream.items)
            async with bench.faulty("cut"):
                await stream.until(lambda: stream.hurt_since(at), "a cut stream to say so", tick=0)
            at = len(stream.items)
            await stream.until(lambda: stream.valid_books_since(at), "the book to come back after a cut")

    @check(Operation.SUBSCRIBE_TRADES, faults=("cut",))
    async def test_trades_go_on_after_a_cut(self, bench: Bench) -> None:
        """Whoever iterates hears of the gap and then goes on, and no trade is told twice."""
        kind = _first(bench, Operation.SUBSCRIBE_TRADES)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_TRADES, kind, own.handle) as stream:
            await stream.until(lambda: stream.items, "a trade")
            async with bench.faulty("cut"):
                await stream.until(lambda: stream.status is not StreamStatus.LIVE, "a cut stream to say so", tick=0)
            at = len(stream.items)
            await stream.until(lambda: len(stream.items) > at, "trades to go on after a cut")
            before, after = ({trade.id for trade in part} for part in (stream.items[:at], stream.items[at:]))
            ensure(not before & after, "a trade is told again after a cut", "publish each trade id once")

    @check(Operation.SUBSCRIBE_ORDERBOOK, faults=("lose_book_update",))
    async def test_a_lost_update_makes_the_book_invalid_until_it_is_mended(self, bench: Bench) -> None:
        """A book that misses one update is wrong at every later one."""
        kind = _first(bench, Operation.SUBSCRIBE_ORDERBOOK)
        symbol = await bench.symbol(kind)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own.handle) as stream:
            await stream.until(lambda: stream.valid_books, "a valid book")
            at = len(stream.items)
            async with bench.faulty("lose_book_update", symbol):
                await stream.until(lambda: stream.hurt_since(at), "a lost update of the book to be noticed", tick=0)
            at = len(stream.items)
            await stream.until(lambda: stream.valid_books_since(at), "the book to be mended after a lost update")

    @check(Operation.SUBSCRIBE_ORDERBOOK, faults=("garble_sockets",))
    async def test_garbage_on_a_socket_is_survived(self, bench: Bench) -> None:
        """One broken frame must not end the stream for good."""
        kind = _first(bench, Operation.SUBSCRIBE_ORDERBOOK)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own.handle) as stream:
            await stream.until(lambda: stream.valid_books, "a valid book")
            async with bench.faulty("garble_sockets"):
                at = len(stream.items)
            await stream.until(lambda: stream.valid_books_since(at), "the book to go on after garbage")
            ensure(stream.status is not StreamStatus.FAILED, "garbage ends the stream for good", "reconnect instead")


def _first(bench: Bench, operation: Operation) -> MarketKind:
    kinds = bench.capabilities.kinds(operation)
    listed = [kind for kind in bench.adapter.capabilities.kinds(operation) if kind in kinds]
    if not listed:
        raise NotClaimed(operation.value)
    return MarketKind.LINEAR_SWAP if MarketKind.LINEAR_SWAP in listed else listed[0]


def top(book: OrderBook) -> tuple[object, object]:
    """The best levels in the order of prices, to compare books."""
    return sorted(book.bids, reverse=True)[:DEPTH], sorted(book.asks)[:DEPTH]


@attrs.define
class Following:
    """A subscription of a test's own, everything it told, and a way to wait for more."""

    bench: Bench
    subscription: Subscription[Any]
    items: list[Any] = attrs.field(factory=list)
    invalid: list[int] = attrs.field(factory=list)
    """How many items there were at each invalid view."""

    @property
    def status(self) -> StreamStatus:
        return self.subscription.status

    def note(self, item: Any) -> None:
        if isinstance(item, BookView):
            if not item.valid:
                self.invalid.append(len(self.items))
            item = item.snapshot(20)
        self.items.append(item)

    @property
    def valid_books(self) -> bool:
        return self.valid_books_since(0)

    def valid_books_since(self, at: int) -> bool:
        return any(book.valid and book.bids for book in self.items[at:])

    def hurt_since(self, at: int) -> bool:
        """Whether it says that it has lost its place: by status, or by an invalid book."""
        return self.status is not StreamStatus.LIVE or any(place >= at for place in self.invalid)

    async def until(
        self,
        condition: Callable[[], object],
        what: str,
        *,
        within: float | None = None,
        of: str = "",
        tick: float = _TICK_S,
    ) -> None:
        """Wait for it, looking every ``tick`` seconds. Raises Broken when it does not come."""
        seconds = self.bench.venue.patience if within is None else within
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 - a status is not announced
                    await asyncio.sleep(tick)
        except TimeoutError:
            raise Broken(
                f"waited {seconds:g} s in vain for {what}{of and f' ({of})'}: it is {self.status.value}"
                f" → see the rules for streams in fra-core's adapters.md ({self.subscription.error})"
            ) from None


@asynccontextmanager
async def following(
    bench: Bench, operation: Operation, kind: MarketKind, handle: ExchangeHandle | None = None
) -> AsyncIterator[Following]:
    """A stream of a kind, followed; of the shared instance unless a handle is given."""
    subscription = STREAMS[operation](handle or bench.handle, await bench.symbol(kind))
    stream = Following(bench, subscription)
    subscription.add_listener(stream.note)
    try:
        yield stream
    finally:
        await subscription.close()
