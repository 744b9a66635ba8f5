"""Recorded Binance captures as a data source for the Binance front-end."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from fra.emulator.binance import listing
from fra.emulator.instruments import Instrument
from fra.emulator.playback.books import BookTrack, grid_of
from fra.emulator.playback.recording import Recording, Track
from fra.emulator.playback.track import Fault, FaultPlan, Pace, Player
from fra.emulator.settings import Settings
from fra.emulator.source import NoData, Push, SourceStream, StreamKey, TrueBook

_QUOTES: Final = (
    "USDT",
    "BUSD",
    "USDC",
    "FDUSD",
    "TUSD",
    "BTC",
    "ETH",
    "BNB",
    "TRY",
    "EUR",
    "BRL",
    "RUB",
    "GBP",
    "DAI",
)
_PER_SYMBOL: Final = ("premiumIndex", "ticker/24hr", "ticker/bookTicker", "ticker/price")

Row = dict[str, object]


class BinancePlayback:
    """Implements `Source` over a recording.

    A book's stream sends what was recorded before its snapshot, waits until the client asks for the snapshot, answers
    the recorded one and plays on. A later request for the book gets it as it stands at the place that the stream has
    reached. A capture without a snapshot starts from an empty book just before its first delta.
    """

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
        self._books = BookTrack.all_of(recording)
        self._open: dict[tuple[str, str], Player] = {}
        self._asked: set[tuple[str, str]] = set()
        self._infos = {market: self._exchange_info(market) for market in ("spot", "usdm")}
        self._listed = {m: {str(row["symbol"]) for row in info} for m, info in self._infos.items()}
        self._rows = {(m, e): self._per_symbol(m, e) for m in ("spot", "usdm") for e in _PER_SYMBOL}

    # -- Source
    @property
    def exchange(self) -> None:
        """A recording does not answer to orders."""
        return None

    def knows(self, market: str, symbol: str) -> bool:
        return symbol in self._listed.get(market, ())

    def answer(self, market: str, endpoint: str, params: Mapping[str, str]) -> bytes:
        match endpoint:
            case "ping":
                return b"{}"
            case "time":
                return msgspec.json.encode({"serverTime": self.settings.clock.now_ms()})
            case "exchangeInfo":
                head = listing.exchange_info(
                    market, (), self.settings.clock.now_ms(), scale=self.settings.rate_window_scale
                )
                return msgspec.json.encode({**head, "symbols": self._infos.get(market, [])})
            case "depth":
                return self._depth(market, params["symbol"], int(params.get("limit", 500)))
            case "fundingInfo":
                replies = self.recording.newest(market, endpoint)
                return replies[-1].raw.encode() if replies else b"[]"
            case "fundingRate":
                return msgspec.json.encode(self._history(market, endpoint, params, "fundingTime", 100))
            case "klines":
                return msgspec.json.encode(self._klines(market, params))
            case "trades" | "aggTrades":
                return msgspec.json.encode(self._trades(market, endpoint, params))
        if endpoint in _PER_SYMBOL:
            rows = self._rows[market, endpoint]
            if not params.get("symbol"):
                return msgspec.json.encode(list(rows.values()))
            if params["symbol"] not in rows:
                raise NoData(params["symbol"])
            return msgspec.json.encode(rows[params["symbol"]])
        for reply in self.recording.newest(market, endpoint):
            if all(params.get(name) == value for name, value in reply.params.items()):
                return reply.raw.encode()
        raise NoData(endpoint)

    def open(self, key: StreamKey, push: Push) -> SourceStream | None:
        base = key.channel.partition("@")[0]
        if base == "depth" and (key.market, key.symbol) in self._books:
            book = self._books[key.market, key.symbol]
            self._asked.discard((key.market, key.symbol))
            player = Player(
                book.events, push, pace=self._pace, hold=book.before, faults=self.faults.take(key.market, key.symbol)
            )
            self._open[key.market, key.symbol] = player
            return player
        track = _longest(self.recording.tracks, key.market, key.symbol, base)
        if track is None:
            return Player((), push, pace=self._pace) if self.knows(key.market, key.symbol) else None
        return Player(track.events, push, pace=self._pace)

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        book = self._books.get((market, symbol))
        if book is None:
            raise NoData(symbol)
        return book.at(len(book.events)) if update_id is None else book.at_id(update_id)

    def renumber(self, market: str, symbol: str, update_id: int) -> None:
        raise NoData("a recording keeps its own ids")

    def freeze(self, market: str, symbol: str, *, frozen: bool) -> None:
        raise NoData("a recording keeps its own pace")

    def stale(self, market: str, symbol: str, *, count: int, steps: int) -> None:
        raise NoData("a recording answers what it holds")

    async def start(self) -> None:
        """Nothing moves before a stream is opened."""

    async def stop(self) -> None:
        for player in self._open.values():
            player.close()

    # -- parts
    def _depth(self, market: str, symbol: str, limit: int) -> bytes:
        book, player = self._books.get((market, symbol)), self._open.get((market, symbol))
        if book is None:
            raise NoData(symbol)
        if player is None:
            return book.snapshot
        if (market, symbol) not in self._asked:
            self._asked.add((market, symbol))
            player.release()
            return book.snapshot
        return book.answer(min(player.position, len(book.events)), limit)

    def _exchange_info(self, market: str) -> list[Row]:
        rows: dict[str, Row] = {}
        for reply in self.recording.newest(market, "exchangeInfo"):
            for row in msgspec.json.decode(reply.raw, type=dict[str, object])["symbols"]:  # type: ignore[attr-defined]
                rows[str(row["symbol"])] = row
        missing = {symbol for m, symbol in self.recording.symbols() if m == market and symbol not in rows}
        for endpoint in _PER_SYMBOL:
            missing |= {
                symbol for symbol in self._per_symbol(market, endpoint) if symbol not in rows and "_" not in symbol
            }
        made = [self._instrument(market, symbol) for symbol in sorted(missing)]
        listed = listing.exchange_info(market, made, 0, scale=1.0)["symbols"]
        assert isinstance(listed, list)
        return [*rows.values(), *listed]

    def _instrument(self, market: str, symbol: str) -> Instrument:
        """For a symbol of which no instrument was recorded: the bundled one, else the grid that its book shows."""
        if (market, symbol) in self._known:
            return self._known[market, symbol]
        book = self._books.get((market, symbol))
        tick, lot = grid_of(book.rows()) if book else (Decimal("0.0001"), Decimal("0.001"))
        quote = next((q for q in _QUOTES if symbol.endswith(q) and symbol != q), symbol[-3:])
        base, swap = symbol[: -len(quote)], market == "usdm"
        return Instrument(
            venue="binance", market=market, symbol=symbol, asset=base, base=base, quote=quote,
            settle=quote if swap else "", price=tick * 1000, tick=tick, lot=lot, min_amount=lot,
            min_notional=Decimal(5), contract_size=Decimal(1), inverse=False, multiplier=1,
            interval_hours=8 if swap else 0, funding_base=0.0, volatility=0.0, turnover=0.0,
        )  # fmt: skip

    def _per_symbol(self, market: str, endpoint: str) -> dict[str, Row]:
        """The newest row of each symbol, by the venue's own time where a row has one."""
        found: dict[str, tuple[int, Row]] = {}

        def take(row: Row) -> None:
            symbol, at = str(row.get("symbol", "")), int(str(row.get("time", row.get("closeTime", 0))))
            if symbol and (symbol not in found or at >= found[symbol][0]):
                found[symbol] = (at, row)

        for reply in self.recording.newest(market, endpoint):
            rows = msgspec.json.decode(reply.raw)
            for row in rows if isinstance(rows, list) else [rows]:
                take(row)
        if endpoint == "premiumIndex":
            for track in self.recording.tracks:
                if track.key.market == market and track.key.channel.startswith("markPrice"):
                    for event in track.events:
                        take(_premium_row(msgspec.json.decode(event.raw)))
        if endpoint == "ticker/bookTicker":
            for track in self.recording.tracks:
                if track.key.market == market and track.key.channel == "bookTicker" and track.events:
                    take(_ticker_row(msgspec.json.decode(track.events[-1].raw)))
        return {symbol: row for symbol, (_, row) in found.items()}

    def _history(self, market: str, endpoint: str, params: Mapping[str, str], time_key: str, default: int) -> list[Row]:
        rows: dict[tuple[str, int], Row] = {}
        for reply in self.recording.newest(market, endpoint):
            for row in msgspec.json.decode(reply.raw, type=list[dict[str, object]]):
                rows[str(row["symbol"]), int(str(row[time_key]))] = row
        chosen = [
            row
            for (symbol, at), row in sorted(rows.items(), key=lambda item: item[0][1])
            if _wanted(symbol, at, params)
        ]
        limit = int(params.get("limit", default))
        return chosen[:limit] if params.get("startTime") else chosen[-limit:]

    def _klines(self, market: str, params: Mapping[str, str]) -> list[list[object]]:
        rows: dict[int, list[object]] = {}
        for reply in self.recording.newest(market, "klines"):
            if (reply.params.get("symbol"), reply.params.get("interval")) == (params["symbol"], params["interval"]):
                for row in msgspec.json.decode(reply.raw, type=list[list[object]]):
                    rows[int(str(row[0]))] = row
        chosen = [row for at, row in sorted(rows.items()) if _wanted(params["symbol"], at, params)]
        limit = int(params.get("limit", 500))
        return chosen[:limit] if params.get("startTime") else chosen[-limit:]

    def _trades(self, market: str, endpoint: str, params: Mapping[str, str]) -> list[Row]:
        rows: list[Row] = []
        for reply in self.recording.newest(market, endpoint):
            if reply.params.get("symbol") == params["symbol"]:
                rows += msgspec.json.decode(reply.raw, type=list[dict[str, object]])
        return rows[-int(params.get("limit", 500)) :]


def _wanted(symbol: str, at: int, params: Mapping[str, str]) -> bool:
    if params.get("symbol") not in (None, "", symbol):
        return False
    return int(params.get("startTime") or 0) <= at <= int(params.get("endTime") or 1 << 62)


def _longest(tracks: Sequence[Track], market: str, symbol: str, base: str) -> Track | None:
    fitting = [
        t
        for t in tracks
        if (t.key.market, t.key.symbol) == (market, symbol) and t.key.channel.partition("@")[0] == base
    ]
    return max(fitting, key=lambda t: len(t.events), default=None)


def _premium_row(event: Row) -> Row:
    return {
        "symbol": event["s"], "markPrice": event["p"], "indexPrice": event["i"], "estimatedSettlePrice": event["P"],
        "lastFundingRate": event["r"], "interestRate": "0.00010000", "nextFundingTime": event["T"], "time": event["E"],
    }  # fmt: skip


def _ticker_row(event: Row) -> Row:
    row = {
        "symbol": event["s"],
        "bidPrice": event["b"],
        "bidQty": event["B"],
        "askPrice": event["a"],
        "askQty": event["A"],
    }
    return {**row, "time": event["T"]} if "T" in event else row
