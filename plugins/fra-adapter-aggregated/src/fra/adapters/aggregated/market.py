"""The members' markets as one: books, tickers, trades, funding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from fra.adapters.aggregated import books, funding, tickers
from fra.adapters.aggregated.books import AggregatedBook, Source
from fra.adapters.aggregated.funding import FundingSpread, MemberFunding
from fra.adapters.aggregated.listings import Listing
from fra.adapters.aggregated.membership import Membership
from fra.adapters.aggregated.streams import Everything, Newest
from fra.adapters.aggregated.tickers import AggregatedTicker
from fra.core import (
    BookView,
    ExchangeHandle,
    FundingRate,
    Operation,
    OrderBook,
    StreamSource,
    Subscription,
    Symbol,
    Ticker,
    Trade,
)

R = TypeVar("R")

_MINUTE_MS: Final = 60_000


class AggregatedMarket(Membership):
    """Several configured exchanges as one, in public."""

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        """An :class:`AggregatedBook`."""
        return await self.book(self.listing(symbol), depth)

    async def book(self, listing: Listing, depth: int | None) -> AggregatedBook:
        answers = await self.ask(
            Operation.GET_ORDERBOOK, listing, lambda handle, name: handle.get_orderbook(name, depth=depth)
        )
        sources = {name: Source(listing.parts[name], book) for name, book in answers.good.items() if book.valid}
        view = books.consolidated(
            listing.symbol.name, sources, answers.missing, quorum=self.quorum, now_ms=self.context.now_ms()
        )
        return view.snapshot(depth)

    async def get_ticker(self, symbol: Symbol) -> AggregatedTicker:
        listing = self.listing(symbol)
        answers = await self.ask(Operation.GET_TICKER, listing, lambda handle, name: handle.get_ticker(name))
        return _ticker(listing, answers.good, answers.missing)

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> list[Ticker]:
        """Of all common symbols, or those named; each of the members that have one."""
        wanted = self._wanted(symbols, lambda symbol: True)

        async def work(member: str, handle: ExchangeHandle) -> Mapping[str, Ticker]:
            names = _names(wanted, member, handle, Operation.GET_TICKER)
            if not names:
                return {}
            if handle.capabilities.support(Operation.GET_TICKERS):
                rows = await handle.get_tickers(list(names))
            else:
                rows = [await handle.get_ticker(name) for name in names]
            return {names[row.symbol]: row for row in rows if row.symbol in names}

        answers = await self.members.ask(self.able(Operation.GET_TICKER), work)
        self.enough(answers, self.quorum, Operation.GET_TICKERS)
        found: list[Ticker] = []
        for name, listing in wanted.items():
            rows = {member: rows[name] for member, rows in answers.good.items() if name in rows}
            if rows:
                found.append(_ticker(listing, rows, answers.missing))
        return found

    def _wanted(self, symbols: Sequence[Symbol] | None, fits: Callable[[Symbol], bool]) -> dict[str, Listing]:
        if symbols is not None:
            return {symbol.name: self.listing(symbol) for symbol in symbols}
        return {name: listing for name, listing in self.listed.by_name.items() if fits(listing.symbol)}

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> list[Trade]:
        """The latest of all members, oldest first; ids are ``member/id``."""
        listing = self.listing(symbol)
        answers = await self.ask(
            Operation.GET_TRADES, listing, lambda handle, name: handle.get_trades(name, limit=limit)
        )
        found = [_trade(listing, member, trade) for member, rows in answers.good.items() for trade in rows]
        found.sort(key=lambda trade: trade.timestamp_ms)
        return found if limit is None else found[-limit:]

    # --- funding

    async def get_funding_rate(self, symbol: Symbol) -> FundingSpread:
        """Every member's, with the best leg for a long and for a short."""
        listing = self.listing(symbol)
        answers = await self.ask(
            Operation.GET_FUNDING_RATE, listing, lambda handle, name: handle.get_funding_rate(name)
        )
        return _spread(listing, answers.good, answers.missing)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """Of all common swaps, or those named, each of the members that have a rate."""
        wanted = self._wanted(symbols, lambda symbol: symbol.kind.is_swap)

        async def work(member: str, handle: ExchangeHandle) -> Mapping[str, FundingRate]:
            names = _names(wanted, member, handle, Operation.GET_FUNDING_RATE)
            if not names:
                return {}
            if handle.capabilities.support(Operation.GET_FUNDING_RATES):
                rows = await handle.get_funding_rates(None if symbols is None else list(names))
            else:
                rows = [await handle.get_funding_rate(name) for name in names]
            return {names[row.symbol]: row for row in rows if row.symbol in names}

        answers = await self.members.ask(self.able(Operation.GET_FUNDING_RATE), work)
        self.enough(answers, self.quorum, Operation.GET_FUNDING_RATES)
        found: list[FundingRate] = []
        for name, listing in wanted.items():
            rows = {member: rows[name] for member, rows in answers.good.items() if name in rows}
            if rows:
                found.append(_spread(listing, rows, answers.missing))
        return found

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """A :class:`FundingSpread` for each settlement, of the members that settled then, oldest first."""
        listing = self.listing(symbol)
        answers = await self.ask(
            Operation.GET_FUNDING_RATE_HISTORY,
            listing,
            lambda handle, name: handle.get_funding_rate_history(name, since=since, until=until, limit=limit),
        )
        settled: dict[int, dict[str, MemberFunding]] = {}
        for member, rows in answers.good.items():
            for row in rows:
                rate = funding.ours(row, listing.symbol.name, listing.parts[member], member)
                # Venues write the moment of one settlement some milliseconds apart.
                settled.setdefault(round((row.settled_ms or 0) / _MINUTE_MS), {})[member] = rate
        found: list[FundingRate] = [funding.spread(rates, answers.missing) for rates in settled.values()]
        return page(found, lambda rate: rate.settled_ms or 0, since, limit)

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        """An :class:`AggregatedView` at each change of a member's book, and when one is lost or grows stale."""
        name = symbol.name

        def subscribe(member: str, handle: ExchangeHandle) -> Subscription[OrderBook]:
            return handle.subscribe_orderbook(self._its(name, member), depth=depth)

        def keep(member: str, item: object) -> Source | None:
            assert isinstance(item, BookView)  # what the listeners of books are given
            return Source(self.listing(name).parts[member], item.snapshot(depth)) if item.valid else None

        def compose(sources: Mapping[str, Source], missing: Mapping[str, str]) -> BookView:
            return books.consolidated(name, sources, missing, quorum=self.quorum, now_ms=self.context.now_ms())

        merged: Newest[OrderBook, Source, BookView] = Newest(
            self.members,
            self._streaming(symbol, Operation.SUBSCRIBE_ORDERBOOK),
            subscribe,
            keep=keep,
            compose=compose,
            empty=True,
            quorum=self.quorum,
            max_age=self.options.max_age,
        )
        return merged.source

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        """An :class:`AggregatedTicker` at each change of a member's."""
        name = symbol.name
        merged: Newest[Ticker, Ticker, Ticker] = Newest(
            self.members,
            self._streaming(symbol, Operation.SUBSCRIBE_TICKER),
            lambda member, handle: handle.subscribe_ticker(self._its(name, member)),
            keep=lambda member, item: item if isinstance(item, Ticker) else None,
            compose=lambda rows, missing: _ticker(self.listing(name), rows, missing),
            empty=False,
            quorum=self.quorum,
            max_age=self.options.max_age,
        )
        return merged.source

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        """A :class:`FundingSpread` at each change of a member's rate; how old one may be its own stream says."""
        name = symbol.name
        merged: Newest[FundingRate, FundingRate, FundingRate] = Newest(
            self.members,
            self._streaming(symbol, Operation.SUBSCRIBE_FUNDING_RATE),
            lambda member, handle: handle.subscribe_funding_rate(self._its(name, member)),
            keep=lambda member, item: item if isinstance(item, FundingRate) else None,
            compose=lambda rows, missing: _spread(self.listing(name), rows, missing),
            empty=False,
            quorum=self.quorum,
            max_age=0.0,
        )
        return merged.source

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        """Every trade of every member as it comes, so each member's in order; ids are ``member/id``."""
        name = symbol.name
        merged: Everything[Trade, Trade] = Everything(
            self.members,
            self._streaming(symbol, Operation.SUBSCRIBE_TRADES),
            lambda member, handle: handle.subscribe_trades(self._its(name, member)),
            convert=lambda member, trade: _trade(self.listing(name), member, trade),
            quorum=self.quorum,
        )
        return merged.source

    def _its(self, name: str, member: str) -> str:
        return self.listing(name).parts[member].symbol.name

    def _streaming(self, symbol: Symbol, operation: Operation) -> Callable[[], list[str]]:
        """Who is to be in such a stream, as of now: those that list it and can, and those of whom nobody knows."""

        def names() -> list[str]:
            parts = self.listing(symbol).parts
            among = [name for name, member in self.members.all.items() if name in parts or member.handle is None]
            return self.able(operation, symbol.kind, among)

        names()  # a symbol that is gone is told now
        return names


