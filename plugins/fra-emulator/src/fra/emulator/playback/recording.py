"""Reads a folder of captures: JSON Lines as clients record them, one message a line, perhaps gzipped.

A line is `{"n", "ts", "dir": open|send|recv|http, "raw", "url"?}` of a session, or `{"type": "rest", "path", "query",
"raw"}` of a single answer. Documentation samples (folders `samples-*`) are no captures and are left out. The venue
and market of a file follow from its messages, and from a folder `<venue>/<market>-<channel>` where they do not tell.
"""

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import attrs
import msgspec

from fra.emulator.source import StreamKey


class _Line(msgspec.Struct):
    raw: str | None = None
    dir: str = ""
    n: int = 0
    ts: str | None = None
    url: str | None = None
    type: str = ""
    path: str = ""
    query: str = ""


class _Combined(msgspec.Struct):
    stream: str
    data: msgspec.Raw


class _BinanceEvent(msgspec.Struct):
    e: str = ""
    s: str = ""
    pu: int | None = None
    E: int | None = None
    M: bool | None = None
    u: int | None = None


class _OkxArg(msgspec.Struct):
    channel: str = ""
    instId: str = ""


class _OkxFrame(msgspec.Struct):
    arg: _OkxArg | None = None
    event: str = ""
    data: msgspec.Raw = msgspec.Raw()


_line = msgspec.json.Decoder(_Line).decode
_combined = msgspec.json.Decoder(_Combined).decode
_binance = msgspec.json.Decoder(_BinanceEvent).decode
_okx = msgspec.json.Decoder(_OkxFrame).decode

# An event on a raw connection has no stream name: its type gives the channel.
_CHANNELS: Mapping[str, str] = {
    "depthUpdate": "depth",
    "aggTrade": "aggTrade",
    "trade": "trade",
    "markPriceUpdate": "markPrice",
    "kline": "kline",
    "24hrTicker": "ticker",
}


@attrs.frozen
class Event:
    """One pushed message, without a combined stream's envelope; `at` is seconds of the recording's clock, if kept."""

    raw: str
    n: int
    at: float | None


@attrs.frozen
class Reply:
    """One recorded REST answer."""

    market: str
    endpoint: str
    params: Mapping[str, str]
    raw: str
    n: int = 0
    origin: str = ""


@attrs.define
class Track:
    """Every event of one upstream in one capture file, in order."""

    key: StreamKey
    origin: str
    events: list[Event] = attrs.field(factory=list)


@attrs.define
class Recording:
    """What the captures under a folder hold of one venue."""

    venue: str
    tracks: list[Track] = attrs.field(factory=list)
    replies: list[Reply] = attrs.field(factory=list)

    def symbols(self) -> set[tuple[str, str]]:
        """(market, symbol) of everything that was streamed."""
        return {(track.key.market, track.key.symbol) for track in self.tracks if track.key.symbol}

    def newest(self, market: str, endpoint: str) -> list[Reply]:
        """Answers of an endpoint, as read: later files and lines last."""
        return [reply for reply in self.replies if reply.market == market and reply.endpoint == endpoint]


class NothingRecorded(ValueError):
    """The folder holds no capture of this venue."""


def read(folder: Path, venue: str) -> Recording:
    """Everything under `folder` (or in one file) that is of `venue`. Raises NothingRecorded, and FileNotFoundError."""
    if not folder.exists():
        raise FileNotFoundError(f"no such recording: {folder}")
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.jsonl*"))
    recording = Recording(venue)
    for file in files:
        parts = file.resolve().parts
        if any(part.startswith("samples-") for part in parts):
            continue
        lines = list(_lines(file))
        if venue == "binance" and "okx" not in parts and "bybit" not in parts and "htx" not in parts:
            _read_binance(recording, file, lines)
        elif venue == "okx" and "binance" not in parts and not any(part.startswith("legacy") for part in parts):
            _read_okx(recording, file, lines)
    if not recording.tracks and not recording.replies:
        raise NothingRecorded(f"{folder} holds no capture of {venue}")
    return recording


def _lines(file: Path) -> Iterator[_Line]:
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as opened:
        for text in opened:
            if text.strip():
                line = _line(text)
                if line.raw is not None:
                    yield line


