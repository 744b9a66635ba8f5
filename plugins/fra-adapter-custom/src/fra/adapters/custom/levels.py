"""The levels of one order book, kept so that a change costs little, and next to nothing far from the top.

All levels of a side stand in one dict, price → size text, which takes a whole message in one C call; a size of zero
stays as a tombstone until the next sweep. Only the best prices are kept apart, as a set that is sorted when somebody
reads more than the best of them; the best is always known. Beyond them nothing is looked at. Measured on recorded
Binance USD-M streams this costs some half of a dict with a bisected list.

Prices are float keys: a decimal number of up to 15 significant digits survives text → float → ``repr`` unchanged,
so the Decimals made on read are exact. A book whose prices need more is refused at its snapshot. Sizes stay the
venue's own text and become Decimals on read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import islice
from math import inf, isfinite
from typing import Annotated, Final, final
from zlib import crc32

import msgspec

from fra.core import ExchangeAPIError, LazyLevels, PriceLevel, Symbol

BookPrice = Annotated[float, msgspec.Meta(gt=0.0, lt=1e18)]
"""A price of a level, decoded with ``strict=False``: neither NaN nor infinite, which would be out of any order."""

Row = tuple[BookPrice, str]
"""One level as decoded: price as float, size as the venue's fixed-point text (no exponent; zero deletes)."""

TextRow = tuple[str, str]
"""One level in the venue's own spelling, price and size, for checksums."""

ZEROS: Final = frozenset(["0", *("0." + "0" * decimals for decimals in range(21))])
"""Every fixed-point spelling of a size of zero."""

_FEWEST: Final = 40  # prices kept apart, below which more are taken in
_FILLED: Final = 80
_MOST: Final = 140
_LARGEST_EXACT: Final = 10**14  # price / tick: 15 digits, one kept for a venue that makes its tick finer


class InexactPrices(ValueError):
    """Prices of this book need more digits than a float key holds exactly."""


class _Side:
    """One side.

    ``members`` are all live prices at or past ``edge``, which is infinite where that is the whole side; ``best`` is
    the best of them, infinitely bad where there are none. ``base`` are the prices that were live at the last sweep,
    ascending: every key of ``levels`` is either one of them or came after the first ``swept`` keys.
    """

    __slots__ = ("base", "best", "edge", "levels", "members", "swept", "window")

    best: float
    edge: float
    levels: dict[float, str]
    members: set[float]
    window: list[float] | None

    def __init__(self) -> None:
        self.replace([])

    def replace(self, rows: list[Row]) -> None:
        self.levels = dict(rows)
        self.sweep()

    def live(self) -> list[float]:
        """Every live price, ascending. Raises ExchangeAPIError where a size is none.

        What is near the top is looked at when it comes, and what is not when it is first wanted.
        """
        zeros = ZEROS
        prices = [price for price, size in self.levels.items() if size not in zeros]
        sizes = list(map(self.levels.__getitem__, prices))
        try:
            amounts = list(map(float, sizes))
        except ValueError as error:
            raise _unsound(str(error)) from None
        if amounts and not (min(amounts) > 0.0 and isfinite(sum(amounts))):
            raise _unsound(next((size for size in sizes if not 0.0 < float(size) < inf), "too large"))
        return sorted(prices)

    def sweep(self) -> None:
        """Drop the tombstones and sort anew."""
        self.base = live = self.live()
        self.levels = dict(zip(live, map(self.levels.__getitem__, live), strict=True))
        self.swept = len(live)
        self._keep(live)

    def _keep(self, prices: list[float]) -> None:
        """Let ``prices``, ascending, be the members, or where they are more than _FILLED the best of them."""
        raise NotImplementedError

    def _changed(self) -> None:
        """Members came or went: keep their number within its bounds."""
        self.window = None
        count = len(self.members)
        if count > _MOST:
            self._keep(sorted(self.members))
        elif count < _FEWEST and self.edge not in (inf, -inf):
            self._take_more()

    def _take_more(self) -> None:
        raise NotImplementedError

    def _take(self, known: list[float], low: float, high: float) -> None:
        """Take in the live ones of ``known``, and of what came since the sweep between ``low`` and ``high``."""
        levels, zeros = self.levels, ZEROS
        recent = islice(reversed(levels), len(levels) - self.swept)
        self.members.update([price for price in known if levels[price] not in zeros])
        self.members.update([price for price in recent if low <= price <= high and levels[price] not in zeros])
        if len(self.members) < _FEWEST:
            self.sweep()

    def sorted(self) -> list[float]:
        """The members, ascending."""
        window = self.window
        if window is None:
            self.window = window = sorted(self.members)
        return window


