"""Funding as most venues tell it: a running rate that is pushed too seldom, and settled rates without an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from fra.adapters.custom.stream import Stream
from fra.core import ExchangeError, FundingRate, IntervalSource, RateKind, StreamStatus, Symbol

_SLICE: Final = 30.0  # seconds; a closed stream's timer ends within it


def settled_history(settled: Iterable[tuple[int, Decimal]], symbol: Symbol, *, received_ms: int) -> list[FundingRate]:
    """Settlements, as (UTC ms, rate) in any order, as rates, oldest first; one that comes twice counts once.

    Each interval is the time since the settlement before; the oldest has nothing before it, so its own is unknown.
    """
    rates: list[FundingRate] = []
    before: int | None = None
    for moment, rate in sorted(settled, key=lambda one: one[0]):
        if moment == before:
            continue
        rates.append(
            FundingRate(
                symbol=symbol.name,
                kind=RateKind.SETTLED,
                rate=rate,
                received_ms=received_ms,
                timestamp_ms=moment,
                settled_ms=moment,
                interval=None if before is None else timedelta(milliseconds=moment - before),
                interval_source=None if before is None else IntervalSource.DERIVED,
            )
        )
        before = moment
    return rates


class FundingPublisher:
    """Publishes the running rate of one contract, and asks for it right after each settlement.

    Until the next push the settlement that has passed would stand there as the next one. ``grace`` is how many seconds
    after a settlement the venue is asked, and only if no push has told the next one by then.
    """

    def __init__(
        self,
        stream: Stream[FundingRate],
        *,
        fetch: Callable[[], Awaitable[FundingRate]],
        venue_ms: Callable[[], int],
        grace: float = 0.5,
    ) -> None:
        self._stream = stream
        self._fetch = fetch
        self._venue_ms = venue_ms
        self._grace_ms = grace * 1000
        self._settlement_ms: int | None = None

    def publish(self, rate: FundingRate) -> None:
        """Publish ``rate``, and see to it that its settlement does not outlast itself."""
        self._stream.source.publish(rate)
        if rate.next_settlement_ms is not None and rate.next_settlement_ms != self._settlement_ms:
            self._settlement_ms = rate.next_settlement_ms
            self._stream.spawn(self._follow(rate.next_settlement_ms), name=f"settlement of {rate.symbol}")

    async def ask(self) -> None:
        """Ask for the rate and publish it; what the venue refuses is reported."""
        if (rate := await self._fetched()) is not None:
            self.publish(rate)

    async def _fetched(self) -> FundingRate | None:
        try:
            return await self._fetch()
        except ExchangeError as error:
            self._stream.report(error)
            return None

    async def _follow(self, settlement_ms: int) -> None:
        while (left := settlement_ms + self._grace_ms - self._venue_ms()) > 0:
            await asyncio.sleep(min(left / 1000, _SLICE))
            if self._settlement_ms != settlement_ms or self._stream.source.status is StreamStatus.CLOSED:
                return
        rate = await self._fetched()
        if rate is not None and self._settlement_ms == settlement_ms:
            self.publish(rate)
