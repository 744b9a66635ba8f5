"""What spot and linear have in common: one instrument's book, its sides as JSON text, the 24 hours behind it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from fra.emulator.book import BookEngine, Levels, Trade
from fra.emulator.candles import HTX
from fra.emulator.grid import Grid
from fra.emulator.htx.number import raw
from fra.emulator.instruments import Instrument
from fra.emulator.market import Candle
from fra.emulator.pump import Pump

Row = dict[str, object]
Side = list[tuple[int, int]]
LISTED_MS = 1603238400000


class Quote(NamedTuple):
    """The best levels and the last trade: ticks and lots."""

    bid: int
    bid_lots: int
    ask: int
    ask_lots: int
    last: int
    last_lots: int


def encoded(told: Row) -> bytes:
    """A whole answer or frame."""
    return msgspec.json.encode(told)


def merged(levels: Side, ticks: int, *, bids: bool) -> Side:
    """Levels, best first, put together on a grid of `ticks`: bids down, asks up."""
    if ticks == 1:
        return levels
    sums: dict[int, int] = {}
    for price, lots in levels:
        at = price // ticks * ticks if bids else -(-price // ticks) * ticks
        sums[at] = sums.get(at, 0) + lots
    return [(p, q) for p, q in sums.items() if p > 0]


def groups(trades: Iterable[Trade]) -> list[list[Trade]]:
    """Trades of one match belong together, in the order given."""
    found: list[list[Trade]] = []
    for trade in trades:
        if found and (found[-1][0].seq, found[-1][0].time_ms) == (trade.seq, trade.time_ms):
            found[-1].append(trade)
        else:
            found.append([trade])
    return found


class Render:
    """One instrument in HTX's words."""

    def __init__(self, instrument: Instrument, pump: Pump) -> None:
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.price = Grid(instrument.tick, strip=True)
        self.lot = Grid(instrument.lot, strip=True)
        self.pump = pump

    @property
    def engine(self) -> BookEngine:
        """The book, made on first use."""
        return self.pump.engine(self.instrument)

    # -- numbers
    def number(self, text: str) -> str:
        """A plain decimal as this market writes it."""
        return text

    def price_at(self, ticks: int) -> str:
        return self.number(self.price.text(ticks))

    def near(self, value: float) -> str:
        """The price on the grid nearest to a float."""
        return self.price_at(self.price.count(value))

    def size(self, lots: int) -> str:
        return self.number(self.lot.text(lots))

    def lots_worth(self, quote: float) -> int:
        """At least one lot of about this value, at the listing's price."""
        return max(1, round(quote / self.instrument.lot_notional(float(self.instrument.price))))

    # -- book
    def pair(self, ticks: int, lots: int) -> str:
        return f"[{self.price_at(ticks)},{self.size(lots)}]"

    def rows(self, levels: Iterable[tuple[int, int]]) -> msgspec.Raw:
        return raw(f"[{','.join(self.pair(p, q) for p, q in levels)}]")

    def true_rows(self, levels: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
        """Levels as texts, for the true book."""
        return [(self.price_at(p), self.size(q)) for p, q in levels]

    def sides(self, bids: Mapping[int, int], asks: Mapping[int, int], depth: int, *, ticks: int = 1) -> Row:
        """The best levels of both sides, put together on a grid of `ticks`."""
        low = merged(sorted(bids.items(), reverse=True), ticks, bids=True)
        high = merged(sorted(asks.items()), ticks, bids=False)
        return {"bids": self.rows(low[:depth]), "asks": self.rows(high[:depth])}

    def step(self, levels: Levels, step: str, depth: int | None) -> Row:
        """The tick of `depth.{step}`."""
        raise NotImplementedError

    # -- the day
    def quote(self, now_ms: int) -> Quote:
        """The book's best levels, or plausible ones for a book that nobody has looked at."""
        i, market = self.instrument, self.pump.market
        engine = market.known_book(i.market, i.symbol)
        if engine is not None:
            bid, ask, trade = engine.best_bid, engine.best_ask, engine.last_trade
            return Quote(bid, engine.bids[bid], ask, engine.asks[ask], trade.price, trade.amount)
        last = int(market.mid(i, now_ms) / self.price.step_float)
        lots = self.lots_worth(8000)
        return Quote(last, lots, last + 1, lots, last, max(1, lots // 9))

    def day(self, now_ms: int) -> tuple[Candle, Quote]:
        """The last 24 hours and the quote at their end."""
        return self.pump.market.day(self.instrument, now_ms), self.quote(now_ms)

    def candle(self, period: str, open_ms: int, now_ms: int) -> Candle:
        span = HTX[period]
        return self.pump.market.candle(self.instrument, open_ms, span.following(open_ms) - open_ms, now_ms)
