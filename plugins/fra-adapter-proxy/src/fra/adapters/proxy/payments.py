"""Funding payments as events: asked for after each settlement of what the account holds, and told once.

The venues' account streams tell at most that a balance changed, and each in another way; their histories tell the
payment itself, with its id. So the host that holds the lease asks them, whatever the exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import time_ns
from typing import Final, final

from fra.core import ExchangeHandle, FraError, FundingPayment, Operation, Position, UserEvent

_AFTER: Final = (1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds between questions after a settlement: venues book within seconds or minutes."""
_AGAIN: Final = 30.0
"""Seconds until the next try after a question failed."""
_LOOK: Final = 3600.0
"""Seconds after which the settlements are asked for anew: a venue may change their interval."""
_EARLY_MS: Final = 1000
"""By which a payment's own time may lie before the settlement that was announced."""
_OVERLAP_MS: Final = 3_600_000
"""What is asked for again: a venue may book one payment after a later one."""
_NEEDED: Final = (Operation.GET_FUNDING_PAYMENTS, Operation.GET_FUNDING_RATE, Operation.GET_POSITIONS)


@final
class Payments:
    """Tells of the funding payments of one account."""

    def __init__(
        self,
        handle: ExchangeHandle,
        tell: Callable[[FundingPayment], None],
        *,
        report: Callable[[Exception], None] | None = None,
    ) -> None:
        """``tell`` is called for each payment, oldest first; ``report`` when they could not be asked for."""
        self._handle = handle
        self._tell = tell
        self._report = report
        self._held: set[str] = set()
        self._due: dict[str, int] = {}
        """When each symbol settles next, until its payment was told."""
        self._since = _now()
        self._told: dict[tuple[str, str], int] = {}
        """When those were paid that may be among the next answer."""
        self._news = asyncio.Event()

    def saw(self, event: UserEvent) -> None:
        """An event of the account: a new position settles at a time that must be asked for."""
        if not isinstance(event, Position):
            return
        if not event.amount:
            self._held.discard(event.symbol)
        elif event.symbol not in self._held:
            self._held.add(event.symbol)
            self._news.set()

    async def follow(self, since_ms: int | None) -> None:
        """Until cancelled. ``since_ms`` is the newest payment that was told before; None: tell those since we began."""
        if not all(self._handle.capabilities.support(needed) for needed in _NEEDED):
            return
        if since_ms is not None:
            self._since = since_ms
        self._told.clear()
        self._due.clear()
        while True:
            self._news.clear()
            try:
                await self._ask()
                await self._plan()
                if await self._settlement():
                    await self._paid()
            except FraError as error:
                if self._report is not None:
                    self._report(error)
                await asyncio.sleep(_AGAIN)

    async def _plan(self) -> None:
        positions = await self._handle.get_positions()
        self._held |= {position.symbol for position in positions}
        for symbol in {position.symbol for position in positions} - self._due.keys():
            settles = (await self._handle.get_funding_rate(symbol)).next_settlement_ms
            if settles is not None:
                self._due[symbol] = settles

    async def _settlement(self) -> bool:
        """Wait for the next. False when there is something to plan before it."""
        due = min(self._due.values(), default=None)
        seconds = _LOOK if due is None else min((due - _now()) / 1000, _LOOK)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._news.wait()
        except TimeoutError:
            return due is not None and due <= _now()
        return False

    async def _paid(self) -> None:
        """Ask until everything that was due is told, or until nothing is to be expected any more."""
        for pause in _AFTER:
            await asyncio.sleep(pause)
            await self._ask()
            if all(due > _now() for due in self._due.values()):
                return
        self._due = {symbol: due for symbol, due in self._due.items() if due > _now()}

    async def _ask(self) -> None:
        """Tell what was paid and is not told yet."""
        since = self._since
        for payment in await self._handle.get_funding_payments(since=since):
            key = (payment.symbol, payment.id or f"{payment.timestamp_ms} {payment.amount}")
            if payment.timestamp_ms >= since and key not in self._told:
                self._told[key] = payment.timestamp_ms
                self._tell(payment)
            due = self._due.get(payment.symbol)
            if due is not None and payment.timestamp_ms >= due - _EARLY_MS:
                del self._due[payment.symbol]
        newest = max(self._told.values(), default=since)
        self._since = max(since, newest - _OVERLAP_MS)
        self._told = {key: paid for key, paid in self._told.items() if paid >= self._since}


def _now() -> int:
    return time_ns() // 1_000_000
