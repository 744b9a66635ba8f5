"""The generated market's Binance streams: what each channel says and when."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import msgspec

from fra.emulator.binance.render import Render
from fra.emulator.book import BookEngine, Step
from fra.emulator.candles import BINANCE
from fra.emulator.instruments import Instrument
from fra.emulator.pump import GeneratedStream, Pump, TimedStream
from fra.emulator.source import Push, StreamKey

_DEPTH = re.compile(r"depth(?P<levels>5|10|20)?(?:@(?P<ms>0|100|250|500|1000)ms)?")
_AT_ONCE = 400
_KLINE = re.compile(r"kline_(?P<interval>\w+)")
_DEPTH_MS: Mapping[str, tuple[int, frozenset[int]]] = {
    "spot": (1000, frozenset({100, 1000})),
    "usdm": (250, frozenset({0, 100, 250, 500})),
}


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


class DiffDepth(GeneratedStream):
    """`depth`: every change since the last push; chained by `U`/`u` on spot, by `pu` on USD-M."""

    def __init__(self, push: Push, render: Render, engine: BookEngine, *, period_ms: int) -> None:
        super().__init__(push, period_ms=period_ms, engine=engine)
        self._render = render
        self._last = engine.update_id
        self._first: int | None = None
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._step: Step | None = None

    def on_step(self, step: Step) -> None:
        if self._first is None:
            self._first = step.first_id
        self._bids.update(step.bids)
        self._asks.update(step.asks)
        self._step = step
        if not self.period_ms:
            self.speak()

    def speak(self) -> None:
        step, first = self._step, self._first
        if step is None or first is None:
            return
        event = self._render.depth_update(
            self._bids, self._asks, first=first, last=step.last_id, previous=self._last, time_ms=step.time_ms
        )
        self._last, self._first, self._step = step.last_id, None, None
        self._bids, self._asks = {}, {}
        self.push(_text(event))


class StepStream(GeneratedStream):
    """Says on each step of the book what `render` makes of it."""

    def __init__(self, push: Push, engine: BookEngine, render: Callable[[Step], Sequence[object]]) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._render_step = render

    def on_step(self, step: Step) -> None:
        for event in self._render_step(step):
            self.push(_text(event))


class BestQuotes(GeneratedStream):
    """`bookTicker`: the best of both sides whenever they change."""

    def __init__(self, push: Push, render: Render, engine: BookEngine) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._render = render
        self._seen: tuple[int, int, int, int] | None = None

    def on_step(self, step: Step) -> None:
        engine = self._render.engine
        bid, ask = engine.best_bid, engine.best_ask
        now = (bid, engine.bids[bid], ask, engine.asks[ask])
        if now != self._seen:
            self._seen = now
            self.push(_text(self._render.best_quotes(step.time_ms)))


class Streams:
    """Opens Binance channels over the generated market."""

    def __init__(self, pump: Pump, render: Callable[[Instrument], Render]) -> None:
        self._pump = pump
        self._render = render

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        stream = self._every(key, push) if not key.symbol else self._one(key, push)
        if stream is not None:
            self._pump.add(stream)
        return stream

    def _now(self) -> int:
        return self._pump.settings.clock.now_ms()

    def _every(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        listed = self._pump.market.instruments(key.market)
        channel, turn = key.channel, count()

        def some() -> Sequence[Instrument]:
            # the venue leaves out what has not changed; here a long list takes turns
            parts = -(-len(listed) // _AT_ONCE)
            return listed[next(turn) % parts :: parts] if parts > 1 else listed

        def marks() -> Sequence[str]:
            return [_text([self._render(i).mark_price(self._now()) for i in listed])]

        def tickers() -> Sequence[str]:
            return [_text([self._render(i).ticker_event(self._now()) for i in some()])]

        def minis() -> Sequence[str]:
            return [_text([self._render(i).mini_ticker_event(self._now()) for i in some()])]

        if key.market == "usdm" and channel in ("!markPrice@arr", "!markPrice@arr@1s"):
            return TimedStream(push, marks, period_ms=1000 if channel.endswith("1s") else 3000)
        if channel == "!ticker@arr":
            return TimedStream(push, tickers, period_ms=1000)
        if channel == "!miniTicker@arr":
            return TimedStream(push, minis, period_ms=1000)
        return None

    def _one(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        instrument = self._pump.market.find(key.market, key.symbol)
        if instrument is None:
            return None
        channel, render = key.channel, self._render(instrument)
        if (match := _DEPTH.fullmatch(channel)) is not None:
            default, allowed = _DEPTH_MS[key.market]
            period = int(match["ms"]) if match["ms"] is not None else default
            if period not in allowed:
                return None
            if match["levels"] is None:
                return DiffDepth(push, render, self._pump.engine(instrument), period_ms=period)
            levels = int(match["levels"])
            engine = self._pump.engine(instrument)
            return TimedStream(
                push, lambda: [_text(render.partial_depth(levels))], period_ms=max(period, 50), engine=engine
            )
        if (match := _KLINE.fullmatch(channel)) is not None:
            return self._kline(push, render, match["interval"])
        if channel == "bookTicker":
            return BestQuotes(push, render, self._pump.engine(instrument))
        if channel == "trade":
            return StepStream(push, self._pump.engine(instrument), lambda s: [render.trade_event(t) for t in s.trades])
        if channel == "aggTrade":
            return StepStream(
                push, self._pump.engine(instrument), lambda s: [render.agg_trade_event(t) for t in s.trades]
            )
        engine = self._pump.engine(instrument)
        if channel == "ticker":
            return TimedStream(push, lambda: [_text(render.ticker_event(self._now()))], period_ms=1000, engine=engine)
        if channel == "miniTicker":
            return TimedStream(
                push, lambda: [_text(render.mini_ticker_event(self._now()))], period_ms=1000, engine=engine
            )
        if key.market == "usdm" and channel in ("markPrice", "markPrice@1s"):
            told = self._pump.settings.mark_price_push_s
            period = round(told * 1000) if told is not None else 1000 if channel.endswith("1s") else 3000
            return TimedStream(push, lambda: [_text(render.mark_price(self._now()))], period_ms=period)
        return None

    def _kline(self, push: Push, render: Render, interval: str) -> GeneratedStream | None:
        span = BINANCE.get(interval)
        if span is None:
            return None
        opened = span.open_at(self._now())

        def speak() -> Sequence[str]:
            nonlocal opened
            now = self._now()
            said: list[str] = []
            while opened + span.ms <= now and (following := span.following(opened)) <= now:
                said.append(_text(render.kline_event(interval, opened, now)))
                opened = following
            return [*said, _text(render.kline_event(interval, opened, now))]

        return TimedStream(push, speak, period_ms=250, engine=render.engine)
