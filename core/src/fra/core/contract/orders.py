"""Orders and what becomes of them. Type, time in force and post-only are separate; status and filled are orthogonal."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal

import attrs

from fra.core.contract import values
from fra.core.contract.account import Balance, FundingPayment, Position, PositionSide
from fra.core.contract.symbol import Side


class OrderType(enum.Enum):
    """How the price is found. STOP and TAKE_PROFIT become market orders (limit orders if a price is given)."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    TAKE_PROFIT = "take_profit"


class TimeInForce(enum.Enum):
    """How long it lives: until cancelled, what fills at once, or all at once or nothing."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(enum.Enum):
    """Where an order stands. ``filled`` says how much of it traded, in every status.

    PENDING: on its way; the venue has not said yet what became of it, though it may have taken it in. UNKNOWN: the
    venue's answer is not known or names a status we do not know.
    """

    PENDING = "pending"
    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to it."""
        return self in (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED)


@attrs.frozen(kw_only=True)
class OrderRequest:
    """What a user wants done. Nothing in it is ever rounded or altered on its way to the venue.

    ``amount`` is in base coin (quote coin for inverse). A spot market buy may give ``quote_amount`` (what to spend)
    instead. ``price`` belongs to limit orders, ``trigger_price`` to STOP and TAKE_PROFIT. ``client_order_id`` is made
    by the OrderDesk when it is None. ``position_side`` is LONG or SHORT in hedge mode, NET in one-way mode.
    ``exchange`` names the member of an aggregated exchange that is to have it; None leaves that to its policy. Any
    other exchange takes no name but its own.
    """

    symbol: str = attrs.field(validator=values.text)
    side: Side = attrs.field(validator=values.member(Side))
    type: OrderType = attrs.field(validator=values.member(OrderType))
    amount: Decimal | None = attrs.field(default=None, validator=values.positive_or_none)
    quote_amount: Decimal | None = attrs.field(default=None, validator=values.positive_or_none)
    price: Decimal | None = attrs.field(default=None, validator=values.positive_or_none)
    trigger_price: Decimal | None = attrs.field(default=None, validator=values.positive_or_none)
    time_in_force: TimeInForce = attrs.field(default=TimeInForce.GTC, validator=values.member(TimeInForce))
    post_only: bool = False
    reduce_only: bool = False
    position_side: PositionSide = attrs.field(default=PositionSide.NET, validator=values.member(PositionSide))
    client_order_id: str | None = None
    exchange: str | None = attrs.field(default=None, validator=attrs.validators.optional(values.text))

    def __attrs_post_init__(self) -> None:
        conditional = self.type in (OrderType.STOP, OrderType.TAKE_PROFIT)
        if (self.amount is None) == (self.quote_amount is None):
            raise ValueError("OrderRequest: give amount or quote_amount, one of the two")
        if self.type is OrderType.LIMIT and self.price is None:
            raise ValueError("OrderRequest: a limit order needs a price")
        if self.type is OrderType.MARKET and self.price is not None:
            raise ValueError("OrderRequest: a market order takes no price; a protective limit is LIMIT with IOC")
        if conditional != (self.trigger_price is not None):
            raise ValueError("OrderRequest: trigger_price belongs to STOP and TAKE_PROFIT orders, and they need it")
        if self.post_only and self.price is None:
            raise ValueError("OrderRequest: only an order with a price can be post-only")
        if self.post_only and self.time_in_force is not TimeInForce.GTC:
            raise ValueError(f"OrderRequest: a post-only order rests, so it cannot be {self.time_in_force.value}")


@attrs.frozen(kw_only=True)
class Order:
    """An order as the venue last told it. ``filled`` never exceeds ``amount`` and never falls.

    ``amount`` is None only for market orders by ``quote_amount`` whose base amount the venue has not told yet.
    """

    symbol: str = attrs.field(validator=values.text)
    side: Side = attrs.field(validator=values.member(Side))
    type: OrderType = attrs.field(validator=values.member(OrderType))
    status: OrderStatus = attrs.field(validator=values.member(OrderStatus))
    id: str | None = None
    client_order_id: str | None = None
    amount: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    quote_amount: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    filled: Decimal = attrs.field(default=Decimal(0), validator=values.not_negative)
    price: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    average_price: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    trigger_price: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    time_in_force: TimeInForce | None = attrs.field(default=None, validator=values.member(TimeInForce, optional=True))
    post_only: bool | None = None
    reduce_only: bool | None = None
    position_side: PositionSide | None = attrs.field(default=None, validator=values.member(PositionSide, optional=True))
    reason: str | None = None
    created_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)
    timestamp_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)

    @classmethod
    def of(
        cls,
        request: OrderRequest,
        *,
        status: OrderStatus = OrderStatus.PENDING,
        id: str | None = None,
        timestamp_ms: int | None = None,
    ) -> Order:
        """The order that ``request`` asks for, nothing filled: for venues that answer with an id and no more."""
        return cls(
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            status=status,
            id=id,
            client_order_id=request.client_order_id,
            amount=request.amount,
            quote_amount=request.quote_amount,
            price=request.price,
            trigger_price=request.trigger_price,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            position_side=request.position_side,
            created_ms=timestamp_ms,
            timestamp_ms=timestamp_ms,
        )

    @property
    def remaining(self) -> Decimal | None:
        """What is left to fill, None when the amount is not known."""
        return None if self.amount is None else self.amount - self.filled

    @property
    def timestamp(self) -> datetime | None:
        """When the venue last changed it."""
        return None if self.timestamp_ms is None else values.as_datetime(self.timestamp_ms)


@attrs.frozen(kw_only=True)
class Fill:
    """One execution of one of our orders; ``fee`` is in ``fee_asset``, positive when paid, negative for a rebate.

    Where the venue does not tell ``client_order_id``, it is that of the order, if that is known by then.
    """

    symbol: str = attrs.field(validator=values.text)
    trade_id: str = attrs.field(validator=values.text)
    side: Side = attrs.field(validator=values.member(Side))
    price: Decimal = attrs.field(validator=values.positive)
    amount: Decimal = attrs.field(validator=values.positive)
    timestamp_ms: int = attrs.field(validator=values.timestamp)
    order_id: str | None = None
    client_order_id: str | None = None
    fee: Decimal | None = attrs.field(default=None, validator=values.decimal_or_none)
    fee_asset: str | None = None
    maker: bool | None = None

    @property
    def timestamp(self) -> datetime:
        return values.as_datetime(self.timestamp_ms)


UserEvent = Order | Fill | Balance | Position | FundingPayment
"""What the user-data stream tells; payments where the adapter tells them by itself (the proxy does)."""
