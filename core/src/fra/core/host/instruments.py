"""The instruments of one exchange: loaded once, found by unified name, and the rules that an order is held to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

from fra.core.contract.capabilities import MarketKind
from fra.core.contract.errors import InvalidOrder, SymbolNotFound
from fra.core.contract.events import Event, SymbolsChanged
from fra.core.contract.orders import OrderRequest
from fra.core.contract.rules import order_problems
from fra.core.contract.symbol import RefusedInstrument, Symbol, SymbolList

_CLOSE_MATCHES: Final = 3


@final
class Instruments:
    """What a venue lists. Loaded at the first need and again with :meth:`refresh`."""

    def __init__(
        self,
        exchange: str,
        *,
        load: Callable[[], Awaitable[Sequence[Symbol]]],
        emit: Callable[[Event], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._exchange = exchange
        self._load = load
        self._emit = emit
        self._now_ms = now_ms
        self._lock = asyncio.Lock()
        self._symbols: SymbolList | None = None
        self._by_name: dict[str, Symbol] = {}

    @property
    def loaded(self) -> bool:
        """Whether :meth:`get` may be called."""
        return self._symbols is not None

    @property
    def symbols(self) -> SymbolList:
        """What was loaded last; empty before."""
        return SymbolList() if self._symbols is None else self._symbols

    @property
    def refused(self) -> tuple[RefusedInstrument, ...]:
        """What the venue lists and the adapter could not take, with reasons."""
        return self.symbols.refused

    async def ensure(self) -> None:
        """Load if nothing is loaded; many callers at once load once."""
        if self._symbols is None:
            async with self._lock:
                if self._symbols is None:
                    self.take(await self._load())

    async def refresh(self) -> SymbolList:
        """Load again; a listing that differs is a SymbolsChanged event."""
        async with self._lock:
            self.take(await self._load())
        return self.symbols

    def take(self, loaded: Sequence[Symbol]) -> None:
        """This is the listing from now on; one that differs is a SymbolsChanged event."""
        symbols = loaded if isinstance(loaded, SymbolList) else SymbolList(loaded)
        by_name: dict[str, Symbol] = {}
        refused = list(symbols.refused)
        for symbol in symbols:
            first = by_name.setdefault(symbol.name, symbol)
            if first is not symbol:
                refused.append(
                    RefusedInstrument(symbol.venue_id, f"{first.venue_id} has its name {symbol.name} already")
                )
        if len(refused) > len(symbols.refused):
            symbols = SymbolList(by_name.values())
            symbols.refused = tuple(refused)
        first_time, old = self._symbols is None, self._by_name
        self._symbols, self._by_name = symbols, by_name
        if first_time:
            return
        added = tuple(name for name in by_name if name not in old)
        removed = tuple(name for name in old if name not in by_name)
        changed = tuple(name for name, symbol in by_name.items() if name in old and old[name] != symbol)
        if added or removed or changed:
            self._emit(
                SymbolsChanged(
                    exchange=self._exchange,
                    timestamp_ms=self._now_ms(),
                    added=added,
                    removed=removed,
                    changed=changed,
                )
            )

    def get(self, symbol: Symbol | str) -> Symbol:
        """This venue's own Symbol of that unified name. Raises SymbolNotFound, with near misses.

        A Symbol is looked up by its name too: another venue's would have another venue's id and units.
        """
        name = symbol if isinstance(symbol, str) else symbol.name
        found = self._by_name.get(name)
        if found is None:
            raise self._not_found(name)
        return found

    def _not_found(self, name: str) -> SymbolNotFound:
        message = f"there is no symbol {name!r}"
        for refused in self.refused:
            if name == refused.venue_id:
                return SymbolNotFound(f"{name} could not be taken: {refused.reason}", exchange=self._exchange)
        for symbol in self.symbols:
            if name == symbol.venue_id:
                return SymbolNotFound(message, exchange=self._exchange, cure=f"its unified name is {symbol.name!r}")
        from difflib import get_close_matches

        upper = {known.upper(): known for known in self._by_name}
        names = [upper[close] for close in get_close_matches(name.upper(), upper, n=_CLOSE_MATCHES)]
        cure = f"did you mean {' or '.join(map(repr, names))}?" if names else "handle.symbols lists what there is"
        return SymbolNotFound(message, exchange=self._exchange, cure=cure)


def kinds_of(name: str) -> tuple[MarketKind, ...]:
    """The market kinds that a unified name can mean, from its form alone; none if it has not that form."""
    pair, colon, settled = name.partition(":")
    base, slash, quote = pair.partition("/")
    if not (base and slash and quote):
        return ()
    if not colon:
        return (MarketKind.SPOT, MarketKind.MARGIN)
    settle, *rest = settled.split("-")
    inverse = settle == base
    if not rest:
        return (MarketKind.INVERSE_SWAP if inverse else MarketKind.LINEAR_SWAP,)
    if len(rest) == 1:
        return (MarketKind.INVERSE_FUTURE if inverse else MarketKind.LINEAR_FUTURE,)
    return (MarketKind.OPTION,)


def check_order(request: OrderRequest, symbol: Symbol, *, exchange: str) -> None:
    """Hold an order to the rules of its symbol. Raises InvalidOrder with the first that it breaks; changes nothing."""
    for problem in order_problems(request, symbol):
        raise InvalidOrder(problem, exchange=exchange)
