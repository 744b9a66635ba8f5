"""The arithmetic of a funding spread: one long leg, one short leg, what they bring and what they cost. No I/O.

All rates, fees and costs are fractions of the notional of *one* leg, which both legs have in common. Rates and books
are taken to stay as they are: nothing here forecasts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Final, NamedTuple

import attrs

from fra.arbitrage.depth import round_trip
from fra.arbitrage.settlements import DAY_MS, YEAR_MS, BreakEven, Schedule, break_even, funding_over
from fra.core import FundingRate, OrderBook, Symbol, canonical_asset

DEFAULT_MAX_GAP: Final = Decimal("0.02")


class Market(NamedTuple):
    """What two legs must have in common: the same asset against the same coin, settled in the same coin."""

    asset: str
    quote: str
    settle: str

    @classmethod
    def of(cls, symbol: Symbol) -> Market:
        """The market of ``symbol``, its multiplier taken off: 1000PEPE and PEPE are one."""
        settle = canonical_asset(symbol.settle or symbol.quote).name
        return cls(symbol.asset, symbol.quote, settle)

    def __str__(self) -> str:
        return f"{self.asset}/{self.quote}:{self.settle}"


@attrs.frozen(kw_only=True)
class Quote:
    """What one venue says of one instrument. ``taker_fee`` is a fraction; None is unknown.

    ``reference`` is a price in quote coin for one unit of the symbol, for venues whose funding answer has no mark
    price. ``stale`` says why the figures are not to be trusted; None when they are fresh.
    """

    exchange: str
    symbol: Symbol
    funding: FundingRate
    taker_fee: Decimal | None = None
    book: OrderBook | None = None
    reference: Decimal | None = None
    stale: str | None = None

    @property
    def market(self) -> Market:
        return Market.of(self.symbol)

    @property
    def schedule(self) -> Schedule:
        return Schedule.of(self.funding)

    @property
    def price(self) -> Decimal | None:
        """The mark (else what is known of the price) of one unit of the *asset*; None when nothing is known."""
        mid = self.book.mid if self.book is not None and self.book.valid else None
        price = self.funding.mark_price or mid or self.reference or self.funding.index_price
        return None if price is None else price / self.symbol.multiplier


@attrs.frozen(kw_only=True)
class Spread:
    """A long and a short leg, and what they come to for ``size`` (quote coin) held ``hold_ms``.

    ``per_day`` and ``annual`` count the settlements of the next 24 hours and 365 days, ``funding`` those of the
    holding time. ``fees`` and ``slippage`` are for both legs, in and out; ``net`` is funding less both. ``depth`` is
    the notional that the thinner leg's book holds. None is unknown, and ``problems`` says why. ``price_gap`` is how
    far apart the marks are. ``stale`` is why the row does not rank.
    """

    long: Quote
    short: Quote
    size: Decimal
    hold_ms: int
    now_ms: int
    per_day: Decimal | None
    annual: Decimal | None
    funding: Decimal | None
    fees: Decimal | None
    slippage: Decimal | None
    net: Decimal | None
    depth: Decimal | None
    break_even: BreakEven | None
    price_gap: Decimal | None
    problems: tuple[str, ...]
    stale: str | None

    @property
    def market(self) -> Market:
        return self.long.market

    @property
    def cost(self) -> Decimal | None:
        """Fees and slippage together, None when one of them is unknown."""
        return None if self.fees is None or self.slippage is None else self.fees + self.slippage

    @property
    def quotes(self) -> tuple[Quote, Quote]:
        return self.long, self.short


class Unpaired(NamedTuple):
    """Two instruments of one market that were not paired, and why."""

    market: Market
    first: str
    second: str
    reason: str


def evaluate(long: Quote, short: Quote, *, size: Decimal, hold_ms: int, now_ms: int) -> Spread:
    """What being long at one venue and short at the other comes to. A larger size never improves ``net``."""
    problems: list[str] = []
    for quote in (long, short):
        if quote.funding.interval is None:
            problems.append(f"{quote.exchange}: the funding interval is unknown")
        elif quote.funding.next_settlement_ms is None:
            problems.append(f"{quote.exchange}: the next settlement is unknown")
        if quote.taker_fee is None:
            problems.append(f"{quote.exchange}: the taker fee is unknown (--fee {quote.exchange}=RATE)")
    funding = _funding(long, short, now_ms=now_ms, horizon_ms=hold_ms)
    fees = None
    if long.taker_fee is not None and short.taker_fee is not None:
        fees = 2 * (long.taker_fee + short.taker_fee)
    slippage, depth = _slippage(long, short, size=size, problems=problems)
    net = None
    if funding is not None and fees is not None and slippage is not None:
        net = funding - fees - slippage
    even = None
    if fees is not None and slippage is not None:
        even = break_even(
            cost=fees + slippage,
            long_rate=long.funding.rate,
            long_schedule=long.schedule,
            short_rate=short.funding.rate,
            short_schedule=short.schedule,
            now_ms=now_ms,
        )
    stale = tuple(f"{quote.exchange}: {quote.stale}" for quote in (long, short) if quote.stale)
    return Spread(
        long=long,
        short=short,
        size=size,
        hold_ms=hold_ms,
        now_ms=now_ms,
        per_day=_funding(long, short, now_ms=now_ms, horizon_ms=DAY_MS),
        annual=_funding(long, short, now_ms=now_ms, horizon_ms=YEAR_MS),
        funding=funding,
        fees=fees,
        slippage=slippage,
        net=net,
        depth=depth,
        break_even=even,
        price_gap=price_gap(long, short),
        problems=tuple(problems),
        stale="; ".join(stale) or None,
    )


def orient(first: Quote, second: Quote, *, now_ms: int) -> tuple[Quote, Quote]:
    """(long, short), so that a year's funding is received and not paid.

    With an interval unknown only opposite signs decide; else the higher single rate is taken as the short leg, and
    the unknown figures show that this is not known.
    """
    annual = _funding(first, second, now_ms=now_ms, horizon_ms=YEAR_MS)
    if annual is None:
        annual = second.funding.rate - first.funding.rate
    return (first, second) if annual >= 0 else (second, first)


def price_gap(first: Quote, second: Quote) -> Decimal | None:
    """How far the prices of one unit of the asset are apart, as a fraction of the lower; None when one is unknown."""
    if first.price is None or second.price is None:
        return None
    low, high = sorted((first.price, second.price))
    return high / low - 1


def pair(
    quotes: Iterable[Quote],
    *,
    size: Decimal,
    hold_ms: int,
    now_ms: int,
    max_gap: Decimal = DEFAULT_MAX_GAP,
    all_pairs: bool = False,
) -> tuple[list[Spread], list[Unpaired]]:
    """The best spread of each market on two or more venues (or every pair), ranked, and what could not be paired.

    Prices further apart than ``max_gap`` are taken for two different things.
    """
    markets: dict[Market, list[Quote]] = {}
    for quote in quotes:
        markets.setdefault(quote.market, []).append(quote)
    spreads: list[Spread] = []
    unpaired: list[Unpaired] = []
    for market, group in markets.items():
        found: list[Spread] = []
        for first, second in combinations(group, 2):
            if first.exchange == second.exchange:
                continue
            gap = price_gap(first, second)
            if gap is not None and gap > max_gap:
                reason = f"prices are {gap * 100:.1f} % apart, more than {max_gap * 100:.1f} %"
                unpaired.append(Unpaired(market, _label(first), _label(second), reason))
                continue
            long, short = orient(first, second, now_ms=now_ms)
            found.append(evaluate(long, short, size=size, hold_ms=hold_ms, now_ms=now_ms))
        ranked = rank(found)
        spreads += ranked if all_pairs else ranked[:1]
    return rank(spreads), unpaired


def rank(spreads: Sequence[Spread]) -> list[Spread]:
    """Best first: fresh rows by net, then those whose net is unknown by spread per day, unknown and stale ones last."""
    by_name = sorted(spreads, key=lambda spread: str(spread.market))
    return sorted(by_name, key=_rank_key, reverse=True)


def ranked(spread: Spread) -> bool:
    """Whether the row has a place in the ranking: it is fresh and its spread is known."""
    return spread.stale is None and spread.per_day is not None


def taker_fee(fees: Mapping[str, Decimal], symbol: Symbol) -> Decimal | None:
    """The venue's published taker rate for the kind of ``symbol``; None when it says none."""
    own = fees.get(f"{symbol.kind.value}.taker")
    return own if own is not None else fees.get("taker")


