"""An account on paper over a faulted venue: what is true of it, and whether each of its fills could have been."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
from fault_players import STALE_S
from fault_truth import Truth
from order_witness import Journal, Trader

from fra.core import (
    BookView,
    ExchangeHandle,
    Fill,
    FillReceived,
    OrderBook,
    PriceLevel,
    Side,
    StreamStatus,
    Subscription,
)
from fra.emulator import Account, Venue

NAME = "paper"
"""Of the account at its own engine."""
_KEPT = 60
"""Books, streamed and true ones: of two seconds."""
_APART_MS = STALE_S * 1000 + 300
"""So old a book may be that is traded on, on a busy machine."""
_MOVING = 4
"""Books after which a market moves as always."""
_SAMPLE_S = 0.05
"""Less than the emulator's books stand still."""


class PaperVenue:
    """The venue of orders on paper: the plugin's own engine, on the real venue's books."""

    def __init__(self, real: Venue, engine: Any) -> None:
        self.exchange = SimpleNamespace(engine=engine)
        self.name = real.name
        self.clock_offset_ms = 0
        self.book = real.book


class PaperTrader(Trader):
    """The one account on paper. The engine knows symbols by their names."""

    def __init__(self, handle: ExchangeHandle, real: Venue, journal: Journal) -> None:
        plugin: Any = handle._plugin
        account = Account(key="", secret="", name=NAME)
        venue: Any = PaperVenue(real, plugin.account.engine)
        super().__init__(handle, venue, account, journal)

    def true_name(self, symbol: str) -> str:
        return symbol


@attrs.frozen
class Shown:
    """A book as it was shown."""

    valid: bool
    bids: Sequence[PriceLevel]
    asks: Sequence[PriceLevel]
    at_ms: int = attrs.field(factory=lambda: time.time_ns() // 1_000_000)

    def __str__(self) -> str:
        return f"{'valid' if self.valid else 'invalid'} at {self.at_ms}, {self.bids[:1]} to {self.asks[:1]}"

    def allows(self, fill: Fill) -> bool:
        """Whether a fill could come of it: a taker's of an amount that stands there, a maker's where the other side
        stands at its price or through it."""
        if not self.valid or abs(self.at_ms - fill.timestamp_ms) > _APART_MS:
            return False
        theirs = self.asks if fill.side is Side.BUY else self.bids
        if fill.maker:
            best = theirs[0].price if theirs else None
            return best is not None and (best <= fill.price if fill.side is Side.BUY else best >= fill.price)
        return dict(theirs).get(fill.price, Decimal(0)) >= fill.amount


class PaperFills:
    """Holds each fill to the market: its stream is live, and one of the last books allows it, streamed or the venue's
    own (which is asked for at first); or the next, since the engine may hear of a book before this does."""

    def __init__(self, handle: ExchangeHandle, books: Subscription[OrderBook], truth: Truth) -> None:
        self._wrong: list[str] = []
        self._truth = truth
        self._books = books
        self._last: deque[Shown] = deque(maxlen=_KEPT)
        self._pending: list[tuple[Fill, list[Shown]]] = []
        books.add_listener(self._on_book)
        self._views = 0
        self._moves = asyncio.Event()
        self._forget = handle.register_event_handler(FillReceived, self._on_fill)
        self._task = asyncio.create_task(self._sample(), name="samples true books")

    async def moves(self) -> None:
        """Wait until the market moves step by step: one that stood still until now makes up for that first."""
        await self._moves.wait()

    async def _sample(self) -> None:
        while True:
            self._last.append(self._now())
            await asyncio.sleep(_SAMPLE_S)

    def _on_book(self, view: BookView) -> None:
        shown = Shown(view.valid, tuple(view.bids()), tuple(view.asks()))
        self._views += 1
        if self._views == _MOVING:
            self._moves.set()
        self._judge(shown)
        self._last.append(shown)

    def _now(self) -> Shown:
        return Shown(True, *self._truth.now())

    def _on_fill(self, event: FillReceived) -> None:
        status = self._books.status
        if status is not StreamStatus.LIVE:
            self._wrong.append(f"filled while the market's book is {status.value}: {event.fill}")
        self._pending.append((event.fill, [*self._last, self._now()]))

    def _judge(self, *shown: Shown) -> None:
        for fill, before in self._pending:
            if not any(book.allows(fill) for book in (*before, *shown)):
                books = "; ".join(map(str, (*before, *shown)))
                self._wrong.append(f"filled out of nothing: {fill}; the books were {books}")
        self._pending.clear()

    def close(self) -> list[str]:
        """What was wrong."""
        self._task.cancel()
        self._judge()
        self._forget()
        return self._wrong
