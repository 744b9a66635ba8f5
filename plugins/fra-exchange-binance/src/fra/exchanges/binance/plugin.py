"""CustomBinancePlugin: Binance spot and USD-M futures."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, Final, TypeVar, cast

import attrs
import msgspec

from fra.adapters.custom import (
    Channel,
    ClockSample,
    CustomOptions,
    Dialect,
    Endpoint,
    Stream,
    Urls,
    channel_for,
    endpoint_for,
    missing_credentials,
    publishing,
)
from fra.adapters.custom.books import BookBuilder, BookSnapshot
from fra.adapters.custom.sync import BINANCE_SPOT, BINANCE_USDM
from fra.core import (
    BookView,
    ClientOrderIdRule,
    FundingRate,
    Kline,
    KlineInterval,
    MarketKind,
    OrderBook,
    StreamSource,
    Symbol,
    SymbolList,
    Ticker,
    Trade,
    UserEvent,
)
from fra.exchanges.binance import account_tables, convert, tables, wire
from fra.exchanges.binance.auth import BinanceAuth
from fra.exchanges.binance.convert import SPOT, USDM
from fra.exchanges.binance.dialect import BinanceDialect, ClockDoubt, ListenKeyDialect, SpotAccountDialect
from fra.exchanges.binance.errors import ERRORS
from fra.exchanges.binance.funding import FundingStream, FundingTermsBook
from fra.exchanges.binance.trading import BinanceTrading
from fra.exchanges.binance.user import UserData

M = TypeVar("M")

_RULES: Final = {SPOT: BINANCE_SPOT, USDM: BINANCE_USDM}
_USED: Final = {
    SPOT: {
        "x-mbx-used-weight-1m": tables.SPOT_WEIGHT.scope,
        "x-mbx-order-count-10s": tables.SPOT_ORDERS.scope,
        "x-mbx-order-count-1d": tables.SPOT_ORDERS_DAY.scope,
    },
    USDM: {
        "x-mbx-used-weight-1m": tables.USDM_WEIGHT.scope,
        "x-mbx-order-count-10s": tables.USDM_ORDERS.scope,
        "x-mbx-order-count-1m": tables.USDM_ORDERS_MINUTE.scope,
    },
}
"""The headers that say what is used, and of what."""


@attrs.frozen(kw_only=True)
class BinanceOptions(CustomOptions):
    """Settings of Binance's own.

    ``legacy_streams``: USD-M streams on the single base of before March 2026. ``spot_snapshot_depth``: levels a side
    that a live spot book starts from; deeper ones cost more of the budget (5000: 250 of 6000 a minute), and levels
    beyond it are unknown until they change. ``funding_info_age``: seconds after which funding intervals are asked
    for again. ``listen_key_interval``: seconds between extensions of the key of USD-M's account stream, which is good
    for an hour.
    """

    legacy_streams: bool = False
    spot_snapshot_depth: int = attrs.field(default=tables.SPOT_DEPTH, validator=attrs.validators.in_(range(5, 5001)))
    funding_info_age: float = attrs.field(default=600.0, validator=attrs.validators.gt(0))
    listen_key_interval: float = attrs.field(default=1800.0, validator=attrs.validators.gt(0))


class CustomBinancePlugin(BinanceTrading):
    """Spot ("spot") and USD-M futures ("usdm").

    Trades: on spot each single trade under its own id; on USD-M aggregate trades (fills of one taker order at one
    price) under the aggregate's id, the only kind that USD-M documents as a stream. The ticker stream has best
    prices only.
    """

    venue = "binance"
    display_name = "Binance"
    urls: ClassVar[Urls] = {
        SPOT: {
            "rest": "https://api.binance.com",
            "ws": "wss://stream.binance.com:9443",
            "ws_api": "wss://ws-api.binance.com:443/ws-api/v3",
        },
        USDM: {"rest": "https://fapi.binance.com", "ws": "wss://fstream.binance.com"},
    }
    sandbox_urls: ClassVar[Urls | None] = {
        SPOT: {
            "rest": "https://testnet.binance.vision",
            "ws": "wss://stream.testnet.binance.vision",
            "ws_api": "wss://ws-api.testnet.binance.vision/ws-api/v3",
        },
        USDM: {"rest": "https://demo-fapi.binance.com", "ws": "wss://fstream.binancefuture.com"},
    }
    endpoints = (*tables.ENDPOINTS, *account_tables.ENDPOINTS)
    channels = cast("tuple[Channel[object], ...]", (*tables.CHANNELS, *account_tables.CHANNELS))
    limits = tables.LIMITS
    errors = ERRORS
    fee_structure: ClassVar[Mapping[str, Decimal]] = {
        "spot.maker": Decimal("0.001"),
        "spot.taker": Decimal("0.001"),
        "linear_swap.maker": Decimal("0.0002"),
        "linear_swap.taker": Decimal("0.0005"),
        "linear_future.maker": Decimal("0.0002"),
        "linear_future.taker": Decimal("0.0005"),
    }
    client_order_id_rule = ClientOrderIdRule(
        max_length=36, alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-"
    )
    Options = BinanceOptions
    options: BinanceOptions

    # --- what the framework asks

    async def initialize(self) -> None:
        await super().initialize()
        self._by_id: dict[tuple[str, str], Symbol] = {}
        self._terms = FundingTermsBook(
            lambda: self.http.request(tables.FUNDING_INFO), max_age=self.options.funding_info_age
        )
        self._doubt = ClockDoubt(self.clock.sync)

    async def server_time(self) -> ClockSample:
        answer = await self.http.timed(tables.TIME[self.markets[0]])
        return answer.sample(answer.value.serverTime)

    def make_dialect(self, channel: Channel[object]) -> Dialect:
        if not channel.private:
            return BinanceDialect(channel.market)
        if channel.market == SPOT:
            signed = self.make_auth().signed_params
            return SpotAccountDialect(SPOT, account_tables.TOPIC, signed=signed, doubt=self._doubt)
        return ListenKeyDialect(
            USDM,
            account_tables.TOPIC,
            new_key=self._new_key,
            extend=lambda: self.http.request(account_tables.EXTEND_KEY),
            interval=self.options.listen_key_interval,
            in_path=self.options.legacy_streams,
        )

    async def _new_key(self) -> str:
        return (await self.http.request(account_tables.NEW_KEY)).listenKey

    def make_auth(self) -> BinanceAuth:
        return BinanceAuth(self.config, self.clock)

    def used(self, endpoint: Endpoint[object], headers: Mapping[str, str]) -> Iterable[tuple[str, int]]:
        told = ((scope, headers.get(name, "")) for name, scope in _USED[endpoint.market].items())
        return [(scope, int(used)) for scope, used in told if used.isdigit()]

    # --- market data

    async def get_symbols(self) -> SymbolList:
        """Every spot pair, perpetual and dated USD-M contract, those not trading too (``active`` is False)."""
        lists: list[SymbolList] = []
        if SPOT in self.markets:
            spot = await self.http.request(tables.SPOT_INFO)
            self.adopt(tables.declared_limits(SPOT, spot.rateLimits))
            lists.append(convert.spot_symbols(spot))
        if USDM in self.markets:
            usdm = await self.http.request(tables.USDM_INFO)
            self.adopt(tables.declared_limits(USDM, usdm.rateLimits))
            lists.append(convert.usdm_symbols(usdm))
        symbols = convert.merged(lists)
        self._by_id = {(symbol.market, symbol.venue_id): symbol for symbol in symbols}
        return symbols

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        row = endpoint_for(tables.DEPTH, symbol)
        limit = tables.depth_limit(row.market, depth)
        answer = await self.http.request(row, {"symbol": symbol.venue_id, "limit": limit})
        return convert.order_book(answer, symbol, self.context.now_ms())

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        params = {"symbol": symbol.venue_id}
        if symbol.kind is MarketKind.SPOT:
            day = await self.http.request(tables.SPOT_DAY, params)
            return convert.day_ticker(day, None, symbol, self.context.now_ms())
        day, best = await asyncio.gather(
            self.http.request(tables.USDM_DAY, params), self.http.request(tables.USDM_BEST, params)
        )
        return convert.day_ticker(day, best, symbol, self.context.now_ms())

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> Sequence[Ticker]:
        wanted = await self._wanted(symbols)
        days: list[tuple[str, wire.DayTicker]] = []
        best: dict[str, wire.BookTicker] = {}
        if any(market == SPOT for market, _ in wanted):
            days += [(SPOT, day) for day in await self.http.request(tables.SPOT_DAYS)]
        if any(market == USDM for market, _ in wanted):
            days += [(USDM, day) for day in await self.http.request(tables.USDM_DAYS)]
            best = {row.symbol: row for row in await self.http.request(tables.USDM_BESTS)}
        now_ms = self.context.now_ms()
        return [
            convert.day_ticker(day, best.get(day.symbol) if market == USDM else None, symbol, now_ms)
            for market, day in days
            if (symbol := wanted.get((market, day.symbol))) is not None
        ]

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        params = {"symbol": symbol.venue_id, "limit": _at_most(tables.TRADES_LIMIT, limit)}
        if symbol.kind is MarketKind.SPOT:
            rows = await self.http.request(tables.SPOT_TRADES, params)
            now_ms = self.context.now_ms()
            return [convert.trade(row, symbol.name, now_ms) for row in rows]
        aggregates = await self.http.request(tables.USDM_TRADES, params)
        now_ms = self.context.now_ms()
        return [convert.aggregate_trade(row, symbol.name, now_ms) for row in aggregates]

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]:
        row = endpoint_for(tables.KLINES, symbol)
        rows = await self.http.request(
            row,
            {
                "symbol": symbol.venue_id,
                "interval": interval.value,
                "startTime": since,
                "endTime": None if until is None else until - 1,  # the venue's end is inclusive
                "limit": _at_most(tables.KLINES_LIMIT[row.market], limit),
            },
        )
        now_ms = self.clock.now_ms()
        return [convert.kline(candle, symbol, interval, now_ms) for candle in rows]

    # --- funding

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        terms = await self._terms.get(symbol.venue_id)
        row = await self.http.request(tables.PREMIUM, {"symbol": symbol.venue_id})
        return self._estimate(row, symbol, terms)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> Sequence[FundingRate]:
        wanted = await self._wanted(symbols)
        await self._terms.refresh()
        return [
            self._estimate(row, symbol, await self._terms.get(row.symbol))
            for row in await self.http.request(tables.PREMIUMS)
            if (symbol := wanted.get((USDM, row.symbol))) is not None and symbol.kind.is_swap and row.lastFundingRate
        ]

    def _estimate(self, row: wire.PremiumIndex, symbol: Symbol, terms: convert.FundingTerms) -> FundingRate:
        return convert.estimated_rate(
            name=symbol.name,
            rate=row.lastFundingRate,
            next_ms=row.nextFundingTime,
            mark=row.markPrice,
            index=row.indexPrice,
            time_ms=row.time,
            received_ms=self.context.now_ms(),
            venue_ms=self.clock.now_ms(),
            terms=terms,
        )

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]:
        rows = await self.http.request(
            tables.FUNDING_HISTORY,
            {
                "symbol": symbol.venue_id,
                "startTime": since,
                "endTime": None if until is None else until - 1,
                "limit": _at_most(tables.FUNDING_HISTORY_LIMIT, limit),
            },
        )
        return convert.settled_rates(rows or (), symbol, self.context.now_ms())

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        channel = channel_for(tables.BOOK, symbol)

        def make(stream: Stream[BookView]) -> BookBuilder[wire.DepthFrame]:
            return BookBuilder(
                symbol,
                stream,
                _RULES[channel.market],
                feed_book,
                exchange=self.config.name,
                fetch=lambda: self._snapshot(symbol),
            )

        return self.streams.open(self._placed(channel), symbol, make)

    async def _snapshot(self, symbol: Symbol) -> BookSnapshot:
        row = endpoint_for(tables.SNAPSHOT, symbol)
        depth = self.options.spot_snapshot_depth if row.market == SPOT else None
        params = {"symbol": symbol.venue_id, "limit": tables.depth_limit(row.market, depth)}
        answer = await self.http.request(row, params)
        return BookSnapshot(answer.bids, answer.asks, answer.lastUpdateId, answer.T, self.context.now_ms())

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        """Best prices and the amounts there, each time that one changes."""
        name = symbol.name
        return self.streams.open(
            self._placed(channel_for(tables.BEST, symbol)),
            symbol,
            publishing(lambda frame, received_ms: convert.best_ticker(frame.data, name, received_ms)),
        )

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        name = symbol.name
        if symbol.kind is MarketKind.SPOT:
            return self.streams.open(
                tables.SPOT_TRADE_STREAM,
                symbol,
                publishing(lambda frame, received_ms: convert.pushed_trade(frame.data, name, received_ms)),
            )
        return self.streams.open(
            self._placed(tables.USDM_TRADE_STREAM),
            symbol,
            publishing(lambda frame, received_ms: convert.aggregate_trade(frame.data, name, received_ms)),
        )

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        name = symbol.name
        return self.streams.open(
            self._placed(channel_for(tables.KLINE_STREAM, symbol)),
            symbol,
            publishing(lambda frame, received_ms: convert.pushed_kline(frame.data.k, name, interval)),
            params={"interval": interval.value},
        )

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        """The running estimate each second, with mark and index price."""
        return self.streams.open(
            self._placed(tables.MARK_PRICE),
            symbol,
            lambda stream: FundingStream(stream, symbol, self._terms, venue_ms=self.clock.now_ms),
        )

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        """Orders, fills, balances and positions of the configured markets. ExchangeAuthError without credentials."""
        if not self.config.has_credentials:
            raise missing_credentials(self.config.name)
        return UserData(self).source

    # --- helpers of the above

    async def listed(self) -> Mapping[tuple[str, str], Symbol]:
        if not self._by_id:
            await self.get_symbols()
        return self._by_id

    def known(self, market: str, venue_id: str) -> Symbol | None:
        return self._by_id.get((market, venue_id))

    @property
    def usdm_user(self) -> Channel[msgspec.Raw]:
        if self.options.legacy_streams:
            return attrs.evolve(account_tables.USDM_USER, path=account_tables.LEGACY_USER_PATH)
        return account_tables.USDM_USER

    def _placed(self, channel: Channel[M]) -> Channel[M]:
        """``channel`` on the base that the options ask for."""
        if channel.market == USDM and self.options.legacy_streams:
            return attrs.evolve(channel, path=tables.LEGACY_PATH)
        return channel

    async def _wanted(self, symbols: Sequence[Symbol] | None) -> Mapping[tuple[str, str], Symbol]:
        """(market, venue's id) → Symbol, of those asked for or of all."""
        if symbols is not None:
            return {(symbol.market, symbol.venue_id): symbol for symbol in symbols}
        return await self.listed()


def feed_book(book: BookBuilder[wire.DepthFrame], frame: wire.DepthFrame, received_ms: int) -> None:
    """Hand a frame of the depth stream, spot's or USD-M's, to its book."""
    data = frame.data
    book.update(
        data.b,
        data.a,
        received_ms,
        first=data.U,
        last=data.u,
        previous=data.pu,
        timestamp_ms=data.T or data.E,
    )


def _at_most(largest: int, limit: int | None) -> int | None:
    """The venue's default stays when no limit is asked for."""
    return None if limit is None else min(limit, largest)
