"""A seeded market without I/O: prices, candles and funding as pure functions of time, and the books that follow them.

Prices are sums of incommensurate waves, so that any moment, past or future, is known without walking there:
candles of last month agree
with the price of now, and two venues quote the same asset with their own small basis.
"""

import math
import random
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal

import attrs

from fra.emulator.book import BookEngine
from fra.emulator.instruments import HOUR_MS, Instrument

DAY_MS = 24 * HOUR_MS
_PERIODS_S = (2.3, 7.1, 19.0, 53.0, 171.0, 607.0, 2213.0, 9001.0, 40009.0, 190027.0, 1200007.0)
_SIGMA_1S = 4e-5
# Periods in seconds, and amplitudes.
_BASIS = {31.0: 2e-5, 907.0: 6e-5, 7919.0: 1.2e-4}
_FUNDING = {600.0: 4e-6, 7321.0: 1.5e-5, 93001.0: 4e-5, 950003.0: 6e-5}
_TURNOVER = {40009.0: 0.1, 190027.0: 0.2}


@attrs.frozen
class Candle:
    """Open, high, low, close in floats of quote; volume in base coin; `closed` is false for the running one."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    closed: bool


class _Waves:
    __slots__ = ("_terms",)

    def __init__(self, key: str, periods_s: Iterable[float], amplitudes: Iterable[float]) -> None:
        rng = random.Random(key)
        self._terms = [
            (a * rng.uniform(0.6, 1.4), math.tau / (p * 1000.0), rng.uniform(0, math.tau))
            for p, a in zip(periods_s, amplitudes, strict=True)
        ]

    def at(self, t_ms: float) -> float:
        return sum(a * math.sin(w * t_ms + phase) for a, w, phase in self._terms)


class Market:
    """All instruments of one venue, moving; deterministic for a seed and a sequence of times."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        seed: int = 0,
        levels: int = 150,
        changes_per_step: int = 8,
        funding_shift_ms: int = 0,
    ) -> None:
        self.seed = seed
        self.funding_shift_ms = funding_shift_ms
        self._levels = levels
        self._changes = changes_per_step
        self._by: dict[tuple[str, str], Instrument] = {(i.market, i.symbol): i for i in instruments}
        self._paths: dict[str, _Waves] = {}
        self._waves: dict[tuple[str, str, str], _Waves] = {}
        self._books: dict[tuple[str, str], BookEngine] = {}

    # -- instruments
    @property
    def venue(self) -> str:
        """Whose instruments these are. Raises StopIteration without any."""
        return next(iter(self._by.values())).venue

    def instruments(self, market: str) -> list[Instrument]:
        """The instruments of one market, in listing order."""
        return [i for (m, _), i in self._by.items() if m == market]

    def find(self, market: str, symbol: str) -> Instrument | None:
        """The instrument, or None."""
        return self._by.get((market, symbol))

    # -- prices
    def index(self, instrument: Instrument, t_ms: int) -> float:
        """Index price: the asset's own path, the same at every venue."""
        path = self._paths.get(instrument.asset)
        if path is None:
            scale = _SIGMA_1S * instrument.volatility
            path = _Waves(
                f"{self.seed}:path:{instrument.asset}", _PERIODS_S, (scale * math.sqrt(p) for p in _PERIODS_S)
            )
            self._paths[instrument.asset] = path
        return float(instrument.price) * math.exp(path.at(t_ms))

    def mid(self, instrument: Instrument, t_ms: int) -> float:
        """The price that the instrument's book is built around: index and a small basis of its own."""
        return self.index(instrument, t_ms) * (1.0 + self._basis_at(instrument, t_ms))

    def mark(self, instrument: Instrument, t_ms: int) -> float:
        """Mark price: index and the slow half of the basis."""
        return self.index(instrument, t_ms) * (1.0 + 0.5 * self._basis_at(instrument, t_ms))

    def _basis_at(self, instrument: Instrument, t_ms: int) -> float:
        return self._waves_of("basis", instrument, _BASIS).at(t_ms)

    def _waves_of(self, what: str, instrument: Instrument, waves: Mapping[float, float]) -> _Waves:
        key = (what, instrument.market, instrument.symbol)
        made = self._waves.get(key)
        if made is None:
            name = f"{self.seed}:{what}:{instrument.venue}:{instrument.market}:{instrument.symbol}"
            made = self._waves[key] = _Waves(name, waves, waves.values())
        return made

    # -- candles
    def candle(self, instrument: Instrument, open_ms: int, span_ms: int, now_ms: int) -> Candle:
        """The candle that opens at `open_ms`; cut at `now_ms` while it runs."""
        name = f"{self.seed}:{instrument.market}:{instrument.symbol}:{open_ms}:{span_ms}"
        return self._candle(instrument, open_ms, span_ms, now_ms, random.Random(name).uniform(0.5, 1.5))

    def day(self, instrument: Instrument, now_ms: int) -> Candle:
        """The last 24 hours as one candle. What was traded in them changes as slowly as at a venue."""
        busy = 1.0 + self._waves_of("turnover", instrument, _TURNOVER).at(now_ms)
        return attrs.evolve(self._candle(instrument, now_ms - DAY_MS, DAY_MS, now_ms, busy), closed=False)

    def _candle(self, instrument: Instrument, open_ms: int, span_ms: int, now_ms: int, busy: float) -> Candle:
        """`busy` is how much was traded in it, 1 being as much as usual."""
        end = min(open_ms + span_ms, max(now_ms, open_ms))
        points = [self.mid(instrument, open_ms + (end - open_ms) * k // 10) for k in range(11)]
        share = max(0.0, (end - open_ms) / DAY_MS)
        volume = instrument.turnover * share * busy / points[0]
        return Candle(
            open_ms=open_ms,
            open=points[0],
            high=max(points),
            low=min(points),
            close=points[-1],
            volume=volume,
            trades=max(1, int(volume * points[0] / 800.0)),
            closed=now_ms >= open_ms + span_ms,
        )

    # -- funding
    def next_settlement(self, instrument: Instrument, t_ms: int) -> int:
        """The first settlement at or after `t_ms`, on the instrument's own grid."""
        interval = instrument.interval_ms
        if interval <= 0:
            raise ValueError(f"{instrument.symbol} has no funding")
        shift = self.funding_shift_ms
        return -(-(t_ms - shift) // interval) * interval + shift

    def funding(self, instrument: Instrument, t_ms: int) -> Decimal:
        """The running period's estimate at `t_ms`; at a settlement it is the rate charged. A fraction per
        interval, eight decimals."""
        rate = (instrument.funding_base + self._waves_of("funding", instrument, _FUNDING).at(t_ms)) * (
            instrument.interval_hours / 8
        ) ** 0.5
        rate = min(0.00375, max(-0.00375, rate))
        return Decimal(rate).quantize(Decimal("0.00000001"), rounding=ROUND_HALF_EVEN)

    # -- books
    def book(self, instrument: Instrument, t_ms: int) -> BookEngine:
        """The instrument's book, made on first use and brought to `t_ms`."""
        key = (instrument.market, instrument.symbol)
        engine = self._books.get(key)
        if engine is None:
            name = f"{self.seed}:book:{instrument.venue}:{instrument.market}:{instrument.symbol}"
            engine = self._books[key] = BookEngine(
                instrument,
                key=name,
                mid=self.mid(instrument, t_ms),
                now_ms=t_ms,
                levels=self._levels,
                changes=self._changes,
            )
        engine.wanted_ms = t_ms
        return engine

    def known_book(self, market: str, symbol: str) -> BookEngine | None:
        """The book if somebody has looked at it before."""
        return self._books.get((market, symbol))

    @property
    def books(self) -> Mapping[tuple[str, str], BookEngine]:
        return self._books
