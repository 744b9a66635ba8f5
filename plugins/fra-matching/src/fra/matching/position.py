"""Positions: average entry, profit and margin, for linear and inverse perpetuals."""

import enum
from decimal import Decimal

import attrs

from fra.matching.instrument import ZERO, Instrument, exact
from fra.matching.order import PositionSide, Side


class PositionMode(enum.Enum):
    ONE_WAY = "one_way"
    HEDGE = "hedge"


class MarginMode(enum.Enum):
    CROSS = "cross"
    ISOLATED = "isolated"


@attrs.frozen(kw_only=True)
class Position:
    """A snapshot of a position.

    ``amount`` is signed in every mode (a SHORT is negative), base coin for linear and quote for inverse. ``entry`` is
    None when flat. Profit and margin are in settle coin; ``unrealised`` is on the mark price; ``realised`` is since
    the position was first opened, without fees and funding. ``initial_margin`` is of the position alone, without
    orders; under isolated margin it is what was set apart for it. ``liquidation_price`` is an estimate and None where
    there is none.
    """

    account: str
    symbol: str
    side: PositionSide
    amount: Decimal
    entry: Decimal | None
    mark: Decimal | None
    unrealised: Decimal
    realised: Decimal
    leverage: Decimal
    margin_mode: MarginMode
    initial_margin: Decimal
    maintenance_margin: Decimal
    liquidation_price: Decimal | None
    settle: str
    opened_ms: int | None
    updated_ms: int


class Holding:
    """A position's state, and the opening value (settle coin, before leverage) of the orders that rest on it."""

    def __init__(self, account: str, side: PositionSide) -> None:
        self.account = account
        self.side = side
        self.amount = ZERO
        self.cost = ZERO  # signed as the amount: what it was opened for, in settle coin
        self.realised = ZERO
        self.margin = ZERO  # set apart under isolated margin
        self.bids = ZERO
        self.asks = ZERO
        self.opened_ms: int | None = None
        self.updated_ms = 0

    def apply(self, instrument: Instrument, side: Side, price: Decimal, amount: Decimal, leverage: Decimal) -> Decimal:
        """Take a fill in and answer the profit that it realised, in settle coin."""
        realised = ZERO
        signed = amount * side.sign
        if self.amount * signed < 0:
            closed = max(signed, -self.amount) if signed < 0 else min(signed, -self.amount)
            share = -closed / self.amount
            cost = self.cost if share == 1 else self.cost * share
            realised = exact(instrument.pnl(-closed, cost, price))
            self.margin = ZERO if share == 1 else self.margin - exact(self.margin * share)
            self.amount += closed
            self.cost -= cost
            signed -= closed
        if signed:
            value = instrument.value(signed, price)
            if not self.amount:
                self.realised = ZERO
            self.margin += exact(abs(value) / leverage)
            self.amount += signed
            self.cost += value
        self.realised += realised
        return realised

    def closable(self, side: Side) -> Decimal:
        """What an order of ``side`` could close at most."""
        return max(-self.amount * side.sign, ZERO)

    def value(self, instrument: Instrument, mark: Decimal | None) -> Decimal:
        """The signed value at the mark, or what it was opened for while there is no mark."""
        return self.cost if mark is None else instrument.value(self.amount, mark)

    def unrealised(self, instrument: Instrument, mark: Decimal | None) -> Decimal:
        return ZERO if mark is None or not self.amount else instrument.pnl(self.amount, self.cost, mark)