def _read_binance(recording: Recording, file: Path, lines: list[_Line]) -> None:
    tracks: dict[StreamKey, Track] = {}
    pending: list[tuple[_Line, str, _BinanceEvent, str]] = []
    unplaced: list[_Line] = []
    market = next((m for m in ("usdm", "spot") for part in file.resolve().parts if part.startswith(f"{m}-")), None)
    for line in lines:
        path = line.path or (urlsplit(line.url).path if line.url else "")
        if line.dir == "http" or line.type == "rest":
            if "/fapi/" in path or "/api/" in path:
                _add_reply(recording, file, line, path)
            else:
                unplaced.append(line)
            continue
        if line.dir != "recv" or not (line.raw or "").startswith("{"):
            continue
        raw = line.raw or ""
        try:
            combined = _combined(raw)
            stream, body = combined.stream, bytes(combined.data).decode()
        except msgspec.ValidationError:
            stream, body = "", raw
        try:
            event = _binance(body)
        except msgspec.ValidationError:
            continue  # an ack, or an array stream that is not kept
        if event.s:
            pending.append((line, body, event, stream))
    market = market or ("usdm" if any(_is_usdm(event) for _, _, event, _ in pending) else "spot")
    for line, body, event, stream in pending:
        channel = stream.partition("@")[2] or _CHANNELS.get(event.e, "bookTicker" if event.u is not None else event.e)
        key = StreamKey(market, channel, event.s)
        tracks.setdefault(key, Track(key, file.name)).events.append(Event(body, line.n, _at(line)))
    recording.tracks += tracks.values()
    books = [key.symbol for key in tracks if key.channel.startswith("depth")]
    for line in unplaced:  # a snapshot whose URL was not kept belongs to the file's one book
        if len(books) == 1:
            recording.replies.append(Reply(market, "depth", {"symbol": books[0]}, line.raw or "", line.n, file.name))


def _is_usdm(event: _BinanceEvent) -> bool:
    if event.e in ("depthUpdate", "bookTicker", "markPriceUpdate"):
        return event.e != "depthUpdate" or event.pu is not None
    return event.e == "aggTrade" and event.M is None


def _add_reply(recording: Recording, file: Path, line: _Line, path: str) -> None:
    market = "usdm" if "/fapi/" in path else "spot"
    endpoint = path.split("/", 3)[3]
    query = line.query or (urlsplit(line.url).query if line.url else "")
    params = dict(parse_qsl(query))
    if line.raw == "null" or (line.raw or "").startswith('{"code":'):
        return  # nothing came, or a refusal
    recording.replies.append(Reply(market, endpoint, params, line.raw or "", line.n, file.name))


def _read_okx(recording: Recording, file: Path, lines: list[_Line]) -> None:
    tracks: dict[StreamKey, Track] = {}
    for line in lines:
        path = line.path or (urlsplit(line.url).path if line.url else "")
        if (line.dir == "http" or line.type == "rest") and "/api/v5/" in path:
            query = line.query or (urlsplit(line.url).query if line.url else "")
            params = dict(parse_qsl(query))
            market = okx_market(params.get("instId", ""), params.get("instType", ""))
            endpoint = path.partition("/api/v5/")[2]
            recording.replies.append(Reply(market, endpoint, params, line.raw or "", line.n, file.name))
            continue
        if line.dir != "recv" or not (line.raw or "").startswith("{"):
            continue
        try:
            frame = _okx(line.raw or "")
        except msgspec.ValidationError:
            continue
        if frame.arg is None or frame.event or not bytes(frame.data):
            continue
        key = StreamKey(okx_market(frame.arg.instId), frame.arg.channel, frame.arg.instId)
        tracks.setdefault(key, Track(key, file.name)).events.append(Event(line.raw or "", line.n, _at(line)))
    recording.tracks += tracks.values()


def okx_market(inst_id: str, inst_type: str = "") -> str:
    """The market of an OKX instrument: its type, or what its id looks like (`BTC-USDT-SWAP`, `BTC-USDT`)."""
    if inst_type:
        return inst_type.lower()
    parts = inst_id.split("-")
    if len(parts) == 3:
        return "swap" if parts[2] == "SWAP" else "futures"
    return "option" if len(parts) > 3 else "spot"


def _at(line: _Line) -> float | None:
    return float(line.ts) if line.ts else None
