"""Every method that is asked for over the broker: what it takes and what it answers. Both sides read this table."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, final

import attrs
import msgspec

from fra.adapters.proxy import wire
from fra.core import (
    Balance,
    Fill,
    FundingPayment,
    FundingRate,
    Health,
    KeyPermissions,
    Kline,
    KlineInterval,
    MarginMode,
    Operation,
    Order,
    OrderRequest,
    Position,
    PositionMode,
    Ticker,
    Trade,
    UserEvent,
)


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No arguments."""


class OfSymbol(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str


class OfAnySymbol(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str | None = None


class OfSymbols(msgspec.Struct, forbid_unknown_fields=True):
    symbols: list[str] | None = None


class OfBook(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    depth: int | None = None


class Latest(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    limit: int | None = None


class OfKlines(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    interval: KlineInterval
    since: int | None = None
    until: int | None = None
    limit: int | None = None


class Page(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int | None = None


class OfWallet(msgspec.Struct, forbid_unknown_fields=True):
    market: str | None = None


class OfLeverage(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    leverage: Decimal


class OfMarginMode(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    mode: MarginMode


class OfPositionMode(msgspec.Struct, forbid_unknown_fields=True):
    mode: PositionMode


class OfRequest(msgspec.Struct, forbid_unknown_fields=True):
    request: OrderRequest


class OfOrder(msgspec.Struct, forbid_unknown_fields=True):
    order_id: str | None = None
    symbol: str | None = None
    client_order_id: str | None = None


@final
@attrs.frozen
class Remote:
    """One method: the struct of its arguments, named as the method names them, and the type of its answer."""

    takes: type[msgspec.Struct]
    answers: Any  # a type expression that msgspec decodes into


REMOTE: Final[Mapping[Operation, Remote]] = {
    Operation.GET_SYMBOLS: Remote(Nothing, wire.Symbols),
    Operation.GET_ORDERBOOK: Remote(OfBook, wire.Book),
    Operation.GET_TICKER: Remote(OfSymbol, Ticker),
    Operation.GET_TICKERS: Remote(OfSymbols, list[Ticker]),
    Operation.GET_TRADES: Remote(Latest, list[Trade]),
    Operation.GET_KLINES: Remote(OfKlines, list[Kline]),
    Operation.GET_FUNDING_RATE: Remote(OfSymbol, FundingRate),
    Operation.GET_FUNDING_RATES: Remote(OfSymbols, list[FundingRate]),
    Operation.GET_FUNDING_RATE_HISTORY: Remote(Page, list[FundingRate]),
    Operation.GET_FUNDING_PAYMENTS: Remote(Page, list[FundingPayment]),
    Operation.GET_BALANCE: Remote(OfWallet, list[Balance]),
    Operation.GET_POSITIONS: Remote(OfAnySymbol, list[Position]),
    Operation.GET_KEY_PERMISSIONS: Remote(Nothing, KeyPermissions),
    Operation.SET_LEVERAGE: Remote(OfLeverage, None),
    Operation.SET_MARGIN_MODE: Remote(OfMarginMode, None),
    Operation.SET_POSITION_MODE: Remote(OfPositionMode, None),
    Operation.CREATE_ORDER: Remote(OfRequest, Order),
    Operation.CANCEL_ORDER: Remote(OfOrder, Order),
    Operation.CANCEL_ALL_ORDERS: Remote(OfAnySymbol, list[Order]),
    Operation.GET_ORDER: Remote(OfOrder, Order),
    Operation.GET_OPEN_ORDERS: Remote(OfAnySymbol, list[Order]),
    Operation.GET_ORDER_HISTORY: Remote(Page, list[Order]),
    Operation.GET_TRADE_HISTORY: Remote(Page, list[Fill]),
}

HEALTH: Final = Remote(Nothing, Health)


class Open(msgspec.Struct, forbid_unknown_fields=True):
    """Which public stream is wanted; ``depth`` is of books, ``interval`` of klines."""

    operation: Operation
    symbol: str
    depth: int | None = None
    interval: KlineInterval | None = None

    @property
    def parameter(self) -> str | None:
        if self.interval is not None:
            return self.interval.value
        return None if self.depth is None else str(self.depth)


STREAMED: Final[Mapping[Operation, type[object]]] = {
    Operation.SUBSCRIBE_TRADES: Trade,
    Operation.SUBSCRIBE_TICKER: Ticker,
    Operation.SUBSCRIBE_KLINES: Kline,
    Operation.SUBSCRIBE_FUNDING_RATE: FundingRate,
}
"""What the items of a public stream are; books are :class:`wire.Book`."""

LOSSLESS: Final = frozenset({Operation.SUBSCRIBE_TRADES, Operation.SUBSCRIBE_KLINES})
EVENTS: Final[Mapping[str, type[UserEvent]]] = {
    "Order": Order,
    "Fill": Fill,
    "Balance": Balance,
    "Position": Position,
    "FundingPayment": FundingPayment,
}
