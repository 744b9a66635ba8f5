"""What Bybit lists, by category and its own id: ``BTCUSDT`` is a pair of spot and a linear contract too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fra.core import Symbol
from fra.exchanges.bybit.convert import MARKETS


def category_of(symbol: Symbol) -> str:
    """Bybit's name of the symbol's market."""
    return symbol.market or MARKETS[symbol.kind]


class Listing:
    """Symbols to be found. ``intervals`` are minutes between settlements, by category and id."""

    def __init__(self, symbols: Iterable[Symbol] = (), intervals: Mapping[tuple[str, str], int] | None = None) -> None:
        self._symbols = {(category_of(symbol), symbol.venue_id): symbol for symbol in symbols}
        self._intervals = dict(intervals or {})

    def __bool__(self) -> bool:
        return bool(self._symbols)

    def has(self, category: str) -> bool:
        """Whether there is any symbol of this category."""
        return any(known == category for known, _ in self._symbols)

    def find(self, category: str, venue_id: str) -> Symbol | None:
        """The symbol that Bybit calls ``venue_id`` there."""
        return self._symbols.get((category, venue_id))

    def interval(self, category: str, venue_id: str) -> int:
        """Minutes between settlements, 0 where that is not known."""
        return self._intervals.get((category, venue_id), 0)

    def settle_coins(self, category: str) -> list[str]:
        """The coins that the contracts of this category settle in."""
        coins = {symbol.settle for (known, _), symbol in self._symbols.items() if known == category and symbol.settle}
        return sorted(coins)
