"""HTX spot and USDT-margined perpetual swaps: market data, and the life of the adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final
from urllib.parse import urlsplit

from fra.adapters.custom import (
    Channel,
    ClockSample,
    Dialect,
    Stream,
    Urls,
    channel_for,
    endpoint_for,
    missing_credentials,
    publishing,
)
from fra.adapters.custom.books import BookBuilder
from fra.adapters.custom.sync import HTX_DEPTH, HTX_MBP
from fra.core import (
    BookView,
    ClientOrderIdRule,
    ExchangeAPIError,
    ExchangeError,
    FundingRate,
    Kline,
    KlineInterval,
    MarketKind,
    NotSupported,
    OrderBook,
    Recent,
    StreamSource,
    Symbol,
    SymbolList,
    Ticker,
    Trade,
    UserEvent,
    check_sound,
)
from fra.exchanges.htx import account_tables, books, convert, tables, wire
from fra.exchanges.htx.auth import HTXAuth
from fra.exchanges.htx.dialect import (
    SINGLE_PATH,
    UNION_PATH,
    MarketDialect,
    NotificationDialect,
    SpotAccountDialect,
    UnionDialect,
)
from fra.exchanges.htx.errors import ERRORS
from fra.exchanges.htx.funding import SETTLED_PAGE, FundingStream, settled_around
from fra.exchanges.htx.options import HTXOptions
from fra.exchanges.htx.tables import LINEAR, SPOT
from fra.exchanges.htx.trading import HTXTrading
from fra.exchanges.htx.user import UserData

_TRADES_PAGE: Final = 2000
_CANDLES_PAGE: Final = 2000


class HTXPlugin(HTXTrading):
    """HTX, markets ``spot`` and ``linear`` (USDT-margined perpetual swaps)."""

    venue = "htx"
    display_name = "HTX"
    urls: ClassVar[Urls] = {
        SPOT: {
            "rest": "https://api.huobi.pro",
            "ws": "wss://api.huobi.pro/ws",
            "ws_feed": "wss://api.huobi.pro/feed",
            "ws_private": "wss://api.huobi.pro/ws/v2",
        },
        LINEAR: {
            "rest": "https://api.hbdm.com",
            "ws": "wss://api.hbdm.com/linear-swap-ws",
            "ws_private": "wss://api.hbdm.com/linear-swap-notification",
        },
    }
    endpoints = (*tables.ENDPOINTS, *account_tables.ENDPOINTS)
    channels = (*tables.CHANNELS, *account_tables.CHANNELS)
    limits = (*tables.LIMITS, *account_tables.LIMITS)
    errors = ERRORS
    fee_structure = tables.FEES
    client_order_id_rule = ClientOrderIdRule(18, "0123456789", "1")
    Options = HTXOptions

    # --- what the framework asks

    async def initialize(self) -> None:
        await super().initialize()
        self._elements: dict[str, wire.Elements] = {}

    async def server_time(self) -> ClockSample:
        row, field = (tables.SPOT_TIME, "data") if SPOT in self.markets else (tables.LINEAR_TIME, "ts")
        answer = await self.http.timed(row)
        return answer.sample(getattr(answer.value, field))

    def make_dialect(self, channel: Channel[object]) -> Dialect:
        if channel.url != "ws_private":
            return MarketDialect()
        where = urlsplit(self._base_urls().get(channel.market, channel.url))
        if channel.market == SPOT:
            return SpotAccountDialect(lambda: self.make_auth().spot_login(where.netloc, where.path))
        if channel in account_tables.UNION_CHANNELS:
            path = where.path.removesuffix(SINGLE_PATH) + UNION_PATH
            return UnionDialect(lambda: self.make_auth().swap_login(where.netloc, path))
        if channel.private:
            return NotificationDialect(lambda: self.make_auth().swap_login(where.netloc, where.path))
        return NotificationDialect()

    def make_auth(self) -> HTXAuth:
        auth = HTXAuth(self.config, self.clock)
        auth.signed_hosts = self.options.signed_hosts
        return auth

    # --- market data

    async def get_symbols(self) -> SymbolList:
        """Instruments in every state; those that cannot be traded now have ``active`` False."""
        rows: list[wire.Instrument | wire.Contract] = []
        if SPOT in self.markets:
            rows += (await self.http.request(tables.PAIRS)).data
        if LINEAR in self.markets:
            rows += (await self.http.request(tables.CONTRACTS)).data
        symbols = convert.symbols(rows)
        self._listed = {symbol.venue_id: symbol for symbol in symbols}
        return symbols

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        """Up to 150 levels a side."""
        reply = await self.http.request(endpoint_for(tables.BOOK, symbol), {**_named(symbol), "type": "step0"})
        return convert.order_book(
            reply.tick, symbol, received_ms=self.context.now_ms(), depth=depth, timestamp_ms=reply.ts
        )

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        reply = await self.http.request(endpoint_for(tables.TICKER, symbol), _named(symbol))
        return convert.ticker(reply.tick, symbol, received_ms=self.context.now_ms(), timestamp_ms=reply.ts)

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> list[Ticker]:
        """One request per market. Raises ExchangeAPIError when HTX leaves out a symbol that was asked for."""
        wanted = await self._wanted(symbols)
        kinds = {symbol.kind for symbol in wanted.values()}
        found: list[Ticker] = []
        if MarketKind.SPOT in kinds:
            pairs = await self.http.request(tables.SPOT_TICKERS)
            now = self.context.now_ms()
            found += [
                convert.spot_ticker(row, symbol, received_ms=now, timestamp_ms=pairs.ts)
                for row in pairs.data
                if (symbol := wanted.get(row.symbol)) is not None
            ]
        if MarketKind.LINEAR_SWAP in kinds:
            swaps = await self.http.request(tables.LINEAR_TICKERS)
            now = self.context.now_ms()
            found += [
                convert.ticker(row, symbol, received_ms=now, timestamp_ms=swaps.ts)
                for row in swaps.ticks
                if (symbol := wanted.get(row.contract_code)) is not None
            ]
        self._all_there(symbols, (ticker.symbol for ticker in found), "ticker")
        return found

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> list[Trade]:
        """At most 2,000. Trades of which HTX does not tell the taker's side are left out."""
        page = min(limit or _TRADES_PAGE, _TRADES_PAGE)
        reply = await self.http.request(endpoint_for(tables.TRADES, symbol), {**_named(symbol), "size": page})
        now = self.context.now_ms()
        rows = sorted((row for moment in reply.data for row in moment.data), key=lambda row: (row.ts, row.number))
        return [convert.trade(row, symbol, received_ms=now) for row in rows if row.direction][-page:]

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Kline]:
        """At most 2,000: the first ones from ``since``, else the latest. Days open at 16:00 UTC, as HTX counts them."""
        period, step = self._period(interval), interval.shortest_ms
        page = min(limit or _CANDLES_PAGE, _CANDLES_PAGE)
        now = self.clock.now_ms()
        params: dict[str, object] = {**_named(symbol), "period": period}
        row = endpoint_for(tables.CANDLES, symbol)
        end = now if until is None else min(until, now)
        begin = since if since is not None else end - (page + 1) * step
        if since is None and until is None:
            params["size"] = page
        elif symbol.kind is MarketKind.SPOT and begin > now - (_CANDLES_PAGE - 1) * step:
            # The documented call gives the latest, so many that the asked range is among them.
            params["size"] = min(_CANDLES_PAGE, (now - begin) // step + 2)
        else:
            if symbol.kind is MarketKind.SPOT:
                row = tables.OLD_CANDLES
            stop = end if since is None else min(end, since + (page + 1) * step)
            params |= {"from": begin // 1000, "to": stop // 1000}
        reply = await self.http.request(row, params)
        rows = sorted(reply.data, key=lambda candle: candle.id)
        opened = [
            candle
            for candle in rows
            if (since is None or candle.id * 1000 >= since) and (until is None or candle.id * 1000 < until)
        ]
        chosen = opened[:page] if since is not None else opened[-page:]
        return [convert.kline(candle, symbol, interval) for candle in chosen]

    # --- funding

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """With the contract's interval and the mark price, which are requests of their own."""
        code = {"contract_code": symbol.venue_id}
        reply = await self.http.request(tables.FUNDING, code)
        elements = await self.http.request(tables.ELEMENTS, code)
        marks = await self.http.request(tables.MARK, {**code, "period": "1min", "size": 1})
        self._keep(elements.data)
        return convert.funding_rate(
            reply.data,
            symbol,
            received_ms=self.context.now_ms(),
            venue_ms=self.clock.now_ms(),
            timestamp_ms=reply.ts,
            elements=self._elements.get(symbol.venue_id),
            mark_price=convert.positive(max(marks.data, key=lambda mark: mark.id).close) if marks.data else None,
        )

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """All swaps in two requests, without mark prices.

        Those for which HTX has no rate are left out, unless they were asked for.
        """
        wanted = await self._wanted(symbols)
        reply = await self.http.request(tables.ALL_FUNDING)
        elements = await self.http.request(tables.ELEMENTS)
        self._keep(elements.data)
        now, venue = self.context.now_ms(), self.clock.now_ms()
        found = [
            convert.funding_rate(
                row,
                symbol,
                received_ms=now,
                venue_ms=venue,
                timestamp_ms=reply.ts,
                elements=self._elements.get(row.contract_code),
            )
            for row in reply.data
            if (symbol := wanted.get(row.contract_code)) is not None
            and (row.funding_rate is not None or symbols is not None)
        ]
        self._all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """At most 50: the first ones from ``since``, else the latest. The very first has no interval.

        HTX's pages go back from now and know no times, so that a ``since`` long ago is searched for, page by page.
        """
        page = min(limit or SETTLED_PAGE, SETTLED_PAGE)

        async def fetch(number: int) -> wire.SettledPage:
            params = {"contract_code": symbol.venue_id, "page_index": number, "page_size": SETTLED_PAGE}
            return (await self.http.request(tables.SETTLED, params)).data

        rows = await settled_around(fetch, since if since is not None else until, page)
        rates = convert.settled_rates(rows, symbol, received_ms=self.context.now_ms())
        inside = [
            rate
            for rate in rates
            if rate.settled_ms is not None
            and (since is None or rate.settled_ms >= since)
            and (until is None or rate.settled_ms < until)
        ]
        return inside[:page] if since is not None else inside[-page:]

    def _keep(self, elements: Iterable[wire.Elements]) -> None:
        self._elements.update((row.contract_code, row) for row in elements)

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        """The 150 best levels: at most each 100 ms for spot, 30 ms for swaps."""
        exchange = self.config.name

        def spot(stream: Stream[BookView]) -> BookBuilder[wire.MbpPush]:
            async def pace() -> None:
                await self.limiter.acquire({tables.BOOK_REQUESTS: 1})

            book = books.SpotBook(stream, pace=pace, exchange=exchange)
            return BookBuilder(symbol, stream, HTX_MBP, book.on_push, exchange=exchange, fetch=book.fetch)

        def swap(stream: Stream[BookView]) -> BookBuilder[books.DepthPush]:
            return BookBuilder(symbol, stream, HTX_DEPTH, books.on_depth, exchange=exchange)

        if symbol.kind is MarketKind.SPOT:
            return self.streams.open(tables.SPOT_BOOK_CHANNEL, symbol, spot)
        return self.streams.open(tables.LINEAR_BOOK_CHANNEL, symbol, swap)

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        """Every trade. One of which HTX does not tell the taker's side is reported as an error, and left out."""
        return self.streams.open(
            channel_for(tables.TRADE_CHANNEL, symbol), symbol, lambda stream: _Trades(stream, symbol)
        )

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        """As the option ``ticker_channel`` says."""

        def pair(push: wire.Push[wire.SpotTicker], received_ms: int) -> Ticker:
            return convert.spot_ticker(push.tick, symbol, received_ms=received_ms, timestamp_ms=push.ts)

        def swap(push: wire.Push[wire.Day], received_ms: int) -> Ticker:
            return convert.ticker(push.tick, symbol, received_ms=received_ms, timestamp_ms=push.ts)

        def best(push: wire.Push[wire.SpotBest] | wire.Push[wire.SwapBest], received_ms: int) -> Ticker:
            return convert.best_prices(push.tick, symbol, received_ms=received_ms, timestamp_ms=push.ts)

        spot = symbol.kind is MarketKind.SPOT
        if self.options.ticker_channel == "bbo":
            if spot:
                return self.streams.open(tables.SPOT_BEST_CHANNEL, symbol, publishing(best))
            return self.streams.open(tables.LINEAR_BEST_CHANNEL, symbol, publishing(best))
        if spot:
            return self.streams.open(tables.SPOT_TICKER_CHANNEL, symbol, publishing(pair))
        return self.streams.open(tables.LINEAR_TICKER_CHANNEL, symbol, publishing(swap))

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        def candle(push: wire.Push[wire.Candle], received_ms: int) -> Kline:
            return convert.kline(push.tick, symbol, interval)

        params = {"period": self._period(interval)}
        return self.streams.open(channel_for(tables.CANDLE_CHANNEL, symbol), symbol, publishing(candle), params=params)

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        """Each minute without the mark price; at the start and at each settlement with it."""

        def pushed(row: wire.FundingPush, received_ms: int) -> FundingRate:
            return convert.funding_rate(
                row,
                symbol,
                received_ms=received_ms,
                venue_ms=self.clock.now_ms(),
                elements=self._elements.get(symbol.venue_id),
            )

        def follow(stream: Stream[FundingRate]) -> FundingStream:
            return FundingStream(
                stream,
                venue_id=symbol.venue_id,
                convert=pushed,
                fetch=lambda: self.get_funding_rate(symbol),
                venue_ms=self.clock.now_ms,
            )

        return self.streams.open(tables.FUNDING_CHANNEL, symbol, follow)

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        """Orders, fills, balances and positions of the configured markets."""
        if not self.config.has_credentials:
            raise missing_credentials(self.config.name)
        return UserData(self).open()

    # --- parts

    def _period(self, interval: KlineInterval) -> str:
        try:
            return convert.PERIODS[interval]
        except KeyError:
            offered = ", ".join(known.value for known in convert.PERIODS)
            raise NotSupported(
                f"HTX has no {interval.value} candles", exchange=self.config.name, cure=f"it has {offered}"
            ) from None

    async def _wanted(self, symbols: Sequence[Symbol] | None) -> Mapping[str, Symbol]:
        if symbols is not None:
            return {symbol.venue_id: symbol for symbol in symbols}
        if not self._listed:
            await self.get_symbols()
        return self._listed

    def _all_there(self, symbols: Sequence[Symbol] | None, found: Iterable[str], what: str) -> None:
        if symbols is None:
            return
        missing = {symbol.name for symbol in symbols} - set(found)
        if missing:
            names = ", ".join(sorted(missing))
            raise ExchangeAPIError(f"HTX gives no {what} for {names}", exchange=self.config.name)


_REMEMBERED: Final = 1_000
"""Trades of a topic by which one that comes again is known."""


class _Trades:
    """Handler of one ``trade.detail`` topic.

    A subscription begins with the last trade, and that may come in one frame with new ones: numbers tell them apart.
    A lower number by itself is no old trade: the venue may count anew, or one number was wrong.
    """

    def __init__(self, stream: Stream[Trade], symbol: Symbol) -> None:
        self._stream = stream
        self._symbol = symbol
        self._told: Recent[int, None] = Recent(_REMEMBERED)

    def on_message(self, push: wire.Push[wire.Trades], received_ms: int) -> None:
        for row in sorted(push.tick.data, key=lambda row: row.number):
            if row.number in self._told:
                continue
            self._told[row.number] = None
            if row.direction:
                trade = convert.trade(row, self._symbol, received_ms=received_ms)
                check_sound(trade)
                self._stream.source.publish(trade)
            else:
                self._stream.report(
                    ExchangeAPIError(f"a trade of {self._symbol} came without a direction", response=repr(row))
                )

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        pass


def _named(symbol: Symbol) -> dict[str, object]:
    return {"symbol" if symbol.kind is MarketKind.SPOT else "contract_code": symbol.venue_id}
