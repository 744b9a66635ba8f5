"""What a hedge comes to before anything is sent: amounts, prices, costs, funding, margin, and what forbids it. Pure.

Money is in quote coin, margin in the coin that the contracts settle in. Rates and books are taken to stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from typing import Final

import attrs

from fra.arbitrage.depth import Fill, base_levels, walk
from fra.arbitrage.hedge.size import Size, common_lot, round_down, round_up, to_amount, to_units, trim, unit_name
from fra.arbitrage.settlements import DAY_MS, BreakEven, break_even, funding_over
from fra.arbitrage.spread import DEFAULT_MAX_GAP, Market, Quote, price_gap
from fra.core import OrderRequest, OrderType, Position, PositionSide, Side, TimeInForce, plain, size_problems

DEFAULT_MAX_SLIPPAGE: Final = Decimal("0.005")
_PRECISION: Final = 60


@attrs.frozen(kw_only=True)
class HedgeRequest:
    """What the user wants. ``max_slippage`` is a fraction of the mid price, beyond which no leg trades.

    ``limits`` are protective prices that take its place; ``at_market`` sends market orders, which have none.
    ``leverage`` is set on both venues before anything is sent; None leaves it as it is. ``check_margin`` False leaves
    it to the venues whether the margin is enough, as for accounts with other coins as collateral.
    """

    size: Size
    max_slippage: Decimal = DEFAULT_MAX_SLIPPAGE
    at_market: bool = False
    max_gap: Decimal = DEFAULT_MAX_GAP
    hold_ms: int = 7 * DAY_MS
    leverage: Decimal | None = None
    check_margin: bool = True
    limits: Mapping[PositionSide, Decimal] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Venue:
    """What one venue says of its market and of the account there. None is unknown.

    ``free`` is what new positions may take as margin, in the settle coin. ``held`` is the open position of the symbol.
    ``refuses`` is why no order can be sent there at all.
    """

    quote: Quote
    free: Decimal | None = None
    leverage: Decimal | None = None
    held: Position | None = None
    hedge_mode: bool = False
    refuses: str | None = None

    @property
    def name(self) -> str:
        return self.quote.exchange


@attrs.frozen(kw_only=True)
class LegPlan:
    """One leg. ``amount`` is in the venue's own unit of the symbol, ``limit`` the protective price (None: market).

    ``entry`` and ``exit`` walk the book as it stands; ``notional`` is at the entry's average price. ``fees`` and
    ``slippage`` are for going in and out. ``per_settlement`` is what one settlement brings (+) or takes (-).
    """

    venue: Venue
    side: PositionSide
    amount: Decimal
    entry: Fill
    exit: Fill
    mid: Decimal
    limit: Decimal | None
    notional: Decimal | None
    fees: Decimal | None
    slippage: Decimal | None
    per_settlement: Decimal
    per_day: Decimal | None
    margin: Decimal | None
    leverage: Decimal | None
    problems: tuple[str, ...]
    obstacles: tuple[str, ...]

    @property
    def order_side(self) -> Side:
        return Side.BUY if self.side is PositionSide.LONG else Side.SELL

    @property
    def request(self) -> OrderRequest:
        """The order that opens this leg, without a client order id."""
        return OrderRequest(
            symbol=self.venue.quote.symbol.name,
            side=self.order_side,
            type=OrderType.MARKET if self.limit is None else OrderType.LIMIT,
            amount=self.amount,
            price=self.limit,
            time_in_force=TimeInForce.GTC if self.limit is None else TimeInForce.IOC,
            position_side=self.side if self.venue.hedge_mode else PositionSide.NET,
        )


@attrs.frozen(kw_only=True)
class HedgePlan:
    """Both legs and what they come to together.

    ``units`` is the size of each leg in the coin ``unit``, rounded down from ``asked`` to the ``lot`` that both venues
    have in common. ``problems`` forbid the hedge; ``obstacles`` stand between the plan and its sending; ``notes`` are
    worth knowing. ``net`` is funding over the holding time less all costs.
    """

    request: HedgeRequest
    market: Market
    unit: str
    asked: Decimal
    units: Decimal
    lot: Decimal
    long: LegPlan
    short: LegPlan
    gap: Decimal | None
    fees: Decimal | None
    slippage: Decimal | None
    per_settlement: Decimal
    per_day: Decimal | None
    funding: Decimal | None
    net: Decimal | None
    break_even: BreakEven | None
    now_ms: int
    problems: tuple[str, ...]
    obstacles: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def legs(self) -> tuple[LegPlan, LegPlan]:
        return self.long, self.short

    @property
    def cost(self) -> Decimal | None:
        """Fees and slippage of both legs, in and out."""
        return None if self.fees is None or self.slippage is None else self.fees + self.slippage


def make_plan(long: Venue, short: Venue, request: HedgeRequest, *, now_ms: int) -> HedgePlan:
    """The plan for being long at one venue and short at the other. Raises ValueError for a size in a foreign coin."""
    with localcontext() as context:
        context.prec = _PRECISION
        return _plan(long, short, request, now_ms=now_ms)


def _plan(long: Venue, short: Venue, request: HedgeRequest, *, now_ms: int) -> HedgePlan:
    problems: list[str] = []
    first, second = long.quote.symbol, short.quote.symbol
    lot = common_lot(first, second)
    price = long.quote.price or short.quote.price
    asked = Decimal(0)
    if price is None:
        problems.append("no price is known for either leg")
    else:
        asked = request.size.units(first, price)
    units = round_down(asked, lot)
    gap = price_gap(long.quote, short.quote)
    if gap is not None and gap > request.max_gap:
        problems.append(
            f"the prices are {gap * 100:.1f} % apart, more than {request.max_gap * 100:.1f} %: these may be two things"
        )
    legs = [
        _leg(venue, side, units, request, now_ms=now_ms)
        for venue, side in ((long, PositionSide.LONG), (short, PositionSide.SHORT))
    ]
    least = max(_least_units(leg, lot) for leg in legs)
    if price is not None and units < least:
        smallest = Size(least, unit_name(first))
        problems.append(
            f"{plain(asked)} {unit_name(first)} is less than both venues trade: the smallest --size is {smallest}"
        )
    problems += [problem for leg in legs for problem in leg.problems]
    fees = _sum(leg.fees for leg in legs)
    slippage = _sum(leg.slippage for leg in legs)
    cost = None if fees is None or slippage is None else fees + slippage
    funding = _sum(_funding(leg, now_ms=now_ms, horizon_ms=request.hold_ms) for leg in legs)
    return HedgePlan(
        request=request,
        market=long.quote.market,
        unit=unit_name(first),
        asked=asked,
        units=units,
        lot=lot,
        long=legs[0],
        short=legs[1],
        gap=gap,
        fees=fees,
        slippage=slippage,
        per_settlement=legs[0].per_settlement + legs[1].per_settlement,
        per_day=_sum(leg.per_day for leg in legs),
        funding=funding,
        net=None if funding is None or cost is None else funding - cost,
        break_even=None if cost is None else _break_even(legs[0], legs[1], cost, now_ms=now_ms),
        now_ms=now_ms,
        problems=tuple(problems),
        obstacles=tuple(obstacle for leg in legs for obstacle in leg.obstacles),
        notes=tuple(_notes(legs, asked, units, lot, unit_name(first))),
    )


def _least_units(leg: LegPlan, lot: Decimal) -> Decimal:
    """The smallest size in units, in common lots, that the venue's minimums allow at the leg's price."""
    symbol = leg.venue.quote.symbol
    least = [lot]
    if symbol.min_amount is not None:
        least.append(to_units(symbol, symbol.min_amount))
    if symbol.min_notional is not None and leg.mid > 0:
        price = _lowest(leg.entry.price or leg.mid, leg.limit)
        least.append(symbol.min_notional if symbol.inverse else to_units(symbol, symbol.min_notional / price))
    return round_up(max(least), lot)


def _leg(venue: Venue, side: PositionSide, units: Decimal, request: HedgeRequest, *, now_ms: int) -> LegPlan:
    quote, symbol = venue.quote, venue.quote.symbol
    problems: list[str] = []
    amount = to_amount(symbol, units)
    book = quote.book
    usable = book is not None and book.valid and book.bids and book.asks
    mid = book.mid if book is not None and usable and book.mid is not None else quote.price or Decimal(0)
    nothing = Fill(amount, Decimal(0), None, 0)
    entry = leave = nothing
    limit: Decimal | None = None
    if book is None or not usable:
        problems.append(f"{venue.name}: there is no whole order book of {symbol}")
    else:
        base = amount / mid if symbol.inverse else amount
        asks, bids = base_levels(symbol, book.asks), base_levels(symbol, book.bids)
        into, out = (asks, bids) if side is PositionSide.LONG else (bids, asks)
        entry, leave = walk(into, base), walk(out, base)
        if not request.at_market:
            limit = _limit(venue, side, mid, request)
        problems += _depth_problems(venue, side, entry, leave, limit)
    for what in (quote.stale, None if symbol.active else f"{symbol} is not trading now"):
        problems += [f"{venue.name}: {what}"] if what else []
    if amount > 0:
        checked = _lowest(entry.price or mid, limit)
        if checked > 0:
            problems += [f"{venue.name}: {problem}" for problem in size_problems(symbol, amount, checked)]
    if limit is not None and limit % symbol.tick_size:
        problems.append(f"{venue.name}: the limit {plain(limit)} is not a multiple of {plain(symbol.tick_size)}")
    notional, leaving = _notional(symbol.inverse, amount, entry), _notional(symbol.inverse, amount, leave)
    rate = quote.taker_fee
    fees = None if rate is None or notional is None or leaving is None else (notional + leaving) * rate
    slippage = None
    if entry.complete and leave.complete and entry.price is not None and leave.price is not None:
        sign = 1 if side is PositionSide.LONG else -1
        slippage = entry.filled * (entry.price - leave.price) * sign
    mark = quote.funding.mark_price or mid
    at_mark = amount if symbol.inverse else amount * mark
    flow = quote.funding.rate * at_mark * (-1 if side is PositionSide.LONG else 1)
    leverage = request.leverage or venue.leverage
    margin = None
    if notional is not None and mid > 0:
        needed = notional / (leverage or 1) + notional * (rate or 0)
        margin = needed / mid if symbol.inverse else needed
    leg = LegPlan(
        venue=venue,
        side=side,
        amount=amount,
        entry=entry,
        exit=leave,
        mid=mid,
        limit=limit,
        notional=notional,
        fees=fees,
        slippage=slippage,
        per_settlement=flow,
        per_day=funding_over(flow, quote.schedule, now_ms=now_ms, horizon_ms=DAY_MS),
        margin=margin,
        leverage=leverage,
        problems=tuple(problems),
        obstacles=(),
    )
    return attrs.evolve(leg, obstacles=tuple(_obstacles(leg, check_margin=request.check_margin)))


def _limit(venue: Venue, side: PositionSide, mid: Decimal, request: HedgeRequest) -> Decimal:
    if side in request.limits:
        return request.limits[side]
    buys = side is PositionSide.LONG
    worst = mid * (1 + request.max_slippage if buys else 1 - request.max_slippage)
    return trim(venue.quote.symbol.round_price(worst, Side.BUY if buys else Side.SELL))


def _depth_problems(venue: Venue, side: PositionSide, entry: Fill, leave: Fill, limit: Decimal | None) -> Iterator[str]:
    buys = side is PositionSide.LONG
    into, out = ("asks", "bids") if buys else ("bids", "asks")
    for walked, levels in ((entry, into), (leave, out)):
        if not walked.complete:
            base = venue.quote.symbol.base
            yield f"{venue.name}: too thin: the {levels} hold {plain(walked.filled)} {base} of {plain(walked.wanted)}"
    if limit is not None and entry.worst is not None and (entry.worst > limit if buys else entry.worst < limit):
        yield (
            f"{venue.name}: the size reaches to {plain(entry.worst)} in the book, beyond {plain(limit)}: "
            "a smaller --size, or a larger --max-slippage"
        )


def _obstacles(leg: LegPlan, *, check_margin: bool) -> Iterator[str]:
    venue, symbol = leg.venue, leg.venue.quote.symbol
    if venue.refuses is not None:
        yield f"{venue.name}: {venue.refuses}"
        return
    held = venue.held
    if held is not None and held.amount and held.side is not leg.side and not venue.hedge_mode:
        yield (
            f"{venue.name}: {plain(held.amount)} {symbol.amount_unit} are open on the {held.side.value} side, "
            f"which the {leg.side.value} leg would close"
        )
    if not check_margin:
        return
    coin = symbol.settle or symbol.quote
    if venue.free is None:
        yield f"{venue.name}: the available margin is unknown"
    elif leg.margin is not None and venue.free < leg.margin:
        assumed = "" if leg.leverage is not None else " at leverage 1, since it is unknown (--leverage N sets it)"
        needed, free = plain(round(leg.margin, 8)), plain(round(venue.free, 8))
        yield f"{venue.name}: {needed} {coin} of margin are needed, and {free} are free{assumed}"


def _notes(legs: list[LegPlan], asked: Decimal, units: Decimal, lot: Decimal, unit: str) -> Iterator[str]:
    if units != asked:
        yield f"the size is rounded down to {plain(units)} {unit}, in lots of {plain(lot)} that both venues trade"
    for leg in legs:
        quote = leg.venue.quote
        if quote.funding.interval is None:
            yield f"{quote.exchange}: the funding interval is unknown"
        if quote.taker_fee is None:
            yield f"{quote.exchange}: the taker fee is unknown (--fee {quote.exchange}=RATE)"
    if sum(leg.per_settlement for leg in legs) < 0:
        yield "at present rates this hedge pays funding at each common settlement: the legs may be the wrong way round"


def _funding(leg: LegPlan, *, now_ms: int, horizon_ms: int) -> Decimal | None:
    return funding_over(leg.per_settlement, leg.venue.quote.schedule, now_ms=now_ms, horizon_ms=horizon_ms)


def _break_even(long: LegPlan, short: LegPlan, cost: Decimal, *, now_ms: int) -> BreakEven | None:
    return break_even(
        cost=cost,
        long_rate=-long.per_settlement,
        long_schedule=long.venue.quote.schedule,
        short_rate=short.per_settlement,
        short_schedule=short.venue.quote.schedule,
        now_ms=now_ms,
    )


def _notional(inverse: bool, amount: Decimal, fill: Fill) -> Decimal | None:
    if fill.price is None or not fill.complete:
        return None
    return amount if inverse else amount * fill.price


def _lowest(price: Decimal, limit: Decimal | None) -> Decimal:
    return price if limit is None else min(price, limit)


def _sum(values: Iterator[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total
