"""How each venue's deltas chain onto its snapshots: one row of data per rule, run by one engine (books.py).

Every function gets a delta's ``first``, ``last`` and ``previous`` ids (0 where a venue has none) and ``place``, the
id that the book stands at.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

import attrs

Test = Callable[[int, int, int, int], bool]
"""(first, last, previous, place) → yes or no."""


class SnapshotFrom(enum.Enum):
    """Where a book's snapshot comes from: a request of its own, or the channel, which sends one when subscribed."""

    REST = "rest"
    CHANNEL = "channel"


@attrs.frozen(kw_only=True)
class SyncRule:
    """One venue's continuity rule.

    ``chains``: this delta follows at once on ``place``. ``bridges``: it is the first that may follow a snapshot
    taken at ``place``. ``stale``: it holds nothing newer than ``place`` (asked only when it does not chain).
    """

    name: str
    snapshot_from: SnapshotFrom
    chains: Test
    bridges: Test
    stale: Test


BINANCE_SPOT: Final = SyncRule(
    name="U = u + 1",
    snapshot_from=SnapshotFrom.REST,
    chains=lambda first, last, previous, place: first == place + 1,
    bridges=lambda first, last, previous, place: first <= place + 1 <= last,
    stale=lambda first, last, previous, place: last <= place,
)
"""Binance, Spot Trading, WebSocket Streams, "How to manage a local order book correctly"."""

BINANCE_USDM: Final = SyncRule(
    name="pu = u",
    snapshot_from=SnapshotFrom.REST,
    chains=lambda first, last, previous, place: previous == place,
    # A snapshot taken exactly at a delta's `u` is followed by the next one, whose `pu` it is.
    bridges=lambda first, last, previous, place: first <= place <= last or previous == place,
    stale=lambda first, last, previous, place: last < place,
)
"""Binance, USD-M Futures, Websocket Market Streams, "How to manage a local order book correctly"."""

OKX_BOOKS: Final = SyncRule(
    name="prevSeqId = seqId",
    snapshot_from=SnapshotFrom.CHANNEL,
    chains=lambda first, last, previous, place: previous == place,
    bridges=lambda first, last, previous, place: previous <= place < last or previous == place,
    # A message whose own ids fall is a restart of the venue's numbering: never old news.
    stale=lambda first, last, previous, place: previous <= last <= place,
)
"""OKX API v5, Order Book Trading, Market Data, WS "Order book channel": sequence ids, with a REST snapshot
(GET /api/v5/market/books) where the channel sends none."""

HTX_MBP: Final = SyncRule(
    name="prevSeqNum = seqNum",
    snapshot_from=SnapshotFrom.REST,
    chains=lambda first, last, previous, place: previous == place,
    bridges=lambda first, last, previous, place: previous <= place < last,
    stale=lambda first, last, previous, place: last <= place,
)
"""HTX spot, WebSocket Market Data, "Market By Price (incremental update)": the snapshot is asked for on the socket."""

HTX_DEPTH: Final = SyncRule(
    name="version + 1",
    snapshot_from=SnapshotFrom.CHANNEL,
    chains=lambda first, last, previous, place: last == place + 1,
    bridges=lambda first, last, previous, place: last == place + 1,
    stale=lambda first, last, previous, place: last <= place,
)
"""HTX USDT-margined, "Subscribe Incremental Market Depth Data": ``version`` rises by one."""
