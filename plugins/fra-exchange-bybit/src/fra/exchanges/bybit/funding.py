"""Streams out of the ``tickers`` channel: a ticker as it stands, and the running funding rate in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fra.adapters.custom import FundingPublisher, Stream
from fra.core import ExchangeError, FundingRate, Ticker, check_sound
from fra.exchanges.bybit import wire

_FIELDS: Final = wire.Ticker.__struct_fields__
_RATE_FIELDS: Final = ("fundingRate", "nextFundingTime", "fundingIntervalHour", "fundingCap")
_MARK_MS: Final = 1000
_GRACE: Final = 1.5


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

    Publishes at each change of the rate, its time or its bounds, and else the mark price once a second. A contract
    without a rate says nothing until it has one.
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
        self._publisher = FundingPublisher(stream, fetch=fetch, venue_ms=venue_ms, grace=_GRACE)
        self._merged = Merged()
        self._published_ms = 0

    def on_message(self, message: wire.TickerPush, received_ms: int) -> None:
        state = self._merged.take(message)
        if state is None or not state.fundingRate:
            return
        changed = any(getattr(message.data, field) is not None for field in _RATE_FIELDS)
        if changed or received_ms - self._published_ms >= _MARK_MS:
            self._published_ms = received_ms
            self._publisher.publish(self._convert(state, message, received_ms))
        else:
            self._stream.source.touch()

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        self._merged.state = None
