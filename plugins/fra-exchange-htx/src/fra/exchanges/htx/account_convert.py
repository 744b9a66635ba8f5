"""From what HTX tells of an account to fra's models: contracts become coins, fees one sign; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Final, NamedTuple

from fra.core import (
    Balance,
    Fill,
    FundingPayment,
    MarginMode,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx.convert import SIDES, amount, moment, positive
from fra.exchanges.htx.tables import LINEAR, SPOT

_QUOTIENT: Final = Context(prec=28)
_FREE: Final = "trade"
_NOTHING: Final = Decimal(0)


class Terms(NamedTuple):
    """Type, time in force and post-only of one of HTX's order types."""

    type: OrderType
    time_in_force: TimeInForce | None = None
    post_only: bool | None = False


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

_MARKET: Final = Terms(OrderType.MARKET)
SWAP_TERMS: Final[Mapping[str, Terms]] = {
    "limit": Terms(OrderType.LIMIT, TimeInForce.GTC),
    "post_only": Terms(OrderType.LIMIT, TimeInForce.GTC, True),
    "ioc": Terms(OrderType.LIMIT, TimeInForce.IOC),
    "fok": Terms(OrderType.LIMIT, TimeInForce.FOK),
    "market": _MARKET,
    **{
        f"{name}{suffix}": Terms(OrderType.MARKET, in_force)
        for name in ("opponent", "optimal_5", "optimal_10", "optimal_20", "lightning")
        for suffix, in_force in (("", None), ("_ioc", TimeInForce.IOC), ("_fok", TimeInForce.FOK))
    },
    # Ended orders have numbers ("Get History Orders(New)").
    "1": Terms(OrderType.LIMIT, TimeInForce.GTC),
    "3": Terms(OrderType.MARKET),
    "4": Terms(OrderType.MARKET),
    "5": Terms(OrderType.LIMIT, None, None),
    "6": Terms(OrderType.LIMIT, TimeInForce.GTC, True),
    "7": Terms(OrderType.MARKET),
    "9": Terms(OrderType.MARKET),
    "10": Terms(OrderType.LIMIT, TimeInForce.FOK),
    "11": Terms(OrderType.LIMIT, TimeInForce.IOC),
    "12": Terms(OrderType.MARKET, TimeInForce.IOC),
    "14": Terms(OrderType.MARKET, TimeInForce.IOC),
    "15": Terms(OrderType.MARKET, TimeInForce.IOC),
    "16": Terms(OrderType.MARKET, TimeInForce.IOC),
    "17": Terms(OrderType.MARKET, TimeInForce.FOK),
    "19": Terms(OrderType.MARKET, TimeInForce.FOK),
    "20": Terms(OrderType.MARKET, TimeInForce.FOK),
    "21": Terms(OrderType.MARKET, TimeInForce.FOK),
}
"""``order_price_type``: prices that the venue takes from its book (opponent, optimal) are market orders to us."""

SWAP_STATES: Final[Mapping[int, OrderStatus]] = {
    1: OrderStatus.PENDING,
    2: OrderStatus.PENDING,
    3: OrderStatus.OPEN,
    4: OrderStatus.OPEN,
    5: OrderStatus.CANCELED,
    6: OrderStatus.FILLED,
    7: OrderStatus.CANCELED,
    11: OrderStatus.OPEN,
}
UNION_STATES: Final[Mapping[str, OrderStatus]] = {
    "new": OrderStatus.OPEN,
    "partially_filled": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "partially_canceled": OrderStatus.CANCELED,
    "canceled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
}
POSITION_SIDES: Final[Mapping[str, PositionSide]] = {
    "long": PositionSide.LONG,
    "short": PositionSide.SHORT,
    "both": PositionSide.NET,
}
MARGIN_MODES: Final[Mapping[str, MarginMode]] = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
_IN_FORCE: Final[Mapping[str, TimeInForce]] = {
    "gtc": TimeInForce.GTC,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
}
_HEDGE: Final[Mapping[str, bool]] = {"dual_side": True, "single_side": False}
_MAKERS: Final[Mapping[str, bool]] = {"maker": True, "taker": False}
FUNDING_TYPES: Final = "30,31"
"""Financial records of funding: received and paid."""


def _text(value: str | int | None) -> str | None:
    """An id as text, None for nothing."""
    return None if value is None or value in ("", "0", 0) else str(value)


def number(text: str | None) -> Decimal | None:
    """A Decimal, None for nothing and ``''``."""
    return Decimal(text) if text else None