def _rank_key(spread: Spread) -> tuple[bool, bool, Decimal]:
    known = spread.net if spread.net is not None else spread.per_day
    return ranked(spread), spread.net is not None, known if known is not None else Decimal(0)


def _funding(long: Quote, short: Quote, *, now_ms: int, horizon_ms: int) -> Decimal | None:
    received = funding_over(short.funding.rate, short.schedule, now_ms=now_ms, horizon_ms=horizon_ms)
    paid = funding_over(long.funding.rate, long.schedule, now_ms=now_ms, horizon_ms=horizon_ms)
    return None if received is None or paid is None else received - paid


def _slippage(
    long: Quote, short: Quote, *, size: Decimal, problems: list[str]
) -> tuple[Decimal | None, Decimal | None]:
    """(cost of both legs in and out, notional that the thinner book holds); both legs trade the same asset amount."""
    price = _mid(long) or _mid(short)
    cost: Decimal | None = Decimal(0)
    depths: list[Decimal] = []
    for quote in (long, short):
        if quote.book is None:
            problems.append(f"{quote.exchange}: no order book")
            cost = None
            continue
        if price is None:
            trip = round_trip(quote.symbol, quote.book, Decimal(0))
        else:
            trip = round_trip(quote.symbol, quote.book, size / price / quote.symbol.multiplier)
        if trip.problem is not None:
            problems.append(f"{quote.exchange}: {trip.problem}")
        depths.append(trip.depth)
        cost = None if cost is None or trip.cost is None else cost + trip.cost
    return cost, min(depths) if len(depths) == 2 else None


def _mid(quote: Quote) -> Decimal | None:
    mid = quote.book.mid if quote.book is not None and quote.book.valid else None
    return None if mid is None else mid / quote.symbol.multiplier


def _label(quote: Quote) -> str:
    return f"{quote.exchange} {quote.symbol.name}"
