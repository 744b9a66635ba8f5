"""The engine's terms and fra's: instruments and requests in; orders, fills, balances, positions and payments out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from fra import matching
from fra.core import (
    Balance,
    Fill,
    FundingPayment,
    MarginMode,
    MarketKind,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)

WALLET: Final = "paper"
"""The account's only wallet."""

KINDS: Final[Mapping[MarketKind, matching.Kind]] = {
    MarketKind.SPOT: matching.Kind.SPOT,
    MarketKind.LINEAR_SWAP: matching.Kind.LINEAR,
    MarketKind.INVERSE_SWAP: matching.Kind.INVERSE,
}
"""What the engine trades."""

_STATUSES: Final[Mapping[matching.OrderStatus, OrderStatus]] = {
    matching.OrderStatus.UNTRIGGERED: OrderStatus.OPEN,
    matching.OrderStatus.NEW: OrderStatus.OPEN,
    matching.OrderStatus.PARTIALLY_FILLED: OrderStatus.OPEN,
    matching.OrderStatus.FILLED: OrderStatus.FILLED,
    matching.OrderStatus.CANCELED: OrderStatus.CANCELED,
    matching.OrderStatus.EXPIRED: OrderStatus.EXPIRED,
    matching.OrderStatus.REJECTED: OrderStatus.REJECTED,
}
_TRIGGERS: Final[Mapping[OrderType, matching.TriggerKind]] = {
    OrderType.STOP: matching.TriggerKind.STOP,
    OrderType.TAKE_PROFIT: matching.TriggerKind.TAKE_PROFIT,
}


def instrument(symbol: Symbol, *, maker: Decimal, taker: Decimal, max_leverage: Decimal) -> matching.Instrument:
    """The symbol as the engine lists it. Without a funding interval: settlements are the market's to tell."""
    return matching.Instrument(
        symbol=symbol.name,
        market=WALLET,
        kind=KINDS[symbol.kind],
        base=symbol.base,
        quote=symbol.quote,
        settle=symbol.settle or symbol.quote,
        tick=symbol.tick_size,
        lot=symbol.lot_size,
        min_amount=symbol.min_amount or Decimal(0),
        max_amount=symbol.max_amount,
        min_notional=symbol.min_notional or Decimal(0),
        maker_fee=maker,
        taker_fee=taker,
        max_leverage=max_leverage,
    )


def request(order: OrderRequest) -> matching.OrderRequest:
    """A stop or take-profit waits for the mark price."""
    trigger = None
    if order.trigger_price is not None:
        trigger = matching.Trigger(_TRIGGERS[order.type], order.trigger_price, matching.TriggerBy.MARK)
    return matching.OrderRequest(
        symbol=order.symbol,
        side=matching.Side[order.side.name],
        type=matching.OrderType.MARKET if order.price is None else matching.OrderType.LIMIT,
        amount=order.amount,
        quote_amount=order.quote_amount,
        price=order.price,
        time_in_force=matching.TimeInForce[order.time_in_force.name],
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        position_side=matching.PositionSide[order.position_side.name],
        client_id=order.client_order_id,
        trigger=trigger,
    )


def order(found: matching.Order) -> Order:
    trigger = found.trigger
    return Order(
        symbol=found.symbol,
        side=Side[found.side.name],
        type=OrderType[found.type.name if trigger is None else trigger.kind.name],
        status=_STATUSES[found.status],
        id=str(found.id),
        client_order_id=found.client_id,
        amount=found.amount or None,
        quote_amount=found.quote_amount,
        filled=found.filled,
        price=found.price,
        average_price=found.average,
        trigger_price=None if trigger is None else trigger.price,
        time_in_force=TimeInForce[found.time_in_force.name],
        post_only=found.post_only,
        reduce_only=found.reduce_only,
        position_side=PositionSide[found.position_side.name],
        reason=None if found.reason is None else found.reason.value.replace("_", " "),
        created_ms=found.created_ms,
        timestamp_ms=found.updated_ms,
    )


def fill(found: matching.Fill) -> Fill:
    return Fill(
        symbol=found.symbol,
        trade_id=str(found.trade_id),
        side=Side[found.side.name],
        price=found.price,
        amount=found.amount,
        timestamp_ms=found.timestamp_ms,
        order_id=str(found.order_id),
        client_order_id=found.client_id,
        fee=found.fee,
        fee_asset=found.fee_asset,
        maker=found.maker,
    )


def balance(asset: str, *, total: Decimal, free: Decimal, timestamp_ms: int) -> Balance:
    return Balance(asset=asset, market=WALLET, total=total, free=free, timestamp_ms=timestamp_ms)


def position(found: matching.Position) -> Position:
    """A flat one of one-way mode, where nothing tells the side, says LONG."""
    hedge = found.side is not matching.PositionSide.NET
    side = PositionSide[found.side.name] if hedge else PositionSide.SHORT if found.amount < 0 else PositionSide.LONG
    return Position(
        symbol=found.symbol,
        side=side,
        amount=abs(found.amount),
        entry_price=found.entry,
        mark_price=found.mark,
        liquidation_price=found.liquidation_price,
        unrealized_pnl=found.unrealised,
        leverage=found.leverage,
        margin_mode=MarginMode[found.margin_mode.name],
        hedge_mode=hedge,
        timestamp_ms=found.updated_ms,
    )


def payment(found: matching.Payment, *, settled_ms: int) -> FundingPayment:
    return FundingPayment(
        symbol=found.symbol,
        amount=found.amount,
        asset=found.asset,
        timestamp_ms=settled_ms,
        id=str(found.id),
        rate=found.rate,
        position_amount=abs(found.position),
    )
