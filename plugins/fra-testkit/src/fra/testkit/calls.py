"""Every call of the interface that reads, and every stream, as one table: how to ask it of a handle or an adapter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from fra.core import ExchangeCapabilities, KlineInterval, MarginMode, MarketKind, Operation, Subscription, Symbol

KLINES: Final = KlineInterval.M1
DEPTH: Final = 5
LIMIT: Final = 20

# A handle and an adapter take the same arguments; that they are both "Any" here is what lets one table ask both.
READS: Final[Mapping[Operation, Callable[[Any, Symbol], Awaitable[Any]]]] = {
    Operation.GET_SYMBOLS: lambda ask, symbol: ask.get_symbols(),
    Operation.GET_ORDERBOOK: lambda ask, symbol: ask.get_orderbook(symbol, depth=DEPTH),
    Operation.GET_TICKER: lambda ask, symbol: ask.get_ticker(symbol),
    Operation.GET_TICKERS: lambda ask, symbol: ask.get_tickers([symbol]),
    Operation.GET_TRADES: lambda ask, symbol: ask.get_trades(symbol, limit=LIMIT),
    Operation.GET_KLINES: lambda ask, symbol: ask.get_klines(symbol, KLINES, limit=LIMIT),
    Operation.GET_FUNDING_RATE: lambda ask, symbol: ask.get_funding_rate(symbol),
    Operation.GET_FUNDING_RATES: lambda ask, symbol: ask.get_funding_rates([symbol]),
    Operation.GET_FUNDING_RATE_HISTORY: lambda ask, symbol: ask.get_funding_rate_history(symbol, limit=LIMIT),
    Operation.GET_BALANCE: lambda ask, symbol: ask.get_balance(),
    Operation.GET_POSITIONS: lambda ask, symbol: ask.get_positions(symbol),
    Operation.GET_FUNDING_PAYMENTS: lambda ask, symbol: ask.get_funding_payments(symbol),
    Operation.GET_OPEN_ORDERS: lambda ask, symbol: ask.get_open_orders(symbol),
    Operation.GET_ORDER_HISTORY: lambda ask, symbol: ask.get_order_history(symbol),
    Operation.GET_TRADE_HISTORY: lambda ask, symbol: ask.get_trade_history(symbol),
}
STREAMS: Final[Mapping[Operation, Callable[[Any, Symbol], Any]]] = {
    Operation.SUBSCRIBE_ORDERBOOK: lambda ask, symbol: ask.subscribe_orderbook(symbol),
    Operation.SUBSCRIBE_TRADES: lambda ask, symbol: ask.subscribe_trades(symbol),
    Operation.SUBSCRIBE_TICKER: lambda ask, symbol: ask.subscribe_ticker(symbol),
    Operation.SUBSCRIBE_KLINES: lambda ask, symbol: ask.subscribe_klines(symbol, KLINES),
    Operation.SUBSCRIBE_FUNDING_RATE: lambda ask, symbol: ask.subscribe_funding_rate(symbol),
}
ACTIONS: Final[Mapping[Operation, Callable[[Any, Symbol], Awaitable[Any]]]] = {
    Operation.SET_LEVERAGE: lambda ask, symbol: ask.set_leverage(symbol, Decimal(1)),
    Operation.SET_MARGIN_MODE: lambda ask, symbol: ask.set_margin_mode(symbol, MarginMode.CROSS),
    Operation.CANCEL_ORDER: lambda ask, symbol: ask.cancel_order("1", symbol),
    Operation.GET_ORDER: lambda ask, symbol: ask.get_order("1", symbol),
}
"""Calls that are tried only where they are not claimed, and only through the host, which refuses them."""
ACCOUNT: Final = frozenset(
    (
        Operation.GET_BALANCE,
        Operation.GET_POSITIONS,
        Operation.GET_FUNDING_PAYMENTS,
        Operation.GET_OPEN_ORDERS,
        Operation.GET_ORDER_HISTORY,
        Operation.GET_TRADE_HISTORY,
        Operation.SUBSCRIBE_USER_DATA,
    )
)
"""What needs keys, and only reads."""
LISTS: Final = frozenset(READS) - {Operation.GET_ORDERBOOK, Operation.GET_TICKER, Operation.GET_FUNDING_RATE}
"""What answers with a sequence, which is empty when there is nothing."""
_OF_SWAPS: Final = frozenset(
    (
        Operation.GET_FUNDING_RATE,
        Operation.GET_FUNDING_RATES,
        Operation.GET_FUNDING_RATE_HISTORY,
        Operation.GET_FUNDING_PAYMENTS,
        Operation.SUBSCRIBE_FUNDING_RATE,
    )
)

Stream = Subscription[Any]


def kinds_of(capabilities: ExchangeCapabilities) -> list[MarketKind]:
    """The market kinds that an adapter does anything for."""
    claimed = {kind for (_, kind), support in capabilities.matrix.items() if support}
    return [kind for kind in MarketKind if kind in claimed]


def cells(operations: Iterable[Operation], capabilities: ExchangeCapabilities) -> list[tuple[Operation, MarketKind]]:
    """These operations for the adapter's market kinds, less what cannot be: only swaps have funding."""
    kinds = kinds_of(capabilities)
    return [
        (operation, kind)
        for operation in operations
        for kind in kinds
        if kind.is_swap or operation not in _OF_SWAPS or capabilities.support(operation, kind)
        if kind.is_derivative or operation is not Operation.GET_POSITIONS or capabilities.support(operation, kind)
    ]


def empty_cells(capabilities: ExchangeCapabilities) -> list[tuple[Operation, MarketKind]]:
    """The cells that an adapter does not claim for the market kinds that it knows, of calls that name a symbol."""
    named = [each for each in (*READS, *STREAMS, *ACTIONS) if each not in _UNNAMED]
    kinds = kinds_of(capabilities)
    return [(each, kind) for each in named for kind in kinds if not capabilities.support(each, kind)]


_UNNAMED: Final = frozenset((Operation.GET_SYMBOLS, Operation.GET_BALANCE))
"""What names no market kind: it is there for all of them, or for none."""
