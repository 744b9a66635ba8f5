"""A venue whose market the test itself moves, and a paper account on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from time import time_ns
from typing import Any, ClassVar

import attrs
import pytest
import pytest_asyncio

from fra.core import (
    BookView,
    ConnectionStatus,
    Event,
    ExchangeCapabilities,
    ExchangeHandle,
    ExchangeMetadata,
    ExchangePluginInterface,
    FundingRate,
    Health,
    IntervalSource,
    Kline,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderJournal,
    OrderRequest,
    OrderType,
    PluginManager,
    PluginRegistry,
    PluginType,
    PriceLevel,
    RateKind,
    Side,
    StreamGap,
    StreamSource,
    StreamStatus,
    Subscription,
    Symbol,
    SymbolList,
    Ticker,
    Trade,
    UserEvent,
)
from fra.exchanges.paper import PaperExchange

SPOT, SWAP, INVERSE, FUTURE = "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT:USDT-261225"
OTHER_SWAP = "ETH/USDT:USDT"
RULES = {"tick_size": Decimal("0.1"), "lot_size": Decimal("0.001"), "min_amount": Decimal("0.002")}
SYMBOLS = SymbolList(
    (
        Symbol(SPOT, "BTCUSDT", MarketKind.SPOT, "BTC", "USDT", market="spot", min_notional=Decimal(5), **RULES),
        Symbol(SWAP, "BTC-SWAP", MarketKind.LINEAR_SWAP, "BTC", "USDT", "USDT", market="swap", **RULES),
        Symbol(OTHER_SWAP, "ETH-SWAP", MarketKind.LINEAR_SWAP, "ETH", "USDT", "USDT", market="swap", **RULES),
        Symbol(
            INVERSE,
            "BTC-USD-SWAP",
            MarketKind.INVERSE_SWAP,
            "BTC",
            "USD",
            "BTC",
            market="swap",
            tick_size=Decimal("0.1"),
            lot_size=Decimal(100),
            contract_size=Decimal(100),
        ),
        Symbol(FUTURE, "BTC-DEC", MarketKind.LINEAR_FUTURE, "BTC", "USDT", "USDT", market="futures", **RULES),
    )
)
BOOKS = (Operation.GET_SYMBOLS, Operation.GET_ORDERBOOK, Operation.GET_TICKER, Operation.SUBSCRIBE_ORDERBOOK)
FUNDING = (Operation.GET_FUNDING_RATE, Operation.SUBSCRIBE_FUNDING_RATE)


def now_ms() -> int:
    return time_ns() // 1_000_000


@attrs.frozen
class Levels:
    """A whole book as the levels of a view."""

    book: OrderBook

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.bids[:depth]

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.asks[:depth]


def side(levels: str) -> list[PriceLevel]:
    """``"100*2 99*1"``: prices and amounts, best first."""
    return [PriceLevel(*map(Decimal, level.split("*"))) for level in levels.split()]


class Venue(ExchangePluginInterface):
    """Streams what the test publishes; a book once told comes again for whoever subscribes."""

    instances: ClassVar[list[Venue]] = []
    capabilities = (
        ExchangeCapabilities.of(
            (*BOOKS, Operation.GET_KLINES, Operation.SUBSCRIBE_TRADES, Operation.CREATE_ORDER),
            (MarketKind.SPOT, MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP),
        )
        | ExchangeCapabilities.of((Operation.GET_SYMBOLS, Operation.GET_TICKER), (MarketKind.LINEAR_FUTURE,))
        | ExchangeCapabilities.of(
            (*FUNDING, Operation.GET_FUNDING_RATE_HISTORY), (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)
        )
    )

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.instances.append(self)
        self.sources: dict[tuple[str, str], StreamSource] = {}
        self.books: dict[str, OrderBook] = {}
        self.settled: list[FundingRate] = []
        self.asked = 0
        self.history_error: Exception | None = None
        self._changed = asyncio.Event()

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        fees = {"taker": Decimal("0.002"), "maker": Decimal("0.001"), "linear_swap.taker": Decimal("0.0005")}
        return ExchangeMetadata(
            "venue",
            "Venue",
            "1",
            PluginType.CUSTOM,
            cls.capabilities,
            fee_structure=fees,
            markets=("spot", "swap", "futures"),
        )

    async def initialize(self) -> None: ...

    async def connect(self) -> None: ...

    async def disconnect(self) -> None: ...

    async def health_check(self) -> Health:
        return Health(exchange="?", status=ConnectionStatus.CONNECTED, checked_ms=now_ms(), latency=0.25)

    async def get_symbols(self) -> SymbolList:
        return SYMBOLS

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        return self.books[symbol.name]

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        return Ticker(symbol.name, now_ms(), last=Decimal(7))

    async def get_klines(self, symbol: Symbol, interval: Any, *, since=None, until=None, limit=None) -> list[Kline]:
        zero = Decimal(0)
        return [Kline(symbol=symbol.name, interval=interval, open_ms=since, open=zero, high=zero, low=zero, close=zero,
                      volume=zero)]  # fmt: skip

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        return running(symbol.name, next_ms=None)

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        self.asked += 1
        self._changed.set()
        if self.history_error is not None:
            raise self.history_error
        assert since is not None
        assert until is not None
        return [rate for rate in self.settled if rate.symbol == symbol.name and since <= rate.settled_ms < until]

    def _source(self, channel: str, symbol: Symbol) -> StreamSource:
        async def close() -> None:
            del self.sources[channel, symbol.name]
            self._changed.set()

        self._changed.set()
        source = self.sources[channel, symbol.name] = StreamSource(close=close)
        source.confirm()
        return source

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        source = self._source("orderbook", symbol)
        if symbol.name in self.books:
            asyncio.get_running_loop().call_soon(self._publish_book, symbol.name)
        return source

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        return self._source("trades", symbol)

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        return self._source("funding_rate", symbol)

    # --- what the test does

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until what it was asked for makes this true."""
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def book(self, symbol: str, bids: str, asks: str, *, valid: bool = True) -> None:
        """Tell a book, to whoever listens now or later."""
        self.books[symbol] = OrderBook(
            symbol=symbol, bids=side(bids), asks=side(asks), received_ms=now_ms(), valid=valid
        )
        if ("orderbook", symbol) in self.sources:
            self._publish_book(symbol)

    def _publish_book(self, symbol: str) -> None:
        book = self.books[symbol]
        self.sources["orderbook", symbol].publish(BookView(symbol, Levels(book), book.received_ms, valid=book.valid))

    def rate(self, symbol: str, *, next_ms: int | None, interval_h: int | None = 8, mark: str | None = None) -> None:
        self.sources["funding_rate", symbol].publish(running(symbol, next_ms=next_ms, interval_h=interval_h, mark=mark))

    def charge(self, symbol: str, rate: str, settled_ms: int, mark: str | None = None) -> None:
        """It is known now what a settlement charged."""
        self.settled.append(
            FundingRate(
                symbol=symbol,
                kind=RateKind.SETTLED,
                rate=Decimal(rate),
                received_ms=now_ms(),
                settled_ms=settled_ms,
                mark_price=None if mark is None else Decimal(mark),
            )
        )

    def status(self, symbol: str, status: StreamStatus) -> None:
        self.sources["orderbook", symbol].set_status(status)

    def gap(self, symbol: str) -> None:
        """The book's stream has lost its place."""
        self.book(symbol, "", "", valid=False)
        self.sources["orderbook", symbol].gap(StreamGap("lost"))
        self.status(symbol, StreamStatus.RECOVERING)


