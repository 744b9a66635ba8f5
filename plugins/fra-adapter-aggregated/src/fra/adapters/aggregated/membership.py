"""The life of an aggregated exchange: its members, what they list and can do, and asking them side by side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import attrs

from fra.adapters.aggregated.listings import Listing, Listings
from fra.adapters.aggregated.members import Answers, Members, failure
from fra.adapters.aggregated.options import AggregatedOptions
from fra.adapters.aggregated.orders import RESERVED
from fra.core import (
    ConfigError,
    ConnectionStatus,
    ErrorRaised,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeHandle,
    ExchangeMetadata,
    ExchangePluginInterface,
    Health,
    MarketKind,
    Operation,
    PluginType,
    Support,
    Symbol,
    SymbolList,
    SymbolNotFound,
)

R = TypeVar("R")

NOT_MERGED: Final = (
    Operation.GET_KLINES,  # candles of two venues have no open and no close in common
    Operation.SUBSCRIBE_KLINES,
    Operation.GET_KEY_PERMISSIONS,  # each key has its own: ask the member
)
_KINDS: Final = (MarketKind.SPOT, MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)
_TOGETHER: Final = {
    Operation.GET_TICKERS: Operation.GET_TICKER,
    Operation.GET_FUNDING_RATES: Operation.GET_FUNDING_RATE,
}
"""What every member can do that can do the other, one symbol after the other."""


class Membership(ExchangePluginInterface):
    """The members of an aggregated exchange, and what they list and can do."""

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

    async def get_symbols(self) -> SymbolList:
        """Those that the members have in common (or all of them, by the option ``symbols``)."""
        answers = await self.members.ask(self.members.all, lambda name, handle: handle.get_symbols(refresh=True))
        self.enough(answers, self.quorum, Operation.GET_SYMBOLS)
        for name, symbols in answers.good.items():
            self.members.all[name].symbols = symbols
        self._changed()
        return SymbolList(listing.symbol for listing in self.listed.by_name.values())


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
