"""What happened, in order: frozen objects that a front-end turns into its venue's pushes."""

import enum
from decimal import Decimal

import attrs

from fra.matching.order import Fill, Order, PositionSide, Side
from fra.matching.position import Position


class BalanceReason(enum.Enum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    ORDER = "order"
    FUNDING = "funding"
    LIQUIDATION = "liquidation"
    INSURANCE = "insurance"
    MARGIN = "margin"


@attrs.frozen(kw_only=True)
class Payment:
    """A funding payment to (positive) or from (negative) an account, ``amount`` in ``asset``, for the signed
    ``position``.
    """

    id: int
    account: str
    symbol: str
    side: PositionSide
    position: Decimal
    rate: Decimal
    mark: Decimal
    amount: Decimal
    asset: str
    timestamp_ms: int


@attrs.frozen(kw_only=True)
class Event:
    """``seq`` rises by one from event to event of an `Exchange`; ``timestamp_ms`` is the ``now_ms`` of the call."""

    seq: int
    timestamp_ms: int


@attrs.frozen(kw_only=True)
class OrderChanged(Event):
    """An order was accepted, was triggered or ended. Its fills are `Filled`, and these alone tell of FILLED."""

    order: Order


@attrs.frozen(kw_only=True)
class Filled(Event):
    """A fill of an account's order, and the order with it; no `OrderChanged` says the same again."""

    fill: Fill
    order: Order


@attrs.frozen(kw_only=True)
class BalanceChanged(Event):
    """``total`` and ``free`` after; ``change`` of the total, 0 where only what is held changed."""

    account: str
    wallet: str
    asset: str
    total: Decimal
    free: Decimal
    change: Decimal
    reason: BalanceReason


@attrs.frozen(kw_only=True)
class PositionChanged(Event):
    position: Position


@attrs.frozen(kw_only=True)
class FundingPaid(Event):
    payment: Payment


@attrs.frozen(kw_only=True)
class Liquidated(Event):
    """A position that was closed by force: ``amount`` signed as it was, ``price`` the average, ``covered`` what
    insurance paid.
    """

    account: str
    symbol: str
    order: Order
    amount: Decimal
    price: Decimal
    covered: Decimal
    asset: str


@attrs.frozen(kw_only=True)
class Traded(Event):
    """A public trade in which an account had a part; ``side`` is the taker's."""

    trade_id: int
    symbol: str
    price: Decimal
    amount: Decimal
    side: Side


@attrs.frozen(kw_only=True)
class OutsideTaken(Event):
    """Outside liquidity that is gone: ``side`` is that of the outside levels (BUY: bids), each (price, amount)."""

    symbol: str
    side: Side
    levels: tuple[tuple[Decimal, Decimal], ...]


@attrs.frozen(kw_only=True)
class SettingChanged(Event):
    """Leverage, margin mode or position mode of an account as it is now; ``symbol`` is None for the position mode."""

    account: str
    symbol: str | None
    name: str
    value: str
