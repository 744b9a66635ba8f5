"""The levels of one order book, kept so that a change costs next to nothing until somebody looks.

All levels of a side stand in one dict, price → size text, which takes a whole message in one C call; a size of zero
stays as a tombstone until the next sweep. Only the best prices, the *window*, are ever sorted, and rows beyond it
never meet Python code. Rows within it wait, unsorted, until somebody reads more than the best price; the best price
itself is always known. Measured on recorded Binance USD-M streams this costs half of a dict with a bisected list.

Prices are float keys: a decimal number of up to 15 significant digits survives text → float → ``repr`` unchanged,
so the Decimals made on read are exact. A book whose prices need more is refused at its snapshot. Sizes stay the
venue's own text and become Decimals on read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import chain
from math import inf
from typing import Final, final
from zlib import crc32

from fra.core import LazyLevels, PriceLevel, Symbol

Row = tuple[float, str]
"""One level as decoded: price as float, size as the venue's fixed-point text (no exponent; zero deletes)."""

TextRow = tuple[str, str]
"""One level in the venue's own spelling, price and size, for checksums."""

ZEROS: Final = frozenset(["0", *("0." + "0" * decimals for decimals in range(21))])
"""Every fixed-point spelling of a size of zero."""

_SHORTEST: Final = 64  # prices in the window below which it is filled up again
_FILLED: Final = 160
_LONGEST: Final = 320
_WAITING: Final = 48  # messages whose rows may wait to be sorted in
_FEW: Final = 32  # prices that are sorted in one by one
_LARGEST_EXACT: Final = 10**14  # price / tick: 15 digits, one kept for a venue that makes its tick finer


class InexactPrices(ValueError):
    """Prices of this book need more digits than a float key holds exactly."""


class _Side:
    """One side.

    ``window`` is ascending, on both sides, and together with the rows in ``waiting`` holds every live price at or past
    ``edge``; ``complete`` says that there is nothing beyond. ``best`` is infinitely bad on an empty side.
    """

    __slots__ = ("best", "complete", "edge", "levels", "sweep_at", "waiting", "window")

    best: float
    edge: float

    def __init__(self) -> None:
        self.replace([])

    def replace(self, rows: list[Row]) -> None:
        self.levels: dict[float, str] = dict(rows)
        self.sweep_at = 0
        self.fill()

    def live(self) -> list[float]:
        """Every live price, ascending."""
        zeros = ZEROS
        return sorted([price for price, size in self.levels.items() if size not in zeros])

    def fill(self) -> None:
        """Sort anew; sweep tombstones when there are many."""
        live = self.live()
        if len(self.levels) > self.sweep_at:
            self.levels = dict(zip(live, map(self.levels.__getitem__, live), strict=True))
            self.sweep_at = 2 * len(live) + 1000
        self.waiting: list[list[Row]] = []
        self.complete = len(live) <= _FILLED
        self.window = live
        self._cut()

    def settle(self) -> None:
        """Sort in what waits, and keep the window within its bounds."""
        levels, zeros = self.levels, ZEROS
        touched = dict(chain.from_iterable(self.waiting))
        self.waiting = []
        window = self.window
        if len(touched) > _FEW:
            self.window = window = sorted([price for price in {*window, *touched} if levels[price] not in zeros])
        else:
            for price in touched:
                at = bisect_left(window, price)
                if at < len(window) and window[at] == price:
                    if levels[price] in zeros:
                        del window[at]
                elif levels[price] not in zeros:
                    window.insert(at, price)
        if len(window) > _LONGEST:
            self.complete = False
            self._cut()
        elif (len(window) < _SHORTEST and not self.complete) or len(levels) > self.sweep_at:
            self.fill()

    def _cut(self) -> None:
        """Leave the best _FILLED prices in the window, unless it is complete; set ``edge`` and ``best`` by it."""
        raise NotImplementedError


