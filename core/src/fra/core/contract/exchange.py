"""ExchangePluginInterface: what an adapter implements. Everything that holds for all exchanges is the host's affair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar, final

import attrs

from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import NotSupported

if TYPE_CHECKING:
    # An adapter of public market data never meets an order, a balance or an event: it need not build their classes.
    from decimal import Decimal

    from fra.core.contract.account import Balance, FundingPayment, KeyPermissions, MarginMode, Position, PositionMode
    from fra.core.contract.book import BookView, OrderBook
    from fra.core.contract.capabilities import ExchangeCapabilities, ExchangeMetadata, MarketKind
    from fra.core.contract.config import ExchangeConfig
    from fra.core.contract.context import PluginContext
    from fra.core.contract.events import Event
    from fra.core.contract.models import FundingRate, Health, Kline, KlineInterval, Ticker, Trade
    from fra.core.contract.orders import Fill, Order, OrderRequest, UserEvent
    from fra.core.contract.streams import Upstream
    from fra.core.contract.symbol import Symbol

E = TypeVar("E", bound="Event")


@attrs.frozen
class NoOptions:
    """The adapter has no settings of its own."""


class ExchangePluginInterface(ABC):
    """One exchange behind one configuration. An adapter only translates.

    The host has checked the capability, the symbol and (for orders) the symbol's rules before it calls; symbols come
    as :class:`Symbol`, times as UTC milliseconds. Failures raise errors of fra's tree, never None or False; an empty
    answer is an empty sequence. Amounts are in base coin (quote coin for inverse), in and out.
    """

    Options: ClassVar[type] = NoOptions
    """An attrs class: the adapter's own settings under ``options`` in the configuration. Unknown keys are errors."""

    options: object
    """The configuration's options as an instance of :attr:`Options`, set by the loader beside :attr:`context`."""

    context: PluginContext

    def __init__(self, config: ExchangeConfig) -> None:
        self.config = config

    # --- lifecycle

    @property
    @abstractmethod
    def capabilities(self) -> ExchangeCapabilities:
        """What this instance can do; known without a connection and fixed for the instance's life."""

    @classmethod
    @abstractmethod
    def describe(cls) -> ExchangeMetadata:
        """What the adapter says of itself, with no instance and no configuration: for `fra plugins` and the config."""

    def get_metadata(self) -> ExchangeMetadata:
        """:meth:`describe`, with what this instance knows filled in."""
        return attrs.evolve(self.describe(), capabilities=self.capabilities)

    @abstractmethod
    async def initialize(self) -> None:
        """Make ready without touching the network: parse options, make clients. ``context`` is set."""

    @abstractmethod
    async def connect(self) -> None:
        """Reach the venue. Raises when it cannot be reached; a failed start leaves nothing open."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Close everything. Idempotent; may be called after a failed :meth:`connect`; leaves no task or socket."""

    @abstractmethod
    async def health_check(self) -> Health:
        """One cheap request: latency and clock skew. Raises when the venue does not answer."""

    # --- market data

    @abstractmethod
    async def get_symbols(self) -> Sequence[Symbol]:
        """Every instrument of the configured markets. Return a SymbolList to name those that were refused."""

    @abstractmethod
    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        """The book now: at least ``depth`` levels a side if the venue has them (None: its largest)."""

    @abstractmethod
    async def get_ticker(self, symbol: Symbol) -> Ticker:
        """Best prices and the last 24 hours."""

    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> Sequence[Ticker]:
        """Many tickers at once; None: all symbols of the venue."""
        raise self._not_supported(Operation.GET_TICKERS)

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        """The latest public trades, oldest first."""
        raise self._not_supported(Operation.GET_TRADES, symbol)

    async def get_klines(
        self,
        symbol: Symbol,
        interval: KlineInterval,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Kline]:
        """Candles oldest first, whose opening lies in [since, until); one page of the venue."""
        raise self._not_supported(Operation.GET_KLINES, symbol)

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """The running estimate, with its interval and next settlement."""
        raise self._not_supported(Operation.GET_FUNDING_RATE, symbol)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> Sequence[FundingRate]:
        """Running estimates of many symbols; None: all swaps of the venue."""
        raise self._not_supported(Operation.GET_FUNDING_RATES)

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> Sequence[FundingRate]:
        """Settled rates oldest first, settled in [since, until); one page of the venue."""
        raise self._not_supported(Operation.GET_FUNDING_RATE_HISTORY, symbol)

    # --- account

    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        """Balances by wallet; ``market`` (the venue's own name) picks one wallet."""
        raise self._not_supported(Operation.GET_BALANCE)

    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        """Open positions; flat ones are left out."""
        raise self._not_supported(Operation.GET_POSITIONS, symbol)

    async def get_key_permissions(self) -> KeyPermissions:
        """What the configured API key may do."""
        raise self._not_supported(Operation.GET_KEY_PERMISSIONS)

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[FundingPayment]:
        """What settlements moved on this account, oldest first."""
        raise self._not_supported(Operation.GET_FUNDING_PAYMENTS, symbol)

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """Set it; already being so is success."""
        raise self._not_supported(Operation.SET_LEVERAGE, symbol)

    async def set_margin_mode(self, symbol: Symbol, mode: MarginMode) -> None:
        """Set it; already being so is success."""
        raise self._not_supported(Operation.SET_MARGIN_MODE, symbol)

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Set it for all derivatives of the account; already being so is success."""
        raise self._not_supported(Operation.SET_POSITION_MODE)

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """Send it, once, with its client order id. No answer is OrderOutcomeUnknown, never a second sending."""
        raise self._not_supported(Operation.CREATE_ORDER, symbol)

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Cancel by either id; raises OrderNotFound."""
        raise self._not_supported(Operation.CANCEL_ORDER, symbol)

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        """Cancel every open order (of ``symbol``)."""
        raise self._not_supported(Operation.CANCEL_ALL_ORDERS, symbol)

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Ask by either id; raises OrderNotFound."""
        raise self._not_supported(Operation.GET_ORDER, symbol)

    async def get_open_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        """Every open order (of ``symbol``)."""
        raise self._not_supported(Operation.GET_OPEN_ORDERS, symbol)

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Order]:
        """Orders that ended, oldest first; one page of the venue."""
        raise self._not_supported(Operation.GET_ORDER_HISTORY, symbol)

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Fill]:
        """This account's own trades, oldest first; one page of the venue."""
        raise self._not_supported(Operation.GET_TRADE_HISTORY, symbol)

    # --- streams: plain methods that return a StreamSource, or async generators

    def subscribe_orderbook(
        self, symbol: Symbol, *, depth: int | None = None
    ) -> Upstream[BookView] | Upstream[OrderBook]:
        """The live book. A generator yields whole OrderBooks."""
        raise self._not_supported(Operation.SUBSCRIBE_ORDERBOOK, symbol)

    def subscribe_trades(self, symbol: Symbol) -> Upstream[Trade]:
        """Every public trade."""
        raise self._not_supported(Operation.SUBSCRIBE_TRADES, symbol)

    def subscribe_ticker(self, symbol: Symbol) -> Upstream[Ticker]:
        """Best prices, and what else the venue streams with them."""
        raise self._not_supported(Operation.SUBSCRIBE_TICKER, symbol)

    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> Upstream[Kline]:
        """The running candle at each change, and its closing."""
        raise self._not_supported(Operation.SUBSCRIBE_KLINES, symbol)

    def subscribe_funding_rate(self, symbol: Symbol) -> Upstream[FundingRate]:
        """The running estimate at each change."""
        raise self._not_supported(Operation.SUBSCRIBE_FUNDING_RATE, symbol)

    def subscribe_user_data(self) -> Upstream[UserEvent]:
        """Orders, fills, balances and positions of this account."""
        raise self._not_supported(Operation.SUBSCRIBE_USER_DATA)

    # --- events

    @final
    def emit_event(self, event: Event) -> None:
        """Tell hooks and handlers, through the host."""
        self.context.emit(event)

    @final
    def register_event_handler(self, event_type: type[E], handler: Callable[[E], object]) -> Callable[[], None]:
        """Call ``handler`` for each such event of this exchange; the result removes it."""
        return self.context.register(event_type, handler)

    def _not_supported(self, operation: Operation, symbol: Symbol | None = None) -> NotSupported:
        return not_supported(self.config.name, operation, symbol.kind if symbol else None)


def not_supported(exchange: str, operation: Operation, kind: MarketKind | None = None) -> NotSupported:
    """The error for a cell of the matrix that is not served."""
    where = f" for {kind.value.replace('_', ' ')} markets" if kind else ""
    return NotSupported(f"{operation.value} is not supported{where}", exchange=exchange)