def _names(wanted: Mapping[str, Listing], member: str, handle: ExchangeHandle, operation: Operation) -> dict[str, str]:
    """A member's names of those that it lists and can be asked for → ours."""
    return {
        part.symbol.name: name
        for name, listing in wanted.items()
        if (part := listing.parts.get(member)) is not None and handle.capabilities.support(operation, part.symbol.kind)
    }


def _ticker(listing: Listing, rows: Mapping[str, Ticker], missing: Mapping[str, str]) -> AggregatedTicker:
    name = listing.symbol.name
    return tickers.combined(
        name, {member: tickers.ours(row, name, listing.parts[member]) for member, row in rows.items()}, missing
    )


def _spread(listing: Listing, rows: Mapping[str, FundingRate], missing: Mapping[str, str]) -> FundingSpread:
    name = listing.symbol.name
    rates: dict[str, MemberFunding] = {
        member: funding.ours(rate, name, listing.parts[member], member) for member, rate in rows.items()
    }
    return funding.spread(rates, missing)


def _trade(listing: Listing, member: str, trade: Trade) -> Trade:
    part = listing.parts[member]
    return attrs.evolve(
        trade,
        symbol=listing.symbol.name,
        id=f"{member}/{trade.id}",
        price=part.price(trade.price),
        amount=part.amount(trade.amount),
    )


def page(rows: Iterable[R], moment: Callable[[R], int], since: int | None, limit: int | None) -> list[R]:
    """In order: the first ``limit`` of them from ``since`` on, or else the last."""
    found = sorted(rows, key=moment)
    if limit is None:
        return found
    return found[:limit] if since is not None else found[-limit:]