def running(symbol: str, *, next_ms: int | None, interval_h: int | None = 8, mark: str | None = None) -> FundingRate:
    return FundingRate(
        symbol=symbol,
        kind=RateKind.ESTIMATED,
        rate=Decimal("0.0001"),
        received_ms=now_ms(),
        interval=None if interval_h is None else timedelta(hours=interval_h),
        interval_source=None if interval_h is None else IntervalSource.REPORTED,
        next_settlement_ms=next_ms,
        mark_price=None if mark is None else Decimal(mark),
    )


class Trader:
    """A paper account, with everything that its stream and its events said."""

    def __init__(self, manager: PluginManager, paper: ExchangeHandle, stream: Subscription[UserEvent]) -> None:
        self.manager = manager
        self.paper = paper
        self.told: list[UserEvent] = []
        self.events: list[Event] = []
        self._more = asyncio.Event()
        stream.add_listener(self._on_news)
        manager.register_event_handler(Event, self._on_event)

    def _on_news(self, news: UserEvent) -> None:
        self.told.append(news)
        self._more.set()

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            await self.more()

    async def more(self) -> None:
        """Wait for the next that is said."""
        self._more.clear()
        async with asyncio.timeout(30):
            await self._more.wait()

    def heard(self, kind: type) -> list[Any]:
        return [one for one in (*self.told, *self.events) if isinstance(one, kind)]

    async def send(self, symbol: str = SWAP, side: Side = Side.BUY, amount: str | None = "1", **fields: Any) -> Order:
        decimals = {key: Decimal(value) if isinstance(value, str) and key != "client_order_id" else value
                    for key, value in fields.items()}  # fmt: skip
        decimals.setdefault("type", OrderType.LIMIT if "price" in decimals else OrderType.MARKET)
        given = None if amount is None else Decimal(amount)
        return await self.paper.create_order(OrderRequest(symbol=symbol, side=side, amount=given, **decimals))

    async def buy(self, symbol: str = SWAP, amount: str | None = "1", **fields: Any) -> Order:
        return await self.send(symbol, Side.BUY, amount, **fields)

    async def sell(self, symbol: str = SWAP, amount: str | None = "1", **fields: Any) -> Order:
        return await self.send(symbol, Side.SELL, amount, **fields)

    async def total(self, asset: str = "USDT") -> Decimal:
        return next((one.total for one in await self.paper.get_balance() if one.asset == asset), Decimal(0))


