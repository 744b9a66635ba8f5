"""An order book that is kept up by changes: sorted sides of exact prices."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import final

from fra.adapters.proxy.wire import Level
from fra.core import PriceLevel


@final
class Side:
    """One side of a book; ``bids`` are best when they are highest."""

    __slots__ = ("_amounts", "_bids", "_made", "_prices")

    def __init__(self, levels: Iterable[Level], *, bids: bool) -> None:
        self._bids = bids
        self._amounts: dict[Decimal, Decimal] = dict(levels)
        self._prices = sorted(self._amounts)
        self._made: tuple[PriceLevel, ...] | None = None

    def change(self, levels: Iterable[Level]) -> None:
        """Set these levels; an amount of zero takes one away."""
        amounts, prices = self._amounts, self._prices
        for price, amount in levels:
            if amount:
                if price not in amounts:
                    prices.insert(bisect_left(prices, price), price)
                amounts[price] = amount
            elif amounts.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]
            self._made = None

    def levels(self, depth: int | None) -> Sequence[PriceLevel]:
        """Best first, at most ``depth``."""
        if self._made is None:
            prices = reversed(self._prices) if self._bids else self._prices
            amounts = self._amounts
            self._made = tuple(PriceLevel(price, amounts[price]) for price in prices)
        return self._made if depth is None else self._made[:depth]


@final
class Levels:
    """Both sides."""

    __slots__ = ("_asks", "_bids")

    def __init__(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self._bids = Side(bids, bids=True)
        self._asks = Side(asks, bids=False)

    def change(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        self._bids.change(bids)
        self._asks.change(asks)

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self._bids.levels(depth)

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self._asks.levels(depth)


def changes(old: dict[Decimal, Decimal], new: Iterable[Level]) -> tuple[list[Level], dict[Decimal, Decimal]]:
    """What makes the side ``old`` into ``new``, and ``new`` as the next ``old``."""
    side = dict(new)
    changed = [level for level in side.items() if old.get(level[0]) != level[1]]
    changed += [(price, _NOTHING) for price in old.keys() - side.keys()]
    return changed, side


_NOTHING = Decimal(0)
