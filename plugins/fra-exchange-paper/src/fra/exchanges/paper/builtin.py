"""The built-in market, for people with no network: what the generator makes, as an exchange tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from fra.core import (
    BookView,
    ConnectionStatus,
    ExchangeCapabilities,
    FundingRate,
    Health,
    Kline,
    KlineInterval,
    MarketKind,
    Operation,
    OrderBook,
    PriceLevel,
    Subscription,
    SymbolList,
    SymbolNotFound,
    Ticker,
    Trade,
)
from fra.exchanges.paper.generator import LISTINGS, STEP_MS, Generator, Listing, length_ms, moments, opening_ms
from fra.exchanges.paper.ticking import Ticking

T = TypeVar("T")

PUBLIC: Final = (
    Operation.GET_SYMBOLS,
    Operation.GET_ORDERBOOK,
    Operation.GET_TICKER,
    Operation.GET_TICKERS,
    Operation.GET_TRADES,
    Operation.GET_KLINES,
    Operation.SUBSCRIBE_ORDERBOOK,
    Operation.SUBSCRIBE_TRADES,
    Operation.SUBSCRIBE_TICKER,
    Operation.SUBSCRIBE_KLINES,
)
FUNDING: Final = (
    Operation.GET_FUNDING_RATE,
    Operation.GET_FUNDING_RATES,
    Operation.GET_FUNDING_RATE_HISTORY,
    Operation.SUBSCRIBE_FUNDING_RATE,
)


_LOSSLESS: Final = 10_000
_PAGE: Final = 500


@attrs.frozen
class _Levels:
    """A whole book as the levels of a view."""

    book: OrderBook

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.bids[:depth]

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.asks[:depth]


class BuiltinMarket:
    """Spot and linear swaps that move by themselves, four times a second; see :class:`Generator`."""

    name = "the built-in market"
    capabilities = ExchangeCapabilities.of(PUBLIC, (MarketKind.SPOT, MarketKind.LINEAR_SWAP)) | ExchangeCapabilities.of(
        FUNDING, (MarketKind.LINEAR_SWAP,)
    )

    def __init__(self, listings: Iterable[Listing] = LISTINGS, *, seed: int, now_ms: Callable[[], int]) -> None:
        self._listings: Mapping[str, Listing] = {listing.symbol.name: listing for listing in listings}
        self._now_ms = now_ms
        self._made = Generator(self._listings.values(), seed=seed, now_ms=now_ms)

    def _listing(self, symbol: str) -> Listing:
        try:
            return self._listings[symbol]
        except KeyError:
            raise SymbolNotFound(f"there is no symbol {symbol!r}") from None

    def _running(self, listing: Listing) -> FundingRate:
        now = self._now_ms()
        return self._made.funding(listing, (now // listing.interval_ms + 1) * listing.interval_ms, now_ms=now)

    # --- asked for

    async def health_check(self) -> Health:
        return Health(exchange=self.name, status=ConnectionStatus.CONNECTED, checked_ms=self._now_ms(), latency=0.0)

    async def get_symbols(self, *, refresh: bool = False) -> SymbolList:
        return SymbolList(listing.symbol for listing in self._listings.values())

    async def get_orderbook(self, symbol: str, *, depth: int | None = None) -> OrderBook:
        return self._made.book(self._listing(symbol), self._now_ms())

    async def get_ticker(self, symbol: str) -> Ticker:
        return self._made.ticker(self._listing(symbol), self._now_ms())

    async def get_tickers(self, symbols: Sequence[str] | None = None) -> Sequence[Ticker]:
        return [await self.get_ticker(symbol) for symbol in (self._listings if symbols is None else symbols)]

    async def get_trades(self, symbol: str, *, limit: int | None = None) -> Sequence[Trade]:
        listing, last = self._listing(symbol), self._now_ms() // STEP_MS
        return [self._made.trade(listing, step) for step in range(last + 1 - min(limit or 100, _PAGE), last + 1)]

    async def get_klines(
        self,
        symbol: str,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]:
        now, listing, last = self._now_ms(), self._listing(symbol), opening_ms(interval, self._now_ms())
        opened = moments(last, length_ms(interval), since=since, until=until, limit=limit)
        return [self._made.kline(listing, interval, open_ms, now) for open_ms in opened]

    async def get_funding_rate(self, symbol: str) -> FundingRate:
        return self._running(self._listing(symbol))

    async def get_funding_rates(self, symbols: Sequence[str] | None = None) -> Sequence[FundingRate]:
        swaps = [name for name, listing in self._listings.items() if listing.interval_ms]
        return [await self.get_funding_rate(symbol) for symbol in (swaps if symbols is None else symbols)]

    async def get_funding_rate_history(
        self, symbol: str, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]:
        now, listing = self._now_ms(), self._listing(symbol)
        last = now // listing.interval_ms * listing.interval_ms
        settled = moments(last, listing.interval_ms, since=since, until=until, limit=limit)
        return [self._made.funding(listing, settled_ms, now_ms=now, settled=True) for settled_ms in settled]

    # --- as it goes on

    def subscribe_orderbook(self, symbol: str, *, depth: int | None = None) -> Subscription[OrderBook]:
        listing = self._listing(symbol)

        def book() -> Iterator[OrderBook]:
            made = self._made.book(listing, self._now_ms())
            yield attrs.evolve(made, bids=made.bids[:depth], asks=made.asks[:depth])

        return Ticking(book, step_ms=STEP_MS, now_ms=self._now_ms, shown=_view)

    def subscribe_trades(self, symbol: str) -> Subscription[Trade]:
        listing, told = self._listing(symbol), self._now_ms() // STEP_MS - 1

        def trades() -> Iterator[Trade]:
            nonlocal told
            before, told = told, self._now_ms() // STEP_MS
            return (self._made.trade(listing, step) for step in range(before + 1, told + 1))

        return self._ticking(trades, keep=_LOSSLESS)

    def subscribe_ticker(self, symbol: str) -> Subscription[Ticker]:
        listing = self._listing(symbol)
        return self._ticking(lambda: (self._made.ticker(listing, self._now_ms()),))

    def subscribe_klines(self, symbol: str, interval: KlineInterval) -> Subscription[Kline]:
        listing, running = self._listing(symbol), opening_ms(interval, self._now_ms())

        def candles() -> Iterator[Kline]:
            nonlocal running
            now = self._now_ms()
            before, running = running, opening_ms(interval, now)
            for open_ms in dict.fromkeys((before, running)):
                yield self._made.kline(listing, interval, open_ms, now)

        return self._ticking(candles, keep=_LOSSLESS)

    def subscribe_funding_rate(self, symbol: str) -> Subscription[FundingRate]:
        listing = self._listing(symbol)
        return self._ticking(lambda: (self._running(listing),))

    def _ticking(self, make: Callable[[], Iterable[T]], *, keep: int = 1) -> Subscription[T]:
        return Ticking(make, step_ms=STEP_MS, now_ms=self._now_ms, keep=keep)


def _view(book: OrderBook) -> BookView:
    return BookView(book.symbol, _Levels(book), book.received_ms, book.timestamp_ms, book.sequence)