@final
class _Bids(_Side):
    __slots__ = ()

    def update(self, rows: list[Row]) -> None:
        levels = self.levels
        levels.update(rows)
        rows.sort()  # venues send them sorted nearly always: then this only looks
        edge, best = self.edge, self.best
        highest = rows[-1][0]
        if highest < edge:
            if len(levels) > self.sweep_at:
                self.fill()
            return
        if rows[0][0] < edge:
            rows = rows[bisect_left(rows, (edge,)) :]
        self.waiting.append(rows)
        if highest > best:
            self.best = best = self._above(rows, best)
        if levels.get(best, "0") in ZEROS:
            self._next()
        if len(self.waiting) > _WAITING:
            self.settle()

    def _above(self, rows: list[Row], best: float) -> float:
        for price, _ in reversed(rows):
            if price <= best:
                break
            # The size is asked of `levels`: of a price named twice in one message the last word counts there.
            if self.levels[price] not in ZEROS:
                return price
        return best

    def _next(self) -> None:
        """The best price has gone: find the one below it."""
        window, levels = self.window, self.levels
        while window and levels[window[-1]] in ZEROS:
            window.pop()
        best = window[-1] if window else -inf
        for rows in self.waiting:
            best = self._above(rows, best)
        self.best = best
        if best == -inf and not self.complete:
            self.fill()

    def _cut(self) -> None:
        if not self.complete:
            self.window = self.window[-_FILLED:]
        self.edge = -inf if self.complete else self.window[0]
        self.best = self.window[-1] if self.window else -inf

    def top(self, depth: int | None) -> list[float]:
        """The best prices, best first."""
        if depth == 1:
            return [] if self.best == -inf else [self.best]
        if self.waiting:
            self.settle()
        window = self.window
        if not self.complete and (depth is None or depth > len(window)):
            window = self.live()
        return window[::-1] if depth is None else window[: -depth - 1 : -1]


@final
class _Asks(_Side):
    __slots__ = ()

    def update(self, rows: list[Row]) -> None:
        levels = self.levels
        levels.update(rows)
        rows.sort()
        edge, best = self.edge, self.best
        lowest = rows[0][0]
        if lowest > edge:
            if len(levels) > self.sweep_at:
                self.fill()
            return
        if rows[-1][0] > edge:
            rows = rows[: bisect_right(rows, (edge, "\U0010ffff"))]
        self.waiting.append(rows)
        if lowest < best:
            self.best = best = self._below(rows, best)
        if levels.get(best, "0") in ZEROS:
            self._next()
        if len(self.waiting) > _WAITING:
            self.settle()

    def _below(self, rows: list[Row], best: float) -> float:
        for price, _ in rows:
            if price >= best:
                break
            if self.levels[price] not in ZEROS:
                return price
        return best

    def _next(self) -> None:
        """The best price has gone: find the one above it."""
        window, levels = self.window, self.levels
        gone = 0
        while gone < len(window) and levels[window[gone]] in ZEROS:
            gone += 1
        del window[:gone]
        best = window[0] if window else inf
        for rows in self.waiting:
            best = self._below(rows, best)
        self.best = best
        if best == inf and not self.complete:
            self.fill()

    def _cut(self) -> None:
        if not self.complete:
            self.window = self.window[:_FILLED]
        self.edge = inf if self.complete else self.window[-1]
        self.best = self.window[0] if self.window else inf

    def top(self, depth: int | None) -> list[float]:
        """The best prices, best first."""
        if depth == 1:
            return [] if self.best == inf else [self.best]
        if self.waiting:
            self.settle()
        window = self.window
        if not self.complete and (depth is None or depth > len(window)):
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

    def update(self, bids: list[Row], asks: list[Row]) -> None:
        """Take the absolute sizes of changed levels; zero deletes. The lists may be sorted in place."""
        if bids:
            self._bids.update(bids)
        if asks:
            self._asks.update(asks)

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
        return self._cut(self._bids.top(depth), self._bids.levels)

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        """Asks, best first."""
        return self._cut(self._asks.top(depth), self._asks.levels)

    def _cut(self, prices: list[float], levels: dict[float, str]) -> Sequence[PriceLevel]:
        return LazyLevels(list(zip(prices, map(levels.__getitem__, prices), strict=True)), self._make)


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
