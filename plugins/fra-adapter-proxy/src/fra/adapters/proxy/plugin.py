"""ProxyExchange: an exchange that another process holds, behind the whole interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any, cast, final

from fra.adapters.proxy import wire
from fra.adapters.proxy.account import Questions, RemoteAccount
from fra.adapters.proxy.broker import Broker
from fra.adapters.proxy.description import Description
from fra.adapters.proxy.link import Link
from fra.adapters.proxy.operations import HEALTH, REMOTE, Nothing, Open, Remote
from fra.adapters.proxy.options import ProxyOptions
from fra.adapters.proxy.streams import remote_stream
from fra.adapters.proxy.subjects import Subjects
from fra.core import (
    Balance,
    BookView,
    ConnectionStatus,
    ErrorRaised,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeMetadata,
    ExchangePluginInterface,
    Fill,
    FraError,
    FundingPayment,
    FundingRate,
    Health,
    KeyPermissions,
    Kline,
    KlineInterval,
    MarginMode,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderRequest,
    PluginType,
    Position,
    PositionMode,
    StreamSource,
    Symbol,
    SymbolList,
    Ticker,
    Trade,
    UserEvent,
)

_VERSION = "0.1.0"


@final
class ProxyExchange(ExchangePluginInterface):
    """``plugin = "proxy"``: the exchange that `fra serve` hosts under ``options.target``.

    Rate limits, keys and the order journal are the host's. An order that the host certainly did not get raises
    ExchangeConnectionError with ``sent=False``; one without an answer is OrderOutcomeUnknown, as everywhere.
    """

    Options = ProxyOptions
    options: ProxyOptions

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self._broker: Broker | None = None
        self._link: Link | None = None
        self._markets: dict[str, Link] = {}
        self._description: Description | None = None

    @property
    def capabilities(self) -> ExchangeCapabilities:
        """Once connected: those of the hosted exchange. Before, nothing is known."""
        return ExchangeCapabilities() if self._description is None else self._description.capabilities

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return ExchangeMetadata(
            name="proxy",
            display_name="Proxy",
            version=_VERSION,
            plugin_type=PluginType.PROXY,
            capabilities=ExchangeCapabilities.of(Operation, MarketKind),  # what it can carry; an instance knows more
            account_needs_credentials=False,
        )

    def get_metadata(self) -> ExchangeMetadata:
        return self.describe() if self._description is None else self._description.metadata(_VERSION)

    # --- lifecycle

    async def initialize(self) -> None:
        """Make the broker's client, without connecting it."""
        options = self.options
        self._broker = Broker(
            options,
            password=self.config.passphrase,
            name=f"fra client {self.config.name}",
            timeout=self.config.timeout,
            report=self._report,
        )
        self._link = self._make_link(self._broker, options.target or self.config.name, self.context.connection_changed)
        self._markets = {
            target: self._make_link(self._broker, target, lambda status, reason: None)
            for target in options.market_targets
        }

    def _make_link(
        self, broker: Broker, target: str, on_status: Callable[[ConnectionStatus, str | None], None]
    ) -> Link:
        return Link(
            broker,
            Subjects(target),
            timeout=self.config.timeout,
            silence=self.options.silence,
            now_ms=self.context.now_ms,
            report=self._report,
            on_status=on_status,
        )

    async def connect(self) -> None:
        """Reach the broker, and the host through it. Raises ExchangeConnectionError when nobody serves the target."""
        assert self._broker is not None
        await self._broker.connect()
        self._description = await self._describe(self.link)
        await self.link.start(self._description.epoch)
        for link in self._markets.values():
            await link.start((await self._describe(link)).epoch)

    async def _describe(self, link: Link) -> Description:
        what = f"what {link.subjects.target!r} is"
        answer = await link.put(link.subjects.describe, Nothing(), Description, what=what)
        description = cast("Description", answer)
        wire.check_version(description.version)
        return description

    async def disconnect(self) -> None:
        for link in self._markets.values():
            await link.stop()
        if self._link is not None:
            await self._link.stop()
        if self._broker is not None:
            await self._broker.close()

    async def health_check(self) -> Health:
        """The host's view of the exchange."""
        found = cast("Health", await self.link.ask(self.link.subjects.health, HEALTH, what="health_check"))
        return Health(
            exchange=self.config.name,
            status=found.status,
            checked_ms=found.checked_ms,
            latency=found.latency,
            clock_skew=found.clock_skew,
            detail=found.detail,
        )

    @property
    def link(self) -> Link:
        """Raises ExchangeConnectionError before :meth:`initialize`."""
        if self._link is None:
            raise ExchangeConnectionError("it is not connected", sent=False)
        return self._link

    def _report(self, error: Exception) -> None:
        failure = error if isinstance(error, FraError) else ExchangeError(f"{type(error).__name__}: {error}")
        self.emit_event(
            ErrorRaised(
                exchange=self.config.name, timestamp_ms=self.context.now_ms(), where="the broker", error=failure
            )
        )

    def market(self, symbol: Symbol) -> Link:
        """Who serves the public data of ``symbol``: of all market targets the one with the highest hash of both names.

        One target more or less moves only the symbols that it gets or had (rendezvous hashing).
        """
        if not self._markets:
            return self.link
        return self._markets[max(self._markets, key=lambda target: sha256(f"{target} {symbol.name}".encode()).digest())]

    async def _ask(self, operation: Operation, *, link: Link | None = None, **arguments: object) -> Any:
        remote: Remote = REMOTE[operation]
        link = link or self.link
        return await link.ask(link.subjects.call(operation), remote, what=operation.value, **arguments)

    async def _ask_of(self, symbol: Symbol, operation: Operation, **arguments: object) -> Any:
        """Public data of one symbol."""
        return await self._ask(operation, link=self.market(symbol), symbol=symbol.name, **arguments)

    # --- market data

    async def get_symbols(self) -> SymbolList:
        return wire.as_symbols(await self._ask(Operation.GET_SYMBOLS))

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        return wire.as_book(symbol.name, await self._ask_of(symbol, Operation.GET_ORDERBOOK, depth=depth))

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        return cast("Ticker", await self._ask_of(symbol, Operation.GET_TICKER))

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> Sequence[Ticker]:
        return cast("list[Ticker]", await self._ask(Operation.GET_TICKERS, symbols=_names(symbols)))

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        return cast("list[Trade]", await self._ask_of(symbol, Operation.GET_TRADES, limit=limit))

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]:
        answer = self._ask_of(symbol, Operation.GET_KLINES, interval=interval, since=since, until=until, limit=limit)
        return cast("list[Kline]", await answer)

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        return cast("FundingRate", await self._ask_of(symbol, Operation.GET_FUNDING_RATE))

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> Sequence[FundingRate]:
        return cast("list[FundingRate]", await self._ask(Operation.GET_FUNDING_RATES, symbols=_names(symbols)))

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]:
        answer = self._ask_of(symbol, Operation.GET_FUNDING_RATE_HISTORY, since=since, until=until, limit=limit)
        return cast("list[FundingRate]", await answer)

    async def _page(
        self, operation: Operation, symbol: Symbol | None, since: int | None, until: int | None, limit: int | None
    ) -> Any:
        return await self._ask(operation, symbol=_name(symbol), since=since, until=until, limit=limit)

    # --- account

    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        return cast("list[Balance]", await self._ask(Operation.GET_BALANCE, market=market))

    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        return cast("list[Position]", await self._ask(Operation.GET_POSITIONS, symbol=_name(symbol)))

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[FundingPayment]:
        answer = await self._page(Operation.GET_FUNDING_PAYMENTS, symbol, since, until, limit)
        return cast("list[FundingPayment]", answer)

    async def get_key_permissions(self) -> KeyPermissions:
        """Of the host's key."""
        return cast("KeyPermissions", await self._ask(Operation.GET_KEY_PERMISSIONS))

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        await self._ask(Operation.SET_LEVERAGE, symbol=symbol.name, leverage=leverage)

    async def set_margin_mode(self, symbol: Symbol, mode: MarginMode) -> None:
        await self._ask(Operation.SET_MARGIN_MODE, symbol=symbol.name, mode=mode)

    async def set_position_mode(self, mode: PositionMode) -> None:
        await self._ask(Operation.SET_POSITION_MODE, mode=mode)

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        return cast("Order", await self._ask(Operation.CREATE_ORDER, request=request))

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        return await self._one(Operation.CANCEL_ORDER, order_id, symbol, client_order_id)

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        return cast("list[Order]", await self._ask(Operation.CANCEL_ALL_ORDERS, symbol=_name(symbol)))

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        return await self._one(Operation.GET_ORDER, order_id, symbol, client_order_id)

    async def _one(
        self, operation: Operation, order_id: str | None, symbol: Symbol | None, client_order_id: str | None
    ) -> Order:
        answer = self._ask(operation, order_id=order_id, symbol=_name(symbol), client_order_id=client_order_id)
        return cast("Order", await answer)

    async def get_open_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        return cast("list[Order]", await self._ask(Operation.GET_OPEN_ORDERS, symbol=_name(symbol)))

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Order]:
        return cast("list[Order]", await self._page(Operation.GET_ORDER_HISTORY, symbol, since, until, limit))

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Fill]:
        return cast("list[Fill]", await self._page(Operation.GET_TRADE_HISTORY, symbol, since, until, limit))

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        """Each frame is what changed since the one before; the host leaves out what it had no time to send."""
        wanted = Open(Operation.SUBSCRIBE_ORDERBOOK, symbol.name, depth=depth)
        return cast("StreamSource[BookView]", remote_stream(self.market(symbol), wanted).source)

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        return cast("StreamSource[Trade]", self._stream(Operation.SUBSCRIBE_TRADES, symbol))

    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        return cast("StreamSource[Ticker]", self._stream(Operation.SUBSCRIBE_TICKER, symbol))

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        wanted = Open(Operation.SUBSCRIBE_KLINES, symbol.name, interval=interval)
        return cast("StreamSource[Kline]", remote_stream(self.market(symbol), wanted).source)

    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        return cast("StreamSource[FundingRate]", self._stream(Operation.SUBSCRIBE_FUNDING_RATE, symbol))

    def _stream(self, operation: Operation, symbol: Symbol) -> StreamSource[object]:
        return remote_stream(self.market(symbol), Open(operation, symbol.name)).source

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        """The events that the host publishes and the broker keeps."""
        can = self.capabilities.support

        async def order(known: Order) -> Order:
            symbol = known.symbol
            answer = self._ask(Operation.GET_ORDER, order_id=known.id, symbol=symbol, client_order_id=None)
            return cast("Order", await answer)

        questions = Questions(
            open_orders=self.get_open_orders if can(Operation.GET_OPEN_ORDERS) else None,
            balances=self.get_balance if can(Operation.GET_BALANCE) else None,
            positions=self.get_positions if can(Operation.GET_POSITIONS) else None,
            order=order if can(Operation.GET_ORDER) else None,
        )
        return RemoteAccount(self.link, questions).source


def _name(symbol: Symbol | None) -> str | None:
    return None if symbol is None else symbol.name


def _names(symbols: Sequence[Symbol] | None) -> list[str] | None:
    return None if symbols is None else [symbol.name for symbol in symbols]
