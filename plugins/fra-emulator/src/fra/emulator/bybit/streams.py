"""The generated market's Bybit topics: what each says and when. Pushed frames carry their `topic`."""

import heapq
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from fra.emulator.book import BookEngine, Step
from fra.emulator.bybit.render import Render, Row
from fra.emulator.bybit.updates import PERIOD_MS, BookUpdates, Updates
from fra.emulator.candles import BYBIT
from fra.emulator.instruments import Instrument
from fra.emulator.pump import GeneratedStream, Pump, TimedStream
from fra.emulator.source import Push, StreamKey

# The order of a frame's keys differs by topic and market, as captured: nobody may read by position.
_TS_FIRST = ("topic", "ts", "type", "data", "cts")
_TYPE_FIRST = ("topic", "type", "ts", "data", "cts")
_KEYS: Mapping[tuple[str, bool], tuple[str, ...]] = {
    ("publicTrade", True): ("topic", "ts", "type", "data"),
    ("publicTrade", False): ("topic", "type", "ts", "data"),
    ("tickers", True): ("topic", "ts", "type", "cs", "data"),
    ("tickers", False): ("topic", "type", "data", "cs", "ts"),
    ("kline", True): ("type", "topic", "data", "ts"),
    ("kline", False): ("topic", "data", "ts", "type"),
}
_TOGETHER = (("bid1Price", "bid1Size"), ("ask1Price", "ask1Size"))
_QUIET_S = 3.0


def _frame(keys: Sequence[str], told: Mapping[str, object]) -> str:
    return msgspec.json.encode({key: told[key] for key in keys}).decode()


def _window(side: Mapping[int, int], depth: int, *, bids: bool) -> dict[int, int]:
    if len(side) <= depth:
        return dict(side)
    best = heapq.nlargest(depth, side) if bids else heapq.nsmallest(depth, side)
    return {price: side[price] for price in best}


