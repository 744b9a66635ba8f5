"""Streams: what they tell, what they say when something is lost, and that silence does not look alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs

from fra.core import (
    BookView,
    MarketKind,
    Operation,
    OrderBook,
    StreamGapped,
    StreamStatus,
    StreamStatusChanged,
    Subscription,
    Symbol,
)
from fra.testkit import judgements
from fra.testkit.bench import Bench
from fra.testkit.calls import DEPTH, STREAMS
from fra.testkit.check import check
from fra.testkit.conformance import Topic
from fra.testkit.outcomes import Broken, NotClaimed, NotEvaluated, ensure, judged_elsewhere
from fra.testkit.running import NAME, Running

_LOOK_S = 0.05
"""How often is looked though nothing was told: what is waited for may be a matter of time."""


class StreamsConformance(Topic):
    """What is streamed is judged as what is asked for; then the connection is hurt."""

    topic = "streams"

    @check(Operation.SUBSCRIBE_ORDERBOOK, scope="kind")
    async def test_a_streamed_book_is_sorted_and_not_crossed_at_every_update(
        self, bench: Bench, case: MarketKind
    ) -> None:
        """Every view that says valid is one to trade on."""
        for told in await bench.told(Operation.SUBSCRIBE_ORDERBOOK, case):
            if told.valid:
                judgements.book(told, "the streamed book")

    @check(Operation.SUBSCRIBE_ORDERBOOK, scope="kind")
    async def test_a_streamed_book_has_prices_and_amounts_of_the_symbol(self, bench: Bench, case: MarketKind) -> None:
        """The same units as the book that is asked for."""
        symbol = await bench.symbol(case)
        for told in await bench.told(Operation.SUBSCRIBE_ORDERBOOK, case):
            _of(symbol, told, "the streamed book")

    @check(Operation.SUBSCRIBE_ORDERBOOK, Operation.GET_ORDERBOOK, scope="kind", faults=("hold_book",))
    async def test_a_streamed_book_is_the_book_that_is_asked_for(self, bench: Bench, case: MarketKind) -> None:
        """Two ways to one book."""
        symbol = await bench.symbol(case)
        async with following(bench, Operation.SUBSCRIBE_ORDERBOOK, case) as stream:
            await _begun(stream)
            async with bench.faulty("hold_book", symbol):
                answer = bench.handle.get_orderbook(symbol, depth=DEPTH)
                asked = await bench.fresh(Operation.GET_ORDERBOOK, answer)
                with judged_elsewhere():  # each by itself
                    _of(symbol, asked, "the book")
                    _of(symbol, stream.items[-1], "the streamed book")
                await stream.until(
                    lambda: stream.items[-1].valid and same(stream.items[-1], asked),
                    "the book that is asked for to be streamed",
                    of=symbol.name,
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
            judgements.ticker(told)

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
        kind = first_kind(bench, Operation.SUBSCRIBE_ORDERBOOK)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own) as stream:
            await _begun(stream)
            async with bench.faulty("silence"):
                at = len(stream.items)
                await stream.until(
                    lambda: stream.hurt_since(at),
                    f"a silent stream to be called stale (after {bench.venue.stale_after:g} s)",
                    within=3 * bench.venue.stale_after + 1,
                )
            at = len(stream.items)
            await stream.until(lambda: stream.valid_books_since(at), "the book to come back after the silence")

    @check(Operation.SUBSCRIBE_ORDERBOOK, faults=("cut",))
    async def test_a_cut_stream_says_so_and_comes_back(self, bench: Bench) -> None:
        """Between the cut and the new snapshot nobody may trade on the old book."""
        kind = first_kind(bench, Operation.SUBSCRIBE_ORDERBOOK)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own) as stream:
            await _begun(stream)
            at = len(stream.items)
            async with bench.faulty("cut"):
                await stream.until(lambda: stream.hurt_since(at), "a cut stream to say so")
            at = len(stream.items)
            await stream.until(lambda: stream.valid_books_since(at), "the book to come back after a cut")

    @check(Operation.SUBSCRIBE_TRADES, faults=("cut",))
    async def test_trades_go_on_after_a_cut(self, bench: Bench) -> None:
        """A strategy that counts volume neither stands still nor counts it twice."""
        kind = first_kind(bench, Operation.SUBSCRIBE_TRADES)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_TRADES, kind, own) as stream:
            at = await _cut(bench, stream)
            before, after = ({trade.id for trade in part} for part in (stream.items[:at], stream.items[at:]))
            ensure(not before & after, "a trade is told again after a cut", "publish each trade id once")

    @check(Operation.SUBSCRIBE_TRADES, Operation.GET_TRADES, faults=("cut",))
    async def test_trades_that_a_cut_lost_are_told_of_by_a_gap(self, bench: Bench) -> None:
        """What nobody saw is asked for and told, or there is a StreamGap, which an iterator raises in its place."""
        kind = first_kind(bench, Operation.SUBSCRIBE_TRADES)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_TRADES, kind, own) as stream:
            at = await _cut(bench, stream)
            if stream.gaps:
                return
            truth = await bench.fresh(Operation.GET_TRADES, bench.handle.get_trades(await bench.symbol(kind)))
        told, there = [trade.id for trade in stream.items], [trade.id for trade in truth]
        first, last = told[at - 1], told[-1]
        if first not in there or last not in there:
            raise NotEvaluated("the trades that can be asked for do not reach from before the cut to after it")
        begin, end = sorted((there.index(first), there.index(last)))
        lost = {*there[begin:end]} - {*told}
        ensure(
            not lost,
            f"{len(lost)} trades are missing after a cut, and nobody was told",
            "StreamSource.gap(StreamGap(…)) where the connection was lost",
        )

    @check(Operation.SUBSCRIBE_ORDERBOOK, faults=("lose_book_update",))
    async def test_a_lost_update_makes_the_book_invalid_until_it_is_mended(self, bench: Bench) -> None:
        """A book that misses one update is wrong at every later one."""
        kind = first_kind(bench, Operation.SUBSCRIBE_ORDERBOOK)
        symbol = await bench.symbol(kind)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own) as stream:
            await _begun(stream)
            at = len(stream.items)
            async with bench.faulty("lose_book_update", symbol):
                await stream.until(lambda: stream.hurt_since(at), "a lost update of the book to be noticed")
            at = len(stream.items)
            await stream.until(lambda: stream.valid_books_since(at), "the book to be mended after a lost update")

    @check(Operation.SUBSCRIBE_ORDERBOOK, faults=("garble_sockets",))
    async def test_garbage_on_a_socket_is_survived(self, bench: Bench) -> None:
        """One broken frame must not end the stream for good."""
        kind = first_kind(bench, Operation.SUBSCRIBE_ORDERBOOK)
        async with bench.another() as own, following(bench, Operation.SUBSCRIBE_ORDERBOOK, kind, own) as stream:
            await _begun(stream)
            async with bench.faulty("garble_sockets"):
                at = len(stream.items)
            # More than one: what was sent before the garbage may come after the switch was thrown.
            await stream.until(
                lambda: stream.ended or stream.valid_books_since(at, 3), "the book to go on after garbage"
            )
            ensure(not stream.ended, "garbage ends the stream for good", "reconnect instead")


def first_kind(bench: Bench, operation: Operation) -> MarketKind:
    kinds = bench.capabilities.kinds(operation)
    listed = [kind for kind in bench.adapter.capabilities.kinds(operation) if kind in kinds]
    if not listed:
        raise NotClaimed(operation.value)
    return MarketKind.LINEAR_SWAP if MarketKind.LINEAR_SWAP in listed else listed[0]


async def _begun(stream: Following) -> None:
    """Wait for a first valid book. Raises NotEvaluated where none comes."""
    with judged_elsewhere():
        await stream.until(lambda: stream.valid_books, "a valid book")


async def _cut(bench: Bench, stream: Following) -> int:
    """Cut a stream of trades that has begun, and wait until it has begun again: how many there were before."""
    with judged_elsewhere():
        await stream.until_more("a trade")
    changes = len(stream.invalid)
    async with bench.faulty("cut"):
        await stream.until(lambda: stream.invalid[changes:], "a cut stream to say so")
    at = len(stream.items)
    await stream.until_more("trades to go on after a cut")
    return at


def _of(symbol: Symbol, book: OrderBook, where: str) -> None:
    """That a book is in the units of its symbol."""
    levels = [*book.bids, *book.asks]
    judgements.on_grid(symbol, (level.price for level in levels), where)
    judgements.amounts(symbol, (level.amount for level in levels), where)


def same(left: OrderBook, right: OrderBook) -> bool:
    """Whether two books have the same best levels, as far as both of them reach."""
    for one, other, falls in ((left.bids, right.bids, True), (left.asks, right.asks, False)):
        depth = min(DEPTH, len(one), len(other))
        if bool(one) != bool(other) or sorted(one, reverse=falls)[:depth] != sorted(other, reverse=falls)[:depth]:
            return False
    return True


@attrs.define
class Following:
    """A subscription of a test's own, everything it told, and a way to wait for more."""

    bench: Bench
    subscription: Subscription[Any]
    items: list[Any] = attrs.field(factory=list)
    invalid: list[int] = attrs.field(factory=list)
    """How many items there were at each invalid view, and whenever its status became another than LIVE."""
    gaps: list[StreamGapped] = attrs.field(factory=list)
    news: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def status(self) -> StreamStatus:
        return self.subscription.status

    def note(self, item: Any) -> None:
        if isinstance(item, BookView):
            if not item.valid:
                self.invalid.append(len(self.items))
            item = item.snapshot(20)
        self.items.append(item)
        self.news.set()

    def note_event(self, event: StreamStatusChanged | StreamGapped) -> None:
        if isinstance(event, StreamGapped):
            self.gaps.append(event)
        elif event.new is not StreamStatus.LIVE:
            self.invalid.append(len(self.items))
        self.news.set()

    @property
    def valid_books(self) -> bool:
        return self.valid_books_since(0)

    @property
    def ended(self) -> bool:
        return self.status is StreamStatus.FAILED

    def valid_books_since(self, at: int, least: int = 1) -> bool:
        return sum(bool(book.valid and book.bids) for book in self.items[at:]) >= least

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
    ) -> None:
        """Wait for it, looking whenever the stream has told something. Raises Broken when it does not come."""
        seconds = self.bench.venue.patience if within is None else within
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self.news.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_S):
                            await self.news.wait()
        except TimeoutError:
            raise Broken(
                f"waited {seconds:g} s in vain for {what}{of and f' ({of})'}: it is {self.status.value}"
                f" → see the rules for streams in fra-core's adapters.md ({self.subscription.error})"
            ) from None

    async def until_more(self, what: str) -> None:
        """Wait for one more item."""
        at = len(self.items)
        await self.until(lambda: self.items[at:], what)


@asynccontextmanager
async def following(
    bench: Bench, operation: Operation, kind: MarketKind, own: Running | None = None
) -> AsyncIterator[Following]:
    """A stream of a kind, followed; of the shared instance unless a test has one of its own."""
    instance, symbol = own or bench.main, await bench.symbol(kind)
    subscription = STREAMS[operation](instance.handle, symbol)
    stream = Following(bench, subscription)

    def note(event: StreamStatusChanged | StreamGapped) -> None:
        if (event.exchange, event.symbol) == (NAME, symbol.name):
            stream.note_event(event)

    subscription.add_listener(stream.note)
    register = instance.manager.register_event_handler
    removals = (register(StreamStatusChanged, note), register(StreamGapped, note))
    try:
        yield stream
    finally:
        for remove in removals:
            remove()
        await subscription.close()
