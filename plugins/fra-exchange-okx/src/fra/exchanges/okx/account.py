"""From OKX's rows about an account to fra's models: contracts become coins, fees change sign, nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from fra.core import (
    Balance,
    Fill,
    FundingPayment,
    KeyPermissions,
    MarginMode,
    MarketKind,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PositionSide,
    Symbol,
    TimeInForce,
)
from fra.exchanges.okx import wire
from fra.exchanges.okx.convert import SIDES, amount, moment, number

WALLET: Final = "trading"
"""The one wallet of an account of API v5, whose balances serve spot and swaps alike."""

STATES: Final[Mapping[str, OrderStatus]] = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "mmp_canceled": OrderStatus.CANCELED,
}

ALGO_STATES: Final[Mapping[str, OrderStatus]] = {
    "live": OrderStatus.OPEN,
    "pause": OrderStatus.OPEN,
    "canceled": OrderStatus.CANCELED,
    "order_failed": OrderStatus.REJECTED,
}
"""Of conditional orders that were not triggered. Once they are, their ordinary order has the say."""

_WOULD_TAKE: Final = "31"

CANCEL_SOURCES: Final[Mapping[str, str]] = {
    "0": "cancelled by OKX",
    "1": "cancelled by the user",
    "2": "reduce-only, and the position has too little margin",
    "3": "cancelled because liquidation threatens",
    "4": "the venue's loans of this coin are used up",
    "6": "cancelled by auto-deleveraging",
    "7": "the contract was delivered",
    "9": "too little balance after funding was paid",
    "13": "fill-or-kill, and it could not be filled whole",
    "14": "immediate-or-cancel: what could not be filled at once",
    "15": "its price is beyond the limits",
    "17": "the position was closed already",
    "20": "cancel-all-after ran out",
    "21": "the position was closed",
    "22": "reduce-only, and orders at better prices close the position",
    "23": "reduce-only, and orders at better prices close the position",
    "27": "its price is more than 5 % away from the counterparty's",
    _WOULD_TAKE: "post-only, and it would have taken",
    "32": "it would have traded with an order of one's own",
    "33": "it met more orders than one may match",
}
"""``cancelSource`` of an order ("Order channel")."""


class Terms(NamedTuple):
    """What one ``ordType`` is: type, time in force (None: OKX has none for it), post-only."""

    type: OrderType
    time_in_force: TimeInForce | None = None
    post_only: bool | None = None


TERMS: Final[Mapping[str, Terms]] = {
    "market": Terms(OrderType.MARKET, None, False),
    "limit": Terms(OrderType.LIMIT, TimeInForce.GTC, False),
    "post_only": Terms(OrderType.LIMIT, TimeInForce.GTC, True),
    "fok": Terms(OrderType.LIMIT, TimeInForce.FOK, False),
    "ioc": Terms(OrderType.LIMIT, TimeInForce.IOC, False),
    "optimal_limit_ioc": Terms(OrderType.MARKET, TimeInForce.IOC, False),
}

POSITION_SIDES: Final[Mapping[str, PositionSide]] = {
    "long": PositionSide.LONG,
    "short": PositionSide.SHORT,
    "net": PositionSide.NET,
}
MARGIN_MODES: Final[Mapping[str, MarginMode]] = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}


# --- orders ------------------------------------------------------------------------------------------------------


def order(row: wire.Order, symbol: Symbol) -> Order:
    """An ordinary order. A post-only one that would have taken never rested: EXPIRED, and not CANCELED."""
    terms = TERMS.get(row.ordType) or Terms(OrderType.LIMIT if price(row.px) else OrderType.MARKET)
    status = STATES.get(row.state, OrderStatus.UNKNOWN)
    if status is OrderStatus.CANCELED and row.cancelSource == _WOULD_TAKE:
        status = OrderStatus.EXPIRED
    filled = amount(row.accFillSz or "0", symbol)
    size, spent = sizes(row, symbol, market=row.ordType == "market")
    if size is None and status is OrderStatus.FILLED:
        size = filled
    return Order(
        symbol=symbol.name,
        side=SIDES[row.side],
        type=terms.type,
        status=status,
        id=row.ordId or None,
        client_order_id=row.clOrdId or None,
        amount=size,
        quote_amount=spent,
        filled=filled,
        price=price(row.px) if terms.type is OrderType.LIMIT else None,
        average_price=price(row.avgPx) if filled else None,
        time_in_force=terms.time_in_force,
        post_only=terms.post_only,
        reduce_only=FLAGS.get(row.reduceOnly),
        position_side=POSITION_SIDES.get(row.posSide),
        reason=_reason(row) if status.final and status is not OrderStatus.FILLED else None,
        created_ms=moment(row.cTime),
        timestamp_ms=moment(row.uTime) or moment(row.cTime),
    )


def sizes(row: wire.Order | wire.AlgoOrder, symbol: Symbol, *, market: bool) -> tuple[Decimal | None, Decimal | None]:
    """The amount in base coin (quote coin for inverse), or for a spot market order by value what is spent."""
    if not row.sz:
        return None, None
    by_value = symbol.kind is MarketKind.SPOT and market and (row.tgtCcy or _default(row.side)) == "quote_ccy"
    return (None, Decimal(row.sz)) if by_value else (amount(row.sz, symbol), None)


def _default(side: str) -> str:
    """What a spot market order's size counts where OKX does not say."""
    return "quote_ccy" if side == "buy" else "base_ccy"


