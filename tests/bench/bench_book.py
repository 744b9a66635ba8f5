"""One live book beside the least that Python can do: typed decode, and a dict with a bisected list of float prices.

Both get the same bytes in the same process, in turns: decode, apply, and look at the best prices. The recorded stream
is the longest Binance USD-M capture in FRA_FIXTURES; the generated one moves near the top only.
"""

from __future__ import annotations

import gc
import gzip
import json
import os
import random
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from fra.adapters.custom.books import BookBuilder, BookSnapshot
from fra.adapters.custom.sync import BINANCE_USDM
from fra.core import BookView, ExchangeError, MarketKind, StreamGap, StreamSource, StreamStatus, Symbol
from fra.exchanges.binance import tables
from fra.exchanges.binance.plugin import feed_book
from fra.exchanges.binance.wire import Snapshot

_ROUNDS = 5
_GENERATED = 3_000


class _FloorData(msgspec.Struct):
    U: int
    u: int
    pu: int
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]


class _FloorFrame(msgspec.Struct):
    data: _FloorData


class _FloorSide:
    __slots__ = ("prices", "sizes")

    def __init__(self, rows: Sequence[tuple[float, float]]) -> None:
        self.sizes = dict(rows)
        self.prices = sorted(self.sizes)

    def update(self, rows: list[tuple[float, float]]) -> None:
        sizes, prices = self.sizes, self.prices
        for price, size in rows:
            if size:
                if price not in sizes:
                    prices.insert(bisect_left(prices, price), price)
                sizes[price] = size
            elif sizes.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]


def _floor(snapshot: Snapshot, frames: list[bytes]) -> float:
    bids, asks = (_FloorSide([(p, float(q)) for p, q in rows]) for rows in (snapshot.bids, snapshot.asks))
    place, synced = snapshot.lastUpdateId, False
    decode = msgspec.json.Decoder(_FloorFrame, strict=False).decode
    started = time.process_time()
    for frame in frames:
        data = decode(frame).data
        if not synced:
            if data.u < place:
                continue
            synced = True
        elif data.pu != place:
            raise AssertionError("the stream has a gap")
        place = data.u
        bids.update(data.b)
        asks.update(data.a)
        if bids.prices[-1] >= asks.prices[0]:
            raise AssertionError("the book crossed")
    return time.process_time() - started


