"""From the ``orderbook`` channels to the framework's book builder, and to best prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fra.adapters.custom.books import BookBuilder
from fra.adapters.custom.sync import SnapshotFrom, SyncRule
from fra.core import Symbol, Ticker
from fra.exchanges.bybit.wire import BookPush

BYBIT_BOOKS: Final = SyncRule(
    name="u = u + 1",
    snapshot_from=SnapshotFrom.CHANNEL,
    chains=lambda first, last, previous, place: last == place + 1,
    bridges=lambda first, last, previous, place: last == place + 1,
    stale=lambda first, last, previous, place: last <= place,
)
"""Bybit V5, WebSocket Stream, Public, "Orderbook": each delta's ``u`` is one higher, the snapshot is on the channel."""

_RESTARTED: Final = 1
"""The ``u`` of the whole book that comes after Bybit has restarted its service."""


def feed(book: BookBuilder[BookPush], push: BookPush, received_ms: int) -> None:
    """Hand one message of a book to its builder."""
    data = push.data
    bids, asks = data.b, data.a
    timestamp_ms = push.cts or push.ts
    if data.u == _RESTARTED:
        # The engine may have stood still meanwhile; by the sender's time this is news all the same.
        book.snapshot(bids, asks, received_ms, sequence=data.u, timestamp_ms=push.ts)
    elif push.type == "snapshot":
        book.snapshot(bids, asks, received_ms, sequence=data.u, timestamp_ms=timestamp_ms)
    else:
        book.update(bids, asks, received_ms, last=data.u, timestamp_ms=timestamp_ms)


class BestPrices:
    """The best price of each side out of ``orderbook.1``, of which a delta may leave a side out."""

    def __init__(self, symbol: Symbol) -> None:
        self._symbol = symbol
        self._bids: dict[float, str] = {}
        self._asks: dict[float, str] = {}

    def __call__(self, push: BookPush, received_ms: int) -> Ticker:
        """Best prices and amounts after this message, and nothing else."""
        for side, levels in ((self._bids, push.data.b), (self._asks, push.data.a)):
            if push.type == "snapshot":
                side.clear()
            side.update(levels)
            for price in [price for price, size in side.items() if not float(size)]:
                del side[price]
        bid, ask = max(self._bids, default=None), min(self._asks, default=None)
        return Ticker(
            symbol=self._symbol.name,
            received_ms=received_ms,
            timestamp_ms=push.cts or push.ts,
            bid=None if bid is None else Decimal(repr(bid)),
            bid_amount=None if bid is None else Decimal(self._bids[bid]),
            ask=None if ask is None else Decimal(repr(ask)),
            ask_amount=None if ask is None else Decimal(self._asks[ask]),
        )
