"""What both families of contract accounts share: sizes in whole contracts, the kinds of prices, ids beyond 2^53."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation

import attrs

from fra.emulator.accounts import Account
from fra.emulator.exchange import Listing, VenueExchange
from fra.emulator.htx import refusals
from fra.emulator.source import Source
from fra.matching import (
    Fill,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Reason,
    Refused,
    Side,
    TimeInForce,
    Trigger,
)

Params = Mapping[str, str]
Row = dict[str, object]

FIRST_ORDER = 10**18
_LARGEST_CLIENT_ID = 9_223_372_036_854_775_807


@attrs.frozen
class PriceType:
    """How an order is priced: by itself, at the market, or at the level of the other side that is so deep."""

    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    level: int = 0


_LEVELS: Mapping[str, int] = {"opponent": 1, "lightning": 30, "optimal_5": 5, "optimal_10": 10, "optimal_20": 20}
PRICE_TYPES: Mapping[str, PriceType] = {
    "limit": PriceType(),
    "post_only": PriceType(post_only=True),
    "fok": PriceType(tif=TimeInForce.FOK),
    "ioc": PriceType(tif=TimeInForce.IOC),
    "market": PriceType(OrderType.MARKET, TimeInForce.IOC),
    **{name: PriceType(level=level) for name, level in _LEVELS.items()},
    **{f"{name}_ioc": PriceType(tif=TimeInForce.IOC, level=level) for name, level in _LEVELS.items()},
    **{f"{name}_fok": PriceType(tif=TimeInForce.FOK, level=level) for name, level in _LEVELS.items()},
}
"""By `order_price_type` (HTX docs: USDT-M, "Place an Order")."""


def order_id(order: int) -> int:
    return FIRST_ORDER + order


def client_id(order: Order | Fill) -> int | None:
    """Contracts' own ids are numbers."""
    return int(order.client_id) if order.client_id else None


def plain(value: Decimal) -> str:
    """Exact decimal text without an exponent or padding."""
    return f"{value.normalize():f}" if value else "0"


def price_type(order: Order) -> str:
    """The order's kind by name, as far as the engine still knows it."""
    if order.type is OrderType.MARKET:
        return "market"
    if order.post_only:
        return "post_only"
    return {TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}.get(order.time_in_force, "limit")


def decimal(params: Params, name: str) -> Decimal:
    """A number of the request. Raises Refusal."""
    if not params.get(name):
        raise refusals.missing(name)
    try:
        return Decimal(params[name])
    except InvalidOperation:
        raise refusals.invalid(name) from None


