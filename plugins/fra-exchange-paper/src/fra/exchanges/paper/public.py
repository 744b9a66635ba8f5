"""The public half of the interface: everything is asked of the market that is traded on."""

from __future__ import annotations

from collections.abc import Sequence

from fra.core import (
    BookView,
    ExchangeConnectionError,
    ExchangePluginInterface,
    FundingRate,
    Kline,
    KlineInterval,
    OrderBook,
    StreamSource,
    Symbol,
    SymbolList,
    Ticker,
    Trade,
)
from fra.exchanges.paper.source import MarketData, forwarded


class PaperMarket(ExchangePluginInterface):
    """Prices, books, trades, candles and funding rates as the market has them. The account's orders are not in them."""

    _market: MarketData | None = None

    @property
    def market(self) -> MarketData:
        """What is traded on. Raises ExchangeConnectionError before :meth:`connect`."""
        if self._market is None:
            raise ExchangeConnectionError("it is not connected")
        return self._market

    async def get_symbols(self) -> SymbolList:
        """The market's own, of the configured ``markets``."""
        symbols = await self.market.get_symbols()
        wanted = self.config.markets
        if not wanted:
            return symbols
        chosen = SymbolList(symbol for symbol in symbols if symbol.market in wanted)
        chosen.refused = symbols.refused
        return chosen

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        return await self.market.get_orderbook(symbol.name, depth=depth)

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        return await self.market.get_ticker(symbol.name)

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> Sequence[Ticker]:
        return await self.market.get_tickers(_names(symbols))

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        return await self.market.get_trades(symbol.name, limit=limit)

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]:
        return await self.market.get_klines(symbol.name, interval, since=since, until=until, limit=limit)

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        return await self.market.get_funding_rate(symbol.name)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> Sequence[FundingRate]:
        return await self.market.get_funding_rates(_names(symbols))

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]:
        return await self.market.get_funding_rate_history(symbol.name, since=since, until=until, limit=limit)

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        """The market's book; invalid when the market's is."""
        return forwarded(self.market.subscribe_orderbook(symbol.name, depth=depth))

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        return forwarded(self.market.subscribe_trades(symbol.name), lossless=True)

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        return forwarded(self.market.subscribe_ticker(symbol.name))

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        return forwarded(self.market.subscribe_klines(symbol.name, interval), lossless=True)

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        return forwarded(self.market.subscribe_funding_rate(symbol.name))


def _names(symbols: Sequence[Symbol] | None) -> list[str] | None:
    return None if symbols is None else [symbol.name for symbol in symbols]
