"""The example's venue and adapter, and an adapter in memory whose streams the test itself publishes into."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import attrs
import pytest

from fra.core import (
    BookView,
    ConnectionStatus,
    EventBus,
    ExchangeAPIError,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeHandle,
    ExchangeMetadata,
    ExchangePluginInterface,
    FundingRate,
    Health,
    Kline,
    KlineInterval,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderRequest,
    OrderStatus,
    PluginManager,
    PluginRegistry,
    PluginType,
    PriceLevel,
    StreamSource,
    Symbol,
    SymbolList,
    Ticker,
    Trade,
    UserEvent,
)

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
NOW = 1_700_000_000_000

SPOT = Symbol(
    "BTC/USDT",
    "BTCUSDT",
    MarketKind.SPOT,
    "BTC",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_amount=Decimal("0.002"),
    max_amount=Decimal(10),
    min_notional=Decimal(5),
)
SWAP = Symbol(
    "BTC/USDT:USDT",
    "BTC-SWAP",
    MarketKind.LINEAR_SWAP,
    "BTC",
    "USDT",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.01"),
    contract_size=Decimal("0.01"),
)
STREAMS = (
    Operation.SUBSCRIBE_ORDERBOOK,
    Operation.SUBSCRIBE_TRADES,
    Operation.SUBSCRIBE_TICKER,
    Operation.SUBSCRIBE_KLINES,
)


@attrs.frozen
class MemoryOptions:
    flavour: str = "plain"
    broken: str | None = None


class MemoryExchange(ExchangePluginInterface):
    """Answers from memory. ``sources`` holds the open streams by channel and symbol, ``calls`` what was asked."""

    Options = MemoryOptions
    instances: ClassVar[list[MemoryExchange]]
    capabilities = (
        ExchangeCapabilities.of(
            (Operation.GET_SYMBOLS, Operation.GET_ORDERBOOK, Operation.GET_TICKER, Operation.CREATE_ORDER, *STREAMS),
            (MarketKind.SPOT, MarketKind.LINEAR_SWAP),
        )
        | ExchangeCapabilities.of((Operation.GET_KLINES,), (MarketKind.SPOT,))
        | ExchangeCapabilities.of(
            (Operation.GET_FUNDING_RATE, Operation.GET_FUNDING_RATES, Operation.SUBSCRIBE_FUNDING_RATE),
            (MarketKind.LINEAR_SWAP,),
        )
        | ExchangeCapabilities.of((Operation.SUBSCRIBE_USER_DATA,), (MarketKind.SPOT,))
    )

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self.instances.append(self)
        self.calls: list[object] = []
        self.connected = False
        self.disconnects = 0
        self.symbols: Sequence[Symbol] = SymbolList((SPOT, SWAP))
        self.sources: dict[tuple[str, str | None], StreamSource] = {}
        self.closed: list[tuple[str, str | None]] = []
        self.funding: FundingRate | None = None
        self.on_create: Callable[[OrderRequest], Order] | None = None
        self.follows_account = asyncio.Event()

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return ExchangeMetadata("memory", "Memory", "1", PluginType.SIMULATED, cls.capabilities)

    async def initialize(self) -> None:
        if self.options.broken == "initialize":
            raise ExchangeAPIError("no", status_code=400)

    async def connect(self) -> None:
        if self.options.broken == "connect":
            raise OSError("unreachable")
        self.connected = True

    async def disconnect(self) -> None:
        self.connected = False
        self.disconnects += 1

    async def health_check(self) -> Health:
        return Health(exchange="?", status=ConnectionStatus.CONNECTED, checked_ms=NOW, latency=0.01)

    async def get_symbols(self) -> Sequence[Symbol]:
        self.calls.append("get_symbols")
        await asyncio.sleep(0)  # others get a turn, as they do while a real venue answers
        return self.symbols

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        self.calls.append(("get_orderbook", symbol, depth))
        return book(5, levels=3)

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        self.calls.append(("get_ticker", symbol))
        return Ticker(symbol.name, NOW)

    async def get_klines(self, symbol, interval, *, since=None, until=None, limit=None) -> Sequence[Kline]:
        self.calls.append(("get_klines", symbol, interval, since, until, limit))
        return ()

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        return self.funding

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        self.calls.append(("create_order", request, symbol))
        if self.on_create is not None:
            return self.on_create(request)
        return accepted(request)

    def _source(self, channel: str, symbol: Symbol | None) -> StreamSource:
        key = (channel, symbol and symbol.name)
        self.calls.append(key)

        async def close() -> None:
            self.closed.append(key)
            del self.sources[key]

        source = self.sources[key] = StreamSource(close=close)
        return source

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        return self._source("orderbook", symbol)

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        return self._source("trades", symbol)

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        return self._source("ticker", symbol)

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        return self._source("klines", symbol)

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        return self._source("funding_rate", symbol)

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        self.follows_account.set()
        return self._source("user_data", None)


class LiveLevels:
    """A book that its adapter goes on changing."""

    def __init__(self, best: int) -> None:
        self.best = best

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return tuple(PriceLevel(Decimal(self.best - i), Decimal(1)) for i in range(10))[:depth]

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return tuple(PriceLevel(Decimal(self.best + 1 + i), Decimal(1)) for i in range(10))[:depth]


def book(sequence: int, *, levels: int = 1, symbol: str = "BTC/USDT") -> OrderBook:
    return OrderBook(
        symbol=symbol,
        bids=tuple(PriceLevel(Decimal(100 - i), Decimal(1)) for i in range(levels)),
        asks=tuple(PriceLevel(Decimal(101 + i), Decimal(1)) for i in range(levels)),
        received_ms=NOW,
        sequence=sequence,
    )


def accepted(request: OrderRequest, status: OrderStatus = OrderStatus.OPEN) -> Order:
    return Order(
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        status=status,
        id="1",
        client_order_id=request.client_order_id,
        amount=request.amount,
        price=request.price,
    )


class Kit:
    """What tests make things with."""

    NOW = NOW
    SPOT = SPOT
    SWAP = SWAP
    LiveLevels = LiveLevels
    MemoryExchange = MemoryExchange
    book = staticmethod(book)
    accepted = staticmethod(accepted)

    def __init__(self) -> None:
        self.bus = EventBus()
        self.events: list[object] = []
        self.Memory = type("Memory", (MemoryExchange,), {"instances": []})

    @property
    def plugin(self) -> MemoryExchange:
        """The plugin that was made last."""
        return self.Memory.instances[-1]

    def heard(self, event_type: type) -> list:
        """The events of this type so far."""
        return [event for event in self.events if isinstance(event, event_type)]

    def registry(self, **classes: type[ExchangePluginInterface]) -> PluginRegistry:
        registry = PluginRegistry(path=[])
        for name, cls in (classes or {"memory": self.Memory}).items():
            registry.register_plugin(name, cls)
        return registry

    def manager(self, exchanges: dict[str, object], **classes: type[ExchangePluginInterface]) -> PluginManager:
        from fra.core import Event

        manager = PluginManager.from_config({"exchanges": exchanges}, registry=self.registry(**classes), bus=self.bus)
        manager.register_event_handler(Event, self.events.append)
        return manager

    @asynccontextmanager
    async def running(
        self, cls: type[ExchangePluginInterface] | None = None, *, symbols: bool = True, **keys: object
    ) -> AsyncIterator[ExchangeHandle]:
        """A handle of one instance named ``mem``, its symbols loaded."""
        async with self.manager({"mem": {"plugin": "memory", **keys}}, memory=cls or self.Memory) as manager:
            handle = manager.get_plugin("mem")
            if symbols:
                await handle.get_symbols()
            yield handle


@pytest.fixture
def kit() -> Kit:
    return Kit()


def _example(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def tiny_exchange() -> type[ExchangePluginInterface]:
    """The adapter of the README."""
    return _example("sixty_line_adapter").TinyExchange


@pytest.fixture
def tiny_venue() -> Callable[..., AbstractAsyncContextManager]:
    """The venue that it talks to."""
    return _example("tiny_venue").TinyVenue
