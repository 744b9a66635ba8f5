"""Made-up prices: everything of the built-in market as a function of the time and the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from math import exp, sin, tau
from random import Random
from typing import Final

import attrs

from fra.core import (
    FundingRate,
    IntervalSource,
    Kline,
    KlineInterval,
    MarketKind,
    NotSupported,
    OrderBook,
    PriceLevel,
    RateKind,
    Side,
    Symbol,
    Ticker,
    Trade,
)

STEP_MS: Final = 250
"""How often prices, books and trades change."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_WAVES: Final = ((30 * DAY_MS, 0.08), (2 * DAY_MS, 0.02), (3 * HOUR_MS, 0.006), (600_000, 0.0015), (40_000, 0.0004))
"""What a price is made of: the length of each wave and its height as a share of the price."""
_LEVELS: Final = 25
_SAMPLES: Final = 12
_MONDAY_MS: Final = 4 * DAY_MS
"""The first Monday there was: weeks are counted from it."""


@attrs.frozen
class Listing:
    """One symbol of the market: ``price`` is what it swings about, ``interval_ms`` its funding interval."""

    symbol: Symbol
    price: float
    interval_ms: int = 0

    @classmethod
    def of(cls, base: str, price: float, tick: str, lot: str, *, interval_ms: int = 0) -> Listing:
        """Against USDT: a swap if it has a funding interval, spot otherwise."""
        name, kind = (f"{base}/USDT:USDT", MarketKind.LINEAR_SWAP) if interval_ms else (f"{base}/USDT", MarketKind.SPOT)
        symbol = Symbol(
            name,
            f"{base}-USDT-SWAP" if interval_ms else f"{base}-USDT",
            kind,
            base,
            "USDT",
            "USDT" if interval_ms else None,
            tick_size=Decimal(tick),
            lot_size=Decimal(lot),
            min_amount=Decimal(lot),
            min_notional=Decimal(5),
            market="swap" if interval_ms else "spot",
        )
        return cls(symbol, price, interval_ms)


LISTINGS: Final = (
    Listing.of("BTC", 65_000, "0.1", "0.0001"),
    Listing.of("ETH", 3_200, "0.01", "0.001"),
    Listing.of("SOL", 150, "0.01", "0.01"),
    Listing.of("XRP", 0.6, "0.0001", "1"),
    Listing.of("BTC", 65_000, "0.1", "0.0001", interval_ms=8 * HOUR_MS),
    Listing.of("ETH", 3_200, "0.01", "0.001", interval_ms=8 * HOUR_MS),
    Listing.of("SOL", 150, "0.01", "0.01", interval_ms=8 * HOUR_MS),
    Listing.of("XRP", 0.6, "0.0001", "1", interval_ms=HOUR_MS),
)


