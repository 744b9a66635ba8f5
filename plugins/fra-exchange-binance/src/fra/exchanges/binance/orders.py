"""From Binance's messages about orders to fra's models. Sizes are base coin already: one contract is one coin."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fra.core import Fill, Order, OrderStatus, OrderType, PositionSide, Side, Symbol, TimeInForce
from fra.exchanges.binance import account_wire as wire

STATUSES: Final = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    # Orders of the venue's own, for a position that it closes.
    "NEW_INSURANCE": OrderStatus.OPEN,
    "NEW_ADL": OrderStatus.OPEN,
    # Conditional orders of USD-M, which are open until what they sent has ended.
    "TRIGGERING": OrderStatus.OPEN,
    "TRIGGERED": OrderStatus.OPEN,
}
"""Binance, "ENUM Definitions" of Spot, "Common Definition" and "Event: Algo Order Update" of USD-M."""

TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "LIQUIDATION": OrderType.MARKET,
    "STOP": OrderType.STOP,
    "STOP_MARKET": OrderType.STOP,
    "STOP_LOSS": OrderType.STOP,
    "STOP_LOSS_LIMIT": OrderType.STOP,
    "TRAILING_STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT,
}
SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
POSITION_SIDES: Final = {"BOTH": PositionSide.NET, "LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}
_TIMES_IN_FORCE: Final = {
    "GTC": TimeInForce.GTC,
    "GTX": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
}
_NONE: Final = ("", "NONE")
_NO_TIME: Final = 100_000_000_000
"""Milliseconds, in 1973: whatever is smaller is no time that anything happened at Binance."""


def number(text: str | None) -> Decimal | None:
    """A number above zero; the venue's zero or nothing is none."""
    if not text:
        return None
    value = Decimal(text)
    return value if value > 0 else None


def moment(told_ms: int | None) -> int | None:
    """A time; the venue writes 0 or less where there was none."""
    return told_ms if told_ms is not None and told_ms > _NO_TIME else None


def amount(text: str | None) -> Decimal:
    return Decimal(text) if text else Decimal(0)


def type_of(name: str, price: Decimal | None) -> OrderType:
    """A type that is not known counts as what it does: it has a price or not."""
    return TYPES.get(name) or (OrderType.MARKET if price is None else OrderType.LIMIT)


def _average(told: str, filled: Decimal, *quote: str) -> Decimal | None:
    """The venue's average price, or its quotient; unknown where it has neither (it writes -1 for old orders)."""
    if not filled:
        return None
    if (price := number(told)) is not None:
        return price
    spent = next((value for text in quote if (value := number(text)) is not None), None)
    return None if spent is None else spent / filled


def order(row: wire.Order, symbol: Symbol, *, created: bool = False) -> Order:
    """An order of spot or USD-M; ``created``: the answer is the one of creating it, which has one time only."""
    filled, price = amount(row.executedQty), number(row.price)
    changed = row.updateTime if row.updateTime is not None else row.transactTime
    kind = type_of(row.origType or row.type, price)
    return Order(
        symbol=symbol.name,
        side=SIDES[row.side],
        type=kind,
        status=STATUSES.get(row.status, OrderStatus.UNKNOWN),
        id=str(row.orderId),
        client_order_id=row.origClientOrderId or row.clientOrderId or None,
        amount=number(row.origQty),
        quote_amount=number(row.origQuoteOrderQty),
        filled=filled,
        price=None if kind is OrderType.MARKET else price,
        average_price=_average(row.avgPrice, filled, row.cummulativeQuoteQty, row.cumQuote),
        trigger_price=number(row.stopPrice),
        time_in_force=_TIMES_IN_FORCE.get(row.timeInForce),
        post_only=row.type == "LIMIT_MAKER" or row.timeInForce == "GTX",
        reduce_only=row.reduceOnly,
        position_side=POSITION_SIDES.get(row.positionSide),
        reason=row.status if row.status == "EXPIRED_IN_MATCH" else None,
        created_ms=moment(changed if created else row.time),
        timestamp_ms=moment(changed),
    )


def algo_order(row: wire.AlgoOrder, symbol: Symbol) -> Order:
    """A conditional order of USD-M. After its trigger ``filled`` is what the order that it sent has traded."""
    filled = amount(row.actualQty)
    return _algo(
        symbol,
        kind=row.orderType or row.type,
        side=row.side,
        status=row.algoStatus,
        id=row.algoId,
        client=row.clientAlgoId,
        size=row.quantity,
        filled=filled,
        price=row.price,
        average=row.actualPrice,
        trigger=row.triggerPrice,
        force=row.timeInForce,
        reduce_only=row.reduceOnly,
        position_side=row.positionSide,
        created_ms=row.createTime,
        timestamp_ms=row.updateTime,
    )


