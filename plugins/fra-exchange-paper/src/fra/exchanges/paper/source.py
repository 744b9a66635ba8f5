"""What a paper exchange needs of the market that it trades on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeVar

from fra.core import (
    ExchangeCapabilities,
    FundingRate,
    Health,
    Kline,
    KlineInterval,
    OrderBook,
    Subscription,
    SymbolList,
    Ticker,
    Trade,
)

T = TypeVar("T")


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


async def forwarded(subscription: Subscription[T]) -> AsyncIterator[T]:
    """A stream as an adapter offers it, from one as a user holds it; a gap in it is raised, and it is made anew."""
    try:
        async for item in subscription:
            yield item
    finally:
        await subscription.close()
