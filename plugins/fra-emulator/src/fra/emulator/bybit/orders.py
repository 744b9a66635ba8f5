"""An order as Bybit takes it (`order/create`), made into one for the engine, or refused."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from fra.emulator.bybit.refusals import TRUNCATED
from fra.emulator.bybit.rest import SYMBOL_INVALID, Refusal
from fra.emulator.exchange import Listing, VenueExchange
from fra.matching import (
    OrderRequest,
    OrderType,
    PositionSide,
    Reason,
    Side,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)

Body = Mapping[str, object]
TRADED = ("spot", "linear", "inverse")
EXPIRES = frozenset({Reason.WOULD_TAKE})
"""An order that is acknowledged and ends at once: a post-only one that would take."""
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_TYPES = {"Limit": OrderType.LIMIT, "Market": OrderType.MARKET}
_IN_FORCE = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK, "PostOnly": TimeInForce.GTC}
_SIDE_OF = {0: PositionSide.NET, 1: PositionSide.LONG, 2: PositionSide.SHORT}
_BY = {"": TriggerBy.LAST, "LastPrice": TriggerBy.LAST, "MarkPrice": TriggerBy.MARK}
_NOT_HERE = ("takeProfit", "stopLoss", "trailingStop", "slippageTolerance", "orderIv", "bboSideType")


def bad(name: str) -> Refusal:
    return Refusal(10001, f"params error: {name} invalid")


def word(body: Body, name: str, default: str = "") -> str:
    """A text parameter. Raises Refusal if it is something else: the venue takes numbers as text only."""
    found = body.get(name)
    if found is None:
        return default
    if not isinstance(found, str):
        raise bad(name)
    return found


def number(body: Body, name: str) -> Decimal | None:
    """A number in text; None if it is absent or zero. Raises Refusal."""
    found = word(body, name)
    try:
        value = Decimal(found) if found else Decimal(0)
    except InvalidOperation:
        raise bad(name) from None
    if not value.is_finite() or value < 0:
        raise bad(name)
    return value or None


def flag(body: Body, name: str) -> bool:
    found = body.get(name, False)
    if not isinstance(found, bool):
        raise bad(name)
    return found


def whole(body: Body, name: str, default: int = 0) -> int:
    """A small integer, as a number or as text."""
    found = body.get(name, default)
    if isinstance(found, bool) or not str(found).isdigit():
        raise bad(name)
    return int(str(found))


def listed(exchange: VenueExchange, body: Body) -> Listing:
    """The instrument of `category` and `symbol`. Raises Refusal."""
    category = word(body, "category")
    if category not in TRADED:
        raise Refusal(10001, "Illegal category")
    found = exchange.find(category, word(body, "symbol"))
    if found is None:
        raise Refusal(*((170121, "Invalid symbol.") if category == "spot" else (10001, SYMBOL_INVALID)))
    return found


def link_id(body: Body) -> str | None:
    found = word(body, "orderLinkId")
    if found and not _LINK_ID.fullmatch(found):
        raise bad("orderLinkId")
    return found or None


def request(listing: Listing, body: Body, last: Decimal) -> OrderRequest:
    """What the engine is asked for; `last` is the last price, by which a trigger's direction is judged. Raises
    Refusal."""
    spot = listing.terms.is_spot
    for name in _NOT_HERE:
        if body.get(name) not in (None, "", "0"):
            raise Refusal(10001, f"params error: {name} is not supported by this emulator")
    if whole(body, "isLeverage") or flag(body, "closeOnTrigger"):
        raise Refusal(10001, "params error: isLeverage and closeOnTrigger are not supported by this emulator")
    side, kind = _SIDES.get(word(body, "side")), _TYPES.get(word(body, "orderType"))
    in_force = word(body, "timeInForce", "GTC") or "GTC"
    if side is None:
        raise bad("side")
    if kind is None:
        raise bad("orderType")
    market = kind is OrderType.MARKET
    if in_force not in _IN_FORCE or (market and in_force == "PostOnly"):
        raise bad("timeInForce")
    index = whole(body, "positionIdx")
    if index not in _SIDE_OF or (spot and index):
        raise bad("positionIdx")
    quantity, price = number(body, "qty"), number(body, "price")
    if quantity is None:
        raise Refusal(10001, "Qty invalid")
    if price is None and not market:
        raise bad("price")
    if not spot and quantity < listing.terms.lot:
        raise Refusal(*TRUNCATED)
    quoted = spot and market and _is_quoted(body, side)
    return OrderRequest(
        symbol=listing.symbol,
        side=side,
        type=kind,
        amount=None if quoted else quantity,
        quote_amount=quantity if quoted else None,
        price=None if market else price,
        time_in_force=TimeInForce.IOC if market and in_force == "GTC" else _IN_FORCE[in_force],
        post_only=in_force == "PostOnly",
        reduce_only=flag(body, "reduceOnly"),
        position_side=_SIDE_OF[index],
        client_id=link_id(body),
        trigger=_trigger(body, side, spot=spot, last=last),
    )


def _is_quoted(body: Body, side: Side) -> bool:
    """Whether `qty` of a spot market order is quote coin: by default for buys (Bybit docs: "Place Order")."""
    unit = word(body, "marketUnit") or ("quoteCoin" if side is Side.BUY else "baseCoin")
    if unit not in ("quoteCoin", "baseCoin"):
        raise bad("marketUnit")
    if unit == "quoteCoin" and side is Side.SELL:
        raise Refusal(10001, "params error: a sale sized by quoteCoin is not supported by this emulator")
    return unit == "quoteCoin"


def _trigger(body: Body, side: Side, *, spot: bool, last: Decimal) -> Trigger | None:
    price = number(body, "triggerPrice")
    if price is None:
        return None
    by = _BY.get(word(body, "triggerBy"))
    if by is None:
        raise bad("triggerBy")
    if spot:
        rising = price > last
    else:
        direction = whole(body, "triggerDirection")
        if direction not in (1, 2):
            raise bad("triggerDirection")
        rising = direction == 1
        if rising and price <= last:
            raise Refusal(110092, f"expect Rising, but trigger_price[{price}] <= current[{last}]")
        if not rising and price >= last:
            raise Refusal(110093, f"expect Falling, but trigger_price[{price}] >= current[{last}]")
    kind = TriggerKind.STOP if (side is Side.BUY) is rising else TriggerKind.TAKE_PROFIT
    return Trigger(kind, price, by)
