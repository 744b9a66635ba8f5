"""The generated market's HTX channels: what each says and when. Pushed frames carry their `ch` or `topic`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from fra.emulator.book import BookEngine, Step
from fra.emulator.candles import HTX
from fra.emulator.htx import linear, spot
from fra.emulator.htx.books import INCREMENTAL, Checkpoints, HighFreq, Mbp, Version, frame
from fra.emulator.htx.linear import LinearRender
from fra.emulator.htx.render import Render, Row, encoded
from fra.emulator.htx.spot import SpotRender
from fra.emulator.htx.topics import INDEXED
from fra.emulator.pump import GeneratedStream, Pump, TimedStream
from fra.emulator.source import Push, StreamKey


class Best(GeneratedStream):
    """`bbo`: the best level of both sides whenever it changes."""

    def __init__(self, push: Push, render: SpotRender | LinearRender, engine: BookEngine) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._render = render
        self._book = engine
        self._seen: tuple[int, int, int, int] | None = None

    def initial(self) -> Sequence[str]:
        return [self._frame()]

    def on_step(self, step: Step) -> None:
        bid, ask = self._book.best_bid, self._book.best_ask
        now = (bid, self._book.bids[bid], ask, self._book.asks[ask])
        if now != self._seen:
            self._seen = now
            self.push(self._frame())

    def _frame(self) -> str:
        now = self._book.time_ms
        return frame(self._render, "bbo", now, self._render.best(now))


class Steps(GeneratedStream):
    """Linear `depth.stepN`: whole, each 100 ms if the book has changed, and at least each second."""

    def __init__(self, push: Push, step: str, render: LinearRender, engine: BookEngine) -> None:
        super().__init__(push, period_ms=100, engine=engine)
        self._step = step
        self._render = render
        self._book = engine
        self._quiet = 0
        self._changed = False

    def initial(self) -> Sequence[str]:
        tick = self._render.step(self._book.levels(), self._step, None)
        return [frame(self._render, f"depth.{self._step}", self._book.time_ms, tick)]

    def on_step(self, step: Step) -> None:
        self._changed = True

    def speak(self) -> None:
        self._quiet += 1
        if self._changed or self._quiet >= 10:
            self._quiet, self._changed = 0, False
            self.push(self.initial()[0])


class Trades(GeneratedStream):
    """`trade.detail`: the last trade at once, then one frame per match."""

    def __init__(self, push: Push, render: SpotRender | LinearRender, engine: BookEngine) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._render = render
        self._book = engine

    def initial(self) -> Sequence[str]:
        last = self._book.last_trade
        return [frame(self._render, "trade.detail", last.time_ms + 1, self._render.trades([last], pushed=True)[0])]

    def on_step(self, step: Step) -> None:
        for tick in self._render.trades(step.trades, pushed=True):
            self.push(frame(self._render, "trade.detail", step.time_ms + 1, tick))


class Streams:
    """Opens HTX channels over the generated market."""

    def __init__(self, pump: Pump, render: Callable[[str, str], SpotRender | LinearRender | None]) -> None:
        self._pump = pump
        self._render = render
        self._checkpoints: dict[tuple[str, int], Checkpoints] = {}
        self._versions: dict[StreamKey, Version] = {}

    def open(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        stream = self._funding(key, push) if key.symbol == "*" else self._make(key, push)
        if stream is not None:
            self._pump.add(stream)
        return stream

    def pulled(self, render: SpotRender, depth: int) -> Row:
        """The `data` of a `req` for `mbp.N`: a book that is older than the deltas sent meanwhile."""
        settings = self._pump.settings
        lag = settings.htx_snapshot_lag_s
        steps = max(1, round(lag * 1000 / settings.step_ms))
        met = self._checkpoints.get((render.symbol, depth))
        book = met.book(render.engine, lag_s=lag, steps=steps) if met else render.engine.past(steps)
        return render.snapshot(book, depth)

    def renumbered(self, symbol: str, update_id: int) -> None:
        """The symbol's ids go on from elsewhere, and so do its versions: a break in every chain."""
        for (name, _), met in self._checkpoints.items():
            if name == symbol:
                met.restart(update_id)
        for key, version in self._versions.items():
            if key.symbol == symbol:
                version.restart(update_id)

    def update_id(self, symbol: str, version: int) -> int | None:
        """The id of the book that a version of the symbol's updates stood for; None for no version."""
        told = [v.update_id(version) for key, v in self._versions.items() if key.symbol == symbol]
        return next((found for found in told if found is not None), None)

    # -- parts
    def _now(self) -> int:
        return self._pump.settings.clock.now_ms()

    def _whole(self, depth: int) -> bool:
        return depth >= self._pump.settings.levels

    def _timed(
        self, key: StreamKey, push: Push, render: Render, tick: Callable[[], object], period_ms: int, engine: BookEngine
    ) -> TimedStream:
        def say() -> Sequence[str]:
            return [frame(render, key.channel, self._now(), tick())]

        return TimedStream(push, say, period_ms=period_ms, engine=engine, greet=True)

    def _make(self, key: StreamKey, push: Push) -> GeneratedStream | None:
        render = self._render(key.market, key.symbol)
        if render is None:
            return None
        if key.channel.startswith("public."):
            return self._funding(key, push)
        engine = render.engine
        kind, _, rest = key.channel.partition(".")
        if kind == "kline" and rest in HTX:
            return self._klines(push, key.channel, rest, render.pushed_kline, render, engine)
        if f"{kind}." in INDEXED and rest in HTX and isinstance(render, LinearRender):
            kline = partial(render.indexed_kline, kind)
            return self._klines(push, key.channel, rest, kline, render, engine)
        if key.channel == "trade.detail":
            return Trades(push, render, engine)
        if key.channel == "bbo":
            return Best(push, render, engine)
        if key.channel == "detail":
            return self._timed(key, push, render, lambda: render.detail(self._now()), 1000, engine)
        if isinstance(render, SpotRender):
            return self._spot(key, push, render, engine)
        return self._linear(key, push, render, engine)

    def _spot(self, key: StreamKey, push: Push, render: SpotRender, engine: BookEngine) -> GeneratedStream | None:
        kind, _, rest = key.channel.partition(".")
        if kind == "depth" and rest in spot.STEPS:
            return self._timed(key, push, render, lambda: render.step(engine.levels(), rest, None), 1000, engine)
        if key.channel == "ticker":
            return self._timed(key, push, render, lambda: render.ticker(self._now()), 100, engine)
        if kind == "mbp" and rest in map(str, spot.DEPTHS):
            depth = int(rest)
            met = self._checkpoints[key.symbol, depth] = Checkpoints(engine.update_id)
            return Mbp(push, depth, render, engine, met, whole=self._whole(depth))
        if key.channel in [f"mbp.refresh.{n}" for n in spot.REFRESHED]:
            most = int(rest.removeprefix("refresh."))
            return self._timed(key, push, render, lambda: render.snapshot(engine.levels(), most), 100, engine)
        return None

    def _linear(self, key: StreamKey, push: Push, render: LinearRender, engine: BookEngine) -> GeneratedStream | None:
        kind, _, rest = key.channel.partition(".")
        if kind == "depth" and rest in linear.STEPS:
            return Steps(push, rest, render, engine)
        for size in linear.SIZES:
            if key.channel.removesuffix(INCREMENTAL) == f"depth.size_{size}.high_freq":
                incremental = key.channel.endswith(INCREMENTAL)
                version = self._versions.setdefault(key, Version(engine.update_id % 10**9))
                whole = self._whole(size)
                return HighFreq(push, size, render, engine, version, whole=whole, incremental=incremental)
        return None

    def _klines(
        self,
        push: Push,
        channel: str,
        period: str,
        kline: Callable[[str, int, int], Row],
        render: Render,
        engine: BookEngine,
    ) -> TimedStream:
        span = HTX[period]
        opened = span.open_at(self._now())

        def say() -> Sequence[str]:
            nonlocal opened
            now = self._now()
            said: list[str] = []
            # the closed candle is pushed once more, whole, before the first of the next
            while (following := span.following(opened)) <= now:
                said.append(frame(render, channel, now, kline(period, opened, now)))
                opened = following
            return [*said, frame(render, channel, now, kline(period, opened, now))]

        return TimedStream(push, say, period_ms=1000, engine=engine, greet=True)

    # -- the notification socket
    def _funding(self, key: StreamKey, push: Push) -> TimedStream | None:
        if key.market != "linear" or not key.channel.startswith("public."):
            return None
        every = [i.symbol for i in self._pump.market.instruments("linear")] if key.symbol == "*" else [key.symbol]
        renders = [r for s in every if isinstance(r := self._render("linear", s), LinearRender)]
        channel = key.channel.removeprefix("public.")
        rows: Mapping[str, Callable[[LinearRender], Row]] = {
            "funding_rate": lambda r: r.pushed_funding(self._now()),
            "contract_info": lambda r: r.listing(self._now()),
            "contract_elements": lambda r: r.elements(),
        }
        row = rows.get(channel)
        if row is None:
            return None
        told: Row = {"op": "notify", "topic": f"public.{key.symbol}.{channel}"}
        if channel != "funding_rate":
            told["event"] = "init"

        def say() -> Sequence[str]:
            return [encoded({**told, "ts": self._now(), "data": [row(r) for r in renders]}).decode()]

        period = round(2000 * self._pump.settings.funding_push_s) if channel == "funding_rate" else 0
        return TimedStream(push, say, period_ms=period, greet=True)
