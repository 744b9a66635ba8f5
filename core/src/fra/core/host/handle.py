"""ExchangeHandle: what users hold of one exchange. It forwards to the plugin of the moment, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar, final

import attrs

from fra.core.contract.account import Balance, FundingPayment, KeyPermissions, MarginMode, Position, PositionMode
from fra.core.contract.book import BookView, OrderBook
from fra.core.contract.capabilities import (
    ConnectionStatus,
    ExchangeCapabilities,
    ExchangeMetadata,
    MarketKind,
    Operation,
    PluginType,
)
from fra.core.contract.config import ExchangeConfig
from fra.core.contract.errors import ExchangeConnectionError, InvalidOrder, OrderVetoed
from fra.core.contract.events import ConnectionChanged, Event, HealthChecked, OrderProposed
from fra.core.contract.exchange import ExchangePluginInterface, not_supported
from fra.core.contract.models import FundingRate, Health, Kline, KlineInterval, Ticker, Trade
from fra.core.contract.orders import Fill, Order, OrderRequest, UserEvent
from fra.core.contract.streams import Subscription, Upstream
from fra.core.contract.symbol import RefusedInstrument, Symbol, SymbolList
from fra.core.contract.values import as_decimal, as_timestamp_ms
from fra.core.host.calls import Calls
from fra.core.host.context import now_ms
from fra.core.host.events.bus import EventBus
from fra.core.host.failures import Failures
from fra.core.host.instruments import Instruments, kinds_of
from fra.core.host.journal.journals import Journals
from fra.core.host.orders.client_ids import ClientOrderIds
from fra.core.host.orders.desk import OrderDesk
from fra.core.host.orders.recovery import RecoveredOrder
from fra.core.host.streams.funding import FundingWatch
from fra.core.host.streams.hub import StreamHub
from fra.core.host.streams.pumps import FeedKey

_ROUTING: Final = (PluginType.AGGREGATED, PluginType.PROXY)
"""What may hand an order on to the exchange that it names."""

R = TypeVar("R")
T = TypeVar("T")
E = TypeVar("E", bound=Event)

Market = Symbol | str
"""A symbol as users give it: its unified name, or a Symbol of any venue, which is looked up by its name."""
When = int | datetime
"""A time as users give it: UTC milliseconds or an aware datetime."""


@final
class ExchangeHandle:
    """One configured exchange. It stays the same through reconnects and reloads, and so do its subscriptions.

    Every method checks the capability before anything is sent and raises NotSupported where the cell is empty;
    errors are of fra's tree and carry the instance name. Symbols are unified names or Symbols; times are UTC
    milliseconds or aware datetimes; amounts are in base coin (quote coin for inverse), in and out.
    """

    def __init__(
        self, config: ExchangeConfig, *, bus: EventBus, journals: Journals | None = None, linger: float = 0.0
    ) -> None:
        self._name = config.name
        self._bus = bus
        self._calls: Calls | None = None
        self._coming: tuple[ExchangePluginInterface, Instruments] | None = None
        self._status = ConnectionStatus.DISCONNECTED
        self._failures = Failures(config.name, config.secrets())
        self._hub = StreamHub(
            config.name,
            failures=self._failures,
            emit=bus.emit,
            now_ms=now_ms,
            linger=linger,
            patience=config.timeout,
        )
        self._funding = FundingWatch(config.name, emit=bus.emit, now_ms=now_ms)
        self._instruments = Instruments(config.name, load=self._load_symbols, emit=bus.emit, now_ms=now_ms)
        self._journals = journals if journals is not None else Journals()
        self._account: Subscription[UserEvent] | None = None
        self._desk = OrderDesk(
            config.name,
            plugin=lambda: self._now_serving.counting(),
            veto=self._veto,
            symbol=lambda name: self._market(Operation.GET_ORDER, name),
            failures=self._failures,
            emit=bus.emit,
            now_ms=now_ms,
            patience=config.timeout,
        )

    # --- who and how

    @property
    def name(self) -> str:
        """The configured instance name."""
        return self._name

    @property
    def status(self) -> ConnectionStatus:
        return self._status

    @property
    def capabilities(self) -> ExchangeCapabilities:
        return self._present.capabilities

    @property
    def metadata(self) -> ExchangeMetadata:
        """What the adapter says of itself; once the symbols are loaded, their names and coins too."""
        metadata = self._present.get_metadata()
        symbols = self._instruments.symbols
        if metadata.supported_symbols or not symbols:
            return metadata
        return attrs.evolve(
            metadata,
            supported_symbols=tuple(symbol.name for symbol in symbols),
            base_currencies=frozenset(symbol.base for symbol in symbols),
            quote_currencies=frozenset(symbol.quote for symbol in symbols),
            min_trade_amounts={symbol.name: symbol.min_amount for symbol in symbols if symbol.min_amount},
        )

    def __repr__(self) -> str:
        return f"<ExchangeHandle {self._name} {self._status.value}>"

    @property
    def _now_serving(self) -> Calls:
        if self._calls is None:
            raise ExchangeConnectionError("it is not connected", sent=False, exchange=self._name)
        return self._calls

    @property
    def _present(self) -> ExchangePluginInterface:
        return self._now_serving.plugin

    @property
    def health(self) -> Health:
        """Its status and the age of every open stream, without asking the venue."""
        return Health(exchange=self._name, status=self._status, checked_ms=now_ms(), streams=self._hub.health())

    async def health_check(self) -> Health:
        """:attr:`health`, and one cheap request. Raises when the venue does not answer."""
        health = await self._call(Operation.GET_SYMBOLS, self._present.health_check(), where="health_check")
        health = attrs.evolve(health, exchange=self._name, status=self._status, streams=self._hub.health())
        self._bus.emit(HealthChecked(exchange=self._name, timestamp_ms=now_ms(), health=health))
        return health

    # --- symbols

    @property
    def symbols(self) -> SymbolList:
        """The symbols that were loaded last; empty until something needed them (``await get_symbols()`` loads)."""
        return self._instruments.symbols

    @property
    def refused(self) -> tuple[RefusedInstrument, ...]:
        """What the venue lists and the adapter could not take, with reasons."""
        return self._instruments.refused

    def symbol(self, name: str) -> Symbol:
        """The loaded symbol of that unified name. Raises SymbolNotFound, with near misses."""
        return self._instruments.get(name)

    async def get_symbols(self, *, refresh: bool = False) -> SymbolList:
        """Every instrument of the configured markets, loaded once, or again with ``refresh``."""
        if refresh:
            return await self._instruments.refresh()
        await self._instruments.ensure()
        return self._instruments.symbols

    async def _load_symbols(self) -> Sequence[Symbol]:
        return await self._call(Operation.GET_SYMBOLS, self._present.get_symbols())

    # --- market data

    async def get_orderbook(self, symbol: Market, *, depth: int | None = None) -> OrderBook:
        """The book now, cut to ``depth`` levels a side; None: the venue's largest."""
        operation = Operation.GET_ORDERBOOK
        market = await self._market(operation, symbol)
        book = await self._call(operation, self._present.get_orderbook(market, depth=depth))
        if depth is None or (len(book.bids) <= depth and len(book.asks) <= depth):
            return book
        return attrs.evolve(book, bids=book.bids[:depth], asks=book.asks[:depth])

    async def get_ticker(self, symbol: Market) -> Ticker:
        """Best prices and the last 24 hours."""
        operation = Operation.GET_TICKER
        market = await self._market(operation, symbol)
        return await self._call(operation, self._present.get_ticker(market))

    async def get_tickers(self, symbols: Sequence[Market] | None = None) -> Sequence[Ticker]:
        """Many tickers at once; None: all symbols of the venue."""
        operation = Operation.GET_TICKERS
        markets = await self._markets(operation, symbols)
        return await self._call(operation, self._present.get_tickers(markets))

    async def get_trades(self, symbol: Market, *, limit: int | None = None) -> Sequence[Trade]:
        """The latest public trades, oldest first."""
        operation = Operation.GET_TRADES
        market = await self._market(operation, symbol)
        return await self._call(operation, self._present.get_trades(market, limit=limit))

    async def get_klines(
        self,
        symbol: Market,
        interval: KlineInterval | str,
        *,
        since: When | None = None,
        until: When | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]:
        """Candles oldest first, whose opening lies in [since, until); one page of the venue."""
        operation = Operation.GET_KLINES
        interval, start, end = _interval(interval), _when(since, "since"), _when(until, "until")
        market = await self._market(operation, symbol)
        answer = self._present.get_klines(market, interval, since=start, until=end, limit=limit)
        return await self._call(operation, answer)

    async def get_funding_rate(self, symbol: Market) -> FundingRate:
        """The running estimate, with its interval and next settlement."""
        operation = Operation.GET_FUNDING_RATE
        market = await self._market(operation, symbol)
        rate = await self._call(operation, self._present.get_funding_rate(market))
        self._funding.seen((rate,))
        return rate

    async def get_funding_rates(self, symbols: Sequence[Market] | None = None) -> Sequence[FundingRate]:
        """Running estimates of many symbols; None: all swaps of the venue."""
        operation = Operation.GET_FUNDING_RATES
        markets = await self._markets(operation, symbols)
        rates = await self._call(operation, self._present.get_funding_rates(markets))
        self._funding.seen(rates)
        return rates

    async def get_funding_rate_history(
        self, symbol: Market, *, since: When | None = None, until: When | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]:
        """Settled rates oldest first, settled in [since, until); one page of the venue."""
        operation = Operation.GET_FUNDING_RATE_HISTORY
        start, end = _when(since, "since"), _when(until, "until")
        market = await self._market(operation, symbol)
        answer = self._present.get_funding_rate_history(market, since=start, until=end, limit=limit)
        return await self._call(operation, answer)

    # --- account

    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        """Balances by wallet; ``market`` (the venue's own name) picks one wallet."""
        operation = Operation.GET_BALANCE
        self._check(operation)
        return await self._call(operation, self._present.get_balance(market))

    async def get_positions(self, symbol: Market | None = None) -> Sequence[Position]:
        """Open positions; flat ones are left out."""
        operation = Operation.GET_POSITIONS
        market = await self._optional(operation, symbol)
        return await self._call(operation, self._present.get_positions(market))

    async def get_key_permissions(self) -> KeyPermissions:
        """What the configured API key may do, as the venue says; for `fra doctor`, and for who wants to be sure."""
        operation = Operation.GET_KEY_PERMISSIONS
        self._check(operation)
        return await self._call(operation, self._present.get_key_permissions())

    async def get_funding_payments(
        self,
        symbol: Market | None = None,
        *,
        since: When | None = None,
        until: When | None = None,
        limit: int | None = None,
    ) -> Sequence[FundingPayment]:
        """What settlements moved on this account, oldest first."""
        operation = Operation.GET_FUNDING_PAYMENTS
        start, end = _when(since, "since"), _when(until, "until")
        market = await self._optional(operation, symbol)
        answer = self._present.get_funding_payments(market, since=start, until=end, limit=limit)
        return await self._call(operation, answer)

    async def set_leverage(self, symbol: Market, leverage: Decimal | str | int) -> None:
        """Set it; already being so is success."""
        operation = Operation.SET_LEVERAGE
        number = as_decimal(leverage, "leverage")
        market = await self._market(operation, symbol)
        await self._call(operation, self._present.set_leverage(market, number))

    async def set_margin_mode(self, symbol: Market, mode: MarginMode) -> None:
        """Set it; already being so is success."""
        operation = Operation.SET_MARGIN_MODE
        mode = MarginMode(mode)
        market = await self._market(operation, symbol)
        await self._call(operation, self._present.set_margin_mode(market, mode))

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Set it for all derivatives of the account; already being so is success."""
        operation = Operation.SET_POSITION_MODE
        mode = PositionMode(mode)
        self._check(operation)
        await self._call(operation, self._present.set_position_mode(mode))

    # --- orders

    async def create_order(self, request: OrderRequest) -> Order:
        """Send an order, once and as it is.

        Raises InvalidOrder (naming the nearest valid values), OrderVetoed (nothing was sent), OrderOutcomeUnknown
        (ask by its client order id, never send again), and what the venue answers.
        """
        self._check_address(request)
        market = await self._market(Operation.CREATE_ORDER, request.symbol)
        return await self._desk.create(request, market)

    def _check_address(self, request: OrderRequest) -> None:
        if request.exchange in (None, self._name) or self._present.describe().plugin_type in _ROUTING:
            return
        raise InvalidOrder(
            f"the order is for {request.exchange}, and was given to {self._name}: nothing was sent",
            exchange=self._name,
            cure=f"create it on {request.exchange}",
        )

    async def cancel_order(
        self, order_id: str | None = None, symbol: Market | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Cancel by either id; raises OrderNotFound."""
        operation = Operation.CANCEL_ORDER
        _one_id(order_id, client_order_id)
        market = await self._optional(operation, symbol)
        answer = self._present.cancel_order(order_id, market, client_order_id=client_order_id)
        return self._desk.seen(await self._call(operation, answer))

    async def cancel_all_orders(self, symbol: Market | None = None) -> Sequence[Order]:
        """Cancel every open order (of ``symbol``)."""
        operation = Operation.CANCEL_ALL_ORDERS
        market = await self._optional(operation, symbol)
        return [*map(self._desk.seen, await self._call(operation, self._present.cancel_all_orders(market)))]

    async def get_order(
        self, order_id: str | None = None, symbol: Market | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Ask by either id; raises OrderNotFound."""
        operation = Operation.GET_ORDER
        _one_id(order_id, client_order_id)
        market = await self._optional(operation, symbol)
        answer = self._present.get_order(order_id, market, client_order_id=client_order_id)
        return self._desk.seen(await self._call(operation, answer))

    async def get_open_orders(self, symbol: Market | None = None) -> Sequence[Order]:
        """Every open order (of ``symbol``)."""
        operation = Operation.GET_OPEN_ORDERS
        market = await self._optional(operation, symbol)
        orders = [*map(self._desk.seen, await self._call(operation, self._present.get_open_orders(market)))]
        return [order for order in orders if not order.status.final]  # ended while the answer was on its way

    async def get_order_history(
        self,
        symbol: Market | None = None,
        *,
        since: When | None = None,
        until: When | None = None,
        limit: int | None = None,
    ) -> Sequence[Order]:
        """Orders that ended, oldest first; one page of the venue."""
        operation = Operation.GET_ORDER_HISTORY
        start, end = _when(since, "since"), _when(until, "until")
        market = await self._optional(operation, symbol)
        answer = self._present.get_order_history(market, since=start, until=end, limit=limit)
        return await self._call(operation, answer)

    async def get_trade_history(
        self,
        symbol: Market | None = None,
        *,
        since: When | None = None,
        until: When | None = None,
        limit: int | None = None,
    ) -> Sequence[Fill]:
        """This account's own trades, oldest first; one page of the venue."""
        operation = Operation.GET_TRADE_HISTORY
        start, end = _when(since, "since"), _when(until, "until")
        market = await self._optional(operation, symbol)
        answer = self._present.get_trade_history(market, since=start, until=end, limit=limit)
        return [*map(self._desk.named, await self._call(operation, answer))]

    async def recover_orders(self) -> Sequence[RecoveredOrder]:
        """Ask for every order of this account whose outcome is not known, those that an earlier process left included.

        The result is what became of each, found out now or in the background since the last call. Raises AccountInUse
        while another process sends the orders of this account, and JournalError.
        """
        return await self._desk.recover()

    # --- streams: they begin at once; a name that nobody knows yet is looked up in the background

    def subscribe_orderbook(self, symbol: Market, *, depth: int | None = None) -> Subscription[OrderBook]:
        """The live book: listeners get a BookView, iterators the newest OrderBook, at most ``depth`` levels a side."""

        def cut(view: BookView) -> OrderBook:
            return view.snapshot(depth)

        def open_(plugin: ExchangePluginInterface) -> Upstream[BookView]:
            # The hub makes views of the whole books that a generator yields.
            return plugin.subscribe_orderbook(self._loaded(operation, name, plugin), depth=depth)  # type: ignore[return-value]

        operation, name = Operation.SUBSCRIBE_ORDERBOOK, str(symbol)
        return self._hub.latest(
            FeedKey(operation, name, depth), open_, hand_over=cut, first=self._first(operation, name)
        )

    def subscribe_trades(self, symbol: Market) -> Subscription[Trade]:
        """Every public trade."""
        operation, name = Operation.SUBSCRIBE_TRADES, str(symbol)
        return self._hub.every(
            FeedKey(operation, name),
            lambda plugin: plugin.subscribe_trades(self._loaded(operation, name, plugin)),
            first=self._first(operation, name),
        )

    def subscribe_ticker(self, symbol: Market) -> Subscription[Ticker]:
        """Best prices, and what else the venue streams with them."""
        operation, name = Operation.SUBSCRIBE_TICKER, str(symbol)
        return self._hub.latest(
            FeedKey(operation, name),
            lambda plugin: plugin.subscribe_ticker(self._loaded(operation, name, plugin)),
            hand_over=_as_it_is,
            first=self._first(operation, name),
        )

    def subscribe_klines(self, symbol: Market, interval: KlineInterval | str) -> Subscription[Kline]:
        """The running candle at each change, and its closing."""
        operation, name, length = Operation.SUBSCRIBE_KLINES, str(symbol), _interval(interval)
        return self._hub.every(
            FeedKey(operation, name, length),
            lambda plugin: plugin.subscribe_klines(self._loaded(operation, name, plugin), length),
            first=self._first(operation, name),
        )

    def subscribe_funding_rate(self, symbol: Market) -> Subscription[FundingRate]:
        """The running estimate at each change."""
        operation, name = Operation.SUBSCRIBE_FUNDING_RATE, str(symbol)
        return self._hub.latest(
            FeedKey(operation, name),
            lambda plugin: plugin.subscribe_funding_rate(self._loaded(operation, name, plugin)),
            hand_over=_as_it_is,
            first=self._first(operation, name),
            watch=self._funding,
        )

    def subscribe_user_data(self) -> Subscription[UserEvent]:
        """Orders, fills, balances and positions of this account."""
        operation = Operation.SUBSCRIBE_USER_DATA
        self._check(operation)
        return self._hub.every(
            FeedKey(operation),
            lambda plugin: self._desk.follow(plugin.subscribe_user_data()),
            first=None if self._instruments.loaded else self._instruments.ensure,
        )

    # --- events

    def emit_event(self, event: Event) -> None:
        """Tell hooks and handlers."""
        self._bus.emit(event)

    def register_event_handler(self, event_type: type[E], handler: Callable[[E], object]) -> Callable[[], None]:
        """Call ``handler`` for each such event of this exchange; the result removes it."""
        return self._bus.register(event_type, handler, exchange=self._name)

    # --- what the methods above stand on

    def _check(self, operation: Operation, kind: MarketKind | None = None) -> None:
        if not self.capabilities.support(operation, kind):
            raise not_supported(self._name, operation, kind)

    def _precheck(self, operation: Operation, name: str) -> None:
        """What can be said before the symbols are loaded: from the form of the name."""
        kinds = kinds_of(name)
        if not kinds:
            self._check(operation)
        elif not any(self.capabilities.support(operation, kind) for kind in kinds):
            raise not_supported(self._name, operation, kinds[0])

    def _loaded(self, operation: Operation, symbol: Market, plugin: ExchangePluginInterface | None = None) -> Symbol:
        """The symbol as ``plugin`` lists it (None: the one that serves), if it can do that with it."""
        coming = self._coming
        if coming is None or plugin is not coming[0]:
            market = self._instruments.get(symbol)
            self._check(operation, market.kind)
            return market
        plugin, instruments = coming
        market = (instruments if instruments.loaded else self._instruments).get(symbol)
        if not plugin.capabilities.support(operation, market.kind):
            raise not_supported(self._name, operation, market.kind)
        return market

    async def _market(self, operation: Operation, symbol: Market) -> Symbol:
        if not self._instruments.loaded:
            self._precheck(operation, str(symbol))
            await self._instruments.ensure()
        return self._loaded(operation, symbol)

    async def _optional(self, operation: Operation, symbol: Market | None) -> Symbol | None:
        if symbol is not None:
            return await self._market(operation, symbol)
        self._check(operation)
        return None

    async def _markets(self, operation: Operation, symbols: Sequence[Market] | None) -> list[Symbol] | None:
        self._check(operation)
        if symbols is None:
            return None
        if isinstance(symbols, str):
            raise TypeError(f"{operation.value} takes a sequence of symbols, not the single {symbols!r}")
        return [await self._market(operation, symbol) for symbol in symbols]

    def _first(self, operation: Operation, name: str) -> Callable[[], Awaitable[None]] | None:
        if self._instruments.loaded:
            self._loaded(operation, name)  # wrong symbols and empty cells are told to the caller, now
            return None
        self._precheck(operation, name)
        return self._instruments.ensure

    async def _call(self, operation: Operation, answer: Awaitable[R], *, where: str | None = None) -> R:
        try:
            with self._now_serving:
                return await answer
        except Exception as error:
            failure = self._failures.complete(error, where or operation.value)
            if failure is error:
                raise
            raise failure from failure.__cause__

    async def _veto(self, proposed: OrderProposed) -> None:
        try:
            await self._bus.veto(proposed)
        except OrderVetoed:
            raise
        except Exception as error:
            raise OrderVetoed(
                f"the veto hooks failed: {type(error).__name__}: {error}", hook="veto_order", exchange=self._name
            ) from error

    # --- the host's side

    def _set_status(self, status: ConnectionStatus, reason: str | None = None) -> None:
        old, self._status = self._status, status
        if old is not status:
            self._bus.emit(
                ConnectionChanged(exchange=self._name, timestamp_ms=now_ms(), old=old, new=status, reason=reason)
            )

    @property
    def _plugin(self) -> ExchangePluginInterface | None:
        return None if self._calls is None else self._calls.plugin

    async def _prepare(self, plugin: ExchangePluginInterface, config: ExchangeConfig) -> None:
        """Bring ``plugin`` to where the present one is, if there is one: symbols and streams. :meth:`_swap` follows.

        Raises why it cannot be brought there; then nothing has changed.
        """
        self._failures.learn(config.secrets())
        instruments = Instruments(self._name, load=plugin.get_symbols, emit=_ignore, now_ms=now_ms)
        self._coming = (plugin, instruments)
        try:
            # A configuration without keys any more cannot follow the account: whoever listens to it is told then.
            optional = None if _has_account(plugin, config) else Operation.SUBSCRIBE_USER_DATA
            listed = instruments.ensure if self._instruments.loaded else _nothing
            await self._hub.warm(plugin, listed=listed, patience=config.timeout, optional=optional)
        except BaseException:
            self._coming = None
            raise

    def _swap(self, plugin: ExchangePluginInterface, config: ExchangeConfig) -> Calls | None:
        """Ask ``plugin`` from now on, streams included; the result is what is under way at the one before."""
        self._failures.learn(config.secrets())
        old, self._calls = self._calls, Calls(plugin)
        self._desk.ids = ClientOrderIds(plugin.get_metadata().client_order_id_rule)
        self._desk.use(self._journals.of(config, plugin.get_metadata()))
        self._hub.patience = config.timeout
        coming, self._coming = self._coming, None
        if coming is not None and coming[1].loaded:
            self._instruments.take(coming[1].symbols)
        self._hub.commit(plugin)
        if not _has_account(plugin, config):
            self._account = None
        elif self._account is None and self.capabilities.support(Operation.SUBSCRIBE_USER_DATA):
            # Whether or not a user subscribes: hooks hear of each order and fill, and unknown outcomes are found out.
            self._account = self.subscribe_user_data()
            self._account.add_listener(_ignore)
        return old

    async def _settle(self, old: Calls, *, patience: float) -> None:
        """Wait until nothing is under way at the old plugin, neither answers nor items."""
        await asyncio.gather(old.drained(patience), self._hub.settle(patience=patience))

    async def _close(self) -> None:
        await self._desk.close()
        await self._journals.release(self._name)
        await self._hub.close()
        self._calls = None


def _has_account(plugin: ExchangePluginInterface, config: ExchangeConfig) -> bool:
    return config.has_credentials or not plugin.get_metadata().account_needs_credentials


def _as_it_is(item: T) -> T:
    return item


def _ignore(item: object) -> None:
    """The desk has it already."""


async def _nothing() -> None:
    """Nobody has asked for the symbols yet."""


def _when(moment: When | None, field: str) -> int | None:
    return None if moment is None else as_timestamp_ms(moment, field)


def _interval(interval: KlineInterval | str) -> KlineInterval:
    if isinstance(interval, KlineInterval):
        return interval
    try:
        return KlineInterval(interval)
    except ValueError:
        known = ", ".join(member.value for member in KlineInterval)
        raise ValueError(f"interval must be one of {known}, not {interval!r}") from None


def _one_id(order_id: str | None, client_order_id: str | None) -> None:
    if (order_id is None) == (client_order_id is None):
        raise ValueError("give order_id or client_order_id, one of the two")
