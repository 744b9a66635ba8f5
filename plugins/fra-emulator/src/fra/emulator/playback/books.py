"""Recorded Binance books: snapshot, deltas, and the true book at any place, replayed with plain dicts."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs
import msgspec

from fra.emulator.playback.recording import Event, Recording, Reply, Track
from fra.emulator.source import NoData, TrueBook

Row = tuple[str, str]


class _Delta(msgspec.Struct):
    U: int
    u: int
    b: list[Row]
    a: list[Row]
    E: int = 0
    pu: int | None = None


class _Snapshot(msgspec.Struct):
    lastUpdateId: int
    bids: list[Row]
    asks: list[Row]


_delta = msgspec.json.Decoder(_Delta).decode


@attrs.define
class BookTrack:
    """One symbol's book: `events` are its deltas, `before` how many of them came before the snapshot was answered."""

    market: str
    symbol: str
    events: list[Event]
    snapshot: bytes
    before: int
    _positions: dict[int, int] = attrs.field(factory=dict)

    @classmethod
    def all_of(cls, recording: Recording) -> dict[tuple[str, str], BookTrack]:
        """Each symbol's longest chain of deltas; captures that go on where another ends are joined to it."""
        chains: dict[tuple[str, str], list[list[Track]]] = {}
        for track in recording.tracks:
            if track.key.channel.startswith("depth") and "Update" in track.events[0].raw:
                _join(chains.setdefault((track.key.market, track.key.symbol), []), track)
        return {key: _book(key, max(found, key=_size), recording) for key, found in chains.items()}

    def rows(self) -> Iterable[Row]:
        """Every level of the snapshot and the deltas."""
        snapshot = msgspec.json.decode(self.snapshot, type=_Snapshot)
        yield from snapshot.bids
        yield from snapshot.asks
        for event in self.events:
            delta = _delta(event.raw)
            yield from delta.b
            yield from delta.a

    def at(self, position: int) -> TrueBook:
        """The book after the first `position` deltas (those that the snapshot already holds change nothing)."""
        snapshot = msgspec.json.decode(self.snapshot, type=_Snapshot)
        bids, asks = dict(snapshot.bids), dict(snapshot.asks)
        last, at = snapshot.lastUpdateId, 0
        for event in self.events[:position]:
            delta = _delta(event.raw)
            if delta.u <= last:
                continue
            for side, rows in ((bids, delta.b), (asks, delta.a)):
                for price, size in rows:
                    if float(size):
                        side[price] = size
                    else:
                        side.pop(price, None)
            last, at = delta.u, delta.E
        return TrueBook(self.symbol, last, at, _sorted(bids, reverse=True), _sorted(asks))

    def at_id(self, update_id: int) -> TrueBook:
        """The book right after the delta that ends at `update_id`. Raises NoData."""
        if not self._positions:
            self._positions = {_delta(event.raw).u: index + 1 for index, event in enumerate(self.events)}
        if update_id not in self._positions:
            raise NoData(f"{self.symbol} at {update_id}")
        return self.at(self._positions[update_id])

    def answer(self, position: int, limit: int) -> bytes:
        """The REST snapshot at a place of the stream."""
        book = self.at(position)
        head = {"lastUpdateId": book.update_id} | (
            {"E": book.time_ms, "T": book.time_ms} if self.market == "usdm" else {}
        )
        return msgspec.json.encode({**head, "bids": book.bids[:limit], "asks": book.asks[:limit]})


def grid_of(rows: Iterable[Row]) -> tuple[Decimal, Decimal]:
    """The finest tick and lot that the texts of these levels show."""
    places = [0, 0]
    for row in rows:
        for side in (0, 1):
            digits = row[side].partition(".")[2].rstrip("0")
            places[side] = max(places[side], len(digits))
    return Decimal(1).scaleb(-places[0]), Decimal(1).scaleb(-places[1])


def _sorted(levels: dict[str, str], *, reverse: bool = False) -> list[Row]:
    return sorted(levels.items(), key=lambda level: Decimal(level[0]), reverse=reverse)


def _join(chains: list[list[Track]], track: Track) -> None:
    first = _delta(track.events[0].raw)
    for chain in chains:
        last = _delta(chain[-1].events[-1].raw)
        if first.pu == last.u if first.pu is not None else last.u + 1 == first.U:
            chain.append(track)
            return
    chains.append([track])


def _size(chain: list[Track]) -> int:
    return sum(len(track.events) for track in chain)


def _book(key: tuple[str, str], chain: list[Track], recording: Recording) -> BookTrack:
    market, symbol = key
    events = [event for track in chain for event in track.events]
    origins = {track.origin for track in chain}
    snapshots: list[Reply] = [
        reply
        for reply in recording.newest(market, "depth")
        if reply.origin in origins and reply.params.get("symbol", symbol).upper() == symbol
    ]
    if snapshots:
        reply = snapshots[0]
        before = sum(1 for event in chain[0].events if event.n < reply.n)
        return BookTrack(market, symbol, events, reply.raw.encode(), max(1, before))
    first = _delta(events[0].raw)
    # Spot's first delta must begin right after the snapshot, USD-M's must hold the snapshot's own id
    # (Binance docs, "How to manage a local order book").
    start = first.U if market == "usdm" else first.U - 1
    return BookTrack(market, symbol, events, msgspec.json.encode({"lastUpdateId": start, "bids": [], "asks": []}), 1)