def _average(worth: Decimal | None, filled: Decimal) -> Decimal | None:
    return _QUOTIENT.divide(worth, filled) if worth and filled else None


# --- spot --------------------------------------------------------------------------------------------------------


def spot_balances(rows: Iterable[wire.SpotAmount]) -> list[Balance]:
    """One of each coin; those that are zero everywhere are left out."""
    parts: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        free, total = parts.get(row.currency, (_NOTHING, _NOTHING))
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
    filled = filled or _NOTHING
    by_value = row.type == "buy-market"
    size = (filled if status is OrderStatus.FILLED else None) if by_value else row.amount
    at = max(row.updated_at, row.finished_at, row.canceled_at, row.created_at)
    return Order(
        symbol=symbol.name,
        side=side,
        type=terms.type,
        status=status,
        id=str(row.id),
        client_order_id=_text(row.client_order_id),
        amount=size,
        quote_amount=row.amount if by_value else None,
        filled=filled,
        price=None if terms.type is OrderType.MARKET else positive(row.price),
        average_price=_average(worth, filled),
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
        maker=_MAKERS.get(row.role),
    )


def spot_order_push(row: wire.SpotOrderPush, symbol: Symbol, bought: Decimal = _NOTHING) -> Order:
    """A push of ``orders#*``; the kinds of event leave different fields out.

    ``execAmt`` of a market buy counts quote coin, so of these ``bought`` says what is filled: the sum of its trades.
    """
    kind = row.type or f"{row.orderSide}-"
    side, terms = _spot_terms(kind, row.stopPrice, None)
    status = SPOT_STATES.get(row.orderStatus, OrderStatus.UNKNOWN)
    by_value = kind == "buy-market"
    filled = bought if by_value else row.execAmt or _NOTHING
    size = None if by_value else row.orderSize
    return Order(
        symbol=symbol.name,
        side=side,
        type=terms.type,
        status=status,
        id=_text(row.orderId),
        client_order_id=_text(row.clientOrderId),
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
        order_id=_text(row.orderId),
        client_order_id=_text(row.clientOrderId),
        fee=fee,
        fee_asset=asset.upper() if asset else None,
        maker=None if row.aggressor is None else not row.aggressor,
    )


# --- swaps, single-asset account ---------------------------------------------------------------------------------


def swap_order(row: wire.Order, symbol: Symbol) -> Order:
    """An order. Of a one-way account ``offset`` is ``both``; of a hedge account it tells the side of the position."""
    terms = SWAP_TERMS.get(str(row.order_price_type), Terms(OrderType.LIMIT, None, None))
    side = SIDES[row.direction]
    filled = amount(row.trade_volume or _NOTHING, symbol)
    return Order(
        symbol=symbol.name,
        side=side,
        type=terms.type,
        status=SWAP_STATES.get(row.status, OrderStatus.UNKNOWN),
        id=row.order_id_str or str(row.order_id),
        client_order_id=_text(row.client_order_id),
        amount=amount(row.volume, symbol),
        filled=filled,
        price=None if terms.type is OrderType.MARKET else positive(row.price),
        average_price=(positive(row.trade_avg_price) or _average(row.trade_turnover, filled)) if filled else None,
        time_in_force=terms.time_in_force,
        post_only=terms.post_only,
        reduce_only=row.offset == "close" or bool(row.reduce_only),
        position_side=_position_side(side, row.offset),
        reason=row.canceled_source or None,
        created_ms=moment(row.created_at) or moment(row.create_date),
        timestamp_ms=moment(row.ts) or moment(row.update_time) or moment(row.canceled_at) or moment(row.created_at)
        or moment(row.create_date),
    )  # fmt: skip


def _position_side(side: Side, offset: str) -> PositionSide | None:
    if offset not in ("open", "close"):
        return PositionSide.NET if offset == "both" else None
    return PositionSide.LONG if (side is Side.BUY) is (offset == "open") else PositionSide.SHORT


def _paid(fee: Decimal | None) -> Decimal | None:
    """Positive when paid: single-asset accounts sign the other way."""
    return None if fee is None else -fee if fee else fee


def swap_fill(row: wire.Fill, symbol: Symbol) -> Fill:
    """One execution. Its ``id`` names match, order and place; ``match_id`` alone is shared."""
    return Fill(
        symbol=symbol.name,
        trade_id=row.id or str(row.match_id),
        side=SIDES[row.direction],
        price=row.trade_price,
        amount=amount(row.trade_volume, symbol),
        timestamp_ms=row.create_date,
        order_id=row.order_id_str or str(row.order_id),
        fee=_paid(row.trade_fee),
        fee_asset=row.fee_asset or None,
        maker=_MAKERS.get(row.role.lower()),
    )


