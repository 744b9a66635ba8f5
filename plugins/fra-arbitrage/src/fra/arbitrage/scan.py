"""One look at all venues by REST: rates of everything in one call each, books only for the best candidates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Coroutine, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import attrs

from fra.arbitrage.request import SpreadRequest, VenueReport
from fra.arbitrage.spread import Quote, Spread, Unpaired, pair
from fra.core import ExchangeConnectionError, FraError, Operation, OrderBook, Symbol

if TYPE_CHECKING:
    from fra.cli.session import Session
    from fra.core import ExchangeHandle

T = TypeVar("T")
K = TypeVar("K")
Place = tuple[str, str]
"""Exchange and unified symbol."""


@attrs.frozen(kw_only=True)
class Spreads:
    """A whole table: the rows in order, what was not paired, and how each venue answered.

    ``candidates`` counts the pairs that were possible, of which ``rows`` are the best. ``book_errors`` says why a
    book that was asked for is not there.
    """

    request: SpreadRequest
    at_ms: int
    rows: tuple[Spread, ...]
    unpaired: tuple[Unpaired, ...]
    venues: tuple[VenueReport, ...]
    candidates: int
    book_errors: Mapping[Place, FraError] = attrs.field(factory=dict)

    @property
    def errors(self) -> tuple[FraError, ...]:
        return tuple(venue.error for venue in self.venues if venue.error is not None)


class Scan:
    """Quotes of every venue of a session, kept so that a live view can go on from them."""

    def __init__(self, session: Session, request: SpreadRequest) -> None:
        self._session = session
        self.request = request
        self.quotes: dict[Place, Quote] = {}
        self.errors: dict[str, FraError] = {}
        self.book_errors: dict[Place, FraError] = {}

    async def run(self) -> Spreads:
        """Rates, then books. A venue that fails or is late is in ``venues`` with its error and delays nobody."""
        await self.refresh_rates()
        await self.refresh_books(self.table(books=False).rows)
        return self.table()

    async def refresh_rates(self) -> None:
        """Ask every venue for all its rates at once."""
        answers = await _within(
            self.request.first_answer, {name: self._rates(name) for name in self._session.names}, what="funding rates"
        )
        for name, answer in answers.items():
            if isinstance(answer, FraError):
                self.errors[name] = answer
                continue
            self.errors.pop(name, None)
            old = {place: self.quotes.pop(place) for place in list(self.quotes) if place[0] == name}
            for quote in answer:
                known = old.get((name, quote.symbol.name))
                self.quotes[name, quote.symbol.name] = attrs.evolve(quote, book=known.book if known else None)

    async def refresh_books(self, rows: Iterable[Spread]) -> None:
        """Ask for the books of both legs of ``rows``."""
        legs = {(quote.exchange, quote.symbol.name): quote.symbol for row in rows for quote in row.quotes}
        jobs = {place: self._book(place[0], symbol) for place, symbol in legs.items()}
        for place, answer in (await _within(self.request.books_answer, jobs, what="order book")).items():
            if isinstance(answer, FraError):
                self.book_errors[place] = answer
                continue
            self.book_errors.pop(place, None)
            self.quotes[place] = attrs.evolve(self.quotes[place], book=answer)

    def table(
        self, *, books: bool = True, quotes: Iterable[Quote] | None = None, only: Container[Place] | None = None
    ) -> Spreads:
        """The table of what is known now (or of ``quotes``).

        With ``books`` False the minimums are not applied yet; ``only`` keeps the rows that have both legs there.
        """
        request, now_ms = self.request, time.time_ns() // 1_000_000
        everything = list(self.quotes.values() if quotes is None else quotes)
        spreads, unpaired = pair(
            everything,
            size=request.size,
            hold_ms=request.hold_ms,
            now_ms=now_ms,
            max_gap=request.max_gap,
            all_pairs=request.all_pairs,
        )
        admitted = [
            row
            for row in spreads
            if (not books or request.admits(row))
            and (only is None or all((quote.exchange, quote.symbol.name) in only for quote in row.quotes))
        ]
        counts = dict.fromkeys(self._session.names, 0)
        for quote in everything:
            counts[quote.exchange] += 1
        return Spreads(
            request=request,
            at_ms=now_ms,
            rows=tuple(admitted[: request.top]),
            unpaired=tuple(unpaired),
            venues=tuple(VenueReport(name, count, self.errors.get(name)) for name, count in counts.items()),
            candidates=len(spreads),
            book_errors=dict(self.book_errors) if books else {},
        )

    async def _rates(self, name: str) -> list[Quote]:
        handle = await self._session.handle(name)
        symbols = {symbol.name: symbol for symbol in await handle.get_symbols() if self.request.wants(symbol)}
        if not symbols:
            return []
        asked = list(symbols) if self.request.assets else None
        rates = [rate for rate in await handle.get_funding_rates(asked) if rate.symbol in symbols]
        prices: Mapping[str, Decimal] = {}
        if any(rate.mark_price is None for rate in rates):
            prices = await _mids(handle, symbols.values())
        fees = handle.metadata.fee_structure
        return [
            Quote(
                exchange=name,
                symbol=symbols[rate.symbol],
                funding=rate,
                taker_fee=self.request.fee(name, fees, symbols[rate.symbol]),
                reference=prices.get(rate.symbol),
            )
            for rate in rates
        ]

    async def _book(self, name: str, symbol: Symbol) -> OrderBook:
        handle = await self._session.handle(name)
        return await handle.get_orderbook(symbol.name, depth=self.request.depth)


async def _mids(handle: ExchangeHandle, symbols: Iterable[Symbol]) -> dict[str, Decimal]:
    """Halfway between the best prices of every symbol, in one call, for venues whose rates come without a mark.

    A venue that cannot say leaves the prices unknown; the books of the shown rows tell them all the same.
    """
    wanted = {symbol.name for symbol in symbols}
    if not handle.capabilities.support(Operation.GET_TICKERS):
        return {}
    try:
        tickers = await handle.get_tickers()
    except FraError:
        return {}
    return {
        ticker.symbol: (ticker.bid + ticker.ask) / 2
        for ticker in tickers
        if ticker.symbol in wanted and ticker.bid is not None and ticker.ask is not None
    }


async def _within(
    seconds: float, jobs: Mapping[K, Coroutine[object, object, T]], *, what: str
) -> dict[K, T | FraError]:
    """Run all jobs at once; each yields its result or its error, and those that are late a connection error."""
    tasks = {key: asyncio.ensure_future(job) for key, job in jobs.items()}
    if tasks:
        try:
            await asyncio.wait(tasks.values(), timeout=seconds)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
    answers: dict[K, T | FraError] = {}
    for key, task in tasks.items():
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            exchange = key if isinstance(key, str) else str(key[0]) if isinstance(key, tuple) else None
            answers[key] = ExchangeConnectionError(f"no {what} within {seconds:g} s", exchange=exchange)
        elif isinstance(error, FraError):
            answers[key] = error
        elif error is not None:
            raise error
        else:
            answers[key] = task.result()
    return answers
