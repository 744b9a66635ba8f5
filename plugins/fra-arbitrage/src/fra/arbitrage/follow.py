"""The live table: streams of rates and books of the best candidates, re-reckoned at each refresh."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import attrs

from fra.arbitrage.scan import Place, Scan, Spreads
from fra.arbitrage.spread import Quote
from fra.core import ExchangeError, FraError, FundingRate, OrderBook, StreamStatus, Subscription, Symbol

if TYPE_CHECKING:
    from fra.cli.session import Session

# The venues push rates each 1 to 90 s, and a quiet book may stand still for a minute without being dead.
_RATE_LIMIT: Final = 120.0
_BOOK_LIMIT: Final = 75.0
# A venue that failed is asked again this often, and everybody's listing looked over.
_RESCAN: Final = 30.0
# Books are cut from the live ones at most this often: more is faster than anybody reads.
_CUT: Final = 0.2
_LOST: Final = (StreamStatus.STALE, StreamStatus.RECOVERING, StreamStatus.FAILED)


@attrs.define(eq=False)
class Leg:
    """The two streams of one instrument and what they said last."""

    exchange: str
    symbol: Symbol
    rates: Subscription[FundingRate]
    books: Subscription[OrderBook]
    funding: FundingRate | None = None
    book: OrderBook | None = None
    tasks: list[asyncio.Task[None]] = attrs.field(factory=list)

    def start(self) -> None:
        self.tasks = [asyncio.create_task(self._read_rates()), asyncio.create_task(self._read_books())]

    async def _read_rates(self) -> None:
        with contextlib.suppress(FraError):  # a stream that failed for good says so in its status
            async for funding in self.rates:
                self.funding = funding

    async def _read_books(self) -> None:
        with contextlib.suppress(FraError):
            async for book in self.books:
                self.book = book
                await asyncio.sleep(_CUT)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.rates.close()
        await self.books.close()

    def stale(self, limit: float | None) -> str | None:
        """Why the figures of this leg are not live; None when they are."""
        streams = (("rate", self.rates, limit or _RATE_LIMIT), ("book", self.books, limit or _BOOK_LIMIT))
        reasons = [_stale(what, stream.status, stream.age, stream.error, most) for what, stream, most in streams]
        return ", ".join(reason for reason in reasons if reason) or None


def _stale(what: str, status: StreamStatus, age: float | None, error: ExchangeError | None, limit: float) -> str | None:
    if status in _LOST:
        why = f" ({error.message})" if error is not None else ""
        since = "" if age is None else f", last data {age:.0f} s ago"
        return f"{what} {status.value}{since}{why}"
    if age is not None and age > limit:
        return f"{what} has had no data for {age:.0f} s"
    return None


class Follower:
    """Follows the best candidates of a scan. Use it as an async context manager."""

    def __init__(self, session: Session, scan: Scan) -> None:
        self._session = session
        self._scan = scan
        self.legs: dict[Place, Leg] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Follower:
        await self._follow()
        self._task = asyncio.create_task(self._rescan())
        return self

    async def __aexit__(self, *failure: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(leg.close() for leg in self.legs.values()), return_exceptions=True)
        self.legs.clear()

    async def tables(self, every: float) -> AsyncIterator[Spreads]:
        """A table now and each ``every`` seconds."""
        while True:
            yield self.table()
            await asyncio.sleep(every)
            if self._task is not None and self._task.done():
                self._task.result()

    def table(self) -> Spreads:
        """The table at this moment, of the rows that are followed."""
        quotes = [self._quote(place, quote) for place, quote in self._scan.quotes.items()]
        # A row that goes stale sinks in the ranking; it stays on the table, and nobody unfollowed takes its place.
        return self._scan.table(quotes=quotes, only=self.legs)

    def status(self, exchange: str) -> tuple[int, int, str | None]:
        """(streams that are live, all streams, why the first of the others is not) of one exchange."""
        streams = [
            stream for leg in self.legs.values() if leg.exchange == exchange for stream in (leg.rates, leg.books)
        ]
        lost = [stream for stream in streams if stream.status is not StreamStatus.LIVE]
        reason = next((stream.error.message for stream in lost if stream.error is not None), None)
        return len(streams) - len(lost), len(streams), reason

    def _quote(self, place: Place, quote: Quote) -> Quote:
        leg = self.legs.get(place)
        limit = self._scan.request.stale_after
        if leg is None:
            age = time.time_ns() / 1e9 - quote.funding.received_ms / 1e3
            late = limit or _RATE_LIMIT
            return attrs.evolve(quote, stale=f"rate is {age:.0f} s old" if age > late else None)
        funding = leg.funding or quote.funding
        # A stream may leave out what the answer to a question has.
        funding = attrs.evolve(
            funding,
            mark_price=funding.mark_price or quote.funding.mark_price,
            index_price=funding.index_price or quote.funding.index_price,
        )
        if funding.interval is None and quote.funding.interval is not None:
            funding = attrs.evolve(
                funding, interval=quote.funding.interval, interval_source=quote.funding.interval_source
            )
        return attrs.evolve(quote, funding=funding, book=leg.book or quote.book, stale=leg.stale(limit))

    async def _follow(self) -> None:
        """Subscribe to both legs of every row that is shown, and let go of those that are shown no more."""
        wanted = {
            (quote.exchange, quote.symbol.name): quote.symbol
            for row in self._scan.table(books=False).rows
            for quote in row.quotes
        }
        for place in [place for place in self.legs if place not in wanted]:
            await self.legs.pop(place).close()
        for (exchange, name), symbol in wanted.items():
            if (exchange, name) in self.legs:
                continue
            try:
                handle = await self._session.handle(exchange)
                rates = handle.subscribe_funding_rate(name)
                books = handle.subscribe_orderbook(name, depth=self._scan.request.depth)
            except FraError as error:
                self._scan.errors[exchange] = error
                continue
            leg = self.legs[exchange, name] = Leg(exchange, symbol, rates, books)
            leg.start()

    async def _rescan(self) -> None:
        while True:
            await asyncio.sleep(_RESCAN)
            await self._scan.refresh_rates()
            await self._follow()
