"""From what HTX tells of a single-asset swap account: contracts become coins, fees positive where they are paid."""

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
    Position,
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx.account_convert import (
    MAKERS,
    MARGIN_MODES,
    NOTHING,
    Terms,
    average,
    id_text,
    price_or_none,
)
from fra.exchanges.htx.convert import SIDES, amount, moment, positive
from fra.exchanges.htx.tables import LINEAR

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
_HEDGE: Final[Mapping[str, bool]] = {"dual_side": True, "single_side": False}


def swap_order(row: wire.Order, symbol: Symbol) -> Order:
    """An order. Of a one-way account ``offset`` is ``both``; of a hedge account it tells the side of the position."""
    terms = SWAP_TERMS.get(str(row.order_price_type), Terms(OrderType.LIMIT, None, None))
    side = SIDES[row.direction]
    filled = amount(row.trade_volume or NOTHING, symbol)
    return Order(
        symbol=symbol.name,
        side=side,
        type=terms.type,
        status=SWAP_STATES.get(row.status, OrderStatus.UNKNOWN),
        id=row.order_id_str or str(row.order_id),
        client_order_id=id_text(row.client_order_id),
        amount=amount(row.volume, symbol),
        filled=filled,
        price=None if terms.type is OrderType.MARKET else positive(row.price),
        average_price=(positive(row.trade_avg_price) or average(row.trade_turnover, filled)) if filled else None,
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
        maker=MAKERS.get(row.role.lower()),
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
            client_order_id=id_text(row.client_order_id),
            fee=_paid(trade.trade_fee),
            fee_asset=trade.fee_asset or None,
            maker=MAKERS.get(trade.role.lower()),
        )
        for trade in row.trade
    ]


def swap_balances(rows: Iterable[wire.Margin], *, timestamp_ms: int | None = None) -> list[Balance]:
    """One of each coin: margin accounts of one coin are summed up. Zeros are among them."""
    parts: dict[str, tuple[Decimal, Decimal]] = {}
    for row in rows:
        before = parts.get(row.margin_asset, (NOTHING, NOTHING))
        parts[row.margin_asset] = (before[0] + _available(row), before[1] + row.margin_balance)
    return [
        Balance(asset=asset, market=LINEAR, free=free, total=total, timestamp_ms=timestamp_ms)
        for asset, (free, total) in parts.items()
    ]


def _available(row: wire.Margin) -> Decimal:
    # Profit not yet realised can be traded with, though not withdrawn. Only isolated accounts say the sum.
    if row.margin_available is not None:
        return row.margin_available
    if row.margin_position is None or row.margin_frozen is None:
        return row.withdraw_available or NOTHING
    return max(row.margin_balance - row.margin_position - row.margin_frozen, NOTHING)


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
        liquidation_price=price_or_none(row.liquidation_price or liquidation),
        unrealized_pnl=row.profit_unreal,
        leverage=row.lever_rate,
        margin_mode=MARGIN_MODES.get(row.margin_mode),
        hedge_mode=_HEDGE.get(row.position_mode),
        timestamp_ms=timestamp_ms,
    )
