"""The generated market as a Bybit data source: REST answers and topics."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, unquote

from fra.emulator import candles
from fra.emulator.bybit.render import LISTED_MS, Render, Row
from fra.emulator.bybit.rest import INTEREST_TIMES, Refusal, envelope
from fra.emulator.bybit.streams import Streams
from fra.emulator.bybit.updates import REST_DEPTH, BookUpdates
from fra.emulator.feed import GeneratedFeed, Params, whole
from fra.emulator.instruments import HOUR_MS, Instrument
from fra.emulator.market import Market
from fra.emulator.pump import GeneratedStream
from fra.emulator.settings import Settings
from fra.emulator.source import NoData, Push, StreamKey, TrueBook

MARKETS = ("spot", "linear", "inverse")
_CURSOR = re.compile(r"first=\w+&last=(?P<last>\w+)&")
_MINUTE_MS = 60_000
_INTEREST_MS = dict(zip(INTEREST_TIMES, (m * _MINUTE_MS for m in (5, 15, 30, 60, 240, 1440)), strict=True))
_BOOK_DEFAULT: Mapping[str, int] = {"spot": 1, "linear": 25, "inverse": 25}
_TRADES: Mapping[str, tuple[int, int]] = {"spot": (60, 60), "linear": (500, 1000), "inverse": (500, 1000)}


def _limit(params: Params, default: int, most: int) -> int:
    return min(whole(params, "limit") or default, most)


class BybitFeed(GeneratedFeed[Render]):
    """Implements `Source` over a generated market."""

    def __init__(self, market: Market, settings: Settings) -> None:
        super().__init__(market, settings)
        self._updates: dict[tuple[str, str], BookUpdates] = {}
        self._streams = Streams(self._pump, self.render, self.updates)
        self._answers: Mapping[str, Callable[[str, Params], object]] = {
            "market/time": self._time,
            "system/status": lambda m, p: {"list": []},
            "market/instruments-info": self._instruments,
            "market/tickers": self._tickers,
            "market/orderbook": self._orderbook,
            "market/recent-trade": self._trades,
            "market/kline": self._klines(lambda r, i, at, now: r.candle(i, at, now)),
            "market/mark-price-kline": self._klines(lambda r, i, at, now: r.line_candle(i, at, now, mark=True)),
            "market/index-price-kline": self._klines(lambda r, i, at, now: r.line_candle(i, at, now, mark=False)),
            "market/funding/history": self._funding_history,
            "market/open-interest": self._open_interest,
            "market/risk-limit": self._risk_limit,
            "market/price-limit": lambda m, p: self._of(m, p["symbol"]).price_limit(self._now()),
        }

    # -- Source
    def answer(self, market: str, endpoint: str, params: Params) -> bytes:
        make = self._answers.get(endpoint)
        if make is None:
            raise NoData(endpoint)
        return envelope(make(market, params), self._now())

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        return self._streams.open(key, push)

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        """`update_id` is a `seq` (which all depths share) or the `u` of any depth; the answer's own is a `seq`."""
        render = self._of(market, symbol)
        engine = render.engine
        levels = engine.levels()
        if update_id is not None:
            found = self.updates(render.instrument).levels(engine, update_id)
            if found is None:
                raise NoData(f"{symbol} at {update_id}")
            levels = found
        bids = render.rows(sorted(levels.bids.items(), reverse=True))
        return TrueBook(symbol, levels.update_id, levels.time_ms, bids, render.rows(sorted(levels.asks.items())))

    def renumber(self, market: str, symbol: str, update_id: int) -> None:
        """The service restarts: every depth pushes a snapshot with `u` 1, whatever `update_id` says."""
        self.updates(self._of(market, symbol).instrument).restart()

    # -- parts
    def _renderer(self, instrument: Instrument) -> Render:
        return Render(instrument, self._pump)

    def updates(self, instrument: Instrument) -> BookUpdates:
        """The counters of the instrument's update ids, made once."""
        key = (instrument.market, instrument.symbol)
        found = self._updates.get(key)
        if found is None:
            name = f"{self.settings.seed}:u:{instrument.market}:{instrument.symbol}"
            found = self._updates[key] = BookUpdates(name)
        return found

    def _time(self, market: str, params: Params) -> object:
        now = self._now()
        return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}

    def _chosen(self, market: str, params: Params) -> list[Instrument]:
        """By `symbol`, else all of the category; options, and other states than Trading, are valid and empty."""
        if params.get("status", "Trading") != "Trading":
            return []
        found, base = self.market.instruments(market), params.get("baseCoin")
        return [
            i
            for i in found
            if params.get("symbol") in (None, "", i.symbol) and (not base or self.render(i).base == base)
        ]

    def _instruments(self, market: str, params: Params) -> object:
        chosen = self._chosen(market, params)
        if market == "spot":
            # spot is not paged: limit and cursor are ignored (Bybit docs: "Get Instruments Info")
            return {"category": market, "list": [self.render(i).listing() for i in chosen]}
        chosen.sort(key=lambda i: i.symbol)
        after = self._after(params)
        rest = [i for i in chosen if i.symbol > after]
        page = rest[: _limit(params, 500, 1000)]
        cursor = ""
        if len(rest) > len(page):
            cursor = quote(f"first={page[0].symbol}&last={page[-1].symbol}&", safe="")
        return {"category": market, "nextPageCursor": cursor, "list": [self.render(i).listing() for i in page]}

    @staticmethod
    def _after(params: Params) -> str:
        """The symbol after which a page begins. A cursor is handed out percent-encoded, and may come back so."""
        cursor = unquote(params.get("cursor", ""))
        found = _CURSOR.fullmatch(cursor)
        if cursor and found is None:
            raise Refusal(10001, "params error: cursor invalid")
        return found["last"] if found is not None else ""

    def _tickers(self, market: str, params: Params) -> object:
        now = self._now()
        return {"category": market, "list": [self.render(i).ticker(now) for i in self._chosen(market, params)]}

    def _orderbook(self, market: str, params: Params) -> object:
        render = self._of(market, params["symbol"])
        engine, updates = render.engine, self.updates(render.instrument).by_depth[REST_DEPTH[market]]
        depth = _limit(params, _BOOK_DEFAULT[market], 1000)
        outdated = self._outdated(render)
        if outdated is not None:
            levels = outdated
            u = updates.u_of(levels.update_id)
        else:
            # while a stream tells these ids, the answer is the state that it told last
            told = updates.last() if updates.on_restart is not None else None
            levels = (engine.at(told[1]) if told is not None else None) or engine.levels()
            u = told[0] if told is not None else updates.tell(levels.update_id)
        bids = dict(sorted(levels.bids.items(), reverse=True)[:depth])
        asks = dict(sorted(levels.asks.items())[:depth])
        row = render.sides(bids, asks, u=u, seq=levels.update_id)
        return {"s": row["s"], "b": row["b"], "a": row["a"], "ts": self._now(), "u": u} | {
            "seq": levels.update_id,
            "cts": levels.time_ms,
        }

    def _trades(self, market: str, params: Params) -> object:
        render = self._of(market, params["symbol"])
        trades = list(render.engine.trades)[-_limit(params, *_TRADES[market]) :]
        return {"category": market, "list": [render.trade(t) for t in reversed(trades)]}

    def _klines(self, row: Callable[[Render, str, int, int], Sequence[str]]) -> Callable[[str, Params], object]:
        def answer(market: str, params: Params) -> object:
            render, now, interval = self._of(market, params["symbol"]), self._now(), params["interval"]
            start, end = whole(params, "start"), whole(params, "end")
            times = candles.opens(
                candles.BYBIT[interval],
                now_ms=now,
                limit=_limit(params, 200, 1000),
                # between two times it is the newest candles that count
                start_ms=start if end is None else None,
                end_ms=end,
                oldest_ms=max(start or 0, LISTED_MS),
            )
            rows = [row(render, interval, at, now) for at in reversed(times)]
            return {"symbol": render.symbol, "category": market, "list": rows}

        return answer

    def _funding_history(self, market: str, params: Params) -> object:
        render, now = self._of(market, params["symbol"]), self._now()
        i = render.instrument
        start, end = whole(params, "startTime") or LISTED_MS, min(whole(params, "endTime") or now, now)
        last = self.market.next_settlement(i, end + 1) - i.interval_ms
        # between two times it is the newest rows that count
        times = range(last, last - _limit(params, 200, 200) * i.interval_ms, -i.interval_ms)
        return {"category": market, "list": [render.settled(at) for at in times if at >= max(start, LISTED_MS)]}

    def _open_interest(self, market: str, params: Params) -> object:
        render, now = self._of(market, params["symbol"]), self._now()
        span = _INTEREST_MS[params["intervalTime"]]
        start, end = whole(params, "startTime") or now - 24 * 30 * HOUR_MS, min(whole(params, "endTime") or now, now)
        last = end // span * span
        times = [at for at in range(last, last - _limit(params, 50, 200) * span, -span) if at >= start]
        rows: list[Row] = [{"openInterest": render.open_interest(), "timestamp": str(at)} for at in times]
        return {"symbol": render.symbol, "category": market, "list": rows, "nextPageCursor": ""}

    def _risk_limit(self, market: str, params: Params) -> object:
        rows = [self.render(i).risk_limit() for i in self._chosen(market, params)]
        return {"category": market, "list": rows, "nextPageCursor": ""}
