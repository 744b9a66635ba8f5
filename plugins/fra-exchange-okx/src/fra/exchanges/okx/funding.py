"""The stream of one running funding rate, kept right across settlements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fra.adapters.custom import FundingPublisher, Stream
from fra.core import ExchangeError, FundingRate
from fra.exchanges.okx import wire

FundingPush = wire.Push[wire.FundingRate]


class FundingStream:
    """Handler of one ``funding-rate`` stream, which pushes each 30 to 90 s.

    A contract without a rate says nothing until it has one.
    """

    def __init__(
        self,
        stream: Stream[FundingRate],
        *,
        convert: Callable[[wire.FundingRate, int], FundingRate],
        fetch: Callable[[], Awaitable[FundingRate]],
        venue_ms: Callable[[], int],
    ) -> None:
        self._convert = convert
        self._publisher = FundingPublisher(stream, fetch=fetch, venue_ms=venue_ms)

    def on_message(self, message: FundingPush, received_ms: int) -> None:
        for row in message.data:
            if row.fundingRate:
                self._publisher.publish(self._convert(row, received_ms))

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        pass
