"""One async interface to every crypto exchange: everybody imports from here.

The contract is here at once; what runs adapters (the host and its toolkit) is imported when it is first named, so that
an adapter, a completion or a listing of plugins does not pay for an event loop that it never starts.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from fra.core.contract.book import BookLevels, BookView, LazyLevels, OrderBook, PriceLevel
from fra.core.contract.capabilities import (
    Cell,
    ClientOrderIdRule,
    ConnectionStatus,
    ExchangeCapabilities,
    ExchangeMetadata,
    MarketKind,
    Operation,
    PluginType,
    RateLimit,
    Support,
)
from fra.core.contract.config import ExchangeConfig, Secret
from fra.core.contract.context import Limiter, PluginContext
from fra.core.contract.errors import (
    Banned,
    ConfigError,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    FraError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderVetoed,
    PermissionDenied,
    PluginBlocked,
    PluginBroken,
    PluginConflict,
    PluginError,
    PluginIncompatible,
    PluginNotFound,
    StreamGap,
    SymbolNotFound,
)
from fra.core.contract.events import (
    EVENT_HOOKS,
    ConnectionChanged,
    ErrorRaised,
    Event,
    FillReceived,
    FundingIntervalChanged,
    FundingRateChanged,
    HealthChecked,
    OrderChanged,
    OrderProposed,
    PluginLoaded,
    PluginUnloaded,
    RateLimited,
    StreamGapped,
    SymbolsChanged,
)
from fra.core.contract.exchange import ExchangePluginInterface, NoOptions, UserEvent, not_supported
from fra.core.contract.models import (
    Balance,
    FundingPayment,
    FundingRate,
    Health,
    IntervalSource,
    Kline,
    KlineInterval,
    MarginMode,
    Position,
    PositionSide,
    RateKind,
    StreamHealth,
    Ticker,
    Trade,
)
from fra.core.contract.orders import Fill, Order, OrderRequest, OrderStatus, OrderType, TimeInForce
from fra.core.contract.streams import StreamSink, StreamSource, StreamStatus, Subscription, Upstream
from fra.core.contract.symbol import Asset, RefusedInstrument, Side, Symbol, SymbolList, canonical_asset
from fra.core.contract.values import as_datetime, as_decimal, as_timestamp_ms

if TYPE_CHECKING:
    from fra.core.host.config import ConfigManager
    from fra.core.host.events import EventBus
    from fra.core.host.handle import ExchangeHandle
    from fra.core.host.hookspecs import hookimpl
    from fra.core.host.loader import PluginLoader
    from fra.core.host.manager import PluginManager, connect
    from fra.core.host.options import structure_options
    from fra.core.host.orders import JournalEntry, MemoryJournal, OrderDesk, OrderJournal
    from fra.core.host.policy import PluginRow, PluginState
    from fra.core.host.registry import PluginRegistry
    from fra.core.toolkit.budget import Budget, BudgetExceeded, BudgetUsage
    from fra.core.toolkit.ratelimit import RateLimiter
    from fra.core.toolkit.reconnect import ReconnectManager

_LATER = {
    "ConfigManager": "fra.core.host.config",
    "EventBus": "fra.core.host.events",
    "ExchangeHandle": "fra.core.host.handle",
    "hookimpl": "fra.core.host.hookspecs",
    "PluginLoader": "fra.core.host.loader",
    "PluginManager": "fra.core.host.manager",
    "connect": "fra.core.host.manager",
    "structure_options": "fra.core.host.options",
    "JournalEntry": "fra.core.host.orders",
    "MemoryJournal": "fra.core.host.orders",
    "OrderDesk": "fra.core.host.orders",
    "OrderJournal": "fra.core.host.orders",
    "PluginRow": "fra.core.host.policy",
    "PluginState": "fra.core.host.policy",
    "PluginRegistry": "fra.core.host.registry",
    "Budget": "fra.core.toolkit.budget",
    "BudgetExceeded": "fra.core.toolkit.budget",
    "BudgetUsage": "fra.core.toolkit.budget",
    "RateLimiter": "fra.core.toolkit.ratelimit",
    "ReconnectManager": "fra.core.toolkit.reconnect",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "EVENT_HOOKS",
    "Asset",
    "Balance",
    "Banned",
    "BookLevels",
    "BookView",
    "Budget",
    "BudgetExceeded",
    "BudgetUsage",
    "Cell",
    "ClientOrderIdRule",
    "ConfigError",
    "ConfigManager",
    "ConnectionChanged",
    "ConnectionStatus",
    "DuplicateOrder",
    "ErrorRaised",
    "Event",
    "EventBus",
    "ExchangeAPIError",
    "ExchangeAuthError",
    "ExchangeCapabilities",
    "ExchangeConfig",
    "ExchangeConnectionError",
    "ExchangeError",
    "ExchangeHandle",
    "ExchangeMetadata",
    "ExchangePluginInterface",
    "ExchangeRateLimitError",
    "Fill",
    "FillReceived",
    "FraError",
    "FundingIntervalChanged",
    "FundingPayment",
    "FundingRate",
    "FundingRateChanged",
    "Health",
    "HealthChecked",
    "InsufficientFunds",
    "IntervalSource",
    "InvalidOrder",
    "JournalEntry",
    "Kline",
    "KlineInterval",
    "LazyLevels",
    "Limiter",
    "MarginMode",
    "MarketKind",
    "MemoryJournal",
    "NoOptions",
    "NotSupported",
    "Operation",
    "Order",
    "OrderBook",
    "OrderChanged",
    "OrderDesk",
    "OrderJournal",
    "OrderNotFound",
    "OrderOutcomeUnknown",
    "OrderProposed",
    "OrderRequest",
    "OrderStatus",
    "OrderType",
    "OrderVetoed",
    "PermissionDenied",
    "PluginBlocked",
    "PluginBroken",
    "PluginConflict",
    "PluginContext",
    "PluginError",
    "PluginIncompatible",
    "PluginLoaded",
    "PluginLoader",
    "PluginManager",
    "PluginNotFound",
    "PluginRegistry",
    "PluginRow",
    "PluginState",
    "PluginType",
    "PluginUnloaded",
    "Position",
    "PositionSide",
    "PriceLevel",
    "RateKind",
    "RateLimit",
    "RateLimited",
    "RateLimiter",
    "ReconnectManager",
    "RefusedInstrument",
    "Secret",
    "Side",
    "StreamGap",
    "StreamGapped",
    "StreamHealth",
    "StreamSink",
    "StreamSource",
    "StreamStatus",
    "Subscription",
    "Support",
    "Symbol",
    "SymbolList",
    "SymbolNotFound",
    "SymbolsChanged",
    "Ticker",
    "TimeInForce",
    "Trade",
    "Upstream",
    "UserEvent",
    "as_datetime",
    "as_decimal",
    "as_timestamp_ms",
    "canonical_asset",
    "connect",
    "hookimpl",
    "not_supported",
    "structure_options",
]
