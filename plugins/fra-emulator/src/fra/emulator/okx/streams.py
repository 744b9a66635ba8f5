"""The generated market's OKX channels: what each says and when. Pushed frames carry their `arg`."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from fra.emulator.book import BookEngine, Step
from fra.emulator.candles import OKX
from fra.emulator.instruments import Instrument
from fra.emulator.okx.render import Render
from fra.emulator.pump import GeneratedStream, Pump, TimedStream
from fra.emulator.source import Push, StreamKey

_DEPTHS: Mapping[str, int] = {"books5": 5, "bbo-tbt": 1}


def frame(channel: str, symbol: str, rows: Sequence[object], *, action: str | None = None) -> str:
    """A pushed frame."""
    told: dict[str, object] = {"arg": {"channel": channel, "instId": symbol}}
    if action is not None:
        told["action"] = action
    told["data"] = list(rows)
    return msgspec.json.encode(told).decode()


class Books(GeneratedStream):
    """`books`: a snapshot, then every 100 ms what changed, chained by `prevSeqId`; a quiet book repeats its id."""

    def __init__(
        self, push: Push, channel: str, render: Render, engine: BookEngine, *, snapshot: bool, heartbeat_ms: int
    ) -> None:
        super().__init__(push, period_ms=100, engine=engine)
        self._channel = channel
        self._render = render
        self._book = engine
        self._snapshot = snapshot
        self._last = engine.update_id
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._changed = False
        self._quiet_periods = 0
        self._heartbeat_periods = max(1, heartbeat_ms // 100)

    def initial(self) -> Sequence[str]:
        # those who listen already get what is pending first, so that one chain of ids serves all
        self._flush()
        if not self._snapshot:
            return ()
        levels = self._book.levels()
        row = {**self._render.sides(levels.bids, levels.asks, 400), "ts": str(levels.time_ms), "checksum": 0}
        return [
            frame(
                self._channel, self._render.symbol, [{**row, "seqId": self._last, "prevSeqId": -1}], action="snapshot"
            )
        ]

    def on_step(self, step: Step) -> None:
        self._bids.update(step.bids)
        self._asks.update(step.asks)
        self._changed = True

    def speak(self) -> None:
        if self._changed:
            self._flush()
            return
        self._quiet_periods += 1
        if self._quiet_periods >= self._heartbeat_periods:
            self._say({}, {}, seq=self._last)

    def _flush(self) -> None:
        if not self._changed:
            return
        bids, asks, self._bids, self._asks, self._changed = self._bids, self._asks, {}, {}, False
        self._say(bids, asks, seq=self._book.update_id)

    def _say(self, bids: Mapping[int, int], asks: Mapping[int, int], *, seq: int) -> None:
        row = self._render.update(bids, asks, seq=seq, previous=self._last, time_ms=self._book.time_ms)
        self._last, self._quiet_periods = seq, 0
        self.push(frame(self._channel, self._render.symbol, [row], action="update"))


class Best(GeneratedStream):
    """`bbo-tbt`: the best level of both sides whenever it changes."""

    def __init__(self, push: Push, channel: str, render: Render, engine: BookEngine) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._channel = channel
        self._render = render
        self._book = engine
        self._seen: tuple[int, int, int, int] | None = None

    def initial(self) -> Sequence[str]:
        return [frame(self._channel, self._render.symbol, [self._render.top(1)])]

    def on_step(self, step: Step) -> None:
        bid, ask = self._book.best_bid, self._book.best_ask
        now = (bid, self._book.bids[bid], ask, self._book.asks[ask])
        if now != self._seen:
            self._seen = now
            self.push(frame(self._channel, self._render.symbol, [self._render.top(1)]))


class Trades(GeneratedStream):
    """`trades`: one frame per trade."""

    def __init__(self, push: Push, channel: str, render: Render, engine: BookEngine) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._channel = channel
        self._render = render

    def on_step(self, step: Step) -> None:
        for trade in step.trades:
            self.push(frame(self._channel, self._render.symbol, [self._render.trade_event(trade)]))


class Streams:
    """Opens OKX channels over the generated market."""

    def __init__(
        self, pump: Pump, render: Callable[[Instrument], Render], index: Callable[[str], Instrument | None]
    ) -> None:
        self._pump = pump
        self._render = render
        self._index = index

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        stream = self._make(key, push)
        if stream is not None:
            self._pump.add(stream)
        return stream

    def _now(self) -> int:
        return self._pump.settings.clock.now_ms()

    def _timed(
        self, key: StreamKey, push: Push, row: Callable[[], object], period_ms: int, engine: BookEngine | None = None
    ) -> TimedStream:
        def say() -> Sequence[str]:
            return [frame(key.channel, key.symbol, [row()])]

        return TimedStream(push, say, period_ms=period_ms, engine=engine, greet=True)

    def _make(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        settings, channel = self._pump.settings, key.channel
        if channel == "instruments":
            listed = self._pump.market.instruments(key.market)
            told = {"arg": {"channel": channel, "instType": key.market.upper()}}

            def listing() -> Sequence[str]:
                return [msgspec.json.encode({**told, "data": [self._render(i).listing() for i in listed]}).decode()]

            return TimedStream(push, listing, period_ms=0, greet=True)
        if channel == "index-tickers":
            behind = self._index(key.symbol)
            if behind is None:
                return None
            indexed = self._render(behind)
            return self._timed(key, push, lambda: indexed.index_ticker(self._now()), 200)
        instrument = self._pump.market.find(key.market, key.symbol)
        if instrument is None:
            return None
        render = self._render(instrument)
        if channel == "mark-price":
            return self._timed(key, push, lambda: render.mark_price(self._now()), 200)
        if instrument.is_swap and channel == "funding-rate":
            return self._timed(key, push, lambda: render.funding(self._now()), round(settings.funding_push_s * 1000))
        if instrument.is_swap and channel == "open-interest":
            return self._timed(key, push, lambda: render.open_interest(self._now()), 3000)
        if channel == "price-limit":
            return self._timed(key, push, lambda: render.price_limit(self._now()), 1000)
        engine = self._pump.engine(instrument)
        if channel == "books":
            heartbeat = round(settings.book_heartbeat_s * 1000)
            return Books(push, channel, render, engine, snapshot=settings.okx_initial_snapshot, heartbeat_ms=heartbeat)
        if channel == "books5":
            return self._timed(key, push, lambda: render.top(5), 100, engine)
        if channel == "bbo-tbt":
            return Best(push, channel, render, engine)
        if channel in ("trades", "trades-all"):
            return Trades(push, channel, render, engine)
        if channel == "tickers":
            return self._timed(key, push, lambda: render.ticker(self._now()), 100, engine)
        if channel.startswith("candle") and channel[6:] in OKX:
            return self._candles(key, push, render, engine)
        return None

    def _candles(self, key: StreamKey, push: Push, render: Render, engine: BookEngine) -> TimedStream:
        bar = key.channel[6:]
        span = OKX[bar]
        opened = span.open_at(self._now())

        def say() -> Sequence[str]:
            nonlocal opened
            now = self._now()
            said: list[str] = []
            while (following := span.following(opened)) <= now:
                said.append(frame(key.channel, key.symbol, [render.candle(bar, opened, now)]))
                opened = following
            return [*said, frame(key.channel, key.symbol, [render.candle(bar, opened, now)])]

        return TimedStream(push, say, period_ms=500, engine=engine, greet=True)
