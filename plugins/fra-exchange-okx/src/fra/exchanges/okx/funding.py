"""The stream of one running funding rate, kept right across settlements."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from fra.adapters.custom import Stream
from fra.core import ExchangeError, FundingRate, StreamStatus
from fra.exchanges.okx import wire

FundingPush = wire.Push[wire.FundingRate]

_GRACE_MS: Final = 500
_SLICE: Final = 30.0  # seconds; a closed stream's timer ends within it


class FundingStream:
    """Handler of one ``funding-rate`` stream.

    OKX pushes each 30 to 90 s, so for as long a settlement that has passed would stand there as the next one: where
    no push comes right after it, the rate is asked for. A contract without a rate says nothing until it has one.
    """

    def __init__(
        self,
        stream: Stream[FundingRate],
        *,
        convert: Callable[[wire.FundingRate, int], FundingRate],
        fetch: Callable[[], Awaitable[FundingRate]],
        venue_ms: Callable[[], int],
    ) -> None:
        self._stream = stream
        self._convert = convert
        self._fetch = fetch
        self._venue_ms = venue_ms
        self._settlement_ms: int | None = None

    def on_message(self, message: FundingPush, received_ms: int) -> None:
        for row in message.data:
            if row.fundingRate:
                self._publish(self._convert(row, received_ms))

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        pass

    def _publish(self, rate: FundingRate) -> None:
        self._stream.source.publish(rate)
        if rate.next_settlement_ms is not None and rate.next_settlement_ms != self._settlement_ms:
            self._settlement_ms = rate.next_settlement_ms
            self._stream.spawn(self._follow(rate.next_settlement_ms), name=f"settlement of {rate.symbol}")

    async def _follow(self, settlement_ms: int) -> None:
        while (left := settlement_ms + _GRACE_MS - self._venue_ms()) > 0:
            await asyncio.sleep(min(left / 1000, _SLICE))
            if self._settlement_ms != settlement_ms or self._stream.source.status is StreamStatus.CLOSED:
                return
        try:
            rate = await self._fetch()
        except ExchangeError as error:
            self._stream.report(error)
            return
        if self._settlement_ms == settlement_ms:
            self._publish(rate)
