"""Orders: what is asked for, what became of it, and its fills."""

import enum
from decimal import Decimal

import attrs

from fra.matching.instrument import ZERO
from fra.matching.refusals import Reason


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1


class OrderType(enum.Enum):
    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(enum.Enum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class PositionSide(enum.Enum):
    """NET in one-way mode and for spot; LONG or SHORT in hedge mode."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class OrderStatus(enum.Enum):
    """Where an order is in its life. CANCELED and EXPIRED may have fills: look at ``filled``."""

    UNTRIGGERED = "untriggered"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        return self in _OPEN


_OPEN = frozenset({OrderStatus.UNTRIGGERED, OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class TriggerKind(enum.Enum):
    """A stop waits for the price to go against the order's side's wish (a buy: up to it), a take-profit for the other
    way.
    """

    STOP = "stop"
    TAKE_PROFIT = "take_profit"


class TriggerBy(enum.Enum):
    MARK = "mark"
    LAST = "last"


@attrs.frozen
class Trigger:
    """An order with a trigger waits, holding nothing, until the mark or last price reaches ``price``."""

    kind: TriggerKind
    price: Decimal
    by: TriggerBy = TriggerBy.LAST

    def reached(self, side: Side, price: Decimal) -> bool:
        """Whether ``price`` sets off this trigger of an order of ``side``."""
        rising = (side is Side.BUY) is (self.kind is TriggerKind.STOP)
        return price >= self.price if rising else price <= self.price


@attrs.frozen(kw_only=True)
class OrderRequest:
    """What an account asks for.

    ``amount`` is base coin for spot and linear, quote for inverse; a spot market buy may give ``quote_amount`` (what to
    spend) instead. ``price`` is for limit orders only. ``client_id`` is unique among the account's open orders.
    """

    symbol: str
    side: Side
    type: OrderType = OrderType.LIMIT
    amount: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.NET
    client_id: str | None = None
    trigger: Trigger | None = None


@attrs.frozen(kw_only=True)
class Order:
    """A snapshot of an order.

    ``cost`` is the value of what was filled (quote coin; settle coin for derivatives), ``average`` its price or None.
    ``fee`` is what was paid so far in ``fee_asset`` (negative: received). ``held`` is what the rest reserves: money
    for spot, opening value (before leverage) for derivatives. ``reason`` says why an order ended short of its amount,
    None for the account's own cancel. A quote-sized order's ``amount`` is what its quote buys when it is matched,
    what the book lacks at the last price met; 0 before.
    """

    id: int
    client_id: str | None
    account: str
    symbol: str
    side: Side
    type: OrderType
    amount: Decimal
    quote_amount: Decimal | None
    price: Decimal | None
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    position_side: PositionSide
    trigger: Trigger | None
    status: OrderStatus
    created_ms: int
    updated_ms: int
    fee_asset: str
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    average: Decimal | None = None
    fee: Decimal = ZERO
    held: Decimal = ZERO
    triggered_ms: int | None = None
    reason: Reason | None = None
    liquidation: bool = False

    @property
    def remaining(self) -> Decimal:
        return self.amount - self.filled


@attrs.frozen(kw_only=True)
class Fill:
    """One side of a trade. ``fee`` is in ``fee_asset``, negative for a rebate; ``realised`` is the position's profit
    in settle coin.

    Both sides of a trade between accounts bear the same ``trade_id``.
    """

    trade_id: int
    order_id: int
    client_id: str | None
    account: str
    symbol: str
    side: Side
    position_side: PositionSide
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    realised: Decimal
    timestamp_ms: int