class ContractAccount:
    """One account's linear wallet, for whichever family of paths."""

    def __init__(self, live: Callable[[], VenueExchange], source: Source, now_ms: Callable[[], int]) -> None:
        self._exchange = live
        self._source = source
        self._now_ms = now_ms

    @property
    def live(self) -> VenueExchange:
        """The exchange that the account trades on."""
        return self._exchange()

    # -- instruments
    def listing(self, code: str) -> Listing:
        """By contract code, whatever its case. Raises Refusal."""
        listing = self.live.find("linear", code.upper())
        if listing is None:
            raise refusals.linear(Refused(Reason.UNKNOWN_SYMBOL, code))
        return listing

    def symbol(self, params: Params, *names: str) -> str | None:
        """The engine's symbol that a request names, or None for all."""
        told = next((params[n] for n in names if params.get(n) and params[n] != "*"), None)
        return self.listing(told).symbol if told is not None else None

    def contracts(self, symbol: str, amount: Decimal) -> Decimal:
        """An engine's amount in contracts."""
        return self.live.listing(symbol).size(amount)

    # -- placing
    def place(
        self,
        account: Account,
        listing: Listing,
        params: Params,
        *,
        side: Side,
        position: PositionSide,
        kind: PriceType,
        reduce_only: bool,
        trigger: Trigger | None = None,
        price_name: str = "price",
    ) -> Order:
        """One order; a post-only that would take is accepted and cancelled. Raises Refusal."""
        volume = decimal(params, "volume")
        if volume != volume.to_integral_value():
            raise refusals.invalid("volume")
        mine = params.get("client_order_id") or None
        if mine is not None:
            self._check_client_id(account, mine)
        price: Decimal | None = None
        if kind.level:
            price = self._level(listing, side, kind.level)
        elif kind.type is OrderType.LIMIT:
            price = decimal(params, price_name)
        request = OrderRequest(
            symbol=listing.symbol,
            side=side,
            type=kind.type,
            amount=listing.amount(volume),
            price=price,
            time_in_force=kind.tif,
            post_only=kind.post_only,
            reduce_only=reduce_only,
            position_side=position,
            client_id=mine,
            trigger=trigger,
        )
        try:
            return self.live.place(account, request, expire={Reason.WOULD_TAKE})
        except Refused as refused:
            raise refusals.linear(refused) from None

    def _check_client_id(self, account: Account, mine: str) -> None:
        if not mine.isdigit() or not 1 <= int(mine) <= _LARGEST_CLIENT_ID:
            raise refusals.invalid("client_order_id")
        try:
            self.live.engine.order(account.name, client_id=mine)
        except Refused:
            return
        raise refusals.linear(Refused(Reason.DUPLICATE_CLIENT_ID, mine))

    def _level(self, listing: Listing, side: Side, depth: int) -> Decimal:
        book = self._source.book("linear", listing.instrument.symbol)
        levels = book.asks if side is Side.BUY else book.bids
        return Decimal(levels[min(depth, len(levels)) - 1][0])

    def is_hedged(self, account: Account) -> bool:
        return self.live.engine.position_mode(account.name) is PositionMode.HEDGE

    # -- settings
    def set_leverage(self, account: Account, listing: Listing, leverage: Decimal) -> None:
        """Raises Refusal."""
        try:
            self.live.engine.set_leverage(account.name, listing.symbol, leverage, now_ms=self.live.now_ms())
        except Refused as refused:
            if refused.reason is Reason.MARGIN:
                raise refusals.in_use() from None
            raise refusals.linear(refused) from None

    def set_mode(self, account: Account, told: str) -> None:
        """`single_side` or `dual_side`. Raises Refusal."""
        modes = {"single_side": PositionMode.ONE_WAY, "dual_side": PositionMode.HEDGE}
        if told not in modes:
            raise refusals.invalid("position_mode")
        try:
            self.live.engine.set_position_mode(account.name, modes[told], now_ms=self.live.now_ms())
        except Refused as refused:
            raise refusals.linear(refused) from None

    def mode(self, account: Account) -> str:
        return "dual_side" if self.is_hedged(account) else "single_side"

    # -- looking up
    def find(self, account: Account, *, order: str = "", client: str = "") -> Order:
        """By the venue's id or the client's own. Raises Refused."""
        if order:
            told = int(order) - FIRST_ORDER if order.isdigit() else 0
            found = self.live.engine.order(account.name, order_id=told)
        else:
            found = self.live.engine.order(account.name, client_id=client)
        if not self._is_linear(found.symbol) or is_waiting(found):
            raise Refused(Reason.UNKNOWN_ORDER, "of another market, or not placed yet")
        return found

    def _is_linear(self, symbol: str) -> bool:
        return self.live.listing(symbol).instrument.market == "linear"

    def orders(self, account: Account, symbol: str | None) -> list[Order]:
        """All orders but those that never were triggered, newest first."""
        found = self.live.engine.orders(account.name, symbol)
        return [o for o in found if self._is_linear(o.symbol) and not is_waiting(o)][::-1]

    def open_orders(self, account: Account, symbol: str | None) -> list[Order]:
        """Newest first, without those that wait for their trigger."""
        found = self.live.engine.open_orders(account.name, symbol)
        return [o for o in found if self._is_linear(o.symbol) and not is_waiting(o)][::-1]

    def fills(self, account: Account, symbol: str | None, order: int | None = None) -> list[Fill]:
        """Own trades, newest first."""
        return [
            f
            for f in self.live.engine.fills(account.name, symbol)
            if self._is_linear(f.symbol) and order in (None, f.order_id)
        ][::-1]

    def positions(self, account: Account, symbol: str | None) -> Iterable[Position]:
        return [p for p in self.live.engine.positions(account.name, symbol) if self._is_linear(p.symbol)]

    def realised(self, order: Order) -> Decimal:
        return sum((f.realised for f in self.fills_of(order)), Decimal(0))

    def fills_of(self, order: Order) -> list[Fill]:
        return [f for f in self.live.engine.fills(order.account, order.symbol) if f.order_id == order.id]


def is_waiting(order: Order) -> bool:
    """Whether an order waits for its trigger, or has ended without it: it is no order yet for the order paths."""
    return order.trigger is not None and order.triggered_ms is None


def is_over(order: Order) -> bool:
    return order.status not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNTRIGGERED)


def offset(order: Order | Fill | Position, side: Side) -> str:
    """`both` in one-way mode; else whether the order of this side opens or closes."""
    held = order.side if isinstance(order, Position) else order.position_side
    if held is PositionSide.NET:
        return "both"
    return "open" if (side is Side.BUY) is (held is PositionSide.LONG) else "close"