def price(text: str) -> Decimal | None:
    """A price; ``''``, ``0`` and ``-1`` (at the market) are none."""
    value = number(text)
    return value if value is not None and value > 0 else None


def _reason(row: wire.Order) -> str | None:
    source = row.cancelSource
    return row.cancelSourceReason or CANCEL_SOURCES.get(source) or (f"cancelSource {source}" if source else None)


# --- fills, balances, positions, funding -------------------------------------------------------------------------


def fill(row: wire.Fill, symbol: Symbol, *, ids: tuple[str, str | None] | None = None) -> Fill:
    """One execution, under the order's own ids or those that it is known by."""
    order_id, client_order_id = ids or (row.ordId or None, row.clOrdId or None)
    return Fill(
        symbol=symbol.name,
        trade_id=_trade_id(row.tradeId, row.ordId, row.fillTime),
        side=SIDES[row.side],
        price=Decimal(row.fillPx),
        amount=amount(row.fillSz, symbol),
        timestamp_ms=int(row.fillTime or row.ts),
        order_id=order_id,
        client_order_id=client_order_id,
        fee=_fee(row.fee),
        fee_asset=row.feeCcy or None,
        maker=_MAKER.get(row.execType),
    )


def pushed_fill(row: wire.Order, symbol: Symbol, order: Order) -> Fill | None:
    """The execution of ``order`` that a push of the ``orders`` channel tells of, None where it tells of none."""
    if not (row.tradeId and row.fillPx and number(row.fillSz)):
        return None
    return Fill(
        symbol=symbol.name,
        trade_id=_trade_id(row.tradeId, row.ordId, row.fillTime),
        side=SIDES[row.side],
        price=Decimal(row.fillPx),
        amount=amount(row.fillSz, symbol),
        timestamp_ms=int(row.fillTime or row.uTime),
        order_id=order.id,
        client_order_id=order.client_order_id,
        fee=_fee(row.fillFee),
        fee_asset=row.fillFeeCcy or None,
        maker=_MAKER.get(row.execType),
    )


_MAKER: Final[Mapping[str, bool]] = {"M": True, "T": False}


def _trade_id(trade_id: str, order_id: str, time: str) -> str:
    """Liquidations have the trade id ``0`` in pushes and a negative one in lists: both get one of their own."""
    return f"{order_id}-{time}" if trade_id == "0" or trade_id.startswith("-") else trade_id


def _fee(text: str) -> Decimal | None:
    """Positive when paid: OKX signs the other way."""
    fee = number(text)
    return None if fee is None else -fee if fee else fee


def balances(row: wire.Account) -> list[Balance]:
    """One of each coin: equity, and of that what is available; used up ones are among them as zero."""
    return [_balance(asset) for asset in row.details]


def _balance(row: wire.AssetBalance) -> Balance:
    total = number(row.eq) if row.eq else number(row.cashBal)
    free = number(row.availEq) if row.availEq else number(row.availBal)
    return Balance(
        asset=row.ccy,
        market=WALLET,
        free=free or Decimal(0),
        total=total or Decimal(0),
        borrowed=number(row.liab) or Decimal(0),
        timestamp_ms=moment(row.uTime),
    )


def position(row: wire.Position, symbol: Symbol) -> Position:
    """A position; of a flat one in ``net`` mode, where nothing tells the side, it says LONG."""
    size = amount(row.pos or "0", symbol)
    side = POSITION_SIDES.get(row.posSide, PositionSide.NET)
    hedge = side is not PositionSide.NET
    if not hedge:
        side = PositionSide.SHORT if size < 0 else PositionSide.LONG
    return Position(
        symbol=symbol.name,
        side=side,
        amount=abs(size),
        entry_price=price(row.avgPx),
        mark_price=price(row.markPx),
        liquidation_price=price(row.liqPx),
        unrealized_pnl=number(row.upl),
        leverage=number(row.lever),
        margin_mode=MARGIN_MODES.get(row.mgnMode),
        hedge_mode=hedge,
        timestamp_ms=moment(row.uTime),
    )


def funding_payment(row: wire.Bill, symbol: Symbol) -> FundingPayment:
    """One settlement: ``pnl``, since with isolated margin the account's balance does not move."""
    return FundingPayment(
        symbol=symbol.name,
        amount=Decimal(row.pnl or row.balChg),
        asset=row.ccy,
        timestamp_ms=int(row.ts),
        id=row.billId,
        position_amount=amount(row.sz, symbol) if row.sz else None,
    )


def held(rows: Iterable[Balance]) -> list[Balance]:
    """Without those that are zero everywhere."""
    return [row for row in rows if row.total or row.free or row.borrowed]


def key_permissions(row: wire.AccountConfig) -> KeyPermissions:
    """``perm`` and ``ip`` of "Get account configuration"; a key with any right at all may read."""
    rights = tuple(filter(None, row.perm.split(",")))
    known = bool(rights)
    return KeyPermissions(
        read=True if known else None,
        trade="trade" in rights if known else None,
        withdraw="withdraw" in rights if known else None,
        ip_restricted=bool(row.ip),
        rights=rights,
    )