class Generator:
    """Books, trades, candles and funding of ``listings``; the same for the same seed and time.

    Prices are sums of waves, reckoned with floats and then put on the tick grid: they are made up, not measured.
    """

    def __init__(self, listings: Iterable[Listing], *, seed: int, now_ms: Callable[[], int]) -> None:
        """``now_ms`` is only when things are said to be received."""
        self._seed = seed
        self._now_ms = now_ms
        bases = dict.fromkeys(listing.symbol.base for listing in listings)
        self._phases = {base: [self._random(base, wave).random() * tau for wave in _WAVES] for base in bases}

    def _random(self, *what: object) -> Random:
        return Random(f"{self._seed}:{what}")

    def price(self, listing: Listing, at_ms: int) -> Decimal:
        """The middle of the book, on the tick grid."""
        symbol, at = listing.symbol, at_ms - at_ms % STEP_MS
        phases = self._phases[symbol.base]
        swing = sum(
            height * sin(tau * (at % length) / length + phase)
            for (length, height), phase in zip(_WAVES, phases, strict=True)
        )
        basis = 0.0004 * sin(tau * (at % DAY_MS) / DAY_MS + phases[0]) if listing.interval_ms else 0.0
        return round(listing.price * exp(swing + basis) / float(symbol.tick_size)) * symbol.tick_size

    def book(self, listing: Listing, at_ms: int) -> OrderBook:
        symbol, step = listing.symbol, at_ms // STEP_MS
        middle, chance = self.price(listing, at_ms), self._random(symbol.name, step)
        gap = max(round(float(middle / symbol.tick_size) * 0.00002), 1) * symbol.tick_size
        lots = max(round(20_000 / listing.price / float(symbol.lot_size)), 1)
        bids, asks = (
            [
                PriceLevel(middle + sign * n * gap, chance.randint(1, lots * n) * symbol.lot_size)
                for n in range(1, _LEVELS)
            ]
            for sign in (-1, 1)
        )
        return OrderBook(
            symbol=symbol.name,
            bids=bids,
            asks=asks,
            received_ms=self._now_ms(),
            timestamp_ms=step * STEP_MS,
            sequence=step,
        )

    def trade(self, listing: Listing, step: int) -> Trade:
        symbol, chance = listing.symbol, self._random(listing.symbol.name, "trade", step)
        book, side = self.book(listing, step * STEP_MS), chance.choice((Side.BUY, Side.SELL))
        price, there = (book.asks if side is Side.BUY else book.bids)[0]
        amount = max(symbol.round_amount(there / chance.randint(2, 9)), symbol.lot_size)
        return Trade(symbol.name, str(step), price, amount, side, step * STEP_MS, self._now_ms())

    def kline(self, listing: Listing, interval: KlineInterval, open_ms: int, now_ms: int) -> Kline:
        close_ms = open_ms + length_ms(interval)
        end_ms = min(close_ms, now_ms)
        prices = [self.price(listing, open_ms + (end_ms - open_ms) * n // _SAMPLES) for n in range(_SAMPLES + 1)]
        return Kline(
            symbol=listing.symbol.name,
            interval=interval,
            open_ms=open_ms,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=(end_ms - open_ms) // STEP_MS * listing.symbol.lot_size * 10,
            closed=close_ms <= now_ms,
        )

    def ticker(self, listing: Listing, now_ms: int) -> Ticker:
        book, day = self.book(listing, now_ms), self.kline(listing, KlineInterval.D1, now_ms - DAY_MS, now_ms)
        (bid, bid_amount), (ask, ask_amount) = book.bids[0], book.asks[0]
        return Ticker(
            symbol=listing.symbol.name,
            received_ms=now_ms,
            timestamp_ms=book.timestamp_ms,
            bid=bid,
            bid_amount=bid_amount,
            ask=ask,
            ask_amount=ask_amount,
            last=self.trade(listing, now_ms // STEP_MS).price,
            open=day.open,
            high=max(day.high, ask),
            low=min(day.low, bid),
            volume=day.volume,
        )

    def funding(self, listing: Listing, settlement_ms: int, *, now_ms: int, settled: bool = False) -> FundingRate:
        """The rate of one settlement: what is estimated before is what is charged then."""
        at_ms = settlement_ms if settled else now_ms
        wave = sin(settlement_ms // listing.interval_ms * 0.7 + self._phases[listing.symbol.base][1])
        return FundingRate(
            symbol=listing.symbol.name,
            kind=RateKind.SETTLED if settled else RateKind.ESTIMATED,
            rate=Decimal(round(100 + 300 * wave)).scaleb(-6),
            received_ms=now_ms,
            timestamp_ms=at_ms,
            interval=timedelta(milliseconds=listing.interval_ms),
            interval_source=IntervalSource.REPORTED,
            next_settlement_ms=None if settled else settlement_ms,
            settled_ms=settlement_ms if settled else None,
            mark_price=self.price(listing, at_ms),
        )


def length_ms(interval: KlineInterval) -> int:
    """Raises NotSupported for months, which have no one length."""
    if interval is KlineInterval.MONTH:
        raise NotSupported(f"there are no candles of {interval.value} in the built-in market")
    return interval.shortest_ms


def opening_ms(interval: KlineInterval, at_ms: int) -> int:
    """When the candle that runs at ``at_ms`` opened: UTC, weeks on Monday."""
    length, shift = length_ms(interval), _MONDAY_MS if interval is KlineInterval.W1 else 0
    return (at_ms - shift) // length * length + shift


def moments(
    last_ms: int, length: int, *, since: int | None, until: int | None, limit: int | None, most: int = 500
) -> Sequence[int]:
    """The times each ``length`` up to ``last_ms`` that lie in [since, until), oldest first and at most ``most``: the
    first of them if ``since`` is given, or else the last.
    """
    count = min(limit or most, most)
    if until is not None and until <= last_ms:
        last_ms -= -(-(last_ms - until + 1) // length) * length
    first_ms = last_ms - (count - 1) * length
    if since is not None:
        first_ms = last_ms - (last_ms - since) // length * length
    return range(max(first_ms, 0), last_ms + 1, length)[:count]
