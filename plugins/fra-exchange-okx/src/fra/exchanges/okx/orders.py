"""From an OrderRequest to the parameters of OKX's order calls (API v5 guide, "Place order" and "Place algo order").

What OKX cannot do is refused here, before anything is sent; no broker's code or tag is ever added.
"""

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
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)
from fra.exchanges.okx.wire import AccountConfig

_LIMIT_TYPES: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
}
_HEDGE: Final = "long_short_mode"
_SPOT_BY_MARGIN: Final = ("3", "4")
"""Account levels in which spot is traded as ``cross``: multi-currency and portfolio margin."""
_PORTFOLIO: Final = "4"
_OPENS: Final = {(PositionSide.LONG, Side.BUY), (PositionSide.SHORT, Side.SELL)}

AT_MARKET: Final = "-1"
"""The price of a triggered order that is a market order."""


def is_conditional(request: OrderRequest) -> bool:
    """Whether it goes to the calls for algo orders."""
    return request.type in (OrderType.STOP, OrderType.TAKE_PROFIT)


def check(request: OrderRequest, symbol: Symbol) -> None:
    """Raises NotSupported or InvalidOrder for what OKX has no order for, whatever the account's settings."""
    spot = symbol.kind is MarketKind.SPOT
    if request.type is OrderType.MARKET and request.time_in_force is TimeInForce.FOK:
        raise NotSupported(
            "OKX has no fill-or-kill market orders", cure="send a LIMIT order with FOK, or a MARKET order with IOC"
        )
    if is_conditional(request) and (request.time_in_force is not TimeInForce.GTC or request.post_only):
        raise NotSupported(
            "OKX's stop and take-profit orders become plain market or limit orders",
            cure="send them GTC and not post-only",
        )
    if request.quote_amount is not None and (not spot or request.type is not OrderType.MARKET):
        raise NotSupported("OKX takes quote_amount for spot market orders only", cure="give an amount")
    if spot and request.reduce_only:
        raise NotSupported("OKX has reduce-only orders for swaps only", cure="leave reduce_only out")
    if spot and request.position_side is not PositionSide.NET:
        raise InvalidOrder("a spot order has no position side", cure="leave position_side out")


def parameters(request: OrderRequest, symbol: Symbol, account: AccountConfig, *, margin_mode: str) -> dict[str, object]:
    """What is common to both kinds of order. Raises InvalidOrder where the request does not fit the position mode."""
    spot = symbol.kind is MarketKind.SPOT
    size = request.amount if request.amount is not None else request.quote_amount
    assert size is not None
    params: dict[str, object] = {
        "instId": symbol.venue_id,
        "tdMode": ("cross" if account.acctLv in _SPOT_BY_MARGIN else "cash") if spot else margin_mode,
        "side": request.side.value,
        "sz": size if spot else symbol.contracts(size),
    }
    return params if spot else params | _position(request, account)


def _position(request: OrderRequest, account: AccountConfig) -> dict[str, object]:
    side = request.position_side
    if account.posMode != _HEDGE:
        if side is not PositionSide.NET:
            raise InvalidOrder(
                "this account is in one-way mode: position_side must be NET", cure="or set_position_mode(HEDGE)"
            )
        if request.reduce_only and account.acctLv == _PORTFOLIO:
            raise NotSupported("OKX has no reduce-only orders in portfolio margin", cure="leave reduce_only out")
        return {"reduceOnly": True} if request.reduce_only else {}
    if side is PositionSide.NET:
        raise InvalidOrder("this account is in hedge mode: give position_side LONG or SHORT")
    if request.reduce_only and (side, request.side) in _OPENS:
        raise InvalidOrder(
            f"a {request.side.value} opens a {side.value} position: it cannot be reduce-only",
            cure=f"{request.side.opposite.value} to close it",
        )
    return {"posSide": side.value}  # what closes can only close: OKX ignores reduceOnly here


def ordinary(request: OrderRequest, symbol: Symbol, common: Mapping[str, object]) -> dict[str, object]:
    """The parameters of POST /trade/order."""
    params = {**common, "clOrdId": request.client_order_id}
    if request.type is OrderType.LIMIT:
        kind = "post_only" if request.post_only else _LIMIT_TYPES[request.time_in_force]
        return params | {"ordType": kind, "px": request.price}
    if symbol.kind is not MarketKind.SPOT:
        # A swap's plain market order may rest at the price limit; this one may not.
        immediate = request.time_in_force is TimeInForce.IOC
        return params | {"ordType": "optimal_limit_ioc" if immediate else "market"}
    # Without banAmend OKX would make the order smaller by itself where the balance does not suffice.
    unit = "base_ccy" if request.quote_amount is None else "quote_ccy"
    return params | {"ordType": "market", "tgtCcy": unit, "banAmend": True}


def conditional(request: OrderRequest, symbol: Symbol, common: Mapping[str, object]) -> dict[str, object]:
    """The parameters of POST /trade/order-algo: a one-way stop loss or take profit, triggered by the last price."""
    leg = "sl" if request.type is OrderType.STOP else "tp"
    price: Decimal | str = AT_MARKET if request.price is None else request.price
    params = {
        **common,
        "algoClOrdId": request.client_order_id,
        "ordType": "conditional",
        f"{leg}TriggerPx": request.trigger_price,
        f"{leg}OrdPx": price,
    }
    if symbol.kind is MarketKind.SPOT and request.price is None and request.side is Side.BUY:
        params["tgtCcy"] = "base_ccy"
    return params
