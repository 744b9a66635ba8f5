"""From an OrderRequest to HTX's parameters: what cannot be said is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from fra.core import (
    InvalidOrder,
    MarketKind,
    NotSupported,
    OrderRequest,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)

_CONDITIONAL: Final = (OrderType.STOP, OrderType.TAKE_PROFIT)
_OPENING: Final[Mapping[PositionSide, Side]] = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}

_SPOT_LIMITS: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "limit-fok",
}
_SWAP_LIMITS: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
}
_AT_MARKET: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "optimal_20_ioc",
    TimeInForce.IOC: "optimal_20_ioc",
    TimeInForce.FOK: "optimal_20_fok",
}
"""A single-asset account has no market orders: the 20 best levels, and what they do not fill is cancelled."""
MODES: Final[Mapping[PositionMode, str]] = {PositionMode.ONE_WAY: "single_side", PositionMode.HEDGE: "dual_side"}


def check(request: OrderRequest, symbol: Symbol) -> None:
    """Refuse what HTX cannot do. Raises NotSupported, naming what it can."""
    spot = symbol.kind is MarketKind.SPOT
    at_market = request.type is OrderType.MARKET
    if request.type in _CONDITIONAL and (not spot or request.price is None):
        raise NotSupported(
            f"HTX's {'swaps have' if not spot else 'spot has'} no {request.type.value} orders here",
            cure="on spot give a price too: a stop order that becomes a limit order" if spot else None,
        )
    if spot and at_market:
        if request.side is Side.BUY and request.quote_amount is None:
            raise NotSupported(
                "HTX buys at the market for an amount of quote coin only",
                cure="give quote_amount, or a LIMIT order with IOC and a price",
            )
        if request.side is Side.SELL and request.amount is None:
            raise NotSupported("HTX sells at the market an amount of base coin only", cure="give amount")
        if request.time_in_force is TimeInForce.FOK:
            raise NotSupported("HTX's spot has no FOK at the market", cure="give a LIMIT order with FOK and a price")
    elif request.amount is None:
        raise NotSupported("HTX takes quote_amount for spot market buys only", cure="give amount")
    if request.type in _CONDITIONAL and (request.post_only or request.time_in_force is not TimeInForce.GTC):
        raise NotSupported("HTX's stop orders become plain limit orders: no post-only, IOC or FOK")
    if spot and (request.reduce_only or request.position_side is not PositionSide.NET):
        raise InvalidOrder("spot has no positions: neither reduce_only nor position_side belongs there")


def spot(request: OrderRequest, symbol: Symbol) -> dict[str, object]:
    """The parameters of POST /v1/order/orders/place, but for the account."""
    conditional = request.type in _CONDITIONAL
    if conditional:
        name = "stop-limit"
    elif request.type is OrderType.MARKET:
        name = "market"
    else:
        name = "limit-maker" if request.post_only else _SPOT_LIMITS[request.time_in_force]
    rises = (request.side is Side.BUY) is (request.type is OrderType.STOP)
    return {
        "symbol": symbol.venue_id,
        "type": f"{request.side.value}-{name}",
        "amount": request.amount if request.quote_amount is None else request.quote_amount,
        "price": request.price,
        "stop-price": request.trigger_price,
        "operator": ("gte" if rises else "lte") if conditional else None,
        "client-order-id": request.client_order_id,
    }


def is_closing(request: OrderRequest, *, hedge: bool) -> bool:
    """Whether it takes from a position of a hedge account. Raises InvalidOrder where the request does not fit the mode.

    In one-way mode only ``reduce_only`` says so.
    """
    side = request.position_side
    if hedge and side is PositionSide.NET:
        raise InvalidOrder("this account is in hedge mode: give position_side LONG or SHORT")
    if not hedge:
        if side is not PositionSide.NET:
            raise InvalidOrder(
                "this account is in one-way mode: leave position_side NET", cure="or set_position_mode(HEDGE)"
            )
        return request.reduce_only
    closing = request.side is not _OPENING[side]
    if request.reduce_only and not closing:
        raise InvalidOrder(f"a {request.side.value} opens a {side.value} position, so it cannot be reduce_only")
    return closing


def swap(request: OrderRequest, symbol: Symbol, *, hedge: bool, lever_rate: int) -> dict[str, object]:
    """The parameters of swap_(cross_)order."""
    assert request.amount is not None
    closing = is_closing(request, hedge=hedge)
    if request.type is OrderType.MARKET:
        price_type = _AT_MARKET[request.time_in_force]
    else:
        price_type = "post_only" if request.post_only else _SWAP_LIMITS[request.time_in_force]
    return {
        "contract_code": symbol.venue_id,
        "client_order_id": number(request.client_order_id),
        "price": request.price,
        "volume": _whole(symbol.contracts(request.amount)),
        "direction": request.side.value,
        "offset": ("close" if closing else "open") if hedge else "both",
        "lever_rate": lever_rate,
        "order_price_type": price_type,
        "reduce_only": None if hedge else int(request.reduce_only),
    }


def union(request: OrderRequest, symbol: Symbol, *, hedge: bool, margin_mode: str) -> dict[str, object]:
    """The parameters of POST /v5/trade/order."""
    assert request.amount is not None
    is_closing(request, hedge=hedge)
    at_market = request.type is OrderType.MARKET
    if at_market and request.time_in_force is TimeInForce.FOK:
        raise NotSupported("HTX has no FOK at the market", cure="give a LIMIT order with FOK and a price")
    kind = "market" if at_market else "post_only" if request.post_only else "limit"
    return {
        "contract_code": symbol.venue_id,
        "margin_mode": margin_mode,
        "position_side": request.position_side.value if hedge else "both",
        "side": request.side.value,
        "type": kind,
        "price": request.price,
        "volume": symbol.contracts(request.amount),
        "client_order_id": request.client_order_id,
        "reduce_only": None if hedge else int(request.reduce_only),
        "time_in_force": request.time_in_force.value.lower(),
    }


def _whole(contracts: Decimal) -> int | Decimal:
    """HTX counts in whole contracts; what is none is for HTX to refuse."""
    return int(contracts) if contracts == contracts.to_integral_value() else contracts


def number(client_order_id: str | None) -> int | None:
    """A client order id of swaps, which are numbers there. Raises InvalidOrder for one that a number would change."""
    if client_order_id is None:
        return None
    if not client_order_id.isdecimal() or client_order_id.startswith("0") or len(client_order_id) > 18:
        raise InvalidOrder(
            f"the client order id {client_order_id!r} is no number of 1 to 18 digits that does not begin with 0"
        )
    return int(client_order_id)
