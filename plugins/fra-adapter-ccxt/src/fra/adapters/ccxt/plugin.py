"""CCXTAdapter: market data and funding of any exchange that ccxt knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import attrs

from fra.adapters.ccxt import convert, funding
from fra.adapters.ccxt.capabilities import POLL_FUNDING
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.following import CCXTFollowing
from fra.adapters.ccxt.funding import Interval
from fra.adapters.ccxt.streams import Cut, Pump
from fra.core import (
    BookView,
    ExchangeAPIError,
    FundingRate,
    IntervalSource,
    Kline,
    KlineInterval,
    Operation,
    OrderBook,
    Recent,
    StreamSource,
    Symbol,
    Ticker,
    Trade,
    Upstream,
)

T = TypeVar("T")

_SEEN: Final = 2_000
"""So many trade ids are remembered, since venues repeat the last trades after a reconnect."""


class CCXTAdapter(CCXTFollowing):
    """An exchange through ccxt: the plugin ``ccxt`` with ``options.exchange_id``, or a subclass with its ``venue``.

    What ccxt misreads at one exchange is mended in a subclass: :meth:`funding_interval`, :meth:`next_settlement`,
    :meth:`make_symbol`, :meth:`order_status`, :meth:`error_code`, :meth:`failure` and :meth:`order_params` are there
    for it.
    """

    # --- hooks

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """A hook: the interval in a rate of ccxt and where it is from, None for unknown."""
        source: IntervalSource | None = self.venue.interval_source
        made: timedelta | None = funding.worded(raw.get("interval"))
        return None if made is None or source is None else (made, source)

    def next_settlement(self, raw: Raw, symbol: Symbol) -> int | None:
        """A hook: when the symbol settles next, UTC milliseconds. Never ccxt's ``nextFundingTimestamp``, which is the
        one after, or something else.
        """
        return funding.upcoming(raw.get("fundingTimestamp"), self.context.now_ms())

    async def learn_intervals(self, symbols: Sequence[Symbol]) -> None:
        """A hook, awaited before rates are asked for: for a venue that tells intervals in a call of their own."""

    # --- market data

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        limit = self._depth(depth, symbol)
        raw = await self.call("fetch_order_book", symbol.name, limit)
        if not (raw["bids"] or raw["asks"] or raw.get("timestamp") or raw.get("nonce")):
            raise ExchangeAPIError(f"the answer for {symbol.name} holds no book", exchange=self.config.name)
        return convert.order_book(_sorted(raw), symbol, received_ms=self.context.now_ms())

    def _depth(self, depth: int | None, symbol: Symbol) -> int | None:
        """The smallest depth of the venue's that holds ``depth``; its largest for None and where none does."""
        known = self.venue.book_depths
        depths = known if isinstance(known, tuple) else known.get(symbol.market, ())
        if not depths:
            return depth
        return max(depths) if depth is None else min((one for one in depths if one >= depth), default=max(depths))

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        raw = await self.call("fetch_ticker", symbol.name)
        return self._ticker(raw, symbol)

    def _ticker(self, raw: Raw, symbol: Symbol) -> Ticker:
        contracts = self.venue.volumes_in_contracts
        made = convert.ticker(raw, symbol, received_ms=self.context.now_ms(), contracts=contracts)
        if not self._both_sides(symbol):
            return made
        return attrs.evolve(made, volume=convert.half(made.volume), quote_volume=convert.half(made.quote_volume))

    def _both_sides(self, symbol: Symbol) -> bool:
        return self.venue.counts_both_sides and symbol.kind.is_derivative

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> list[Ticker]:
        """One or a few requests per market; raises ExchangeAPIError when one that was asked for is left out."""
        wanted = self.wanted(symbols, self.capabilities.kinds(Operation.GET_TICKERS))
        found: list[Ticker] = []
        for market in self.markets:
            if any(symbol.kind in self.venue.markets[market] for symbol in wanted.values()):
                rows = await self.call("fetch_tickers", None, params=self.scope(market))
                found += [
                    self._ticker(row, symbol)
                    for row, symbol in self.named(rows.values())
                    if symbol.name in wanted and symbol.market == market
                ]
        self.all_there(symbols, (one.symbol for one in found), "ticker")
        return found

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> list[Trade]:
        rows = await self.call("fetch_trades", symbol.name, None, limit)
        now = self.context.now_ms()
        return [self._trade(row, symbol, now) for row in rows]

    def _trade(self, raw: Raw, symbol: Symbol, received_ms: int) -> Trade:
        made = convert.trade(raw, symbol, received_ms=received_ms)
        return attrs.evolve(made, amount=made.amount / 2) if self._both_sides(symbol) else made

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Kline]:
        """One page of the venue, as ccxt asks for it: the first ones from ``since``, else the latest."""
        rows = await self.call(
            "fetch_ohlcv", symbol.name, self._timeframe(interval), since, limit, params=_until(until)
        )
        made = [self._kline(row, symbol, interval) for row in rows]
        return convert.within(made, "open_ms", since, until)

    def _timeframe(self, interval: KlineInterval) -> str:
        known = self.client.timeframes or {}
        if interval.value not in known:
            raise self._cannot(f"ccxt has no klines of {interval.value} there", f"it has {', '.join(known)}")
        return interval.value

    def _kline(self, row: Sequence[object], symbol: Symbol, interval: KlineInterval) -> Kline:
        made = convert.kline(row, symbol, interval, contracts=symbol.kind in self.venue.candles_in_contracts)
        return attrs.evolve(made, volume=made.volume / 2) if self._both_sides(symbol) else made

    # --- funding

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        await self.learn_intervals((symbol,))
        return self._rate(await self.call("fetch_funding_rate", symbol.name), symbol)

    def _rate(self, raw: Raw, symbol: Symbol) -> FundingRate:
        return funding.funding_rate(
            raw,
            symbol,
            received_ms=self.context.now_ms(),
            interval=self.funding_interval(raw, symbol),
            next_settlement_ms=self.next_settlement(raw, symbol),
        )

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """All swaps of a market at once. Those without a rate yet are left out, unless they were asked for."""
        wanted = self.wanted(symbols, self.capabilities.kinds(Operation.GET_FUNDING_RATES))
        await self.learn_intervals(tuple(wanted.values()))
        found: list[FundingRate] = []
        for market in self.markets:
            here = [symbol for symbol in wanted.values() if symbol.market == market]
            if here:
                names = None if symbols is None else [symbol.name for symbol in here]
                rows = await self.call("fetch_funding_rates", names, params=self.scope(market))
                found += [
                    self._rate(row, symbol)
                    for row, symbol in self.named(rows.values())
                    if symbol.name in wanted
                    and symbol.market == market
                    and (row.get("fundingRate") is not None or symbols is not None)
                ]
        self.all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """One page of the venue; intervals are derived from the settlements in it, so the oldest has none."""
        rows = await self.call("fetch_funding_rate_history", symbol.name, since, limit, params=_until(until))
        made = funding.settled_rates(
            rows, symbol, received_ms=self.context.now_ms(), settled_at=lambda row: convert.moment(row.get("timestamp"))
        )
        return convert.within(made, "settled_ms", since, until)

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> Upstream[BookView]:
        """ccxt's book, cut out of its live one at each update; always as deep as the venue streams it."""

        def cut(raw: Raw, received_ms: int) -> Iterable[BookView]:
            convert.check_book(raw)
            book = convert.order_book(raw, symbol, received_ms=received_ms)
            yield BookView(book.symbol, Cut(book), book.received_ms, book.timestamp_ms, book.sequence)

        def spoilt(socket: Any, error: Exception) -> None:
            self.client.orderbooks.pop(symbol.name, None)  # ccxt may go on with it on the next socket
            self._broken(socket, error)

        deepest = self.venue.stream_depth
        return self._pump(
            "orderbook",
            symbol,
            lambda: self.watch("watch_order_book", symbol.name, deepest),
            cut,
            unwatch="un_watch_order_book",
            unwatch_params={} if deepest is None else {"limit": deepest},
            staleness=self.options.staleness,
            unsound=spoilt,
        )

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        """Each trade once, by its id."""
        seen: Recent[str, None] = Recent(_SEEN)

        def fresh(rows: Iterable[Raw], received_ms: int) -> Iterable[Trade]:
            for row in rows:
                made = self._trade(row, symbol, received_ms)
                if made.id:
                    if made.id in seen:
                        continue
                    seen[made.id] = None
                yield made

        return self._pump(
            "trades",
            symbol,
            lambda: self.watch("watch_trades", symbol.name),
            fresh,
            unwatch="un_watch_trades",
            lossless=True,
            forget=lambda: self.client.trades.pop(symbol.name, None),
        )

    def subscribe_ticker(self, symbol: Symbol) -> Upstream[Ticker]:
        def one(raw: Raw, received_ms: int) -> Iterable[Ticker]:
            yield self._ticker(raw, symbol)

        return self._pump(
            "ticker", symbol, lambda: self.watch("watch_ticker", symbol.name), one, unwatch="un_watch_ticker"
        )

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        frame = self._timeframe(interval)

        def each(rows: Iterable[Sequence[object]], received_ms: int) -> Iterable[Kline]:
            for row in rows:
                yield self._kline(row, symbol, interval)

        def forget(*_: object) -> None:
            """ccxt gives the last candle that it was told of first: an unreadable one would hide those before it."""
            self.client.ohlcvs.get(symbol.name, {}).pop(frame, None)

        return self._pump(
            f"klines {frame}",
            symbol,
            lambda: self.watch("watch_ohlcv", symbol.name, frame),
            each,
            unwatch="un_watch_ohlcv",
            unwatch_args=(frame,),
            lossless=True,
            forget=forget,
            unsound=forget,
        )

    def subscribe_funding_rate(self, symbol: Symbol) -> Upstream[FundingRate]:
        """Streamed where ccxt streams it, else asked for each 30 s, as the capabilities say."""
        if self.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, symbol.kind).mode == "polled":
            return self._poll_funding(symbol)

        def one(raw: Raw, received_ms: int) -> Iterable[FundingRate]:
            yield self._rate(raw, symbol)

        async def watch() -> Any:
            await self.learn_intervals((symbol,))
            return await self.watch("watch_funding_rate", symbol.name)

        return self._pump("funding_rate", symbol, watch, one, unwatch="un_watch_funding_rate")

    async def _poll_funding(self, symbol: Symbol) -> AsyncIterator[FundingRate]:
        while True:
            yield await self.get_funding_rate(symbol)
            await asyncio.sleep(POLL_FUNDING)

    def _pump(
        self,
        channel: str,
        symbol: Symbol,
        watch: Any,
        make: Any,
        *,
        unwatch: str,
        unwatch_args: tuple[object, ...] = (),
        unwatch_params: Mapping[str, object] = {},
        lossless: bool = False,
        forget: Callable[[], object] | None = None,
        staleness: float | None = None,
        unsound: Callable[[Any, Exception], object] | None = None,
    ) -> StreamSource[Any]:
        can = self.client.has.get(
            "unWatch" + unwatch.removeprefix("un_watch_").title().replace("_", "").replace("Ohlcv", "OHLCV")
        )

        async def leave() -> object:
            # the parameters are a dict of their own: ccxt writes into its default one
            return await getattr(self.client, unwatch)(symbol.name, *unwatch_args, params=dict(unwatch_params))

        pump: Pump[Any] = Pump(
            self,
            f"{channel} of {symbol.name}",
            watch=watch,
            convert=make,
            unwatch=leave if can else None,
            lossless=lossless,
            forget=forget,
            staleness=staleness,
            unsound=unsound,
        )
        return pump.source


def _until(until: int | None) -> dict[str, object]:
    return {} if until is None else {"until": until}


def _sorted(raw: Raw) -> Raw:
    """Books are sorted by number, whatever type ccxt left in them."""
    bids = sorted(raw["bids"], key=lambda row: float(row[0]), reverse=True)
    asks = sorted(raw["asks"], key=lambda row: float(row[0]))
    return {**raw, "bids": bids, "asks": asks}
