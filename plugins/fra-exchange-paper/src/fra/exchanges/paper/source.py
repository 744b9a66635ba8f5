"""What a paper exchange needs of the market that it trades on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from fra.core import (
    ExchangeCapabilities,
    ExchangeConnectionError,
    ExchangeError,
    FundingRate,
    Health,
    Kline,
    KlineInterval,
    OrderBook,
    StreamGap,
    StreamSource,
    StreamStatus,
    Subscription,
    SymbolList,
    Ticker,
    Trade,
)

T = TypeVar("T")

_TROUBLED: Final = (StreamStatus.STALE, StreamStatus.RECOVERING)


class MarketData(Protocol):
    """The public half of an `ExchangeHandle`, which is one; so is the built-in market. Symbols are unified names."""

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> ExchangeCapabilities: ...
    async def health_check(self) -> Health: ...
    async def get_symbols(self, *, refresh: bool = False) -> SymbolList: ...
    async def get_orderbook(self, symbol: str, *, depth: int | None = None) -> OrderBook: ...
    async def get_ticker(self, symbol: str) -> Ticker: ...
    async def get_tickers(self, symbols: Sequence[str] | None = None) -> Sequence[Ticker]: ...
    async def get_trades(self, symbol: str, *, limit: int | None = None) -> Sequence[Trade]: ...
    async def get_klines(
        self,
        symbol: str,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]: ...
    async def get_funding_rate(self, symbol: str) -> FundingRate: ...
    async def get_funding_rates(self, symbols: Sequence[str] | None = None) -> Sequence[FundingRate]: ...
    async def get_funding_rate_history(
        self, symbol: str, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]: ...
    def subscribe_orderbook(self, symbol: str, *, depth: int | None = None) -> Subscription[OrderBook]: ...
    def subscribe_trades(self, symbol: str) -> Subscription[Trade]: ...
    def subscribe_ticker(self, symbol: str) -> Subscription[Ticker]: ...
    def subscribe_klines(self, symbol: str, interval: KlineInterval) -> Subscription[Kline]: ...
    def subscribe_funding_rate(self, symbol: str) -> Subscription[FundingRate]: ...


class Forwarded(Generic[T]):
    """A stream as an adapter offers it, made of one as a user holds it: its items, its gaps and its status."""

    def __init__(self, subscription: Subscription[Any], *, lossless: bool) -> None:
        self.source: StreamSource[T] = StreamSource(close=self._close)
        self._subscription = subscription
        self._reading: asyncio.Task[None] | None = None
        subscription.add_status_listener(lambda status: self._mirror())
        if lossless:  # only who iterates is told where the gaps are
            self._reading = asyncio.create_task(self._iterate(), name="fra paper forwards")
        else:
            subscription.add_listener(self._hand_on)

    def _hand_on(self, item: T) -> None:
        self._mirror()
        if self._subscription.status is StreamStatus.LIVE:
            self.source.publish(item)
        else:  # a book that has lost its place, or what waited to be read
            self.source.deliver(item)

    async def _iterate(self) -> None:
        while True:
            try:
                async for item in self._subscription:
                    self._hand_on(item)
                return
            except StreamGap as gap:
                self._mirror()
                self.source.gap(gap)
            except ExchangeError as error:
                self.source.fail(error)
                return

    def _mirror(self) -> None:
        status, error, told = self._subscription.status, self._subscription.error, self.source.status
        if status in (StreamStatus.FAILED, StreamStatus.CLOSED):
            self.source.fail(error or ExchangeConnectionError("the market's stream has ended"))
        elif status in _TROUBLED and told not in (status, StreamStatus.STARTING):
            self.source.set_status(status, error)
        elif status is StreamStatus.LIVE and told in _TROUBLED:
            self.source.set_status(status)

    async def _close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._subscription.close()


def forwarded(subscription: Subscription[Any], *, lossless: bool = False) -> StreamSource[Any]:
    """What an adapter's ``subscribe_*`` answers where another exchange has the stream."""
    return Forwarded[Any](subscription, lossless=lossless).source
