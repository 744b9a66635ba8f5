"""The members' markets as one: life cycle, symbols, books, tickers, trades, funding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from fra.adapters.aggregated import books, funding, tickers
from fra.adapters.aggregated.books import AggregatedBook, Source
from fra.adapters.aggregated.funding import FundingSpread, MemberFunding
from fra.adapters.aggregated.listings import Listing, Listings
from fra.adapters.aggregated.members import Answers, Members, failure
from fra.adapters.aggregated.options import AggregatedOptions
from fra.adapters.aggregated.orders import RESERVED
from fra.adapters.aggregated.streams import Everything, Newest
from fra.adapters.aggregated.tickers import AggregatedTicker
from fra.core import (
    BookView,
    ConfigError,
    ConnectionStatus,
    ErrorRaised,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeHandle,
    ExchangeMetadata,
    ExchangePluginInterface,
    FundingRate,
    Health,
    MarketKind,
    Operation,
    OrderBook,
    PluginType,
    StreamSource,
    Subscription,
    Support,
    Symbol,
    SymbolList,
    SymbolNotFound,
    Ticker,
    Trade,
)

R = TypeVar("R")

NOT_MERGED: Final = (
    Operation.GET_KLINES,  # candles of two venues have no open and no close in common
    Operation.SUBSCRIBE_KLINES,
    Operation.GET_KEY_PERMISSIONS,  # each key has its own: ask the member
)
_KINDS: Final = (MarketKind.SPOT, MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)
_MINUTE_MS: Final = 60_000
_TOGETHER: Final = {
    Operation.GET_TICKERS: Operation.GET_TICKER,
    Operation.GET_FUNDING_RATES: Operation.GET_FUNDING_RATE,
}
"""What every member can do that can do the other, one symbol after the other."""


class AggregatedMarket(ExchangePluginInterface):
    """Several configured exchanges as one, in public."""

    Options = AggregatedOptions
    options: AggregatedOptions
    members: Members

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self._can = ExchangeCapabilities()
        self.listed = Listings()
        self._alive: tuple[str, ...] | None = None

    # --- what it is

    @property
    def capabilities(self) -> ExchangeCapabilities:
        """What any member can do, once connected, less what cannot be merged; nothing before."""
        return self._can

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        """With what it could do at most; what it can do an instance knows when it has met its members."""
        return ExchangeMetadata(
            name="aggregated",
            display_name="Aggregated",
            version="0.1.0",
            plugin_type=PluginType.AGGREGATED,
            capabilities=ExchangeCapabilities.of((o for o in Operation if o not in NOT_MERGED), _KINDS),
            account_needs_credentials=False,  # its members have them
        )

    def get_metadata(self) -> ExchangeMetadata:
        has_account = any(member.has_account for member in self.members.all.values())
        return attrs.evolve(self.describe(), capabilities=self.capabilities, account_needs_credentials=not has_account)

    # --- life

    async def initialize(self) -> None:
        """Raises ConfigError for members that cannot be."""
        options, path = self.options, f"exchanges.{self.config.name}.options"
        names = options.members
        if not names:
            raise ConfigError("an aggregated exchange needs members", path=f"{path}.members", cure='members = ["okx"]')
        if len(set(names)) < len(names):
            raise ConfigError(f"a member is named twice: {', '.join(names)}", path=f"{path}.members")
        if bad := [name for name in names if any(sign in name for sign in RESERVED)]:
            raise ConfigError(f"the name of a member may hold neither / nor +: {bad[0]}", path=f"{path}.members")
        if options.quorum is not None and not 1 <= options.quorum <= len(names):
            raise ConfigError(f"quorum must be from 1 to {len(names)}, not {options.quorum}", path=f"{path}.quorum")
        if options.route not in ("best", "split", *names):
            raise ConfigError(
                f"route must be best, split or the name of a member, not {options.route!r}", path=f"{path}.route"
            )
        self.members = Members(names, self.context, timeout=options.member_timeout, changed=self._changed)

    async def connect(self) -> None:
        """Start the members; those that take longer than the time-out join later. Raises below the quorum."""
        await self.members.open(within=self.config.timeout)
        if len(self.members.opened()) < self.quorum:
            bad = {name: member.error for name, member in self.members.all.items() if member.error is not None}
            raise failure(bad, f"fewer than {self.quorum} members could be opened")

    async def disconnect(self) -> None:
        """The members belong to the manager, and go on."""
        members = getattr(self, "members", None)
        if members is not None:
            await members.close()

    def _changed(self) -> None:
        """A member was opened, or its connection changed."""
        opened = self.members.opened()
        self._can = _capabilities(member.handle for member in opened if member.handle is not None)
        self.listed.update({member.name: member.symbols for member in opened}, self.options.symbols)
        troubles = {name: why for name, member in self.members.all.items() if (why := member.trouble) is not None}
        alive = tuple(name for name in self.members.all if name not in troubles)
        if alive == self._alive:
            return
        self._alive = alive
        said = "; ".join(f"{name}: {why}" for name, why in troubles.items()) or None
        if len(alive) >= self.quorum:
            self.context.connection_changed(ConnectionStatus.CONNECTED, said)
        elif len(opened) >= self.quorum:
            self.context.connection_changed(ConnectionStatus.RECONNECTING, said)

    @property
    def quorum(self) -> int:
        """How many members market data need."""
        return self.options.quorum or 1

    async def health_check(self) -> Health:
        """The slowest answer and the largest skew; ``detail`` says who does not answer. Raises below the quorum."""
        answers = await self.members.ask(self.members.all, lambda name, handle: handle.health_check())
        if len(answers.good) < self.quorum:
            raise failure(answers.bad, f"fewer than {self.quorum} members answer")
        sound = answers.good.values()
        skews = [health.clock_skew for health in sound if health.clock_skew is not None]
        return Health(
            exchange=self.config.name,
            status=ConnectionStatus.CONNECTED,
            checked_ms=self.context.now_ms(),
            latency=max((health.latency for health in sound if health.latency is not None), default=None),
            clock_skew=max(skews, key=abs, default=None),
            detail="; ".join(f"{name}: {why}" for name, why in answers.missing.items()) or None,
        )

    # --- asking

    def listing(self, symbol: Symbol | str) -> Listing:
        """Raises SymbolNotFound when no member lists it any more."""
        found = self.listed.by_name.get(str(symbol))
        if found is None:
            raise SymbolNotFound(f"no member lists {symbol} now", exchange=self.config.name)
        return found

    def able(
        self, operation: Operation, kind: MarketKind | None = None, among: Iterable[str] | None = None
    ) -> list[str]:
        """The members that can do it, and those that cannot be asked, so that they are told of."""
        names = self.members.all if among is None else among
        found = []
        for name in names:
            handle = self.members.all[name].handle
            if handle is None or handle.capabilities.support(operation, kind):
                found.append(name)
        return found

    async def ask(
        self,
        operation: Operation,
        listing: Listing,
        work: Callable[[ExchangeHandle, str], Awaitable[R]],
    ) -> Answers[R]:
        """``work`` with each member that lists it, by its own name for it. Raises below the quorum."""

        async def one(name: str, handle: ExchangeHandle) -> R:
            part = listing.parts.get(name)
            if part is None:
                raise SymbolNotFound(f"it does not list {listing.symbol.name}", exchange=name)
            return await work(handle, part.symbol.name)

        closed = [name for name, member in self.members.all.items() if member.handle is None]
        among = [name for name in self.members.all if name in listing.parts or name in closed]
        answers = await self.members.ask(self.able(operation, listing.symbol.kind, among), one)
        return self.enough(answers, self.quorum, operation)

    def enough(self, answers: Answers[R], quorum: int, operation: Operation) -> Answers[R]:
        """Them, with an error event for each member that is not among them. Raises when they are too few."""
        for name, error in answers.bad.items():
            where = f"{operation.value} of member {name}"
            self.emit_event(
                ErrorRaised(
                    exchange=self.context.exchange_name, timestamp_ms=self.context.now_ms(), where=where, error=error
                )
            )
        if len(answers.good) < quorum:
            raise failure(answers.bad, f"{len(answers.good)} members answered, and {quorum} must")
        return answers

    # --- market data

    async def get_symbols(self) -> SymbolList:
        """Those that the members have in common (or all of them, by the option ``symbols``)."""
        answers = await self.members.ask(self.members.all, lambda name, handle: handle.get_symbols(refresh=True))
        self.enough(answers, self.quorum, Operation.GET_SYMBOLS)
        for name, symbols in answers.good.items():
            self.members.all[name].symbols = symbols
        self._changed()
        return SymbolList(listing.symbol for listing in self.listed.by_name.values())

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
        """Every trade of every member; ids are ``member/id``."""
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


def _capabilities(handles: Iterable[ExchangeHandle]) -> ExchangeCapabilities:
    """What any of them can do."""
    matrix: dict[tuple[Operation, MarketKind], Support] = {}
    for handle in handles:
        for operation, kind, support in handle.capabilities.cells():
            if operation in NOT_MERGED:
                continue
            for cell in ((operation, kind), *((more, kind) for more, one in _TOGETHER.items() if one is operation)):
                if not (known := matrix.get(cell)) or known.mode != "native":
                    matrix[cell] = support
    return ExchangeCapabilities(matrix)


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
