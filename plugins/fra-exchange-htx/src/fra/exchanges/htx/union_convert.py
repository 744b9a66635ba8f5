"""From what HTX tells of a multi-assets swap account: contracts become coins; numbers are text, '' is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fra.core import (
    Balance,
    Fill,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    Symbol,
    TimeInForce,
)
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx.account_convert import (
    MAKERS,
    MARGIN_MODES,
    NOTHING,
    POSITION_SIDES,
    average,
    id_text,
    number,
    price_or_none,
)
from fra.exchanges.htx.convert import SIDES, amount, moment, positive
from fra.exchanges.htx.tables import LINEAR

UNION_STATES: Final[Mapping[str, OrderStatus]] = {
    "new": OrderStatus.OPEN,
    "partially_filled": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "partially_canceled": OrderStatus.CANCELED,
    "canceled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
}
_IN_FORCE: Final[Mapping[str, TimeInForce]] = {
    "gtc": TimeInForce.GTC,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
}


def union_order(row: wire.UnionOrder, symbol: Symbol) -> Order:
    """An order of a multi-assets account."""
    at_market = row.type == "market" or bool(row.price_match)
    filled = amount(number(row.trade_volume) or NOTHING, symbol)
    side = SIDES[row.side]
    mean = positive(number(row.trade_avg_price)) or average(number(row.trade_turnover), filled)
    return Order(
        symbol=symbol.name,
        side=side,
        type=OrderType.MARKET if at_market else OrderType.LIMIT,
        status=UNION_STATES.get(row.state, OrderStatus.UNKNOWN),
        id=str(row.order_id),
        client_order_id=id_text(row.client_order_id),
        amount=amount(row.volume, symbol),
        filled=filled,
        price=None if at_market else positive(number(row.price)),
        average_price=mean if filled else None,
        time_in_force=None if at_market else _IN_FORCE.get((row.time_in_force or "").lower()),
        post_only=row.type == "post_only",
        reduce_only=row.reduce_only,
        position_side=POSITION_SIDES.get(row.position_side),
        reason=row.cancel_reason or None,
        created_ms=moment(row.created_time),
        timestamp_ms=moment(row.updated_time) or moment(row.created_time),
    )


def union_fill(row: wire.UnionFill, symbol: Symbol) -> Fill:
    """One execution of a multi-assets account; two orders of one's own may share a ``trade_id``."""
    return Fill(
        symbol=symbol.name,
        trade_id=str(row.trade_id),
        side=SIDES[row.side or row.direction],
        price=row.trade_price,
        amount=amount(row.trade_volume, symbol),
        timestamp_ms=row.created_time,
        order_id=str(row.order_id),
        client_order_id=id_text(row.client_order_id),
        fee=number(row.trade_fee),
        fee_asset=row.fee_currency or None,
        maker=MAKERS.get(row.role.lower()),
    )


def union_position(row: wire.UnionPosition, symbol: Symbol) -> Position:
    """A position of a multi-assets account; ``both`` is a one-way one, whose side ``direction`` tells."""
    side = POSITION_SIDES.get(row.position_side, PositionSide.NET)
    hedge = side is not PositionSide.NET
    if not hedge:
        side = PositionSide.SHORT if row.direction == "sell" or row.volume < 0 else PositionSide.LONG
    return Position(
        symbol=symbol.name,
        side=side,
        amount=abs(amount(row.volume, symbol)),
        entry_price=positive(number(row.open_avg_price)),
        mark_price=positive(number(row.mark_price)),
        liquidation_price=price_or_none(number(row.liquidation_price)),
        unrealized_pnl=number(row.profit_unreal),
        leverage=row.lever_rate,
        margin_mode=MARGIN_MODES.get(row.margin_mode),
        hedge_mode=hedge,
        timestamp_ms=moment(row.updated_time),
    )


def union_balances(wallet: wire.UnionWallet) -> list[Balance]:
    """One of each coin; zeros are among them."""
    return [
        Balance(
            asset=row.currency,
            market=LINEAR,
            free=number(row.available) or NOTHING,
            total=row.equity,
            timestamp_ms=moment(row.updated_time),
        )
        for row in wallet.details
    ]
