"""The generated market as a Binance data source: REST answers and streams."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from fra.emulator import candles
from fra.emulator.binance import listing
from fra.emulator.binance.render import SETTLED_LATE_MS, Render
from fra.emulator.binance.streams import Streams
from fra.emulator.feed import GeneratedFeed, Params, whole
from fra.emulator.instruments import Instrument
from fra.emulator.market import DAY_MS, Market
from fra.emulator.pump import GeneratedStream
from fra.emulator.settings import Settings
from fra.emulator.source import NoData, Push, StreamKey, TrueBook


class BinanceFeed(GeneratedFeed[Render]):
    """Implements `Source` over a generated market."""

    def __init__(self, market: Market, settings: Settings) -> None:
        super().__init__(market, settings)
        self._streams = Streams(self._pump, self.render)
        self._answers: Mapping[str, Callable[[str, Params], object]] = {
            "time": lambda m, p: {"serverTime": self._now()},
            "ping": lambda m, p: {},
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades": self._trades,
            "historicalTrades": self._trades,
            "aggTrades": self._agg_trades,
            "klines": self._klines,
            "ticker/24hr": self._per_symbol(lambda r, now: r.ticker_24h(now)),
            "ticker/price": self._per_symbol(lambda r, now: r.price_row(now)),
            "ticker/bookTicker": self._per_symbol(lambda r, now: r.book_ticker(now)),
            "avgPrice": self._average,
            "premiumIndex": self._per_symbol(lambda r, now: r.premium_index(now)),
            "fundingInfo": self._funding_info,
            "fundingRate": self._funding_rate,
            "openInterest": self._open_interest,
        }

    # -- Source
    def answer(self, market: str, endpoint: str, params: Params) -> bytes:
        make = self._answers.get(endpoint)
        if make is None:
            raise NoData(endpoint)
        return msgspec.json.encode(make(market, params))

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        return self._streams.open(key, push)

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        render = self._of(market, symbol)
        engine = render.engine
        levels = engine.levels() if update_id is None else engine.at(update_id)
        if levels is None:
            raise NoData(f"{symbol} at {update_id}")
        bids = render.rows(sorted(levels.bids.items(), reverse=True))
        return TrueBook(symbol, levels.update_id, levels.time_ms, bids, render.rows(sorted(levels.asks.items())))

    def renumber(self, market: str, symbol: str, update_id: int) -> None:
        self._of(market, symbol).engine.renumber(update_id)

    # -- parts
    def _renderer(self, instrument: Instrument) -> Render:
        return Render(instrument, self._pump)

    def _chosen(self, market: str, params: Params) -> Sequence[Render]:
        if params.get("symbol"):
            return [self._of(market, params["symbol"])]
        if params.get("symbols"):
            return [self._of(market, s) for s in msgspec.json.decode(params["symbols"], type=list[str])]
        return [self.render(i) for i in self.market.instruments(market)]

    def _per_symbol(self, row: Callable[[Render, int], object]) -> Callable[[str, Params], object]:
        def answer(market: str, params: Params) -> object:
            now = self._now()
            rows = [row(r, now) for r in self._chosen(market, params)]
            return rows[0] if params.get("symbol") else rows

        return answer

    def _exchange_info(self, market: str, params: Params) -> object:
        chosen = [r.instrument for r in self._chosen(market, params)]
        return listing.exchange_info(market, chosen, self._now(), scale=self.settings.rate_window_scale)

    def _depth(self, market: str, params: Params) -> object:
        render = self._of(market, params["symbol"])
        limit = whole(params, "limit") or (100 if market == "spot" else 500)
        engine = render.engine
        levels = self._outdated(render) or engine.levels()
        return render.depth(levels, limit, self._now())

    def _trades(self, market: str, params: Params) -> object:
        render = self._of(market, params["symbol"])
        trades = list(render.engine.trades)
        start = whole(params, "fromId")
        if start is not None:
            trades = [t for t in trades if t.trade_id >= start]
            return [render.trade(t) for t in trades[: whole(params, "limit") or 500]]
        return [render.trade(t) for t in trades[-(whole(params, "limit") or 500) :]]

    def _agg_trades(self, market: str, params: Params) -> object:
        render = self._of(market, params["symbol"])
        since, until, first = (whole(params, n) for n in ("startTime", "endTime", "fromId"))
        limit = whole(params, "limit") or 500
        trades = [
            t
            for t in render.engine.trades
            if (since is None or t.time_ms >= since)
            and (until is None or t.time_ms <= until)
            and (first is None or t.trade_id >= first)
        ]
        ascending = since is not None or first is not None
        return [render.agg_trade(t) for t in (trades[:limit] if ascending else trades[-limit:])]

    def _klines(self, market: str, params: Params) -> object:
        render, now = self._of(market, params["symbol"]), self._now()
        interval = params["interval"]
        times = candles.opens(
            candles.BINANCE[interval],
            now_ms=now,
            limit=min(whole(params, "limit") or 500, 1000 if market == "spot" else 1500),
            start_ms=whole(params, "startTime"),
            end_ms=whole(params, "endTime"),
            oldest_ms=listing.ONBOARD_MS,
        )
        return [render.kline(interval, at, now) for at in times]

    def _average(self, market: str, params: Params) -> object:
        row = self._of(market, params["symbol"]).price_row(self._now())
        return {"mins": 5, "price": row["price"], "closeTime": self._now()}

    def _funding_info(self, market: str, params: Params) -> object:
        # only adjusted symbols: an eight-hour one is not listed (Binance docs: "Get Funding Rate Info")
        return [
            {
                "symbol": i.symbol,
                "adjustedFundingRateCap": "0.02000000",
                "adjustedFundingRateFloor": "-0.02000000",
                "fundingIntervalHours": i.interval_hours,
                "disclaimer": False,
                "updateTime": listing.ONBOARD_MS,
            }
            for i in self.market.instruments(market)
            if i.interval_hours != 8
        ]

    def _funding_rate(self, market: str, params: Params) -> object:
        now = self._now()
        limit = min(whole(params, "limit") or 100, 1000)
        start, end = whole(params, "startTime"), min(whole(params, "endTime") or now, now)
        rows: list[tuple[int, dict[str, object]]] = []
        for render in self._chosen(market, params):
            i = render.instrument
            last = self.market.next_settlement(i, end + 1) - i.interval_ms
            oldest = now - 3 * 365 * DAY_MS
            if start is not None:
                first = max(self.market.next_settlement(i, max(start - SETTLED_LATE_MS, oldest)), 0)
                times = range(first, last + 1, i.interval_ms)[: limit + 1]
            else:
                times = range(last - limit * i.interval_ms, last + 1, i.interval_ms)
            settled = ((at, render.settled(at)) for at in times)
            # what is asked for is compared with the times that are told, which are a little late
            rows += [(at, row) for at, row in settled if (start or 0) <= int(str(row["fundingTime"])) <= end]
        rows.sort(key=lambda r: r[0])
        chosen = rows[:limit] if start is not None else rows[-limit:]
        return [row for _, row in chosen]

    def _open_interest(self, market: str, params: Params) -> object:
        render = self._of(market, params["symbol"])
        i = render.instrument
        lots = round(i.turnover / 4 / i.lot_notional(float(i.price)))
        return {"openInterest": render.lot.text(lots), "symbol": i.symbol, "time": self._now()}