def pushed_fills(row: wire.Order, symbol: Symbol) -> list[Fill]:
    """The executions that an order's push tells of."""
    return [
        Fill(
            symbol=symbol.name,
            trade_id=trade.id or str(trade.trade_id),
            side=SIDES[row.direction],
            price=trade.trade_price,
            amount=amount(trade.trade_volume, symbol),
            timestamp_ms=trade.created_at,
            order_id=row.order_id_str or str(row.order_id),
            client_order_id=_text(row.client_order_id),
            fee=_paid(trade.trade_fee),
            fee_asset=trade.fee_asset or None,
            maker=_MAKERS.get(trade.role.lower()),
        )
        for trade in row.trade
    ]


def swap_balances(rows: Iterable[wire.Margin], *, timestamp_ms: int | None = None) -> list[Balance]:
    """One of each coin: margin accounts of one coin are summed up. Zeros are among them."""
    parts: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        free = row.withdraw_available if row.margin_available is None else row.margin_available
        before = parts.get(row.margin_asset, (_NOTHING, _NOTHING))
        parts[row.margin_asset] = (before[0] + (free or _NOTHING), before[1] + row.margin_balance)
    return [
        Balance(asset=asset, market=LINEAR, free=free, total=total, timestamp_ms=timestamp_ms)
        for asset, (free, total) in parts.items()
    ]


def swap_position(
    row: wire.Position, symbol: Symbol, *, liquidation: Decimal | None = None, timestamp_ms: int | None = None
) -> Position:
    """A position, flat ones too."""
    return Position(
        symbol=symbol.name,
        side=PositionSide.LONG if row.direction == "buy" else PositionSide.SHORT,
        amount=abs(amount(row.volume, symbol)),
        entry_price=positive(row.cost_open),
        mark_price=positive(row.mark_price),
        liquidation_price=_price(row.liquidation_price or liquidation),
        unrealized_pnl=row.profit_unreal,
        leverage=row.lever_rate,
        margin_mode=MARGIN_MODES.get(row.margin_mode),
        hedge_mode=_HEDGE.get(row.position_mode),
        timestamp_ms=timestamp_ms,
    )


def _price(value: Decimal | None) -> Decimal | None:
    """A price; zero and below are none."""
    return value if value is not None and value > 0 else None


def funding_payment(row: wire.Record, symbol: Symbol) -> FundingPayment:
    """One settlement: positive when received, as HTX signs it."""
    at = row.created_time or row.ts
    assert at is not None
    return FundingPayment(
        symbol=symbol.name,
        amount=row.amount,
        asset=row.currency or row.asset,
        timestamp_ms=at,
        id=_text(row.id) or _text(row.query_id),
    )


# --- swaps, multi-assets account ---------------------------------------------------------------------------------


def union_order(row: wire.UnionOrder, symbol: Symbol) -> Order:
    """An order of a multi-assets account."""
    at_market = row.type == "market" or bool(row.price_match)
    filled = amount(number(row.trade_volume) or _NOTHING, symbol)
    side = SIDES[row.side]
    average = positive(number(row.trade_avg_price)) or _average(number(row.trade_turnover), filled)
    return Order(
        symbol=symbol.name,
        side=side,
        type=OrderType.MARKET if at_market else OrderType.LIMIT,
        status=UNION_STATES.get(row.state, OrderStatus.UNKNOWN),
        id=str(row.order_id),
        client_order_id=_text(row.client_order_id),
        amount=amount(row.volume, symbol),
        filled=filled,
        price=None if at_market else positive(number(row.price)),
        average_price=average if filled else None,
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
        client_order_id=_text(row.client_order_id),
        fee=number(row.trade_fee),
        fee_asset=row.fee_currency or None,
        maker=_MAKERS.get(row.role.lower()),
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
        liquidation_price=_price(number(row.liquidation_price)),
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
            free=number(row.available) or _NOTHING,
            total=row.equity,
            timestamp_ms=moment(row.updated_time),
        )
        for row in wallet.details
    ]


def held(rows: Iterable[Balance]) -> list[Balance]:
    """Without those that are zero everywhere."""
    return [row for row in rows if row.total or row.free]