@final
class _Bids(_Side):
    __slots__ = ()

    def update(self, rows: list[Row]) -> None:
        levels, members, edge, best, zeros = self.levels, self.members, self.edge, self.best, ZEROS
        levels.update(rows)
        add, discard = members.add, members.discard
        for price, size in rows:
            if price >= edge:
                if size in zeros:
                    discard(price)
                else:
                    if not 0.0 < float(size) < inf:
                        raise _unsound(size)
                    add(price)
                    if price > best:
                        best = price
        self.best = best if best in members else max(members, default=-inf)
        self._changed()
        if len(levels) > 2 * self.swept + 1000:
            self.sweep()

    def _keep(self, prices: list[float]) -> None:
        whole = len(prices) <= _FILLED
        self.window = window = prices if whole else prices[-_FILLED:]
        self.members = set(window)
        self.best = window[-1] if window else -inf
        self.edge = -inf if whole else window[0]

    def _take_more(self) -> None:
        end = bisect_left(self.base, self.edge)
        start = end - _FILLED
        if start <= 0:
            self.sweep()
            return
        edge, self.edge = self.edge, self.base[start]
        self._take(self.base[start:end], self.edge, edge)
        self.best = max(self.members, default=-inf)

    def top(self, depth: int | None) -> list[float]:
        """The best prices, best first."""
        window = self.sorted()
        if self.edge != -inf and (depth is None or depth > len(window)):
            window = self.live()
        return window[::-1] if depth is None else window[: -depth - 1 : -1]


@final
class _Asks(_Side):
    __slots__ = ()

    def update(self, rows: list[Row]) -> None:
        levels, members, edge, best, zeros = self.levels, self.members, self.edge, self.best, ZEROS
        levels.update(rows)
        add, discard = members.add, members.discard
        for price, size in rows:
            if price <= edge:
                if size in zeros:
                    discard(price)
                else:
                    if not 0.0 < float(size) < inf:
                        raise _unsound(size)
                    add(price)
                    if price < best:
                        best = price
        self.best = best if best in members else min(members, default=inf)
        self._changed()
        if len(levels) > 2 * self.swept + 1000:
            self.sweep()

    def _keep(self, prices: list[float]) -> None:
        whole = len(prices) <= _FILLED
        self.window = window = prices if whole else prices[:_FILLED]
        self.members = set(window)
        self.best = window[0] if window else inf
        self.edge = inf if whole else window[-1]

    def _take_more(self) -> None:
        start = bisect_right(self.base, self.edge)
        end = start + _FILLED
        if end >= len(self.base):
            self.sweep()
            return
        edge, self.edge = self.edge, self.base[end - 1]
        self._take(self.base[start:end], edge, self.edge)
        self.best = min(self.members, default=inf)

    def top(self, depth: int | None) -> list[float]:
        """The best prices, best first."""
        window = self.sorted()
        if self.edge != inf and (depth is None or depth > len(window)):
            window = self.live()
        return window[:depth]


