"""From what HTX tells of the spot account to fra's models: nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from fra.core import (
    Balance,
    Fill,
    Order,
    OrderStatus,
    OrderType,
    Side,
    Symbol,
    TimeInForce,
)
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx.account_convert import (
    MAKERS,
    NOTHING,
    Terms,
    average,
    id_text,
)
from fra.exchanges.htx.convert import SIDES, moment, positive
from fra.exchanges.htx.tables import SPOT

_FREE: Final = "trade"

SPOT_TERMS: Final[Mapping[str, Terms]] = {
    "limit": Terms(OrderType.LIMIT, TimeInForce.GTC),
    "limit-maker": Terms(OrderType.LIMIT, TimeInForce.GTC, True),
    "ioc": Terms(OrderType.LIMIT, TimeInForce.IOC),
    "limit-fok": Terms(OrderType.LIMIT, TimeInForce.FOK),
    "market": Terms(OrderType.MARKET),
    "stop-limit": Terms(OrderType.STOP, TimeInForce.GTC),
    "stop-limit-fok": Terms(OrderType.STOP, TimeInForce.FOK),
}
"""What follows the side in spot's ``type``."""

SPOT_STATES: Final[Mapping[str, OrderStatus]] = {
    "created": OrderStatus.OPEN,
    "pre-submitted": OrderStatus.OPEN,
    "submitting": OrderStatus.PENDING,
    "submitted": OrderStatus.OPEN,
    "partial-filled": OrderStatus.OPEN,
    "canceling": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "partial-canceled": OrderStatus.CANCELED,
    "canceled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
}


def spot_balances(rows: Iterable[wire.SpotAmount]) -> list[Balance]:
    """One of each coin; those that are zero everywhere are left out."""
    parts: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        free, total = parts.get(row.currency, (NOTHING, NOTHING))
        parts[row.currency] = (free + (row.balance if row.type == _FREE else 0), total + row.balance)
    return [
        Balance(asset=currency.upper(), market=SPOT, free=free, total=total)
        for currency, (free, total) in parts.items()
        if free or total
    ]


def _spot_terms(kind: str, stop: Decimal | None, operator: str | None) -> tuple[Side, Terms]:
    side, _, name = kind.partition("-")
    terms = SPOT_TERMS.get(name, Terms(OrderType.LIMIT, None, None))
    if stop and terms.type is OrderType.STOP and operator is not None and (operator == "gte") is (side == "sell"):
        terms = terms._replace(type=OrderType.TAKE_PROFIT)
    return SIDES[side], terms


def spot_order(row: wire.SpotOrder, symbol: Symbol) -> Order:
    """An order; of a market buy the amount in base coin is known once it is filled."""
    side, terms = _spot_terms(row.type, row.stop_price, row.operator)
    status = SPOT_STATES.get(row.state, OrderStatus.UNKNOWN)
    filled = row.filled_amount if row.field_amount is None else row.field_amount
    worth = row.filled_cash_amount if row.field_cash_amount is None else row.field_cash_amount
    filled = filled or NOTHING
    by_value = row.type == "buy-market"
    size = (filled if status is OrderStatus.FILLED else None) if by_value else row.amount
    at = max(row.updated_at, row.finished_at, row.canceled_at, row.created_at)
    return Order(
        symbol=symbol.name,
        side=side,
        type=terms.type,
        status=status,
        id=str(row.id),
        client_order_id=id_text(row.client_order_id),
        amount=size,
        quote_amount=row.amount if by_value else None,
        filled=filled,
        price=None if terms.type is OrderType.MARKET else positive(row.price),
        average_price=average(worth, filled),
        trigger_price=positive(row.stop_price) if terms.type in (OrderType.STOP, OrderType.TAKE_PROFIT) else None,
        time_in_force=terms.time_in_force,
        post_only=terms.post_only,
        reason=row.canceled_source_desc or row.canceled_source or None,
        created_ms=moment(row.created_at),
        timestamp_ms=moment(at),
    )


def spot_fill(row: wire.SpotFill, symbol: Symbol) -> Fill:
    """One execution. A fee that was taken in points or HTX's own coin is given in that."""
    fee, asset = row.filled_fees, row.fee_currency
    if not fee and row.filled_points and row.fee_deduct_currency:
        fee, asset = row.filled_points, row.fee_deduct_currency
    return Fill(
        symbol=symbol.name,
        trade_id=str(row.trade_id),
        side=SIDES[row.type.partition("-")[0]],
        price=row.price,
        amount=row.filled_amount,
        timestamp_ms=row.created_at,
        order_id=str(row.order_id),
        fee=fee,
        fee_asset=asset.upper() if asset else None,
        maker=MAKERS.get(row.role),
    )


def spot_order_push(row: wire.SpotOrderPush, symbol: Symbol, bought: Decimal = NOTHING) -> Order:
    """A push of ``orders#*``; the kinds of event leave different fields out.

    ``execAmt`` of a market buy counts quote coin, so of these ``bought`` says what is filled: the sum of its trades.
    """
    kind = row.type or f"{row.orderSide}-"
    side, terms = _spot_terms(kind, row.stopPrice, None)
    status = SPOT_STATES.get(row.orderStatus, OrderStatus.UNKNOWN)
    by_value = kind == "buy-market"
    filled = bought if by_value else row.execAmt or NOTHING
    size = None if by_value else row.orderSize
    return Order(
        symbol=symbol.name,
        side=side,
        type=terms.type,
        status=status,
        id=id_text(row.orderId),
        client_order_id=id_text(row.clientOrderId),
        amount=size,
        quote_amount=(row.orderValue or row.orderSize) if by_value else None,
        filled=filled,
        price=None if terms.type is OrderType.MARKET else positive(row.orderPrice),
        trigger_price=positive(row.stopPrice) if terms.type in (OrderType.STOP, OrderType.TAKE_PROFIT) else None,
        time_in_force=terms.time_in_force,
        post_only=terms.post_only,
        reason=row.errMessage or None,
        created_ms=moment(row.orderCreateTime),
        timestamp_ms=moment(row.lastActTime) or moment(row.tradeTime) or moment(row.orderCreateTime),
    )


def spot_fill_push(row: wire.SpotFillPush, symbol: Symbol) -> Fill | None:
    """A push of ``trade.clearing#*#0``; None for one that tells of no trade."""
    if row.eventType != "trade" or row.tradeId is None or not row.tradePrice or not row.tradeVolume:
        return None
    fee, asset = row.transactFee, row.feeCurrency
    if row.feeDeduct and row.feeDeductType:
        fee, asset = row.feeDeduct, row.feeDeductType
    return Fill(
        symbol=symbol.name,
        trade_id=str(row.tradeId),
        side=SIDES[row.orderSide],
        price=row.tradePrice,
        amount=row.tradeVolume,
        timestamp_ms=row.tradeTime,
        order_id=id_text(row.orderId),
        client_order_id=id_text(row.clientOrderId),
        fee=fee,
        fee_asset=asset.upper() if asset else None,
        maker=None if row.aggressor is None else not row.aggressor,
    )
