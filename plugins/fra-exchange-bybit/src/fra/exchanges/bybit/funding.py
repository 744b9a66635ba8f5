"""Streams out of the ``tickers`` channel: a ticker as it stands, and the running funding rate in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from fra.adapters.custom import Stream
from fra.core import ExchangeError, FundingRate, StreamStatus, Ticker, check_sound
from fra.exchanges.bybit import wire

_FIELDS: Final = wire.Ticker.__struct_fields__
_RATE_FIELDS: Final = ("fundingRate", "nextFundingTime", "fundingIntervalHour", "fundingCap")
_MARK_MS: Final = 1000
_GRACE_MS: Final = 1500
_SLICE: Final = 30.0  # seconds; a closed stream's timer ends within it


class Merged:
    """A contract's ticker as it stands: the snapshot, and the deltas since. A field that is absent did not change."""

    def __init__(self) -> None:
        self.state: wire.Ticker | None = None

    def take(self, push: wire.TickerPush) -> wire.Ticker | None:
        """The ticker after this message, None as long as no snapshot has come."""
        state = self.state
        if push.type == "snapshot":
            self.state = state = push.data
        elif state is not None:
            data = push.data
            for field in _FIELDS:
                if (value := getattr(data, field)) is not None:
                    setattr(state, field, value)
        return state


class TickerStream:
    """Handler of the ``tickers`` channel of a contract or of spot."""

    def __init__(self, stream: Stream[Ticker], convert: Callable[[wire.Ticker, wire.TickerPush, int], Ticker]) -> None:
        self._stream = stream
        self._convert = convert
        self._merged = Merged()

    def on_message(self, message: wire.TickerPush, received_ms: int) -> None:
        state = self._merged.take(message)
        if state is not None:
            ticker = self._convert(state, message, received_ms)
            check_sound(ticker)
            self._stream.source.publish(ticker)

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        self._merged.state = None


class FundingStream:
    """Handler of the ``tickers`` channel for the funding rate in it.

    Publishes at each change of the rate, its time or its bounds, and else the mark price once a second. Where no push
    tells the next settlement right after one has passed, the rate is asked for. A contract without a rate says
    nothing until it has one.
    """

    def __init__(
        self,
        stream: Stream[FundingRate],
        *,
        convert: Callable[[wire.Ticker, wire.TickerPush, int], FundingRate],
        fetch: Callable[[], Awaitable[FundingRate]],
        venue_ms: Callable[[], int],
    ) -> None:
        self._stream = stream
        self._convert = convert
        self._fetch = fetch
        self._venue_ms = venue_ms
        self._merged = Merged()
        self._published_ms = 0
        self._settlement_ms: int | None = None

    def on_message(self, message: wire.TickerPush, received_ms: int) -> None:
        state = self._merged.take(message)
        if state is None or not state.fundingRate:
            return
        changed = any(getattr(message.data, field) is not None for field in _RATE_FIELDS)
        if changed or received_ms - self._published_ms >= _MARK_MS:
            self._published_ms = received_ms
            self._publish(self._convert(state, message, received_ms))
        else:
            self._stream.source.touch()

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        self._merged.state = None

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
