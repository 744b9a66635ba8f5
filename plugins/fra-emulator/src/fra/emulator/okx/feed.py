"""The generated market as an OKX data source: REST answers and channels."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from fra.emulator import candles
from fra.emulator.feed import GeneratedFeed, Params, whole
from fra.emulator.instruments import Instrument
from fra.emulator.market import DAY_MS, Market
from fra.emulator.okx.render import LISTED_MS, Render, inst_type
from fra.emulator.okx.streams import Streams
from fra.emulator.pump import GeneratedStream
from fra.emulator.settings import Settings
from fra.emulator.source import NoData, Push, StreamKey, TrueBook

MARKETS = ("spot", "swap")


def market_of(symbol: str) -> str:
    """The market an instId belongs to, by its form."""
    return "swap" if symbol.endswith("-SWAP") else "spot"


class OkxFeed(GeneratedFeed[Render]):
    """Implements `Source` over a generated market."""

    def __init__(self, market: Market, settings: Settings) -> None:
        super().__init__(market, settings)
        self._indices: dict[str, Instrument] = {}
        for i in (*market.instruments("swap"), *market.instruments("spot")):
            self._indices.setdefault(f"{i.asset}-{i.quote}", i)
        self._streams = Streams(self._pump, self.render, self._indices.get)
        self._answers: Mapping[str, Callable[[Params], Sequence[object]]] = {
            "public/time": lambda p: [{"ts": str(self._now())}],
            "public/instruments": lambda p: [r.listing() for r in self._chosen(p)],
            "market/books": lambda p: self._books(p, 400),
            "market/books-full": lambda p: self._books(p, 5000),
            "market/trades": self._trades,
            "market/history-trades": self._history_trades,
            "market/candles": lambda p: self._candles(p, 300),
            "market/history-candles": lambda p: self._candles(p, 300),
            "market/ticker": lambda p: [r.ticker(self._now()) for r in self._chosen(p)],
            "market/tickers": lambda p: [r.ticker(self._now()) for r in self._chosen(p)],
            "market/index-tickers": self._index_tickers,
            "public/funding-rate": self._funding,
            "public/funding-rate-history": self._funding_history,
            "public/mark-price": lambda p: [r.mark_price(self._now()) for r in self._chosen(p)],
            "public/price-limit": lambda p: [r.price_limit(self._now()) for r in self._chosen(p)],
            "public/open-interest": lambda p: [r.open_interest(self._now()) for r in self._chosen(p)],
            "public/underlying": lambda p: [[f"{i.asset}-{i.quote}" for i in self.market.instruments("swap")]],
        }

    # -- Source
    def knows(self, market: str, symbol: str) -> bool:
        return symbol in self._indices if market == "index" else self.market.find(market, symbol) is not None

    def answer(self, market: str, endpoint: str, params: Params) -> bytes:
        make = self._answers.get(endpoint)
        if make is None:
            raise NoData(endpoint)
        return msgspec.json.encode({"code": "0", "msg": "", "data": make(params)})

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        return self._streams.open(key, push)

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        render = self._at(symbol)
        engine = render.engine
        levels = engine.levels() if update_id is None else engine.at(update_id)
        if levels is None:
            raise NoData(f"{symbol} at {update_id}")
        bids = [(p, q) for p, q, *_ in render.rows(sorted(levels.bids.items(), reverse=True))]
        asks = [(p, q) for p, q, *_ in render.rows(sorted(levels.asks.items()))]
        return TrueBook(symbol, levels.update_id, levels.time_ms, bids, asks)

    def renumber(self, market: str, symbol: str, update_id: int) -> None:
        self._at(symbol).engine.renumber(update_id)

    # -- parts
    def _renderer(self, instrument: Instrument) -> Render:
        return Render(instrument, self._pump)

    def _of(self, market: str, symbol: str) -> Render:
        return self._at(symbol)

    def _at(self, symbol: str) -> Render:
        return super()._of(market_of(symbol), symbol)

    def _chosen(self, params: Params) -> Sequence[Render]:
        """By `instId`, or all of `instType`, narrowed by `uly` or `instFamily`; kinds that are not traded here are
        empty."""
        if params.get("instId"):
            render = self._at(params["instId"])
            wanted = params.get("instType")
            if wanted and wanted != inst_type(render.instrument.market):
                raise NoData(params["instId"])
            return [render]
        wanted = params.get("instType", "SWAP").lower()
        family = params.get("instFamily") or params.get("uly")
        listed = self.market.instruments(wanted) if wanted in MARKETS else []
        return [self.render(i) for i in listed if not family or f"{i.asset}-{i.quote}" == family]

    def _books(self, params: Params, most: int) -> Sequence[object]:
        render = self._at(params["instId"])
        engine = render.engine
        levels = self._outdated(render) or engine.levels()
        return [render.depth(levels, min(whole(params, "sz") or 1, most))]

    def _trades(self, params: Params) -> Sequence[object]:
        render = self._at(params["instId"])
        trades = list(render.engine.trades)[-min(whole(params, "limit") or 100, 500) :]
        return [render.trade(t) for t in reversed(trades)]

    def _history_trades(self, params: Params) -> Sequence[object]:
        render = self._at(params["instId"])
        after, before = whole(params, "after"), whole(params, "before")
        by_time = params.get("type") == "2"
        limit = min(whole(params, "limit") or 100, 100)
        found = []
        for t in reversed(render.engine.trades):
            at = t.time_ms if by_time else t.trade_id
            if (after is None or at < after) and (before is None or at > before):
                found.append(t)
        return [render.trade(t) for t in found[:limit]]

    def _candles(self, params: Params, most: int) -> Sequence[object]:
        render, now = self._at(params["instId"]), self._now()
        bar = params.get("bar") or "1m"
        after, before = whole(params, "after"), whole(params, "before")
        limit = min(whole(params, "limit") or 100, most)
        end = after - 1 if after is not None else None
        times = candles.opens(
            candles.OKX[bar], now_ms=now, limit=limit, end_ms=end, oldest_ms=max(LISTED_MS, (before or 0) + 1)
        )
        return [render.candle(bar, at, now) for at in reversed(times)]

    def _index_tickers(self, params: Params) -> Sequence[object]:
        now = self._now()
        if params.get("instId"):
            instrument = self._indices.get(params["instId"])
            if instrument is None:
                raise NoData(params["instId"])
            return [self.render(instrument).index_ticker(now)]
        quote = params.get("quoteCcy", "")
        return [self.render(i).index_ticker(now) for name, i in self._indices.items() if name.endswith(f"-{quote}")]

    def _funding(self, params: Params) -> Sequence[object]:
        now = self._now()
        if params["instId"] == "ANY":
            return [self.render(i).funding(now) for i in self.market.instruments("swap")]
        return [self._swap(params["instId"]).funding(now)]

    def _swap(self, symbol: str) -> Render:
        render = self._at(symbol)
        if not render.instrument.is_swap:
            raise NoData(symbol)
        return render

    def _funding_history(self, params: Params) -> Sequence[object]:
        render, now = self._swap(params["instId"]), self._now()
        i = render.instrument
        after, before = whole(params, "after"), whole(params, "before")
        limit = min(whole(params, "limit") or 400, 400)
        oldest = max(now - 92 * DAY_MS, (before or 0) + 1)
        newest = min(now, after - 1 if after is not None else now)
        last = self.market.next_settlement(i, newest + 1) - i.interval_ms
        times = [at for at in range(last, last - limit * i.interval_ms, -i.interval_ms) if at >= oldest]
        return [render.settled(at) for at in times]