@final
class Levels:
    """Both sides of one live book; implements the contract's ``BookLevels``.

    Not safe for threads. What :meth:`bids` and :meth:`asks` return stays as it was when the book moves on.
    """

    __slots__ = ("_asks", "_bids", "_make", "_texts", "_tick")

    def __init__(self, symbol: Symbol) -> None:
        self._bids = _Bids()
        self._asks = _Asks()
        self._tick = symbol.tick_size
        self._make = _maker(symbol.contract_size)
        self._texts: dict[float, str] = {}

    # --- the adapter's side

    def replace(self, bids: list[Row], asks: list[Row]) -> None:
        """Take a snapshot in place of everything. Raises InexactPrices."""
        largest = max((price for price, _ in (*bids, *asks)), default=0.0)
        if Decimal(largest) / self._tick > _LARGEST_EXACT:
            raise InexactPrices(f"prices up to {largest!r} in steps of {self._tick} need more than 15 digits")
        self._bids.replace(bids)
        self._asks.replace(asks)

    def update(self, bids: list[Row], asks: list[Row]) -> bool:
        """Take the absolute sizes of changed levels; zero deletes. Says whether the book is :attr:`crossed` now."""
        if bids:
            self._bids.update(bids)
        if asks:
            self._asks.update(asks)
        return self._bids.best >= self._asks.best

    def clear(self) -> None:
        """Forget everything."""
        self._bids.replace([])
        self._asks.replace([])
        self._texts = {}

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask: such a book is wrong."""
        return self._bids.best >= self._asks.best

    def keep_texts(self, rows: Iterable[Sequence[str]]) -> None:
        """Remember how the venue spells the prices of ``rows`` (price text first), for :meth:`texts`."""
        if len(self._texts) > 4 * (len(self._bids.levels) + len(self._asks.levels)) + 1000:
            live = self._bids.levels.keys() | self._asks.levels.keys()
            self._texts = {price: text for price, text in self._texts.items() if price in live}
        self._texts.update((float(row[0]), row[0]) for row in rows)

    def texts(self, depth: int) -> tuple[list[TextRow], list[TextRow]]:
        """The best bids and asks as the venue spelt them; needs :meth:`keep_texts` for every row since the snapshot."""
        spelt = self._texts
        bids, asks = self._bids.levels, self._asks.levels
        return (
            [(spelt[price], bids[price]) for price in self._bids.top(depth)],
            [(spelt[price], asks[price]) for price in self._asks.top(depth)],
        )

    # --- the reader's side

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        """Bids, best first."""
        return self._cut(self._bids, depth)

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        """Asks, best first."""
        return self._cut(self._asks, depth)

    def _cut(self, side: _Bids | _Asks, depth: int | None) -> Sequence[PriceLevel]:
        levels = side.levels
        if depth == 1:
            return (self._make((side.best, levels[side.best])),) if side.members else ()
        prices = side.top(depth)
        return LazyLevels(list(zip(prices, map(levels.__getitem__, prices), strict=True)), self._make)


def _unsound(size: str) -> ExchangeAPIError:
    return ExchangeAPIError(f"a level of a book has the size {size[:50]!r}", code="malformed")


def _maker(contract_size: Decimal) -> Callable[[tuple[object, object]], PriceLevel]:
    if contract_size == 1:
        return lambda row: PriceLevel(Decimal(repr(row[0])), Decimal(row[1]))  # type: ignore[arg-type]
    return lambda row: PriceLevel(Decimal(repr(row[0])), Decimal(row[1]) * contract_size)  # type: ignore[arg-type]


def interleaved_crc32(bids: Sequence[TextRow], asks: Sequence[TextRow]) -> int:
    """Signed CRC32 of ``bid:ask:bid:ask…``, price and size of each; the longer side goes on alone.

    OKX: "Order book checksum" in the documents of the order book channel, over the best 25 levels of each side.
    """
    parts: list[str] = []
    for index in range(max(len(bids), len(asks))):
        if index < len(bids):
            parts += bids[index]
        if index < len(asks):
            parts += asks[index]
    value = crc32(":".join(parts).encode())
    return value - (1 << 32) if value & 0x8000_0000 else value
