"""What ccxt says that it can do (``has``, ``features``) as fra's matrix; nothing is claimed that does not work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fra.core import ExchangeCapabilities, MarketKind, Operation, Support

O = Operation  # noqa: E741

NEEDS: Final[Mapping[Operation, tuple[str, ...]]] = {
    O.GET_SYMBOLS: ("fetchMarkets",),
    O.GET_ORDERBOOK: ("fetchOrderBook",),
    O.GET_TICKER: ("fetchTicker",),
    O.GET_TICKERS: ("fetchTickers",),
    O.GET_TRADES: ("fetchTrades",),
    O.GET_KLINES: ("fetchOHLCV",),
    O.GET_FUNDING_RATE: ("fetchFundingRate",),
    O.GET_FUNDING_RATES: ("fetchFundingRates",),
    O.GET_FUNDING_RATE_HISTORY: ("fetchFundingRateHistory",),
    O.GET_FUNDING_PAYMENTS: ("fetchFundingHistory",),
    O.GET_BALANCE: ("fetchBalance",),
    O.GET_POSITIONS: ("fetchPositions",),
    O.SET_LEVERAGE: ("setLeverage",),
    O.SET_MARGIN_MODE: ("setMarginMode",),
    O.SET_POSITION_MODE: ("setPositionMode",),
    O.CREATE_ORDER: ("createOrder",),
    O.CANCEL_ORDER: ("cancelOrder",),
    O.CANCEL_ALL_ORDERS: ("cancelAllOrders", "cancelOrder"),
    O.GET_ORDER: ("fetchOrder",),
    O.GET_OPEN_ORDERS: ("fetchOpenOrders",),
    O.GET_ORDER_HISTORY: ("fetchCanceledAndClosedOrders", "fetchOrders", "fetchClosedOrders"),
    O.GET_TRADE_HISTORY: ("fetchMyTrades",),
    O.SUBSCRIBE_ORDERBOOK: ("watchOrderBook",),
    O.SUBSCRIBE_TRADES: ("watchTrades",),
    O.SUBSCRIBE_TICKER: ("watchTicker",),
    O.SUBSCRIBE_KLINES: ("watchOHLCV",),
    O.SUBSCRIBE_FUNDING_RATE: ("watchFundingRate",),
    O.SUBSCRIBE_USER_DATA: ("watchOrders",),
}
"""Operation → ccxt's methods any of which serves it, the best first."""

MARKET_DATA: Final = frozenset(
    {
        O.GET_SYMBOLS,
        O.GET_ORDERBOOK,
        O.GET_TICKER,
        O.GET_TICKERS,
        O.GET_TRADES,
        O.GET_KLINES,
        O.GET_FUNDING_RATE,
        O.GET_FUNDING_RATES,
        O.GET_FUNDING_RATE_HISTORY,
        O.SUBSCRIBE_ORDERBOOK,
        O.SUBSCRIBE_TRADES,
        O.SUBSCRIBE_TICKER,
        O.SUBSCRIBE_KLINES,
        O.SUBSCRIBE_FUNDING_RATE,
    }
)

SWAPS_ONLY: Final = frozenset(
    {
        O.GET_FUNDING_RATE,
        O.GET_FUNDING_RATES,
        O.GET_FUNDING_RATE_HISTORY,
        O.GET_FUNDING_PAYMENTS,
        O.GET_POSITIONS,
        O.SET_LEVERAGE,
        O.SET_MARGIN_MODE,
        O.SET_POSITION_MODE,
        O.SUBSCRIBE_FUNDING_RATE,
    }
)

COARSE: Final = frozenset(
    {
        O.GET_SYMBOLS,
        O.GET_ORDERBOOK,
        O.GET_TICKER,
        O.GET_TRADES,
        O.GET_KLINES,
        O.GET_FUNDING_RATE,
        O.GET_FUNDING_RATE_HISTORY,
        O.GET_BALANCE,
        O.GET_POSITIONS,
        O.CREATE_ORDER,
        O.CANCEL_ORDER,
        O.CANCEL_ALL_ORDERS,
        O.GET_ORDER,
        O.GET_OPEN_ORDERS,
        O.GET_ORDER_HISTORY,
        O.GET_TRADE_HISTORY,
        O.SUBSCRIBE_ORDERBOOK,
        O.SUBSCRIBE_TRADES,
        O.SUBSCRIBE_TICKER,
        O.SUBSCRIBE_KLINES,
        O.SUBSCRIBE_USER_DATA,
    }
)
"""What ccxt serves for each of the exchanges that are registered by name: all that can be said without importing it."""

ACCOUNT: Final = frozenset(NEEDS.keys() - MARKET_DATA)
"""Orders, what an account holds, and its stream."""

POLL_FUNDING: Final = 30.0
"""Seconds between two questions for a running rate where ccxt streams none."""


def coarse(
    kinds: Iterable[MarketKind], *, missing: Iterable[tuple[Operation, MarketKind]] = ()
) -> ExchangeCapabilities:
    """The matrix of an adapter whose ccxt class has not been imported, without the cells that are ``missing``."""
    made, gone = ExchangeCapabilities.of(COARSE, kinds).matrix, frozenset(missing)
    return ExchangeCapabilities(
        {cell: support for cell, support in made.items() if cell not in gone and _is_possible(*cell)}
    )


def everywhere(operations: Iterable[Operation]) -> frozenset[tuple[Operation, MarketKind]]:
    """The cells of these operations, whatever the market."""
    return frozenset((operation, kind) for operation in operations for kind in MarketKind)


def capabilities(
    has: Mapping[str, object],
    features: Mapping[str, Any],
    kinds: Iterable[MarketKind],
    *,
    missing: Iterable[tuple[Operation, MarketKind]] = (),
) -> ExchangeCapabilities:
    """The exact matrix for these kinds. ``missing`` are cells that ccxt claims and that do not work; a stream of
    running rates that is missing is polled like one that ccxt has not.
    """
    kinds = tuple(kinds)
    matrix = {}
    for kind in kinds:
        known = features_of(features, kind)
        for operation, methods in NEEDS.items():
            if operation in SWAPS_ONLY and not kind.is_swap:
                continue
            if any(has.get(method) and not (known and _denied(known, method)) for method in methods):
                matrix[operation, kind] = Support.NATIVE
    for cell in missing:
        matrix.pop(cell, None)
    for kind in kinds:
        if kind.is_swap and (O.GET_FUNDING_RATE, kind) in matrix:
            matrix.setdefault((O.SUBSCRIBE_FUNDING_RATE, kind), Support.polled(POLL_FUNDING))
    return ExchangeCapabilities(matrix)


def features_of(features: Mapping[str, Any] | None, kind: MarketKind) -> Mapping[str, Any]:
    """ccxt's ``features`` for one kind; empty where it says nothing."""
    if kind is MarketKind.SPOT:
        return (features or {}).get("spot") or {}
    swap = (features or {}).get("swap") or {}
    return swap.get("inverse" if kind.is_inverse else "linear") or {}


def _denied(features: Mapping[str, Any], method: str) -> bool:
    return method in features and features[method] is None


def _is_possible(operation: Operation, kind: MarketKind) -> bool:
    return operation not in SWAPS_ONLY or kind.is_swap
