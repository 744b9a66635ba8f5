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
        self._basis: dict[tuple[str, str], _Waves] = {}
        self._funding: dict[tuple[str, str], _Waves] = {}
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
        key = (instrument.market, instrument.symbol)
        waves = self._basis.get(key)
        if waves is None:
            name = f"{self.seed}:basis:{instrument.venue}:{instrument.market}:{instrument.symbol}"
            waves = self._basis[key] = _Waves(name, (31.0, 907.0, 7919.0), (2e-5, 6e-5, 1.2e-4))
        return waves.at(t_ms)

    # -- candles
    def candle(self, instrument: Instrument, open_ms: int, span_ms: int, now_ms: int) -> Candle:
        """The candle that opens at `open_ms`; cut at `now_ms` while it runs."""
        end = min(open_ms + span_ms, max(now_ms, open_ms))
        points = [self.mid(instrument, open_ms + (end - open_ms) * k // 10) for k in range(11)]
        share = max(0.0, (end - open_ms) / DAY_MS)
        wobble = random.Random(f"{self.seed}:{instrument.market}:{instrument.symbol}:{open_ms}:{span_ms}").uniform(
            0.5, 1.5
        )
        volume = instrument.turnover * share * wobble / points[0]
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

    def day(self, instrument: Instrument, now_ms: int) -> Candle:
        """The last 24 hours as one candle."""
        return attrs.evolve(self.candle(instrument, now_ms - DAY_MS, DAY_MS, now_ms), closed=False)

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
        key = (instrument.market, instrument.symbol)
        waves = self._funding.get(key)
        if waves is None:
            name = f"{self.seed}:funding:{instrument.venue}:{instrument.market}:{instrument.symbol}"
            amplitudes = (4e-6, 1.5e-5, 4e-5, 6e-5)
            waves = self._funding[key] = _Waves(name, (600.0, 7321.0, 93001.0, 950003.0), amplitudes)
        rate = (instrument.funding_base + waves.at(t_ms)) * (instrument.interval_hours / 8) ** 0.5
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
