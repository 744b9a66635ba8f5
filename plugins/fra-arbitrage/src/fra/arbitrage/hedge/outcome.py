"""What stands after the orders of a hedge: matched, naked, or unknown, and the orders that would mend it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from decimal import Decimal

import attrs

from fra.arbitrage.hedge.size import round_down, to_amount, to_units
from fra.cli.placement import Placement
from fra.core import OrderRequest, OrderType, PositionSide, Side, Symbol


class Outcome(enum.Enum):
    """HEDGED: both legs whole. SMALLER: both legs equal, less than was asked. FLAT: nothing is open.

    NAKED: one leg is larger for certain. UNKNOWN: nobody knows yet whether the legs are equal.
    """

    HEDGED = "hedged"
    SMALLER = "smaller"
    FLAT = "flat"
    NAKED = "naked"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class Holding:
    """One leg after its orders: what was asked for, and the entry and unwinding orders as far as they are known.

    ``asked`` and ``entry`` are in the symbol's own amounts. ``hedge_mode`` says that orders name their position.
    """

    exchange: str
    symbol: Symbol
    side: PositionSide
    asked: Decimal
    entry: Placement
    unwinds: tuple[Placement, ...] = ()
    hedge_mode: bool = False

    @property
    def least(self) -> Decimal:
        """What the leg holds for certain."""
        return max(Decimal(0), self.entry.least - sum((unwind.most for unwind in self.unwinds), Decimal(0)))

    @property
    def most(self) -> Decimal:
        """What the leg holds at most."""
        return self.entry.most - sum((unwind.least for unwind in self.unwinds), Decimal(0))

    @property
    def known(self) -> bool:
        return self.least == self.most

    @property
    def doubts(self) -> tuple[Placement, ...]:
        """The orders whose fate is unknown."""
        return tuple(placed for placed in (self.entry, *self.unwinds) if placed.doubt is not None)

    @property
    def price(self) -> Decimal | None:
        """The average price of the entry."""
        return None if self.entry.order is None else self.entry.order.average_price

    def reduction(self, amount: Decimal, *, client_order_id: str | None = None) -> OrderRequest:
        """The order that closes ``amount`` of this leg at the market."""
        return OrderRequest(
            symbol=self.symbol.name,
            side=Side.SELL if self.side is PositionSide.LONG else Side.BUY,
            type=OrderType.MARKET,
            amount=amount,
            reduce_only=True,
            position_side=self.side if self.hedge_mode else PositionSide.NET,
            client_order_id=client_order_id,
        )


@attrs.frozen(kw_only=True)
class Result:
    """Both legs after all. ``naked`` is (least, most) of what the long leg holds more than the short one, in units."""

    long: Holding
    short: Holding
    lot: Decimal

    @property
    def legs(self) -> tuple[Holding, Holding]:
        return self.long, self.short

    @property
    def naked(self) -> tuple[Decimal, Decimal]:
        """How far the long leg exceeds the short one: between these two, in units; negative is a short surplus."""
        return (
            to_units(self.long.symbol, self.long.least) - to_units(self.short.symbol, self.short.most),
            to_units(self.long.symbol, self.long.most) - to_units(self.short.symbol, self.short.least),
        )

    @property
    def outcome(self) -> Outcome:
        least, most = self.naked
        if least > 0 or most < 0:
            return Outcome.NAKED
        if not all(leg.known for leg in self.legs):
            return Outcome.UNKNOWN
        held = self.long.least
        return Outcome.HEDGED if held == self.long.asked else Outcome.SMALLER if held else Outcome.FLAT

    @property
    def matched(self) -> Decimal:
        """What both legs hold for certain, in units."""
        return min(to_units(leg.symbol, leg.least) for leg in self.legs)

    def mends(self) -> tuple[tuple[Holding, OrderRequest], ...]:
        """The orders that close what is naked for certain, as if what is in doubt had not traded."""
        return tuple((leg, leg.reduction(surplus)) for leg, surplus in surpluses(self.legs, self.lot) if surplus > 0)


def surpluses(legs: Sequence[Holding], lot: Decimal) -> tuple[tuple[Holding, Decimal], ...]:
    """How much each leg has to close so that both are equal: down to what both hold, in lots that both can trade."""
    target = round_down(min(to_units(leg.symbol, leg.least) for leg in legs), lot)
    return tuple((leg, leg.least - to_amount(leg.symbol, target)) for leg in legs)
