"""Recorded books read the plainest way, to hold against what comes out of an adapter: shares no code with either side.

A capture becomes a list of changes in the order in which a client applies them by the venue's documents, and a replay
of them is two dicts of Decimals.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Any

import attrs

from fra.core import BookView

Row = tuple[str, str]
Levels = list[tuple[Decimal, Decimal]]
Best = tuple[Decimal, Decimal, Decimal, Decimal]


def recordings(*patterns: str) -> list[Path]:
    """The files of `FRA_FIXTURES/recordings` that match; none where the variable is not set."""
    folder = os.environ.get("FRA_FIXTURES")
    if not folder:
        return []
    root = Path(folder) / "recordings"
    return sorted(path for pattern in patterns for path in root.glob(pattern))


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The recorded lines of one file."""
    with _opened(path) as file:
        for line in file:
            yield json.loads(line)


def length(path: Path) -> int:
    """How many lines one file has, without reading what stands in them."""
    with _opened(path) as file:
        return sum(1 for _ in file)


def _opened(path: Path) -> IO[str]:
    return gzip.open(path, "rt") if path.suffix == ".gz" else path.open()


@attrs.frozen
class Change:
    """One step of a book: absolute sizes at the venue's update id; `whole` replaces everything."""

    sequence: int
    bids: Sequence[Row]
    asks: Sequence[Row]
    whole: bool = False


@attrs.frozen(slots=False)
class Capture:
    """One recorded book. `changes` begin with the snapshot where one was recorded."""

    path: Path
    venue: str
    market: str
    venue_id: str
    changes: Sequence[Change]
    follows: int
    """The update id after which its first delta comes."""
    first_id: int = 0
    """Where the ids of its first delta begin (Binance)."""
    asked_at: int = 0
    """How many deltas had come when the snapshot was recorded (Binance)."""

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name.partition('.')[0]}"

    @property
    def has_snapshot(self) -> bool:
        return self.changes[0].whole

    @cached_property
    def offset(self) -> int:
        """How many recorded events come before the first that is applied."""
        events = sum(line["dir"] == "recv" for line in lines(self.path))
        return events - (len(self.changes) - (self.has_snapshot and self.venue == "binance"))

    def best_told(self) -> dict[int, Best]:
        """Best prices and sizes by update id, as the venue's ticker said at the same time."""
        told: dict[int, Best] = {}
        session = self.path.name.partition("__")[0].partition(".")[0]
        folder = self.path.parent.parent / self.path.parent.name.replace("-book", "-ticker")
        for path in (*folder.glob(f"{session}.*"), *folder.glob(f"{session}__{self.venue_id}.*")):
            for line in lines(path):
                told.update(_best(line["raw"], self.venue_id) if line["dir"] == "recv" else ())
        return told


def _best(raw: str, venue_id: str) -> Iterator[tuple[int, Best]]:
    message = json.loads(raw)
    data = message.get("data", message)
    if isinstance(data, dict) and data.get("s") == venue_id and "u" in data:
        yield data["u"], tuple(map(Decimal, (data["b"], data["B"], data["a"], data["A"])))
    elif isinstance(data, list) and message["arg"] == {"channel": "bbo-tbt", "instId": venue_id}:
        for row in data:
            if row["bids"] and row["asks"]:
                yield row["seqId"], tuple(map(Decimal, (*row["bids"][0][:2], *row["asks"][0][:2])))


@cache
def read(path: Path) -> Capture:
    """A Binance `*-book` file or an OKX `v5-book` one."""
    venue, market = path.parent.parent.name, path.parent.name.partition("-")[0]
    venue_id = path.name.partition("__")[2].partition(".")[0]
    if venue == "okx":
        market = "swap" if venue_id.endswith("-SWAP") else "spot"
        rows = [_okx(line["raw"]) for line in lines(path) if line["dir"] == "recv"]
        return Capture(path, venue, market, venue_id, [change for change, _ in rows], rows[0][1])
    snapshot: Change | None = None
    deltas: list[tuple[Change, int]] = []
    first_id = asked_at = 0
    for line in lines(path):
        body = json.loads(line["raw"]) if line["dir"] in ("http", "recv") else {}
        if line["dir"] == "http":
            asked_at = len(deltas)
            snapshot = Change(body["lastUpdateId"], _pairs(body["bids"]), _pairs(body["asks"]), whole=True)
        elif line["dir"] == "recv":
            data = body.get("data", body)
            first_id = first_id or data["U"]
            deltas.append((Change(data["u"], _pairs(data["b"]), _pairs(data["a"])), data.get("pu", data["U"] - 1)))
    changes = [change for change, _ in deltas]
    if snapshot is not None:
        # Spot drops what ends at the snapshot or before it, USD-M only what ends before it.
        last = snapshot.sequence + (market == "spot")
        changes = [snapshot, *(change for change in changes if change.sequence >= last)]
    return Capture(path, venue, market, venue_id, changes, deltas[0][1], first_id, asked_at)