def _changes(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    changed = {price: lots for price, lots in after.items() if before.get(price) != lots}
    return changed | {price: 0 for price in before if price not in after}


class Books(GeneratedStream):
    """`orderbook.50`, `.200`, `.1000`: a snapshot, then what changed within the depth, `u` one higher each time; a
    snapshot with `u` 1 when the service restarts."""

    def __init__(
        self, push: Push, topic: str, render: Render, engine: BookEngine, updates: Updates, now: Callable[[], int]
    ) -> None:
        super().__init__(push, period_ms=PERIOD_MS[updates.depth], engine=engine)
        self._topic = topic
        self._render = render
        self._book = engine
        self._updates = updates
        self._now = now
        self._keys = _TS_FIRST if render.is_spot else _TYPE_FIRST
        updates.skip()
        updates.on_restart = self._restart
        self._take()

    def _take(self) -> None:
        depth = self._updates.depth
        self._bids = _window(self._book.bids, depth, bids=True)
        self._asks = _window(self._book.asks, depth, bids=False)
        self._seq, self._cts = self._book.update_id, self._book.time_ms
        self._u = self._updates.tell(self._seq)

    def _say(self, kind: str, bids: Mapping[int, int], asks: Mapping[int, int]) -> str:
        data = self._render.sides(bids, asks, u=self._u, seq=self._seq)
        told = {"topic": self._topic, "type": kind, "ts": self._now(), "data": data, "cts": self._cts}
        return _frame(self._keys, told)

    def _restart(self) -> None:
        self._take()
        self.push(self._say("snapshot", self._bids, self._asks))

    def initial(self) -> Sequence[str]:
        return [self._say("snapshot", self._bids, self._asks)]

    def speak(self) -> None:
        if self._book.update_id == self._seq:
            return
        depth = self._updates.depth
        bids = _changes(self._bids, _window(self._book.bids, depth, bids=True))
        asks = _changes(self._asks, _window(self._book.asks, depth, bids=False))
        if bids or asks:
            self._take()
            self.push(self._say("delta", bids, asks))

    def close(self) -> None:
        super().close()
        self._updates.on_restart = None


class Best(GeneratedStream):
    """`orderbook.1`: snapshots only, whenever the best of a side changes, and the same `u` again after three seconds
    without a change."""

    def __init__(
        self, push: Push, topic: str, render: Render, engine: BookEngine, updates: Updates, now: Callable[[], int]
    ) -> None:
        super().__init__(push, period_ms=100, engine=engine)
        self._topic = topic
        self._render = render
        self._book = engine
        self._updates = updates
        self._now = now
        updates.skip()
        updates.on_restart = self._restart
        self._take()

    def _best(self) -> tuple[dict[int, int], dict[int, int]]:
        book = self._book
        return {book.best_bid: book.bids[book.best_bid]}, {book.best_ask: book.asks[book.best_ask]}

    def _take(self) -> None:
        self._seen = self._best()
        self._u = self._updates.tell(self._book.update_id)
        self._said = time.monotonic()

    def _snapshot(self) -> str:
        bids, asks = self._seen
        data = self._render.sides(bids, asks, u=self._u, seq=self._book.update_id)
        told = {"topic": self._topic, "type": "snapshot", "ts": self._now(), "data": data, "cts": self._book.time_ms}
        return _frame(_TS_FIRST, told)

    def _restart(self) -> None:
        self._take()
        self.push(self._snapshot())

    def initial(self) -> Sequence[str]:
        return [self._snapshot()]

    def on_step(self, step: Step) -> None:
        if self._best() != self._seen:
            self._take()
            self.push(self._snapshot())

    def speak(self) -> None:
        if time.monotonic() - self._said >= _QUIET_S:
            self._said = time.monotonic()
            self.push(self._snapshot())

    def close(self) -> None:
        super().close()
        self._updates.on_restart = None


class Trades(GeneratedStream):
    """`publicTrade`: the trades of one moment in one frame."""

    def __init__(self, push: Push, topic: str, render: Render, engine: BookEngine, now: Callable[[], int]) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._topic = topic
        self._render = render
        self._now = now
        self._price = engine.last_trade.price
        self._direction = render.direction().removeprefix("Zero")

    def _direct(self, price: int) -> str:
        moved, self._price = price - self._price, price
        if moved:
            self._direction = "PlusTick" if moved > 0 else "MinusTick"
        return self._direction if moved else f"Zero{self._direction}"

    def on_step(self, step: Step) -> None:
        if not step.trades:
            return
        rows = [self._render.trade_event(t, self._direct(t.price)) for t in step.trades]
        told = {"topic": self._topic, "type": "snapshot", "ts": self._now(), "data": rows}
        self.push(_frame(_KEYS["publicTrade", self._render.is_spot], told))


class Tickers(GeneratedStream):
    """`tickers` of a contract: a snapshot, then deltas that name only what changed; a side's price and size always
    come together."""

    def __init__(self, push: Push, topic: str, render: Render, engine: BookEngine, now: Callable[[], int]) -> None:
        super().__init__(push, period_ms=100, engine=engine)
        self._topic = topic
        self._render = render
        self._book = engine
        self._now = now
        self._last: Row = render.ticker_event(now())

    def _say(self, kind: str, row: Row) -> str:
        told = {"topic": self._topic, "type": kind, "data": row, "cs": self._book.update_id, "ts": self._now()}
        return _frame(_KEYS["tickers", False], told)

    def initial(self) -> Sequence[str]:
        return [self._say("snapshot", self._last)]

    def speak(self) -> None:
        row, before = self._render.ticker_event(self._now()), self._last
        changed = {name for name, value in row.items() if before[name] != value}
        for pair in _TOGETHER:
            if changed.intersection(pair):
                changed.update(pair)
        if changed:
            self._last = row
            self.push(self._say("delta", {name: row[name] for name in row if name == "symbol" or name in changed}))


class Streams:
    """Opens Bybit topics over the generated market."""

    def __init__(
        self, pump: Pump, render: Callable[[Instrument], Render], updates: Callable[[Instrument], BookUpdates]
    ) -> None:
        self._pump = pump
        self._render = render
        self._updates = updates

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        stream = self._make(key, push)
        if stream is not None:
            self._pump.add(stream)
        return stream

    def _now(self) -> int:
        return self._pump.settings.clock.now_ms()

    def _make(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        instrument = self._pump.market.find(key.market, key.symbol)
        if instrument is None:
            return None
        render, engine = self._render(instrument), self._pump.engine(instrument)
        topic = f"{key.channel}.{key.symbol}"
        kind, _, detail = key.channel.partition(".")
        match kind:
            case "orderbook" if detail.isdigit() and int(detail) in PERIOD_MS:
                updates = self._updates(instrument).by_depth[int(detail)]
                made = Best if updates.depth == 1 else Books
                return made(push, topic, render, engine, updates, self._now)
            case "publicTrade" if not detail:
                return Trades(push, topic, render, engine, self._now)
            case "tickers" if not detail and instrument.is_swap:
                return Tickers(push, topic, render, engine, self._now)
            case "tickers" if not detail:
                return self._spot_ticker(push, topic, render, engine)
            case "kline" if detail in BYBIT:
                return self._candles(push, topic, detail, render, engine)
            case "allLiquidation" if not detail and instrument.is_swap:
                # nobody is ever liquidated here
                return GeneratedStream(push, period_ms=0)
        return None

    def _spot_ticker(self, push: Push, topic: str, render: Render, engine: BookEngine) -> TimedStream:
        def say() -> Sequence[str]:
            now = self._now()
            row = render.ticker_event(now)
            told = {"topic": topic, "ts": now, "type": "snapshot", "cs": engine.update_id, "data": row}
            return [_frame(_KEYS["tickers", True], told)]

        return TimedStream(push, say, period_ms=200, engine=engine, greet=True)

    def _candles(self, push: Push, topic: str, interval: str, render: Render, engine: BookEngine) -> TimedStream:
        span = BYBIT[interval]
        opened = span.open_at(self._now())

        def frame(open_ms: int, now: int) -> str:
            row = render.candle_event(interval, open_ms, now)
            return _frame(
                _KEYS["kline", render.is_spot], {"topic": topic, "data": [row], "ts": now, "type": "snapshot"}
            )

        def say() -> Sequence[str]:
            nonlocal opened
            now = self._now()
            said: list[str] = []
            while (following := span.following(opened)) <= now:
                said.append(frame(opened, now))
                opened = following
            return [*said, frame(opened, now)]

        return TimedStream(push, say, period_ms=500, engine=engine, greet=True)
