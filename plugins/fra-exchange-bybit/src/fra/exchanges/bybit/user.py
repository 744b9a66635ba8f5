"""The account as Bybit tells of it, by answer and by private topic, and what that means in fra's models."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from fra.core import (
    Balance,
    ExchangeAPIError,
    ExchangeError,
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
    Side,
    Symbol,
    TimeInForce,
    UserEvent,
)
from fra.exchanges.bybit import wire
from fra.exchanges.bybit.convert import SIDES, moment, number
from fra.exchanges.bybit.listing import Listing
from fra.exchanges.bybit.tables import KINDS

WALLET: Final = "unified"
"""The one wallet of a unified trading account."""

_STATUSES: Final[Mapping[str, OrderStatus]] = {
    "Created": OrderStatus.OPEN,
    "New": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.OPEN,
    "Untriggered": OrderStatus.OPEN,
    "Triggered": OrderStatus.OPEN,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
    "PartiallyFilledCanceled": OrderStatus.CANCELED,
    "Deactivated": OrderStatus.CANCELED,
    "Rejected": OrderStatus.REJECTED,
}
_TIMES: Final[Mapping[str, TimeInForce]] = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PostOnly": TimeInForce.GTC,
}
_POSITION_SIDES: Final = {0: PositionSide.NET, 1: PositionSide.LONG, 2: PositionSide.SHORT}
_HELD: Final = {"Buy": PositionSide.LONG, "Sell": PositionSide.SHORT}
_FILLS: Final = frozenset({"Trade", "AdlTrade", "BustTrade", "BlockTrade", "MovePosition", "FutureSpread"})
"""Executions that trade; the others settle or deliver."""
_TRADING: Final = frozenset({"Order", "SpotTrade", "OptionsTrade", "DerivativesTrade"})
_WITHDRAWING: Final = "Withdraw"
_NO_REASON: Final = frozenset({"", "EC_NoError", "UNKNOWN"})
_ACCOUNT_MARGIN: Final[Mapping[str, MarginMode]] = {
    "ISOLATED_MARGIN": MarginMode.ISOLATED,
    "REGULAR_MARGIN": MarginMode.CROSS,
    "PORTFOLIO_MARGIN": MarginMode.CROSS,
}
_ZERO: Final = Decimal(0)


def _above_zero(text: wire.Text) -> Decimal | None:
    """A Decimal, None for ``''``, null and any spelling of zero."""
    value = number(text)
    return value if value else None


def margin_mode(account: str) -> MarginMode | None:
    """What ``marginMode`` of the account means."""
    return _ACCOUNT_MARGIN.get(account)


def order(row: wire.Order, symbol: Symbol) -> Order:
    """An order. A spot market order by quote amount has no amount before it is filled.

    Market orders have no price: the one that Bybit names is the worst that they may get.
    """
    trigger = _above_zero(row.triggerPrice)
    market = row.orderType == "Market"
    side = SIDES[row.side]
    status = _STATUSES.get(row.orderStatus, OrderStatus.UNKNOWN)
    filled = number(row.cumExecQty) or _ZERO
    quantity = number(row.qty)
    by_quote = symbol.kind is MarketKind.SPOT and market and _by_quote(row, side)
    amount = quantity
    if by_quote:
        amount = filled if status is OrderStatus.FILLED else None
    return Order(
        symbol=symbol.name,
        side=side,
        type=_type(row, side, market=market, conditional=trigger is not None),
        status=status,
        id=row.orderId or None,
        client_order_id=row.orderLinkId or None,
        amount=amount,
        quote_amount=quantity if by_quote else None,
        filled=filled,
        price=None if market else _above_zero(row.price),
        average_price=_average(row, symbol, filled),
        trigger_price=trigger,
        time_in_force=_TIMES.get(row.timeInForce or ""),
        post_only=row.timeInForce == "PostOnly" if row.timeInForce else None,
        reduce_only=row.reduceOnly,
        position_side=_POSITION_SIDES.get(row.positionIdx),
        reason=next((text for text in (row.rejectReason, row.cancelType) if text and text not in _NO_REASON), None),
        created_ms=moment(row.createdTime),
        timestamp_ms=moment(row.updatedTime) or moment(row.createdTime),
    )


def _by_quote(row: wire.Order, side: Side) -> bool:
    """``marketUnit``, and where Bybit leaves it out its default: buys count in quote coin, sells in base coin."""
    return row.marketUnit == "quoteCoin" if row.marketUnit else side is Side.BUY


def _type(row: wire.Order, side: Side, *, market: bool, conditional: bool) -> OrderType:
    if not conditional:
        return OrderType.MARKET if market else OrderType.LIMIT
    if row.stopOrderType in ("TakeProfit", "PartialTakeProfit"):
        return OrderType.TAKE_PROFIT
    if row.stopOrderType in ("StopLoss", "PartialStopLoss", "TrailingStop") or not row.triggerDirection:
        return OrderType.STOP
    return OrderType.STOP if row.triggerDirection == stop_direction(side) else OrderType.TAKE_PROFIT


def stop_direction(side: Side) -> int:
    """``triggerDirection`` of a stop order: a buy waits for the price to rise (1), a sell for it to fall (2)."""
    return 1 if side is Side.BUY else 2


def _average(row: wire.Order, symbol: Symbol, filled: Decimal) -> Decimal | None:
    if not filled:
        return None
    if (told := _above_zero(row.avgPrice)) is not None:
        return told
    value = _above_zero(row.cumExecValue)
    if value is None:
        return None
    return filled / value if symbol.inverse else value / filled


def fill(row: wire.Execution, symbol: Symbol) -> Fill | None:
    """An execution that trades, None for funding, settlement and delivery."""
    if row.execType not in _FILLS:
        return None
    fee = number(row.execFee)
    return Fill(
        symbol=symbol.name,
        trade_id=row.execId,
        side=SIDES[row.side],
        price=Decimal(row.execPrice),
        amount=Decimal(row.execQty),
        timestamp_ms=int(row.execTime),
        order_id=row.orderId or None,
        client_order_id=row.orderLinkId or None,
        fee=fee,
        fee_asset=None if fee is None else row.feeCurrency or row.feeCoin or _fee_asset(row, symbol),
        maker=row.isMaker,
    )


def _fee_asset(row: wire.Execution, symbol: Symbol) -> str:
    """Contracts pay in what they settle in, spot in what was bought, rebates in the other ("Spot Fee Currency")."""
    if symbol.settle is not None:
        return symbol.settle
    rebate = (number(row.feeRate) or _ZERO) < 0 and row.isMaker is True
    return symbol.base if (row.side == "Buy") is not rebate else symbol.quote


def position(row: wire.Position, symbol: Symbol, *, account: MarginMode | None = None) -> Position | None:
    """A position; None for a flat one, whose side nobody tells.

    ``account`` is the account's margin mode, where it has one for everything; else it is the position's own.
    """
    side = _HELD.get(row.side or "") or {1: PositionSide.LONG, 2: PositionSide.SHORT}.get(row.positionIdx)
    amount = Decimal(row.size or "0")
    if side is None or not amount:
        return None
    return Position(
        symbol=symbol.name,
        side=side,
        amount=amount,
        entry_price=_above_zero(row.avgPrice) or _above_zero(row.entryPrice),
        mark_price=_above_zero(row.markPrice),
        liquidation_price=_above_zero(row.liqPrice),
        unrealized_pnl=number(row.unrealisedPnl),
        leverage=_above_zero(row.leverage),
        margin_mode=account or (MarginMode.ISOLATED if row.tradeMode == 1 else MarginMode.CROSS),
        hedge_mode=row.positionIdx != 0,
        timestamp_ms=moment(row.updatedTime),
    )


def balances(wallets: Iterable[wire.Wallet], timestamp_ms: int | None) -> Iterator[Balance]:
    """Every coin, also one of which nothing is left."""
    for wallet in wallets:
        for coin in wallet.coin:
            total = (number(coin.walletBalance) or _ZERO) + (number(coin.unrealisedPnl) or _ZERO)
            held = (coin.locked, coin.totalOrderIM, coin.totalPositionIM)
            yield Balance(
                asset=coin.coin,
                market=WALLET,
                free=total - sum((number(text) or _ZERO for text in held), _ZERO),
                total=total,
                borrowed=number(coin.borrowAmount) or number(coin.spotBorrow) or _ZERO,
                timestamp_ms=timestamp_ms,
            )


def payment(row: wire.Transaction, symbol: Symbol) -> FundingPayment | None:
    """What a settlement moved; None for a row that is about no funding."""
    amount = number(row.funding)
    if amount is None:
        return None
    size = number(row.size)
    return FundingPayment(
        symbol=symbol.name,
        amount=amount,
        asset=row.currency,
        timestamp_ms=int(row.transactionTime),
        id=row.id or None,
        rate=number(row.feeRate),
        position_amount=None if size is None else abs(size),
    )


class UserEvents:
    """The messages of the private topics as events.

    What is about an instrument that nobody here knows (an option, a dated future) is reported, once for each; what is
    about a market that is not among ``markets`` is nobody's concern.
    """

    def __init__(
        self,
        listing: Callable[[], Listing],
        report: Callable[[ExchangeError], None],
        *,
        exchange: str,
        markets: Container[str],
    ) -> None:
        self._listing = listing
        self._report = report
        self._exchange = exchange
        self._markets = markets
        self._reported: set[tuple[str, str]] = set()
        self._held: dict[str, PositionSide] = {}
        self.account_margin: MarginMode | None = None

    def orders(self, push: wire.UserPush[wire.Order], received_ms: int) -> Iterator[Order]:
        for row in push.data:
            if (symbol := self.symbol(row.category, row.symbol, "an order")) is not None:
                yield order(row, symbol)

    def fills(self, push: wire.UserPush[wire.Execution], received_ms: int) -> Iterator[Fill]:
        for row in push.data:
            symbol = self.symbol(row.category, row.symbol, "an execution")
            if symbol is not None and (told := fill(row, symbol)) is not None:
                yield told

    def positions(self, push: wire.UserPush[wire.Position], received_ms: int) -> Iterator[Position]:
        """A flat position comes with an amount of 0, and so does the side that a one-way position has left."""
        for row in push.data:
            if (symbol := self.symbol(row.category, row.symbol, "a position")) is not None:
                yield from self._position(row, symbol)

    def wallets(self, push: wire.UserPush[wire.Wallet], received_ms: int) -> Iterator[Balance]:
        return balances(push.data, push.creationTime or None)

    def remember(self, events: Iterable[UserEvent]) -> None:
        """Which side each one-way position is on, from what was asked for."""
        for event in events:
            if isinstance(event, Position) and not event.hedge_mode:
                self._held[event.symbol] = event.side

    def symbol(self, category: str, venue_id: str, what: str) -> Symbol | None:
        """The symbol, None (and a report) for an instrument that is not known."""
        found = self._listing().find(category, venue_id)
        strange = category in self._markets or category not in KINDS
        if found is None and strange and (category, venue_id) not in self._reported:
            self._reported.add((category, venue_id))
            self._report(
                ExchangeAPIError(
                    f"Bybit tells of {what} in {venue_id} ({category}), which is not listed here",
                    exchange=self._exchange,
                    code="unknown instrument",
                )
            )
        return found

    def _position(self, row: wire.Position, symbol: Symbol) -> Iterator[Position]:
        now = position(row, symbol, account=self.account_margin)
        hedge, timestamp_ms = row.positionIdx != 0, moment(row.updatedTime)
        if hedge:
            flat = [PositionSide.LONG if row.positionIdx == 1 else PositionSide.SHORT] if now is None else []
        else:
            before = self._held.pop(symbol.name, None)
            if now is not None:
                self._held[symbol.name] = now.side
                flat = [before] if before not in (None, now.side) else []
            else:
                flat = [PositionSide.LONG, PositionSide.SHORT] if before is None else [before]
        for side in flat:
            yield Position(symbol=symbol.name, side=side, amount=_ZERO, hedge_mode=hedge, timestamp_ms=timestamp_ms)
        if now is not None:
            yield now


def key_permissions(row: wire.Key) -> KeyPermissions:
    """Rights by Bybit's groups, as ``Group.Right``; a read-only key has none of those that change anything."""
    groups = {group: rights for group, rights in row.permissions.items() if rights}
    granted = {right for rights in groups.values() for right in rights}
    writes = row.readOnly == 0
    return KeyPermissions(
        read=True,
        trade=writes and not _TRADING.isdisjoint(granted),
        withdraw=writes and _WITHDRAWING in granted,
        ip_restricted="*" not in row.ips if row.ips else None,
        expires_ms=int(datetime.fromisoformat(row.expiredAt).timestamp() * 1000) if row.expiredAt else None,
        rights=tuple(f"{group}.{right}" for group, rights in groups.items() for right in rights),
    )
