"""Every recorded Binance book through the book builder, beside a plain replay that shares no code with it."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from fra.adapters.custom.books import BookBuilder, BookSnapshot
from fra.adapters.custom.sync import BINANCE_SPOT, BINANCE_USDM
from fra.core import BookView, ExchangeError, MarketKind, StreamGap, StreamSource, StreamStatus, Symbol

_RULES = {"spot": BINANCE_SPOT, "usdm": BINANCE_USDM}
_FAULTY_UP_TO = 1000
_AFTER = 6  # messages that follow a fault


def _files() -> list[Any]:
    folder = os.environ.get("FRA_FIXTURES")
    if not folder:
        skipped = pytest.mark.skip(reason="FRA_FIXTURES does not name the folder of recorded data")
        return [pytest.param(Path(), marks=skipped, id="no-recordings")]
    root = Path(folder) / "recordings" / "binance"
    files = sorted(path for market in _RULES for path in root.glob(f"{market}-book/*.jsonl*"))
    return [pytest.param(path, id=f"{path.parent.name}/{path.name.split('.')[0]}") for path in files]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


Book = dict[Decimal, Decimal]
Sorted = list[tuple[Decimal, Decimal]]


@attrs.frozen
class Delta:
    first: int
    last: int
    previous: int
    time: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]

    @property
    def before(self) -> int:
        """The id that this delta follows."""
        return self.previous or self.first - 1


@attrs.define
class Capture:
    """One recording: its deltas, and the snapshot with the number of deltas that had come when it came."""

    market: str
    deltas: list[Delta]
    snapshot: dict[str, Any] | None
    snapshot_at: int

    @classmethod
    def read(cls, path: Path) -> Capture:
        deltas: list[Delta] = []
        snapshot, at = None, 0
        for line in _lines(path):
            if line["dir"] == "http":
                snapshot, at = json.loads(line["raw"]), len(deltas)
            elif line["dir"] == "recv":
                data = json.loads(line["raw"])["data"]
                pairs = [[(p, q) for p, q in data[side]] for side in "ba"]
                deltas.append(Delta(data["U"], data["u"], data.get("pu", 0), data["E"], *pairs))
        return cls(path.parent.name.split("-")[0], deltas, snapshot, at)

    def start(self) -> tuple[int, Book, Book]:
        """Where the replay starts: the recorded snapshot, or nothing at all just before the first delta."""
        if self.snapshot is None:
            return self.deltas[0].before, {}, {}
        bids, asks = ({Decimal(p): Decimal(q) for p, q in self.snapshot[side]} for side in ("bids", "asks"))
        return self.snapshot["lastUpdateId"], bids, asks

    def recorded(self) -> BookSnapshot:
        """The start as the snapshot that was fetched while the recording ran."""
        return _as_snapshot(*self.start(), self.deltas[min(self.snapshot_at, len(self.deltas) - 1)].time)

    def applied(self) -> list[Delta]:
        """The deltas that come after the start."""
        place = self.start()[0]
        return [delta for delta in self.deltas if delta.last > place]


def replay(bids: Book, asks: Book, delta: Delta) -> None:
    for book, rows in ((bids, delta.bids), (asks, delta.asks)):
        for price, size in rows:
            if Decimal(size) == 0:
                book.pop(Decimal(price), None)
            else:
                book[Decimal(price)] = Decimal(size)


class Harness:
    """A builder whose background work runs when the test says so, and what its consumers were told."""

    def __init__(self, market: str, snapshot: Callable[[], BookSnapshot]) -> None:
        self.source: StreamSource[BookView] = StreamSource()
        self.source.attach(self)
        self.gaps: list[StreamGap] = []
        self.views: list[tuple[int | None, bool]] = []
        self.on_view: Callable[[BookView], None] = lambda view: None
        self._work: list[Coroutine[object, object, None]] = []
        self._snapshot = snapshot
        symbol = Symbol(
            "A/B", "AB", MarketKind.SPOT, "A", "B", tick_size=Decimal("0.00000001"), lot_size=Decimal("0.00000001")
        )
        self.builder: BookBuilder[Delta] = BookBuilder(
            symbol, self, _RULES[market], _feed, exchange="binance", fetch=self._fetch
        )

    async def _fetch(self) -> BookSnapshot:
        return self._snapshot()

    def resubscribe(self, error: ExchangeError) -> None:
        raise AssertionError("a book that starts from REST does not resubscribe")

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        self._work.append(work)
        return lambda: self._work.remove(work) if work in self._work else None

    def work(self) -> None:
        """Let what was spawned run to its end; it waits for nothing but turns of the loop."""
        while self._work:
            try:
                self._work[0].send(None)
            except StopIteration:
                self._work.pop(0)

    def feed(self, delta: Delta) -> None:
        self.builder.on_message(delta, delta.time)

    def on_item(self, view: BookView) -> None:
        self.views.append((view.sequence, view.valid))
        self.on_view(view)

    def on_gap(self, gap: StreamGap) -> None:
        self.gaps.append(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        pass


def _rows(pairs: list[tuple[str, str]]) -> list[tuple[float, str]]:
    return [(float(price), size) for price, size in pairs]


def _feed(book: BookBuilder[Delta], delta: Delta, received_ms: int) -> None:
    book.update(
        _rows(delta.bids),
        _rows(delta.asks),
        received_ms,
        first=delta.first,
        last=delta.last,
        previous=delta.previous,
        timestamp_ms=delta.time,
    )


def _as_snapshot(place: int, bids: Book, asks: Book, time: int) -> BookSnapshot:
    rows = ([(float(price), format(size, "f")) for price, size in book.items()] for book in (bids, asks))
    return BookSnapshot(*rows, place, None, time)


def _best_first(bids: Book, asks: Book) -> tuple[Sorted, Sorted]:
    return sorted(bids.items(), reverse=True), sorted(asks.items())


@pytest.mark.parametrize("path", _files())
def test_a_recorded_book_equals_a_plain_replay_with_no_resync(path: Path) -> None:
    capture = Capture.read(path)
    place, bids, asks = capture.start()
    harness = Harness(capture.market, capture.recorded)
    harness.builder.on_subscribed()
    truth = iter(capture.applied())
    checked = 0
    # Of how many views one is looked at, which costs the most.
    whole, best = max(40, len(capture.deltas) // 50), 20

    def compare(view: BookView) -> None:
        nonlocal checked, place
        while place != view.sequence:
            delta = next(truth)
            replay(bids, asks, delta)
            place = delta.last
        checked += 1
        if checked % whole == 1:
            assert (list(view.bids()), list(view.asks())) == _best_first(bids, asks)
        if bids and asks and checked % best == 1:
            assert view.best_bid == max(bids.items())
            assert view.best_ask == min(asks.items())

    harness.on_view = compare
    for index, delta in enumerate(capture.deltas):
        if index == capture.snapshot_at:
            harness.work()
        harness.feed(delta)
    harness.work()

    assert place == capture.deltas[-1].last or not capture.applied()
    assert (list(harness.builder.view.bids()), list(harness.builder.view.asks())) == _best_first(bids, asks)
    assert harness.builder.valid
    assert (harness.builder.resyncs, harness.gaps) == (0, [])


def _tickers(path: Path) -> Path | None:
    folder = path.parent.parent / path.parent.name.replace("-book", "-ticker")
    capture, _, symbol = path.name.split(".")[0].partition("__")
    names = (f"{capture}__{symbol}.jsonl.gz", f"{capture}__{symbol}.jsonl", f"{capture}.jsonl.gz", f"{capture}.jsonl")
    return next((folder / name for name in names if (folder / name).exists()), None)


@pytest.mark.parametrize("path", _files())
def test_best_levels_equal_the_recorded_book_ticker_at_the_same_update(path: Path) -> None:
    capture, tickers = Capture.read(path), _tickers(path)
    if capture.snapshot is None or tickers is None:
        pytest.skip("no snapshot or no bookTicker was recorded with this book")
    symbol = path.name.split(".")[0].partition("__")[2]
    told: dict[int, tuple[str, str, str, str]] = {}
    for line in _lines(tickers):
        data = json.loads(line["raw"])["data"] if line["dir"] == "recv" else {}
        if data.get("s") == symbol:
            told[data["u"]] = (data["b"], data["B"], data["a"], data["A"])
    ids = {delta.last for delta in capture.applied()} & told.keys()
    if not ids:
        pytest.skip("no bookTicker of this recording has the update id of a delta")
    harness = Harness(capture.market, capture.recorded)
    matched: set[int] = set()

    def compare(view: BookView) -> None:
        if view.sequence in ids:
            bid, ask = view.best_bid, view.best_ask
            assert bid is not None
            assert ask is not None
            assert (*bid, *ask) == tuple(map(Decimal, told[view.sequence]))
            matched.add(view.sequence)

    harness.on_view = compare
    harness.builder.on_subscribed()
    for index, delta in enumerate(capture.deltas):
        if index == capture.snapshot_at:
            harness.work()
        harness.feed(delta)
    assert matched == ids


@attrs.define
class Window:
    """A few deltas on end, and the book before and after each: only of the levels that they touch, and the best."""

    deltas: list[Delta]
    books: dict[int, tuple[Sorted, Sorted]]

    @classmethod
    def of(cls, place: int, bids: Book, asks: Book, deltas: list[Delta]) -> Window:
        small: list[Book] = []
        for book, best, side in ((bids, max, "bids"), (asks, min, "asks")):
            touched = {Decimal(price) for delta in deltas for price, _ in getattr(delta, side)}
            kept = {price: book[price] for price in touched if price in book}
            small.append({**kept, **({best(book): book[best(book)]} if book else {})})
        books = {place: _best_first(*small)}
        for delta in deltas:
            replay(small[0], small[1], delta)
            books[delta.last] = _best_first(*small)
        return cls(deltas, books)

    def snapshot(self, place: int) -> BookSnapshot:
        return _as_snapshot(place, *map(dict, self.books[place]), self.deltas[0].time)


def _windows(capture: Capture) -> Iterator[tuple[int, Window]]:
    """For each delta: the window around it, and where in the window it stands."""
    deltas = capture.applied()
    place, bids, asks = capture.start()
    for at in range(len(deltas)):
        if at > 1:
            place = deltas[at - 2].last
            replay(bids, asks, deltas[at - 2])
        start = max(0, at - 1)
        yield at - start, Window.of(place, bids, asks, deltas[start : at + _AFTER])


def _dropped(deltas: list[Delta], at: int) -> list[Delta]:
    return deltas[:at] + deltas[at + 1 :]


def _duplicated(deltas: list[Delta], at: int) -> list[Delta]:
    return [*deltas[: at + 1], deltas[at], *deltas[at + 1 :]]


def _swapped(deltas: list[Delta], at: int) -> list[Delta]:
    return [*deltas[:at], *deltas[at : at + 2][::-1], *deltas[at + 2 :]]


_FAULTS = {"dropped": _dropped, "duplicated": _duplicated, "swapped": _swapped}


@pytest.mark.parametrize("path", _files())
def test_no_false_book_with_one_message_wrong_at_every_position(path: Path) -> None:
    capture = Capture.read(path)
    if len(capture.deltas) > _FAULTY_UP_TO:
        pytest.skip(f"{len(capture.deltas)} messages: faults in long recordings are tried over sockets")
    for position, (at, window) in enumerate(_windows(capture)):
        for fault in _FAULTS:
            _try(capture.market, window, at, fault, f"{fault} at {position}")


def _try(market: str, window: Window, at: int, fault: str, where: str) -> None:
    places = list(window.books)
    newest = 0  # what the venue has sent by now: a snapshot fetched later is newer
    harness = Harness(market, lambda: window.snapshot(places[newest]))

    def compare(view: BookView) -> None:
        if view.valid:
            assert (list(view.bids()), list(view.asks())) == window.books[view.sequence], where

    harness.on_view = compare
    harness.builder.on_subscribed()
    harness.work()
    for index, delta in enumerate(_FAULTS[fault](window.deltas, at)):
        newest = max(newest, places.index(delta.last))
        harness.feed(delta)
        if index >= at + 3:
            harness.work()
    harness.work()

    seen = int(at < len(window.deltas) - 1 and fault != "duplicated")
    assert harness.builder.valid, where
    assert harness.builder.sequence == places[newest], where
    assert (harness.builder.resyncs, len(harness.gaps)) == (seen, seen), where
    assert [valid for _, valid in harness.views].count(False) == seen, where