def _algo(
    symbol: Symbol,
    *,
    kind: str,
    side: str,
    status: str,
    id: int,
    client: str,
    size: str | None,
    filled: Decimal,
    price: str | None,
    average: str | None,
    trigger: str | None,
    force: str,
    reduce_only: bool | None,
    position_side: str,
    created_ms: int | None,
    timestamp_ms: int | None,
    reason: str | None = None,
) -> Order:
    wanted, limit = number(size), number(price)
    if status == "FINISHED":
        # What it sent has ended, filled or cancelled.
        state = OrderStatus.FILLED if wanted is not None and filled >= wanted else OrderStatus.CANCELED
    else:
        state = STATUSES.get(status, OrderStatus.UNKNOWN)
    return Order(
        symbol=symbol.name,
        side=SIDES[side],
        type=type_of(kind, limit),
        status=state,
        id=str(id),
        client_order_id=client or None,
        amount=wanted,
        filled=filled,
        price=limit,
        average_price=number(average) if filled else None,
        trigger_price=number(trigger),
        time_in_force=_TIMES_IN_FORCE.get(force),
        post_only=force == "GTX",
        reduce_only=reduce_only,
        position_side=POSITION_SIDES.get(position_side),
        reason=reason or None,
        created_ms=moment(created_ms),
        timestamp_ms=moment(timestamp_ms),
    )


def spot_report(event: wire.ExecutionReport, symbol: Symbol) -> Order:
    """The order of an ``executionReport``. While it is cancelled, ``c`` names the cancel and ``C`` the order."""
    filled, price = amount(event.z), number(event.p)
    kind = type_of(event.o, price)
    reason = event.eR or (event.X if event.X == "EXPIRED_IN_MATCH" else None)
    return Order(
        symbol=symbol.name,
        side=SIDES[event.S],
        type=kind,
        status=STATUSES.get(event.X, OrderStatus.UNKNOWN),
        id=str(event.i),
        client_order_id=(event.C or event.c) or None,
        amount=number(event.q),
        quote_amount=number(event.Q),
        filled=filled,
        price=None if kind is OrderType.MARKET else price,
        average_price=_average("", filled, event.Z),
        trigger_price=number(event.P),
        time_in_force=_TIMES_IN_FORCE.get(event.f),
        post_only=event.o == "LIMIT_MAKER",
        reason=reason if event.r in _NONE else event.r,
        created_ms=moment(event.O),
        timestamp_ms=moment(event.T),
    )


def usdm_update(event: wire.OrderPush, symbol: Symbol) -> Order:
    """The order of an ``ORDER_TRADE_UPDATE``."""
    filled, price = amount(event.z), number(event.p)
    kind = type_of(event.ot or event.o, price)
    return Order(
        symbol=symbol.name,
        side=SIDES[event.S],
        type=kind,
        status=STATUSES.get(event.X, OrderStatus.UNKNOWN),
        id=str(event.i),
        client_order_id=event.c or None,
        amount=number(event.q),
        filled=filled,
        price=None if kind is OrderType.MARKET else price,
        average_price=_average(event.ap, filled),
        trigger_price=number(event.sp),
        time_in_force=_TIMES_IN_FORCE.get(event.f),
        post_only=event.f == "GTX",
        reduce_only=event.R,
        position_side=POSITION_SIDES.get(event.ps),
        reason=event.X if event.X == "EXPIRED_IN_MATCH" else None,
        timestamp_ms=moment(event.T),
    )


def usdm_algo(event: wire.AlgoPush, symbol: Symbol, timestamp_ms: int) -> Order:
    """The conditional order of an ``ALGO_UPDATE``; ``rm`` is why it failed."""
    failed = event.X in ("REJECTED", "EXPIRED")
    return _algo(
        symbol,
        kind=event.o,
        side=event.S,
        status=event.X,
        id=event.aid,
        client=event.caid,
        size=event.q,
        filled=amount(event.aq),
        price=event.p,
        average=event.ap,
        trigger=event.tp,
        force=event.f,
        reduce_only=event.R,
        position_side=event.ps,
        created_ms=None,
        timestamp_ms=timestamp_ms,
        reason=event.rm if failed else None,
    )


# --- fills


def spot_fill(row: wire.SpotFill, symbol: Symbol) -> Fill:
    return _fill(row, symbol, Side.BUY if row.isBuyer else Side.SELL, row.isMaker)


def usdm_fill(row: wire.UsdmFill, symbol: Symbol) -> Fill:
    return _fill(row, symbol, SIDES[row.side], row.maker)


def _fill(row: wire.SpotFill | wire.UsdmFill, symbol: Symbol, side: Side, maker: bool) -> Fill:
    return Fill(
        symbol=symbol.name,
        trade_id=str(row.id),
        side=side,
        price=row.price,
        amount=row.qty,
        timestamp_ms=row.time,
        order_id=str(row.orderId),
        fee=row.commission,
        fee_asset=row.commissionAsset or None,
        maker=maker,
    )


def pushed_fill(event: wire.ExecutionReport | wire.OrderPush, symbol: Symbol) -> Fill | None:
    """The execution that an order event tells of; None for an event without one."""
    traded, price = number(event.l), number(event.L)
    if event.x not in ("TRADE", "CALCULATED") or traded is None or price is None or event.t <= 0:
        return None
    client = (event.C or event.c) if isinstance(event, wire.ExecutionReport) else event.c
    return Fill(
        symbol=symbol.name,
        trade_id=str(event.t),
        side=SIDES[event.S],
        price=price,
        amount=traded,
        timestamp_ms=event.T,
        order_id=str(event.i),
        client_order_id=client or None,
        fee=Decimal(event.n) if event.n else None,
        fee_asset=event.N or None,
        maker=event.m,
    )
