"""OrderJournal: where orders are written down before they are sent, so that a crash forgets none."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol, final

import attrs

from fra.core.contract.orders import Order, OrderRequest, OrderStatus

_ENTRIES: Final = 20_000


@attrs.frozen(kw_only=True)
class JournalEntry:
    """One thing known about one order at one time. ``order`` is what the venue said, None before it said anything."""

    exchange: str
    client_order_id: str
    timestamp_ms: int
    request: OrderRequest
    status: OrderStatus
    order: Order | None = None
    reason: str | None = None


class OrderJournal(Protocol):
    """What the OrderDesk writes to."""

    async def record(self, entry: JournalEntry) -> None:
        """Return when ``entry`` is safe. Raising stops an order that was not sent yet."""


@final
class MemoryJournal:
    """A journal that lasts as long as the process, and keeps the last ``most`` entries."""

    def __init__(self, most: int = _ENTRIES) -> None:
        self.entries: deque[JournalEntry] = deque(maxlen=most)

    async def record(self, entry: JournalEntry) -> None:
        self.entries.append(entry)
