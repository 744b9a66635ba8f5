"""OrderJournal: where orders are written down before they are sent, so that a crash forgets none."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol, final, runtime_checkable

import attrs

from fra.core.contract.orders import Order, OrderRequest, OrderStatus

_ENTRIES: Final = 20_000
UNSETTLED: Final = (OrderStatus.PENDING, OrderStatus.UNKNOWN)
"""The statuses of an intent of which nobody knows yet what came of it."""


@attrs.frozen(kw_only=True)
class JournalEntry:
    """One thing known about one order at one time. ``order`` is what the venue said, None before it said anything.

    ``deadline_ms`` is when the desk stops trying to send it: an order that is not on its way by then never will be.
    """

    exchange: str
    client_order_id: str
    timestamp_ms: int
    request: OrderRequest
    status: OrderStatus
    order: Order | None = None
    reason: str | None = None
    deadline_ms: int | None = None


class OrderJournal(Protocol):
    """What the OrderDesk writes to."""

    async def record(self, entry: JournalEntry) -> None:
        """Return when ``entry`` is safe. Raising stops an order that was not sent yet."""


@runtime_checkable
class DurableJournal(OrderJournal, Protocol):
    """A journal that outlives its process: what the one before left open is settled by the next."""

    async def has_open(self) -> bool:
        """Whether it holds open intents at all, whoever has written them. Changes nothing."""

    async def claim(self, exchange: str) -> Sequence[JournalEntry]:
        """Make sure that nobody else writes, and give the open intents that other processes left of this exchange.

        Each is the entry that was written before it was sent, with the last status. Raises AccountInUse and
        JournalError; then nothing may be sent.
        """


@runtime_checkable
class LendableJournal(DurableJournal, Protocol):
    """One that can be given back before the end."""

    async def let_go(self) -> None:
        """Nothing is open and nothing was sent: others may write. Until :meth:`claim` is called again."""


@final
class MemoryJournal:
    """A journal that lasts as long as the process, and keeps the last ``most`` entries."""

    def __init__(self, most: int = _ENTRIES) -> None:
        self.entries: deque[JournalEntry] = deque(maxlen=most)

    async def record(self, entry: JournalEntry) -> None:
        self.entries.append(entry)
