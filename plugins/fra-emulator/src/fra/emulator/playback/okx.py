"""Recorded OKX captures as a data source for the OKX front-end."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from fra.emulator.instruments import Instrument
from fra.emulator.playback.books import grid_of
from fra.emulator.playback.recording import Recording, Track
from fra.emulator.playback.track import Fault, FaultPlan, Pace, Player
from fra.emulator.settings import Settings
from fra.emulator.source import NoData, Push, SourceStream, StreamKey, TrueBook

Row = dict[str, object]
Levels = dict[str, list[str]]

# REST endpoint → the channel whose newest frame holds the same row.
_ROWS: Final[Mapping[str, str]] = {
    "public/funding-rate": "funding-rate",
    "public/mark-price": "mark-price",
    "market/ticker": "tickers",
    "market/tickers": "tickers",
    "market/index-tickers": "index-tickers",
}


class _BookData(msgspec.Struct):
    bids: list[list[str]]
    asks: list[list[str]]
    ts: str = "0"
    seqId: int = -1
    checksum: int = 0


class _BookFrame(msgspec.Struct):
    data: list[_BookData]
    action: str = "snapshot"


class _RowFrame(msgspec.Struct):
    data: list[Row]


_book = msgspec.json.Decoder(_BookFrame).decode


class OkxPlayback:
    """Implements `Source` over a recording: a `books` subscriber gets the recorded snapshot, then the updates."""

    def __init__(
        self,
        recording: Recording,
        settings: Settings,
        *,
        pace: Pace,
        known: Mapping[tuple[str, str], Instrument],
        faults: Mapping[int, Fault],
    ) -> None:
        self.recording = recording
        self.settings = settings
        self._pace = pace
        self._known = known
        self.faults = FaultPlan()
        self.faults.plant(faults)
        self._tracks = _longest(recording.tracks)
        self._players: list[Player] = []
        self._open: dict[tuple[str, str], Player] = {}
        self._instruments = self._listing()
        self._listed = {(str(row["instType"]).lower(), str(row["instId"])) for row in self._instruments}

    # -- Source
    @property
    def exchange(self) -> None:
        """A recording does not answer to orders."""
        return None

    def knows(self, market: str, symbol: str) -> bool:
        indices = {key.symbol for key in self._tracks if key.channel == "index-tickers"}
        return (market, symbol) in self._listed or symbol in indices

    def answer(self, market: str, endpoint: str, params: Mapping[str, str]) -> bytes:
        return msgspec.json.encode({"code": "0", "msg": "", "data": self._data(market, endpoint, params)})

    def open(self, key: StreamKey, push: Push) -> SourceStream | None:
        track = self._tracks.get(key)
        if track is None and not self.knows(key.market, key.symbol):
            return None
        events = track.events if track else []
        is_book = key.channel.startswith("books")
        greeting = 1 if is_book and events else 0
        player = Player(
            events,
            push,
            pace=self._pace,
            greeting=greeting,
            faults=self.faults.take(key.market, key.symbol) if is_book else None,
            late=lambda position: [_snapshot_frame(key, _replay(key.symbol, track, position))] if track else [],
        )
        self._players.append(player)
        if is_book:
            self._open[key.market, key.symbol] = player
        return player

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        track = self._tracks.get(StreamKey(market, "books", symbol))
        if track is None:
            raise NoData(symbol)
        for position in range(len(track.events), 0, -1):
            if update_id is None or _book(track.events[position - 1].raw).data[0].seqId == update_id:
                return _replay(symbol, track, position)
        raise NoData(f"{symbol} at {update_id}")

    def renumber(self, market: str, symbol: str, update_id: int) -> None:
        raise NoData("a recording keeps its own ids")

    def freeze(self, market: str, symbol: str, *, frozen: bool) -> None:
        raise NoData("a recording keeps its own pace")

    def stale(self, market: str, symbol: str, *, count: int, steps: int) -> None:
        raise NoData("a recording answers what it holds")

    async def start(self) -> None:
        """Nothing moves before a stream is opened."""

    async def stop(self) -> None:
        for player in self._players:
            player.close()

    # -- parts
    def _data(self, market: str, endpoint: str, params: Mapping[str, str]) -> object:
        symbol = params.get("instId", "")
        match endpoint:
            case "public/time":
                return [{"ts": str(self.settings.clock.now_ms())}]
            case "public/instruments":
                wanted = params.get("instType", "").upper()
                return [r for r in self._instruments if r["instType"] == wanted and symbol in ("", r["instId"])]
            case "market/books" | "market/books-full":
                return [self._rest_book(market, symbol, int(params.get("sz", 1)))]
            case "market/trades" | "market/history-trades":
                trades = self._newest(lambda key: key.channel == "trades" and key.symbol == symbol, "tradeId")
                return list(reversed(trades))[: int(params.get("limit", 100))]
            case "market/candles" | "market/history-candles":
                return self._candles(symbol, f"candle{params.get('bar', '1m')}", params)
            case "public/funding-rate-history":
                replies = self.recording.newest("swap", endpoint)
                rows = [
                    row
                    for reply in replies
                    for row in msgspec.json.decode(reply.raw)["data"]
                    if row["instId"] == symbol
                ]
                return rows[: int(params.get("limit", 100))]
        if endpoint in _ROWS:
            wanted = params.get("instType", "").lower()
            rows = self._newest(lambda key: key.channel == _ROWS[endpoint] and wanted in ("", key.market), "instId")
            if symbol in ("", "ANY"):
                return rows
            found = [row for row in rows if row["instId"] == symbol]
            if found:
                return found
            raise NoData(symbol)
        raise NoData(endpoint)

    def _newest(self, fits: Callable[[StreamKey], bool], identity: str) -> list[Row]:
        """The newest row of each id among the frames of the fitting channels."""
        rows: dict[object, Row] = {}
        for key, track in self._tracks.items():
            if fits(key):
                for event in track.events:
                    for row in msgspec.json.decode(event.raw, type=_RowFrame).data:
                        rows[row.get(identity)] = row
        return list(rows.values())

    def _candles(self, symbol: str, channel: str, params: Mapping[str, str]) -> list[list[str]]:
        rows: dict[str, list[str]] = {}
        for key, track in self._tracks.items():
            if (key.channel, key.symbol) == (channel, symbol):
                for event in track.events:
                    rows.update({row[0]: row for row in msgspec.json.decode(event.raw)["data"]})
        after, before = int(params.get("after") or 1 << 62), int(params.get("before") or 0)
        chosen = [row for at, row in sorted(rows.items(), reverse=True) if before < int(at) < after]
        return chosen[: int(params.get("limit", 100))]

    def _rest_book(self, market: str, symbol: str, depth: int) -> Row:
        track, player = self._tracks.get(StreamKey(market, "books", symbol)), self._open.get((market, symbol))
        if track is None:
            raise NoData(symbol)
        book = _replay(symbol, track, max(1, min(player.position, len(track.events))) if player else 1)
        bids, asks = ([[p, s, "0", "1"] for p, s in rows[:depth]] for rows in (book.bids, book.asks))
        return {"asks": asks, "bids": bids, "ts": str(book.time_ms), "seqId": book.update_id}

    def _listing(self) -> list[Row]:
        rows: dict[str, Row] = {}
        for reply in self.recording.replies:
            if reply.endpoint == "public/instruments":
                for row in msgspec.json.decode(reply.raw)["data"]:
                    rows[str(row["instId"])] = row
        for key in sorted(self._tracks, key=lambda key: key.symbol):
            if key.symbol not in rows and key.channel != "index-tickers" and key.market in ("spot", "swap"):
                rows[key.symbol] = self._instrument(key.market, key.symbol)
        return list(rows.values())

    def _instrument(self, market: str, symbol: str) -> Row:
        """A listing for an instrument that was not recorded: the bundled one, else the grid that its book shows."""
        known = self._known.get((market, symbol))
        track = self._tracks.get(StreamKey(market, "books", symbol))
        levels = _levels(track) if track else ()
        tick, lot = (known.tick, known.lot) if known else grid_of(levels)
        base, quote = symbol.split("-")[:2]
        pair, swap = f"{base}-{quote}", market == "swap"
        inverse = swap and quote == "USD"
        size = known.contract_size if known else Decimal(1)
        return {
            "instType": market.upper(), "instId": symbol, "uly": pair if swap else "",
            "instFamily": pair if swap else "",
            "category": "1", "baseCcy": "" if swap else base, "quoteCcy": "" if swap else quote,
            "settleCcy": (base if inverse else quote) if swap else "", "ctVal": f"{size:f}" if swap else "",
            "ctMult": "1" if swap else "", "ctValCcy": ("USD" if inverse else base) if swap else "",
            "ctType": ("inverse" if inverse else "linear") if swap else "", "optType": "", "stk": "", "listTime": "0",
            "expTime": "", "lever": "", "tickSz": f"{tick:f}", "lotSz": f"{lot:f}", "minSz": f"{lot:f}",
            "alias": "", "state": "live", "ruleType": "normal",
        }  # fmt: skip


def _snapshot_frame(key: StreamKey, book: TrueBook) -> str:
    bids, asks = ([[price, size, "0", "1"] for price, size in rows] for rows in (book.bids, book.asks))
    data = {
        "asks": asks, "bids": bids, "ts": str(book.time_ms), "checksum": 0, "prevSeqId": -1, "seqId": book.update_id
    }  # fmt: skip
    arg = {"channel": key.channel, "instId": key.symbol}
    return msgspec.json.encode({"arg": arg, "action": "snapshot", "data": [data]}).decode()


def _longest(tracks: Sequence[Track]) -> dict[StreamKey, Track]:
    chosen: dict[StreamKey, Track] = {}
    for track in tracks:
        if track.key not in chosen or len(track.events) > len(chosen[track.key].events):
            chosen[track.key] = track
    return chosen


def _levels(track: Track) -> Iterable[tuple[str, str]]:
    for event in track.events:
        for data in _book(event.raw).data:
            yield from ((row[0], row[1]) for row in (*data.bids, *data.asks))


def _replay(symbol: str, track: Track, position: int) -> TrueBook:
    bids: dict[str, str] = {}
    asks: dict[str, str] = {}
    last, at = -1, 0
    for event in track.events[:position]:
        frame = _book(event.raw)
        for data in frame.data:
            if frame.action == "snapshot":
                bids.clear()
                asks.clear()
            for side, rows in ((bids, data.bids), (asks, data.asks)):
                for row in rows:
                    if float(row[1]):
                        side[row[0]] = row[1]
                    else:
                        side.pop(row[0], None)
            last, at = data.seqId, int(data.ts)
    ordered = sorted(bids.items(), key=lambda level: Decimal(level[0]), reverse=True)
    return TrueBook(symbol, last, at, ordered, sorted(asks.items(), key=lambda level: Decimal(level[0])))