class _Ours:
    """A stream whose background work is run by hand, and a listener that looks at the top of each view."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.source: StreamSource[BookView] = StreamSource()
        self.source.attach(self)
        self.heard = 0
        self.work: Coroutine[object, object, None] | None = None
        symbol = Symbol(
            "BTC/USDT:USDT",
            "BTCUSDT",
            MarketKind.LINEAR_SWAP,
            "BTC",
            "USDT",
            "USDT",
            tick_size=Decimal("0.1"),
            lot_size=Decimal("0.001"),
        )
        rows = list(snapshot.bids), list(snapshot.asks)

        async def fetch() -> BookSnapshot:
            return BookSnapshot(*rows, snapshot.lastUpdateId, snapshot.T, 0)

        self.book = BookBuilder(symbol, self, BINANCE_USDM, feed_book, exchange="binance", fetch=fetch)
        self.book.on_subscribed()
        assert self.work is not None
        try:
            while True:
                self.work.send(None)
        except StopIteration:
            pass

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        self.work = work
        return lambda: None

    def resubscribe(self, error: ExchangeError) -> None:
        raise error

    def on_item(self, view: BookView) -> None:
        self.heard += 1

    def on_gap(self, gap: StreamGap) -> None:
        raise gap

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        pass


class _Looking(_Ours):
    """A listener that makes exact Decimals of both best levels at every update."""

    def on_item(self, view: BookView) -> None:
        self.heard += 1
        if view.best_bid is None or view.best_ask is None:
            raise AssertionError("a side is empty")


def _ours(snapshot: Snapshot, frames: list[bytes], kind: type[_Ours]) -> float:
    ours = kind(snapshot)
    decode, take = tables.BOOK[1].decoder.decode, ours.book.on_message
    # The framework's line of channels with numbers adds one call to each message; here the builder alone is meant.
    started = time.process_time()
    for frame in frames:
        take(decode(frame), 0)
    spent = time.process_time() - started
    assert ours.book.valid
    assert ours.book.resyncs == 0
    assert ours.heard >= len(frames) * 0.99
    return spent


def _recorded() -> tuple[str, Snapshot, list[bytes]] | None:
    folder = os.environ.get("FRA_FIXTURES")
    if not folder:
        return None
    path = max((Path(folder) / "recordings/binance/usdm-book").glob("*.jsonl.gz"), key=lambda path: path.stat().st_size)
    frames: list[bytes] = []
    snapshot: Snapshot | None = None
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            if message["dir"] == "http":
                snapshot = msgspec.json.decode(message["raw"], type=Snapshot, strict=False)
            elif message["dir"] == "recv":
                frames.append(message["raw"].encode())
    assert snapshot is not None
    return path.name.split(".")[0], snapshot, frames


def _generated() -> tuple[str, Snapshot, list[bytes]]:
    """1,000 levels a side and 35 changes a side and message, all near a middle that walks."""
    rng = random.Random(7)
    middle = 600_000
    books: tuple[set[int], set[int]] = (
        {middle - n for n in range(1, 1001)},
        {middle + n for n in range(1, 1001)},
    )

    def rows(ticks: dict[int, float]) -> list[list[str]]:
        return [[f"{tick / 10:.2f}", f"{size:.3f}"] for tick, size in sorted(ticks.items())]

    def size() -> float:
        return rng.randint(1, 9999) / 1000

    start = [[[f"{tick / 10:.2f}", f"{size():.3f}"] for tick in book] for book in books]
    raw = json.dumps({"lastUpdateId": 100, "bids": start[0], "asks": start[1], "T": 0, "E": 0})
    frames: list[bytes] = []
    place = 100
    for number in range(_GENERATED):
        middle += rng.choice((-2, -1, 0, 1, 2))
        changes: list[dict[int, float]] = []
        for book, sign in zip(books, (-1, 1), strict=True):
            change: dict[int, float] = {tick: 0.0 for tick in book if (tick - middle) * sign <= 0}
            for _ in range(35):
                tick = middle + sign * (1 + int(rng.expovariate(1 / 25)))
                change[tick] = 0.0 if rng.random() < 0.35 and tick in book else size()
            for tick, amount in change.items():
                (book.add if amount else book.discard)(tick)
            changes.append(change)
        data = {
            "e": "depthUpdate",
            "E": number,
            "T": number,
            "s": "BTCUSDT",
            "U": place + 1,
            "u": place + 9,
            "pu": place,
        }
        data |= {"b": rows(changes[0]), "a": rows(changes[1])}
        place += 9
        frames.append(json.dumps({"stream": "btcusdt@depth@100ms", "data": data}, separators=(",", ":")).encode())
    return "generated", msgspec.json.decode(raw, type=Snapshot, strict=False), frames


def _measure(name: str, snapshot: Snapshot, frames: list[bytes]) -> dict[str, object]:
    subjects: dict[str, Callable[[], float]] = {
        "floor": lambda: _floor(snapshot, frames),
        "book": lambda: _ours(snapshot, frames, _Ours),
        "book, exact best prices read each time": lambda: _ours(snapshot, frames, _Looking),
    }
    spent: dict[str, list[float]] = {subject: [] for subject in subjects}
    for _ in range(_ROUNDS):
        for subject, run_once in subjects.items():
            gc.collect()
            spent[subject].append(run_once() / len(frames) * 1e6)
    best = {subject: min(figures) for subject, figures in spent.items()}
    return {
        "stream": name,
        "messages": len(frames),
        "microseconds": {subject: round(figure, 2) for subject, figure in best.items()},
        "ratio": {subject: round(figure / best["floor"], 3) for subject, figure in best.items()},
        "median ratio": {
            subject: round(statistics.median(f / g for f, g in zip(figures, spent["floor"], strict=True)), 3)
            for subject, figures in spent.items()
        },
    }


def run() -> dict[str, object]:
    """CPU per message of the book builder beside the floor's, on a recorded and on a generated stream."""
    recorded = _recorded()
    streams = [recorded] if recorded is not None else []
    return {"budget": {"recorded": 0.8, "generated": 1.0}, "runs": [_measure(*s) for s in (*streams, _generated())]}


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
