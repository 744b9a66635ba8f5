"""HTX's incremental books: spot's chained deltas with a snapshot on request, linear's numbered updates."""

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence

import attrs

from fra.emulator.book import BookEngine, Levels, Step
from fra.emulator.htx.linear import LinearRender
from fra.emulator.htx.render import Render, encoded
from fra.emulator.htx.spot import SpotRender
from fra.emulator.pump import GeneratedStream
from fra.emulator.source import Push

INCREMENTAL = ".incremental"
"""Ends the channel of a linear book that was asked for with `data_type: incremental`; frames do not show it."""


def frame(render: Render, channel: str, ts: int, tick: object) -> str:
    """A pushed frame of a market socket."""
    return encoded({"ch": f"market.{render.symbol}.{channel}", "ts": ts, "tick": tick}).decode()


class Window:
    """What changed among the best `depth` levels of a book since it was last asked."""

    def __init__(self, engine: BookEngine, depth: int, *, whole: bool) -> None:
        self._engine = engine
        self._depth = depth
        self._whole = whole
        self._bids: dict[int, int] = {} if whole else self._top()[0]
        self._asks: dict[int, int] = {} if whole else self._top()[1]

    def _top(self) -> tuple[dict[int, int], dict[int, int]]:
        bids, asks = self._engine.top(self._depth)
        return dict(bids), dict(asks)

    def on_step(self, step: Step) -> None:
        if self._whole:
            self._bids.update(step.bids)
            self._asks.update(step.asks)

    def take(self) -> tuple[Mapping[int, int], Mapping[int, int]]:
        """New lots per tick; 0 for what is gone or has left the window."""
        if self._whole:
            bids, asks, self._bids, self._asks = self._bids, self._asks, {}, {}
            return bids, asks
        before = (self._bids, self._asks)
        self._bids, self._asks = self._top()
        return _changes(before[0], self._bids), _changes(before[1], self._asks)


def _changes(before: Mapping[int, int], after: Mapping[int, int]) -> dict[int, int]:
    gone = {price: 0 for price in before if price not in after}
    return gone | {price: lots for price, lots in after.items() if before.get(price) != lots}


class Checkpoints:
    """The ids at which the deltas of one `mbp.N` meet, and the past book that a `req` is answered with."""

    def __init__(self, update_id: int) -> None:
        self._met: deque[tuple[float, int]] = deque(maxlen=200)
        self.last = update_id
        self.note(update_id)

    def note(self, update_id: int) -> None:
        """Deltas have been sent up to this id."""
        self.last = update_id
        self._met.append((time.monotonic(), update_id))

    def restart(self, update_id: int) -> None:
        """The ids go on from elsewhere, as after maintenance: the chain breaks, and no older id is one any more."""
        self._met.clear()
        self.note(update_id)

    def book(self, engine: BookEngine, *, lag_s: float, steps: int) -> Levels:
        """The book at the newest id that is `lag_s` old; `steps` ago if no deltas have met for so long."""
        until = time.monotonic() - lag_s
        for met, update_id in reversed(self._met):
            if met <= until and (found := engine.at(update_id)) is not None:
                return found
        return engine.past(steps)


class Mbp(GeneratedStream):
    """`mbp.N`: deltas chained by `prevSeqNum` and no snapshot; 5 and 20 with each step, 150 and 400 each 100 ms."""

    def __init__(
        self, push: Push, depth: int, render: SpotRender, engine: BookEngine, checkpoints: Checkpoints, *, whole: bool
    ) -> None:
        super().__init__(push, period_ms=100 if depth > 20 else 0, engine=engine)
        self._channel = f"mbp.{depth}"
        self._sparse = depth <= 20
        self._render = render
        self._book = engine
        self._window = Window(engine, depth, whole=whole)
        self._checkpoints = checkpoints

    def on_step(self, step: Step) -> None:
        self._window.on_step(step)
        if not self.period_ms:
            self.speak()

    def speak(self) -> None:
        bids, asks = self._window.take()
        if not bids and not asks:
            return
        met, seq = self._checkpoints, self._book.update_id
        tick = self._render.update(bids, asks, seq=seq, previous=met.last, sparse=self._sparse)
        met.note(seq)
        self.push(frame(self._render, self._channel, self._book.time_ms, tick))


@attrs.define
class Version:
    """Counts the updates of one linear book; it goes on while nobody listens. Each is remembered with the id of the
    book that it stood for."""

    number: int
    _ids: OrderedDict[int, int] = attrs.field(init=False, factory=OrderedDict)

    def stands_for(self, update_id: int) -> None:
        """The present number was told for the book at this id."""
        self._ids[self.number] = update_id
        if len(self._ids) > BookEngine.HISTORY:
            self._ids.popitem(last=False)

    def update_id(self, number: int) -> int | None:
        """The id that a number stood for, None if it is unknown or forgotten."""
        return self._ids.get(number)

    def restart(self, number: int) -> None:
        """Count on from elsewhere."""
        self.number = number
        self._ids.clear()


class HighFreq(GeneratedStream):
    """`depth.size_N.high_freq`: a snapshot, then updates whose `version` rises by one; or snapshots only."""

    def __init__(
        self,
        push: Push,
        size: int,
        render: LinearRender,
        engine: BookEngine,
        version: Version,
        *,
        whole: bool,
        incremental: bool,
    ) -> None:
        super().__init__(push, period_ms=0, engine=engine)
        self._size = size
        self._render = render
        self._book = engine
        self._window = Window(engine, size, whole=whole)
        self._version = version
        self._incremental = incremental

    def initial(self) -> Sequence[str]:
        return [self._frame(self._book.bids, self._book.asks, "snapshot")]

    def on_step(self, step: Step) -> None:
        self._window.on_step(step)
        bids, asks = self._window.take()
        if not bids and not asks:
            return
        self._version.number += 1
        if self._incremental:
            self.push(self._frame(bids, asks, "update"))
        else:
            self.push(self._frame(self._book.bids, self._book.asks, "snapshot"))

    def _frame(self, bids: Mapping[int, int], asks: Mapping[int, int], event: str) -> str:
        book = self._book
        self._version.stands_for(book.update_id)
        tick = self._render.high_freq(
            bids, asks, size=self._size, event=event, mrid=book.update_id, version=self._version.number, ts=book.time_ms
        )
        return encoded({"ch": tick["ch"], "tick": tick, "ts": book.time_ms}).decode()
