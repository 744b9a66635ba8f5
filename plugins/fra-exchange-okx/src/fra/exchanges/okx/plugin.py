"""OKX spot and perpetual swaps: the methods that read the venue's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from fra.adapters.custom import (
    Channel,
    ClockSample,
    Dialect,
    Stream,
    channel_for,
    endpoint_for,
    missing_credentials,
    publishing_each,
)
from fra.adapters.custom.books import BookBuilder, BookSnapshot
from fra.adapters.custom.sync import OKX_BOOKS
from fra.core import (
    BookView,
    ClientOrderIdRule,
    ExchangeAPIError,
    FundingRate,
    Kline,
    KlineInterval,
    NotSupported,
    OrderBook,
    StreamSource,
    Symbol,
    SymbolList,
    SymbolNotFound,
    Ticker,
    Trade,
    UserEvent,
)
from fra.exchanges.okx import books, convert, wire
from fra.exchanges.okx.auth import OKXAuth
from fra.exchanges.okx.dialect import OKXDialect
from fra.exchanges.okx.errors import ERRORS
from fra.exchanges.okx.funding import FundingStream
from fra.exchanges.okx.options import OKXOptions
from fra.exchanges.okx.tables import (
    BEST_CHANNEL,
    BOOK,
    BOOK_CHANNEL,
    CANDLE_CHANNEL,
    CANDLES,
    CHANNELS,
    ENDPOINTS,
    FEES,
    FULL_BOOK,
    FUNDING,
    FUNDING_CHANNEL,
    INST_TYPES,
    INSTRUMENTS,
    KINDS,
    LIMITS,
    MARK,
    OLD_CANDLES,
    SETTLED,
    TICKER,
    TICKER_CHANNEL,
    TICKERS,
    TIME,
    TRADE_CHANNEL,
    TRADES,
)
from fra.exchanges.okx.trading import OKXTrading

T = TypeVar("T")

_LIVE_LEVELS: Final = 400
_ALL_LEVELS: Final = 5000
_TRADES_PAGE: Final = 500
_CANDLES_PAGE: Final = 300
_OLD_CANDLES_PAGE: Final = 100
_RECENT_CANDLES: Final = 1440
_SETTLED_PAGE: Final = 100
_LONGEST_INTERVAL_MS: Final = 8 * 3_600_000
_SETTLED_KEPT_MS: Final = 95 * 86_400_000
"""OKX keeps three months of settlements."""


def _urls(ws: str) -> Mapping[str, Mapping[str, str]]:
    urls = {
        "rest": "https://www.okx.com",
        "ws": f"wss://{ws}:8443/ws/v5/public",
        "ws_business": f"wss://{ws}:8443/ws/v5/business",
        "ws_private": f"wss://{ws}:8443/ws/v5/private",
    }
    return dict.fromkeys(KINDS, urls)


class OKXPlugin(OKXTrading):
    """OKX, markets ``spot`` and ``swap``. ``sandbox`` is its demo trading.

    Accounts of other regions have hosts of their own: set ``base_url``.
    """

    venue = "okx"
    display_name = "OKX"
    urls = _urls("ws.okx.com")
    sandbox_urls = _urls("wspap.okx.com")
    endpoints = ENDPOINTS
    channels = CHANNELS
    limits = LIMITS
    errors = ERRORS
    fee_structure = FEES
    client_order_id_rule = ClientOrderIdRule(32)
    Options = OKXOptions

    # --- what the framework asks

    async def server_time(self) -> ClockSample:
        row = next(row for row in TIME if row.market in self.markets)
        answer = await self.http.timed(row)
        return answer.sample(int(self._one(answer.value, "the server's time").ts))

    def make_dialect(self, channel: Channel[object]) -> Dialect:
        return OKXDialect(self.make_auth().login if channel.private else None)

    def make_auth(self) -> OKXAuth:
        return OKXAuth(self.config, self.clock)

    def headers(self) -> Mapping[str, str]:
        return {"x-simulated-trading": "1"} if self.config.sandbox else {}

    # --- market data

    async def get_symbols(self) -> SymbolList:
        """Live, suspended and announced instruments; those that cannot be traded now have ``active`` False."""
        rows = [
            row
            for endpoint in INSTRUMENTS
            if endpoint.market in self.markets
            for row in (await self.http.request(endpoint, {"instType": INST_TYPES[endpoint.market]})).data
        ]
        symbols = convert.symbols(rows)
        self._listed = {symbol.venue_id: symbol for symbol in symbols}
        return symbols

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        """Up to 400 levels a side; more than 400 come, when asked for, from a book that OKX refreshes once a second."""
        rows, most = (BOOK, _LIVE_LEVELS) if depth is None or depth <= _LIVE_LEVELS else (FULL_BOOK, _ALL_LEVELS)
        params = {"instId": symbol.venue_id, "sz": min(depth or most, most)}
        reply = await self.http.request(endpoint_for(rows, symbol), params)
        return convert.order_book(self._one(reply, symbol.name), symbol, received_ms=self.context.now_ms())

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        reply = await self.http.request(endpoint_for(TICKER, symbol), {"instId": symbol.venue_id})
        return convert.ticker(self._one(reply, symbol.name), symbol, received_ms=self.context.now_ms())

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> list[Ticker]:
        """One request per market. Raises ExchangeAPIError when OKX leaves out a symbol that was asked for."""
        wanted = await self._wanted(symbols)
        found: list[Ticker] = []
        for endpoint in TICKERS:
            if any(symbol.kind in endpoint.kinds for symbol in wanted.values()):
                reply = await self.http.request(endpoint, {"instType": INST_TYPES[endpoint.market]})
                now = self.context.now_ms()
                found += [
                    convert.ticker(row, symbol, received_ms=now)
                    for row in reply.data
                    if (symbol := wanted.get(row.instId)) is not None
                ]
        self._all_there(symbols, (ticker.symbol for ticker in found), "ticker")
        return found

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> list[Trade]:
        """At most 500."""
        params = {"instId": symbol.venue_id, "limit": min(limit or _TRADES_PAGE, _TRADES_PAGE)}
        reply = await self.http.request(endpoint_for(TRADES, symbol), params)
        now = self.context.now_ms()
        rows = sorted(reply.data, key=lambda row: int(row.tradeId))
        return [convert.trade(row, symbol, received_ms=now) for row in rows]

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Kline]:
        """At most 300 (100 if older than 1,440 intervals): the first ones from ``since``, else the latest."""
        bar, step = self._bar(interval), interval.shortest_ms
        recent = self.context.now_ms() - _RECENT_CANDLES * step
        page = min(limit or _CANDLES_PAGE, _CANDLES_PAGE)
        first = since
        if first is None:
            first = recent if until is None else until - page * step
        rows = CANDLES
        if first < recent:
            rows, page = OLD_CANDLES, min(page, _OLD_CANDLES_PAGE)
        params: dict[str, object] = {"instId": symbol.venue_id, "bar": bar, "limit": page, "after": until}
        if since is not None:
            # OKX answers with the newest of a range, so the range is cut to what one page holds.
            end = since + page * step
            params |= {"before": since - 1, "after": end if until is None else min(end, until)}
        reply = await self.http.request(endpoint_for(rows, symbol), params)
        return [convert.kline(row, symbol, interval) for row in reversed(reply.data)]

    # --- funding

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """With the mark price, which is a second request."""
        reply = await self.http.request(endpoint_for(FUNDING, symbol), {"instId": symbol.venue_id})
        mark = await self._mark_prices({"instId": symbol.venue_id})
        return convert.funding_rate(
            self._one(reply, symbol.name),
            symbol,
            received_ms=self.context.now_ms(),
            venue_ms=self.clock.now_ms(),
            mark_price=mark.get(symbol.venue_id),
        )

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """All swaps in two requests. Those for which OKX has no rate yet are left out, unless they were asked for."""
        wanted = await self._wanted(symbols)
        reply = await self.http.request(FUNDING[0], {"instId": "ANY"})
        marks = await self._mark_prices({})
        now, venue = self.context.now_ms(), self.clock.now_ms()
        found = [
            convert.funding_rate(row, symbol, received_ms=now, venue_ms=venue, mark_price=marks.get(row.instId))
            for row in reply.data
            if (symbol := wanted.get(row.instId)) is not None and (row.fundingRate or symbols is not None)
        ]
        self._all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """At most 100, of the last three months: the first ones from ``since``, else the latest."""
        page = min(limit or _SETTLED_PAGE, _SETTLED_PAGE)
        if since is None:
            # One more than asked for, so that the oldest has one before it to tell its interval by.
            rows = await self._settled(symbol, after=until, before=None, limit=min(page + 1, _SETTLED_PAGE))
            return convert.settled_rates(rows, symbol, received_ms=self.context.now_ms())[-page:]
        since = max(since, self.context.now_ms() - _SETTLED_KEPT_MS)
        end = since + page * _LONGEST_INTERVAL_MS
        before, after = since - _LONGEST_INTERVAL_MS - 1, end if until is None else min(end, until)
        rows = []
        while True:
            # OKX answers with the newest of a range: go back until a page is not full, so that none is missing.
            answer = await self._settled(symbol, after=after, before=before, limit=_SETTLED_PAGE)
            rows += answer
            if len(answer) < _SETTLED_PAGE:
                break
            after = min(int(row.fundingTime) for row in answer)
        rates = convert.settled_rates(rows, symbol, received_ms=self.context.now_ms())
        return [rate for rate in rates if rate.settled_ms is not None and rate.settled_ms >= since][:page]

    async def _settled(
        self, symbol: Symbol, *, after: int | None, before: int | None, limit: int
    ) -> list[wire.SettledFunding]:
        params = {"instId": symbol.venue_id, "before": before, "after": after, "limit": limit}
        return (await self.http.request(endpoint_for(SETTLED, symbol), params)).data

    async def _mark_prices(self, params: Mapping[str, str]) -> dict[str, Decimal]:
        reply = await self.http.request(MARK[0], {"instType": "SWAP", **params})
        return {row.instId: Decimal(row.markPx) for row in reply.data if row.markPx}

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        """The 400 best levels, at most each 100 ms."""

        def build(stream: Stream[BookView]) -> BookBuilder[books.BookPush]:
            async def fetch() -> BookSnapshot:
                params = {"instId": symbol.venue_id, "sz": _LIVE_LEVELS}
                reply = await self.http.request(endpoint_for(BOOK, symbol), params)
                return books.snapshot(self._one(reply, symbol.name), symbol, received_ms=self.context.now_ms())

            return BookBuilder(
                symbol,
                stream,
                OKX_BOOKS,
                books.BookFeed(),
                exchange=self.config.name,
                fetch=fetch,
                checksum=books.checksum,
            )

        return self.streams.open(channel_for(BOOK_CHANNEL, symbol), symbol, build)

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        """Fills of one taker order at one price come as one trade, under the id of the last."""

        def each(push: wire.Push[wire.Trade], received_ms: int) -> list[Trade]:
            return [convert.trade(row, symbol, received_ms=received_ms) for row in push.data]

        return self.streams.open(channel_for(TRADE_CHANNEL, symbol), symbol, publishing_each(each))

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        """At most each 100 ms, or as the option ``ticker_channel`` says."""

        def best(push: wire.Push[wire.Book], received_ms: int) -> list[Ticker]:
            return [convert.best_prices(row, symbol, received_ms=received_ms) for row in push.data]

        def day(push: wire.Push[wire.Ticker], received_ms: int) -> list[Ticker]:
            return [convert.ticker(row, symbol, received_ms=received_ms) for row in push.data]

        if self.options.ticker_channel == "bbo-tbt":
            return self.streams.open(channel_for(BEST_CHANNEL, symbol), symbol, publishing_each(best))
        return self.streams.open(channel_for(TICKER_CHANNEL, symbol), symbol, publishing_each(day))

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        def each(push: wire.Push[wire.Candle], received_ms: int) -> list[Kline]:
            return [convert.kline(row, symbol, interval) for row in push.data]

        params = {"bar": self._bar(interval)}
        return self.streams.open(channel_for(CANDLE_CHANNEL, symbol), symbol, publishing_each(each), params=params)

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        """Each 30 to 90 s without the mark price, and at each settlement with it."""

        def pushed(row: wire.FundingRate, received_ms: int) -> FundingRate:
            return convert.funding_rate(row, symbol, received_ms=received_ms, venue_ms=self.clock.now_ms())

        def follow(stream: Stream[FundingRate]) -> FundingStream:
            return FundingStream(
                stream, convert=pushed, fetch=lambda: self.get_funding_rate(symbol), venue_ms=self.clock.now_ms
            )

        return self.streams.open(channel_for(FUNDING_CHANNEL, symbol), symbol, follow)

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        """Orders, fills, balances and positions of the configured markets."""
        from fra.exchanges.okx.user import UserData  # who reads public data does not pay for it

        if not self.config.has_credentials:
            raise missing_credentials(self.config.name)
        return UserData(self).open()

    # --- parts

    def _one(self, reply: wire.Reply[T], what: str) -> T:
        if not reply.data:
            raise SymbolNotFound(f"OKX answers with nothing for {what}", exchange=self.config.name)
        return reply.data[0]

    def _bar(self, interval: KlineInterval) -> str:
        try:
            return convert.BARS[interval]
        except KeyError:
            offered = ", ".join(known.value for known in convert.BARS)
            raise NotSupported(
                f"OKX has no {interval.value} candles", exchange=self.config.name, cure=f"it has {offered}"
            ) from None

    async def _wanted(self, symbols: Sequence[Symbol] | None) -> Mapping[str, Symbol]:
        if symbols is not None:
            return {symbol.venue_id: symbol for symbol in symbols}
        await self.load_symbols()
        return self._listed

    def _all_there(self, symbols: Sequence[Symbol] | None, found: Iterable[str], what: str) -> None:
        if symbols is None:
            return
        missing = {symbol.name for symbol in symbols} - set(found)
        if missing:
            names = ", ".join(sorted(missing))
            raise ExchangeAPIError(f"OKX gives no {what} for {names}", exchange=self.config.name)
