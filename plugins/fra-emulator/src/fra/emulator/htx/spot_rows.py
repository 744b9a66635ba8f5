"""One account's spot orders and trades in HTX's words: texts for money, integers for ids and times."""

import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from fra.emulator.accounts import Account
from fra.emulator.exchange import VenueExchange
from fra.matching import Fill, Order, OrderStatus, OrderType, Reason, TimeInForce

Row = dict[str, object]

FIRST_ORDER = 1_000_000_000_000_000


@attrs.frozen
class Kind:
    """What the second half of an order's `type` means."""

    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    stop: bool = False


KINDS: Mapping[str, Kind] = {
    "market": Kind(OrderType.MARKET, TimeInForce.IOC),
    "limit": Kind(),
    "ioc": Kind(tif=TimeInForce.IOC),
    "limit-fok": Kind(tif=TimeInForce.FOK),
    "limit-maker": Kind(post_only=True),
    "stop-limit": Kind(stop=True),
    "stop-limit-fok": Kind(tif=TimeInForce.FOK, stop=True),
}
STATES: Mapping[OrderStatus, str] = {
    OrderStatus.UNTRIGGERED: "created",
    OrderStatus.NEW: "submitted",
    OrderStatus.PARTIALLY_FILLED: "partial-filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.REJECTED: "rejected",
}
CANCEL_STATES: Mapping[str, int] = {"partial-canceled": 5, "filled": 6, "canceled": 7, "rejected": 7}
"""Final states by the numbers that a refused cancel tells."""


def account_id(account: Account) -> int:
    """The id of the account's spot wallet, always the same for a key."""
    return 10_000_000 + zlib.crc32(account.key.encode()) % 90_000_000


def order_id(order: int) -> int:
    return FIRST_ORDER + order


def plain(value: Decimal) -> str:
    """Money as text, without an exponent."""
    return f"{value.normalize():f}" if value else "0"


def state(order: Order) -> str:
    """The order's state by name; a limit-maker that would have taken is `rejected`."""
    found = STATES.get(order.status)
    if found is not None:
        return found
    if order.reason is Reason.WOULD_TAKE:
        return "rejected"
    return "partial-canceled" if order.filled else "canceled"


def type_name(order: Order) -> str:
    """The order's `type`, e.g. `buy-limit-maker`."""
    if order.trigger is not None:
        kind = "stop-limit-fok" if order.time_in_force is TimeInForce.FOK else "stop-limit"
    elif order.type is OrderType.MARKET:
        kind = "market"
    elif order.post_only:
        kind = "limit-maker"
    else:
        kind = {TimeInForce.IOC: "ioc", TimeInForce.FOK: "limit-fok"}.get(order.time_in_force, "limit")
    return f"{order.side.value}-{kind}"


def size(order: Order) -> Decimal:
    """What was ordered: quote coin for a market buy, base coin for all else."""
    return order.quote_amount if order.quote_amount is not None else order.amount


class SpotRows:
    """How the spot paths show orders and trades."""

    def __init__(self, live: Callable[[], VenueExchange], now_ms: Callable[[], int]) -> None:
        self._exchange = live
        self._now_ms = now_ms

    @property
    def live(self) -> VenueExchange:
        """The exchange that the account trades on."""
        return self._exchange()

    def row(self, account: Account, order: Order) -> Row:
        """An order as `/v1/order/orders/{id}` shows it."""
        ended = 0 if order.status.is_open else order.updated_ms
        row: Row = {
            "id": order_id(order.id),
            "symbol": self.live.listing(order.symbol).instrument.symbol,
            "account-id": account_id(account),
            "client-order-id": order.client_id or "",
            "amount": plain(size(order)),
            "price": plain(order.price or Decimal(0)),
            "created-at": order.created_ms,
            "updated-at": order.updated_ms,
            "type": type_name(order),
            "field-amount": plain(order.filled),
            "field-cash-amount": plain(order.cost),
            "field-fees": plain(order.fee),
            "finished-at": ended,
            "source": "spot-api",
            "state": state(order),
            "canceled-at": ended if order.status is OrderStatus.CANCELED else 0,
        }
        if order.trigger is not None:
            rising = order.trigger.reached(order.side, order.trigger.price + 1)
            row |= {"stop-price": plain(order.trigger.price), "operator": "gte" if rising else "lte"}
        return row

    def match(self, fill: Fill) -> Row:
        """A trade as `/v1/order/matchresults` shows it."""
        order = self.live.engine.order(fill.account, order_id=fill.order_id)
        return {
            "symbol": self.live.listing(fill.symbol).instrument.symbol,
            "fee-currency": fill.fee_asset.lower(),
            "source": "spot-api",
            "price": plain(fill.price),
            "created-at": fill.timestamp_ms,
            "role": "maker" if fill.maker else "taker",
            "order-id": order_id(fill.order_id),
            "match-id": fill.trade_id,
            "trade-id": fill.trade_id,
            "filled-amount": plain(fill.amount),
            "filled-fees": plain(fill.fee),
            "filled-points": "0.0",
            "fee-deduct-currency": "",
            "fee-deduct-state": "done",
            "id": FIRST_ORDER + fill.trade_id,
            "type": type_name(order),
        }