def managed(
    exchanges: dict[str, Any],
    *,
    venue: type[Venue] = Venue,
    paper: type[PaperExchange] = PaperExchange,
    journal: OrderJournal | None = None,
) -> PluginManager:
    registry = PluginRegistry(path=[])
    registry.register_plugin("venue", venue)
    registry.register_plugin("paper", paper)
    return PluginManager.from_config({"exchanges": exchanges}, registry=registry, journal=journal)


@asynccontextmanager
async def opened(exchanges: dict[str, Any], **classes: Any) -> AsyncIterator[Trader]:
    async with managed(exchanges, **classes) as manager:
        handle = manager.get_plugin("paper")
        async with handle.subscribe_user_data() as stream:
            yield Trader(manager, handle, stream)


class Kit:
    """What tests make things with."""

    SPOT, SWAP, OTHER_SWAP, INVERSE, FUTURE = SPOT, SWAP, OTHER_SWAP, INVERSE, FUTURE
    SYMBOLS = SYMBOLS
    Venue = Venue
    managed = staticmethod(managed)
    opened = staticmethod(opened)
    now_ms = staticmethod(now_ms)

    @asynccontextmanager
    async def on_venue(self, *, cls: type[Venue] = Venue, **options: Any) -> AsyncIterator[tuple[Trader, Venue]]:
        """A paper account that trades on a venue's data."""
        mine = type("Mine", (cls,), {"instances": []})
        fees = {"spot.maker": "0", "spot.taker": "0", "maker": "0", "taker": "0"}
        paper = {"timeout": 0.5, "options": {"market_data": "main", "fees": fees, "balances": {"USDT": 1000, "BTC": 1}}}
        paper["options"] = {**paper["options"], **options}
        async with opened({"main": {"exchange_id": "venue"}, "paper": paper}, venue=mine) as trader:
            (venue,) = mine.instances
            yield trader, venue


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest_asyncio.fixture
async def desk(kit: Kit) -> AsyncIterator[tuple[Trader, Venue]]:
    """An account of 1,000 USDT and 1 BTC without fees, where both books stand at 99.9 and 100."""
    async with kit.on_venue() as (trader, venue):
        for symbol in (SPOT, SWAP):
            venue.book(symbol, "99.9*2 99*5", "100*2 101*5")
        venue.book(INVERSE, "49999*5000", "50000*5000")
        yield trader, venue