def _okx(raw: str) -> tuple[Change, int]:
    message = json.loads(raw)
    (row,) = message["data"]
    whole = message["action"] == "snapshot"
    return Change(row["seqId"], _pairs(row["bids"]), _pairs(row["asks"]), whole=whole), row["prevSeqId"]


def _pairs(rows: list[list[str]]) -> list[Row]:
    return [(row[0], row[1]) for row in rows]


def has_sequence(path: Path) -> bool:
    """Whether an OKX capture has the ids of today's protocol."""
    first = next(line["raw"] for line in lines(path) if line["dir"] == "recv")
    return "seqId" in json.loads(first)["data"][0]


class Replay:
    """A book by update id: two dicts, run forward through a capture's changes."""

    def __init__(self, changes: Sequence[Change], *, unit: Decimal = Decimal(1)) -> None:
        self._changes = changes
        self._unit = unit
        self._places: dict[int, int] = {}
        for index, change in enumerate(changes):
            self._places[change.sequence] = index + 1
        self._done = 0
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}

    def go_to(self, sequence: int) -> bool:
        """Stand right after `sequence`; False if the venue never stood there. Going back starts anew."""
        place = self._places.get(sequence)
        if place is None:
            return False
        if place < self._done:
            self._done = 0
        if self._done == 0:
            self._bids.clear()
            self._asks.clear()
        for change in self._changes[self._done : place]:
            for side, rows in ((self._bids, change.bids), (self._asks, change.asks)):
                if change.whole:
                    side.clear()
                for price, size in rows:
                    if Decimal(size):
                        side[Decimal(price)] = Decimal(size) * self._unit
                    else:
                        side.pop(Decimal(price), None)
        self._done = place
        return True

    def cut(self, depth: int) -> None:
        """Forget what lies beyond the `depth` best levels, as a snapshot of that depth does."""
        for side, best_last in ((self._bids, False), (self._asks, True)):
            for price in sorted(side, reverse=best_last)[: max(0, len(side) - depth)]:
                del side[price]

    def levels(self) -> tuple[Levels, Levels]:
        return sorted(self._bids.items(), reverse=True), sorted(self._asks.items())

    def best(self) -> Best | None:
        if not self._bids or not self._asks:
            return None
        bid, ask = max(self._bids), min(self._asks)
        return bid, self._bids[bid], ask, self._asks[ask]


def best_of(view: BookView) -> Best | None:
    bid, ask = view.best_bid, view.best_ask
    return None if bid is None or ask is None else (*bid, *ask)


class Watch:
    """A listener that holds views against the replay: of those that `whole` picks by their count all levels, of those
    that `best` picks the best ones, and of each what the ticker told at its update id.
    """

    def __init__(
        self,
        replay: Replay,
        *,
        whole: Callable[[int], bool],
        best: Callable[[int], bool],
        told: dict[int, Best] | None = None,
    ) -> None:
        self.replay = replay
        self.told = told or {}
        self.sequences: list[int | None] = []
        """Of every valid view, in order."""
        self.losses = 0
        """How often a valid book was told to be lost."""
        self.compared = 0
        self.matched: set[int] = set()
        """Update ids at which the ticker's best was found."""
        self.wrong: list[str] = []
        self.valid = False
        self.anew: Callable[[], None] = lambda: None
        """Called when a book is valid again, before it is compared."""
        self._whole = whole
        self._best = best

    def __call__(self, view: BookView) -> None:
        if not view.valid:
            self.losses += self.valid
            self.valid = False
            if view.bids() or view.asks():
                self.wrong.append("an invalid view shows levels")
            return
        self.sequences.append(view.sequence)
        if view.sequence is None or not self.replay.go_to(view.sequence):
            self.wrong.append(f"the venue never stood at {view.sequence}")
            return
        if self.losses and not self.valid:
            self.anew()
        self.valid = True
        if self._best(len(self.sequences)) and best_of(view) != self.replay.best():
            self.wrong.append(f"at {view.sequence} best is {best_of(view)}, not {self.replay.best()}")
        if view.sequence in self.told:
            self.matched.add(view.sequence)
            if best_of(view) != self.told[view.sequence]:
                self.wrong.append(f"at {view.sequence} the ticker said {self.told[view.sequence]}")
        if self._whole(len(self.sequences)):
            self.compare(view)

    def compare(self, view: BookView) -> None:
        """All levels."""
        self.compared += 1
        if (list(view.bids()), list(view.asks())) != self.replay.levels():
            self.wrong.append(f"levels differ at {view.sequence}")
