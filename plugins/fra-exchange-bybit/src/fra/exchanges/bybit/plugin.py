"""Bybit spot and perpetual contracts: market data and the life cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from fra.adapters.custom import (
    AuthHandler,
    Channel,
    ClockSample,
    Dialect,
    Endpoint,
    Stream,
    channel_for,
    endpoint_for,
    publishing,
    publishing_each,
)
from fra.adapters.custom.books import BookBuilder
from fra.core import (
    BookView,
    ClientOrderIdRule,
    ExchangeAPIError,
    FundingRate,
    Kline,
    KlineInterval,
    MarketKind,
    NotSupported,
    OrderBook,
    RefusedInstrument,
    StreamSource,
    Symbol,
    SymbolList,
    SymbolNotFound,
    Ticker,
    Trade,
)
from fra.exchanges.bybit import books, convert, wire
from fra.exchanges.bybit.auth import BybitAuth
from fra.exchanges.bybit.dialect import BybitDialect
from fra.exchanges.bybit.errors import ERRORS
from fra.exchanges.bybit.funding import FundingStream, TickerStream
from fra.exchanges.bybit.listing import Listing
from fra.exchanges.bybit.options import BybitOptions, urls_of
from fra.exchanges.bybit.tables import (
    BEST_CHANNEL,
    BOOK,
    BOOK_CHANNEL,
    CANDLE_CHANNEL,
    CANDLES,
    CHANNELS,
    ENDPOINTS,
    FEES,
    FUNDING,
    FUNDING_CHANNEL,
    INSTRUMENTS,
    IP,
    LIMITS,
    SETTLED,
    TICKER_CHANNEL,
    TICKERS,
    TIME,
    TRADE_CHANNEL,
    TRADES,
)
from fra.exchanges.bybit.trading import TradingPlugin

_INSTRUMENTS_PAGE: Final = 1000
_LEVELS: Final[Mapping[str, int]] = {"spot": 200, "linear": 500, "inverse": 500}
_TRADES_PAGE: Final[Mapping[str, int]] = {"spot": 60, "linear": 1000, "inverse": 1000}
_CANDLES_PAGE: Final = 1000
_SETTLED_PAGE: Final = 200
_LONGEST_INTERVAL_MS: Final = 8 * 3_600_000


class BybitPlugin(TradingPlugin):
    """Bybit, markets ``spot``, ``linear`` (USDT and USDC perpetuals) and ``inverse``. ``sandbox`` is its test network.

    Accounts of other regions have hosts of their own: set ``base_url``.
    """

    venue = "bybit"
    display_name = "Bybit"
    urls = urls_of("api.bybit.com", "stream.bybit.com")
    sandbox_urls = urls_of("api-testnet.bybit.com", "stream-testnet.bybit.com")
    endpoints = ENDPOINTS
    channels = CHANNELS
    limits = LIMITS
    errors = ERRORS
    fee_structure = FEES
    client_order_id_rule = ClientOrderIdRule(36, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    Options = BybitOptions

    options: BybitOptions

    # --- what the framework asks

    async def server_time(self) -> ClockSample:
        row = next(row for row in TIME if row.market in self.markets)
        answer = await self.http.timed(row)
        return answer.sample(int(answer.value.result.timeNano) / 1_000_000)

    def make_auth(self) -> AuthHandler:
        return BybitAuth(self.config, self.clock, recv_window=self.options.recv_window)

    def make_dialect(self, channel: Channel[object]) -> Dialect:
        return BybitDialect(channel.market, self.make_auth() if channel.private else None)

    def used(self, endpoint: Endpoint[object], headers: Mapping[str, str]) -> Iterable[tuple[str, int]]:
        """Of the account's budget for this path; nothing is said of the address's."""
        limit, left = headers.get("X-Bapi-Limit", ""), headers.get("X-Bapi-Limit-Status", "")
        if not (endpoint.signed and limit.isdecimal() and left.isdecimal()):
            return ()
        return [(scope, max(0, int(limit) - int(left))) for scope in endpoint.costs({}) if scope != IP]

    # --- market data

    async def get_symbols(self) -> SymbolList:
        """Every instrument that Bybit lists as trading, page by page. Dated futures are among the refused."""
        found: list[Symbol] = []
        refused: list[RefusedInstrument] = []
        intervals: dict[tuple[str, str], int] = {}
        for endpoint in INSTRUMENTS:
            if endpoint.market in self.markets:
                rows = await self._pages(endpoint, {"limit": _INSTRUMENTS_PAGE})
                symbols = convert.symbols(rows, endpoint.market)
                found += symbols
                refused += symbols.refused
                intervals.update(((endpoint.market, row.symbol), row.fundingInterval) for row in rows)
        self._listing = Listing(found, intervals)
        result = SymbolList(found)
        result.refused = tuple(refused)
        return result

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        """Up to 500 levels a side, 200 of spot."""
        endpoint = endpoint_for(BOOK, symbol)
        most = _LEVELS[endpoint.market]
        params = self._about(endpoint, symbol, limit=min(depth or most, most))
        reply = await self.http.request(endpoint, params)
        return convert.order_book(reply.result, symbol, received_ms=self.context.now_ms())

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        endpoint = endpoint_for(TICKERS, symbol)
        reply = await self.http.request(endpoint, self._about(endpoint, symbol))
        row = self._one(reply.result, symbol)
        return convert.ticker(row, symbol, received_ms=self.context.now_ms(), timestamp_ms=reply.time or None)

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> list[Ticker]:
        """One request per market. Raises ExchangeAPIError when Bybit leaves out a symbol that was asked for."""
        wanted = await self._wanted(symbols)
        found: list[Ticker] = []
        for endpoint in TICKERS:
            if wanted.has(endpoint.market):
                reply = await self.http.request(endpoint, {"category": endpoint.market})
                now = self.context.now_ms()
                found += [
                    convert.ticker(row, symbol, received_ms=now, timestamp_ms=reply.time or None)
                    for row in reply.result.rows
                    if (symbol := wanted.find(endpoint.market, row.symbol)) is not None
                ]
        self._all_there(symbols, (ticker.symbol for ticker in found), "ticker")
        return found

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> list[Trade]:
        """At most 1000, 60 of spot."""
        endpoint = endpoint_for(TRADES, symbol)
        most = _TRADES_PAGE[endpoint.market]
        reply = await self.http.request(endpoint, self._about(endpoint, symbol, limit=min(limit or most, most)))
        now = self.context.now_ms()
        return [convert.recent_trade(row, symbol, received_ms=now) for row in reversed(reply.result.rows)]

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Kline]:
        """At most 1000: the first ones from ``since``, else the latest."""
        endpoint = endpoint_for(CANDLES, symbol)
        page = min(limit or _CANDLES_PAGE, _CANDLES_PAGE)
        end = until
        if since is not None:
            # Bybit answers with the newest of a range, so the range is cut to what one page holds.
            last = since + page * self._known(interval).shortest_ms
            end = last if until is None else min(last, until)
        params = self._about(
            endpoint,
            symbol,
            interval=convert.INTERVALS[self._known(interval)],
            start=since,
            end=None if end is None else end - 1,
            limit=page,
        )
        reply = await self.http.request(endpoint, params)
        now = self.clock.now_ms()
        return [convert.kline(row, symbol, interval, venue_ms=now) for row in reversed(reply.result.rows)]

    # --- funding

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """With mark and index price. The interval is what the ticker says, else what the instrument does."""
        endpoint = endpoint_for(FUNDING, symbol)
        reply = await self.http.request(endpoint, self._about(endpoint, symbol))
        row = self._one(reply.result, symbol)
        minutes = 0
        if not row.fundingIntervalHour:
            listed = endpoint_for(INSTRUMENTS, symbol)
            rows = (await self.http.request(listed, self._about(listed, symbol))).result.rows
            minutes = next((found.fundingInterval for found in rows if found.symbol == symbol.venue_id), 0)
        return self._funding(row, symbol, reply.time, self.context.now_ms(), minutes)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """All swaps, a request per market. Those without a rate yet are left out, unless they were asked for."""
        wanted = await self._wanted(symbols)
        found: list[FundingRate] = []
        for endpoint in FUNDING:
            if not wanted.has(endpoint.market):
                continue
            reply = await self.http.request(endpoint, {"category": endpoint.market})
            rows = [
                (row, symbol)
                for row in reply.result.rows
                if (symbol := wanted.find(endpoint.market, row.symbol)) is not None
                and (row.fundingRate or symbols is not None)
            ]
            if not all(row.fundingIntervalHour for row, _ in rows):
                await self.get_symbols()
            now = self.context.now_ms()
            found += [
                self._funding(row, symbol, reply.time, now, self._listing.interval(endpoint.market, row.symbol))
                for row, symbol in rows
            ]
        self._all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """At most 200: the first ones from ``since``, else the latest."""
        page = min(limit or _SETTLED_PAGE, _SETTLED_PAGE)
        if since is None:
            # One more than asked for, so that the oldest has one before it to tell its interval by.
            rows = await self._settled(symbol, None, until, min(page + 1, _SETTLED_PAGE))
            return convert.settled_rates(rows, symbol, received_ms=self.context.now_ms())[-page:]
        start, end = since - _LONGEST_INTERVAL_MS, since + page * _LONGEST_INTERVAL_MS
        end = min(end, self.context.now_ms() if until is None else until)
        rows = []
        while start < end:
            # Bybit answers with the newest of a range: go back until a page is not full, so that none is missing.
            answer = await self._settled(symbol, start, end, _SETTLED_PAGE)
            rows += answer
            if len(answer) < _SETTLED_PAGE:
                break
            end = min(int(row.fundingRateTimestamp) for row in answer)
        rates = convert.settled_rates(rows, symbol, received_ms=self.context.now_ms())
        return [rate for rate in rates if rate.settled_ms is not None and rate.settled_ms >= since][:page]

    async def _settled(
        self, symbol: Symbol, start: int | None, end: int | None, limit: int
    ) -> list[wire.SettledFunding]:
        """Settlements in [start, end), newest first."""
        endpoint = endpoint_for(SETTLED, symbol)
        params = self._about(endpoint, symbol, startTime=start, endTime=None if end is None else end - 1, limit=limit)
        return (await self.http.request(endpoint, params)).result.rows

    def _funding(
        self, row: wire.Ticker, symbol: Symbol, timestamp_ms: int, received_ms: int, minutes: int
    ) -> FundingRate:
        return convert.funding_rate(
            row,
            symbol,
            received_ms=received_ms,
            venue_ms=self.clock.now_ms(),
            timestamp_ms=timestamp_ms or None,
            interval_minutes=minutes,
        )

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        """The best levels, as many as the option ``book_depth`` says."""

        def build(stream: Stream[BookView]) -> BookBuilder[wire.BookPush]:
            return BookBuilder(symbol, stream, books.BYBIT_BOOKS, books.feed, exchange=self.config.name)

        params = {"depth": self.options.book_depth}
        return self.streams.open(channel_for(BOOK_CHANNEL, symbol), symbol, build, params=params)

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        """Every public trade."""

        def each(push: wire.TradePush, received_ms: int) -> list[Trade]:
            return [convert.trade(row, symbol, received_ms=received_ms) for row in push.data]

        return self.streams.open(channel_for(TRADE_CHANNEL, symbol), symbol, publishing_each(each))

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        """Of contracts best prices and the last 24 h, of spot best prices, unless ``ticker_channel`` says otherwise."""
        by_default = "orderbook.1" if symbol.kind is MarketKind.SPOT else "tickers"
        if (self.options.ticker_channel or by_default) == "orderbook.1":
            best = publishing(books.BestPrices(symbol))
            return self.streams.open(channel_for(BEST_CHANNEL, symbol), symbol, best)

        def converted(row: wire.Ticker, push: wire.TickerPush, received_ms: int) -> Ticker:
            return convert.ticker(row, symbol, received_ms=received_ms, timestamp_ms=push.ts)

        def follow(stream: Stream[Ticker]) -> TickerStream:
            return TickerStream(stream, converted)

        return self.streams.open(channel_for(TICKER_CHANNEL, symbol), symbol, follow)

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        def each(push: wire.CandlePush, received_ms: int) -> list[Kline]:
            return [convert.candle(row, symbol, interval) for row in push.data]

        params = {"interval": convert.INTERVALS[self._known(interval)]}
        return self.streams.open(channel_for(CANDLE_CHANNEL, symbol), symbol, publishing_each(each), params=params)

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        """At each change, and else once a second for the mark price."""
        channel = channel_for(FUNDING_CHANNEL, symbol)

        def pushed(row: wire.Ticker, push: wire.TickerPush, received_ms: int) -> FundingRate:
            minutes = self._listing.interval(channel.market, symbol.venue_id)
            return self._funding(row, symbol, push.ts, received_ms, minutes)

        def follow(stream: Stream[FundingRate]) -> FundingStream:
            return FundingStream(
                stream, convert=pushed, fetch=lambda: self.get_funding_rate(symbol), venue_ms=self.clock.now_ms
            )

        return self.streams.open(channel, symbol, follow)

    # --- parts

    def _one(self, page: wire.Page[wire.Ticker], symbol: Symbol) -> wire.Ticker:
        for row in page.rows:
            if row.symbol == symbol.venue_id:
                return row
        raise SymbolNotFound(f"Bybit answers with nothing for {symbol.name}", exchange=self.config.name)

    def _known(self, interval: KlineInterval) -> KlineInterval:
        if interval in convert.INTERVALS:
            return interval
        offered = ", ".join(known.value for known in convert.INTERVALS)
        raise NotSupported(
            f"Bybit has no {interval.value} candles", exchange=self.config.name, cure=f"it has {offered}"
        )

    async def _wanted(self, symbols: Sequence[Symbol] | None) -> Listing:
        return await self._listed() if symbols is None else Listing(symbols)

    def _all_there(self, symbols: Sequence[Symbol] | None, found: Iterable[str], what: str) -> None:
        if symbols is None:
            return
        missing = {symbol.name for symbol in symbols} - set(found)
        if missing:
            names = ", ".join(sorted(missing))
            raise ExchangeAPIError(f"Bybit gives no {what} for {names}", exchange=self.config.name)
