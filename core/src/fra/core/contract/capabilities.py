"""What an adapter can do, as data: operations × market kinds, and what the venue allows."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import ClassVar, Final, Literal

import attrs


class PluginType(enum.Enum):
    """How an adapter reaches its exchange."""

    CCXT = "ccxt"
    CUSTOM = "custom"
    PROXY = "proxy"
    AGGREGATED = "aggregated"
    SIMULATED = "simulated"


class ConnectionStatus(enum.Enum):
    """Where one configured exchange stands as a whole."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ERROR = "error"


class MarketKind(enum.Enum):
    """What is traded. Linear settles in the quote coin (or another stablecoin), inverse in the base coin."""

    SPOT = "spot"
    MARGIN = "margin"
    LINEAR_SWAP = "linear_swap"
    INVERSE_SWAP = "inverse_swap"
    LINEAR_FUTURE = "linear_future"
    INVERSE_FUTURE = "inverse_future"
    OPTION = "option"

    @property
    def is_swap(self) -> bool:
        """Whether it is a perpetual contract, the only kind that pays funding."""
        return self in (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)

    @property
    def is_inverse(self) -> bool:
        """Whether amounts are in quote coin and profit is in base coin."""
        return self in (MarketKind.INVERSE_SWAP, MarketKind.INVERSE_FUTURE)

    @property
    def is_derivative(self) -> bool:
        """Whether it has positions rather than balances."""
        return self not in (MarketKind.SPOT, MarketKind.MARGIN)


class Operation(enum.Enum):
    """One method of the interface; the value is the method's name."""

    GET_SYMBOLS = "get_symbols"
    GET_ORDERBOOK = "get_orderbook"
    GET_TICKER = "get_ticker"
    GET_TICKERS = "get_tickers"
    GET_TRADES = "get_trades"
    GET_KLINES = "get_klines"
    GET_FUNDING_RATE = "get_funding_rate"
    GET_FUNDING_RATES = "get_funding_rates"
    GET_FUNDING_RATE_HISTORY = "get_funding_rate_history"
    GET_FUNDING_PAYMENTS = "get_funding_payments"
    GET_BALANCE = "get_balance"
    GET_POSITIONS = "get_positions"
    GET_KEY_PERMISSIONS = "get_key_permissions"
    SET_LEVERAGE = "set_leverage"
    SET_MARGIN_MODE = "set_margin_mode"
    SET_POSITION_MODE = "set_position_mode"
    CREATE_ORDER = "create_order"
    CANCEL_ORDER = "cancel_order"
    CANCEL_ALL_ORDERS = "cancel_all_orders"
    GET_ORDER = "get_order"
    GET_OPEN_ORDERS = "get_open_orders"
    GET_ORDER_HISTORY = "get_order_history"
    GET_TRADE_HISTORY = "get_trade_history"
    SUBSCRIBE_ORDERBOOK = "subscribe_orderbook"
    SUBSCRIBE_TRADES = "subscribe_trades"
    SUBSCRIBE_TICKER = "subscribe_ticker"
    SUBSCRIBE_KLINES = "subscribe_klines"
    SUBSCRIBE_FUNDING_RATE = "subscribe_funding_rate"
    SUBSCRIBE_USER_DATA = "subscribe_user_data"


@attrs.frozen
class Support:
    """How well one cell of the matrix is served: by the venue, by polling each ``cadence`` seconds, or not at all."""

    NATIVE: ClassVar[Support]
    NONE: ClassVar[Support]

    mode: Literal["native", "polled", "none"]
    cadence: float | None = None

    @classmethod
    def polled(cls, cadence: float) -> Support:
        """Emulated by asking every ``cadence`` seconds."""
        return cls("polled", cadence)

    def __bool__(self) -> bool:
        return self.mode != "none"

    def __str__(self) -> str:
        return f"polled every {self.cadence:g} s" if self.mode == "polled" else self.mode


Support.NATIVE = Support("native")
Support.NONE = Support("none")

Cell = tuple[Operation, MarketKind]
_DERIVATIVES: Final = tuple(kind for kind in MarketKind if kind.is_derivative)
_FUTURES: Final = tuple(kind for kind in _DERIVATIVES if kind is not MarketKind.OPTION)


@attrs.frozen
class ExchangeCapabilities:
    """What one *instance* can do: (operation × market kind) → Support. A cell not named is not supported.

    The fifteen flags are summaries of the matrix for people; code asks :meth:`support`.
    """

    matrix: Mapping[Cell, Support] = attrs.field(factory=dict)
    lending: bool = False
    staking: bool = False

    @classmethod
    def of(
        cls, operations: Iterable[Operation], kinds: Iterable[MarketKind], support: Support = Support.NATIVE
    ) -> ExchangeCapabilities:
        """Every operation for every kind, the short way for a small adapter."""
        kinds = tuple(kinds)
        return cls({(operation, kind): support for operation in operations for kind in kinds})

    def __or__(self, other: ExchangeCapabilities) -> ExchangeCapabilities:
        return ExchangeCapabilities(
            {**self.matrix, **other.matrix},
            lending=self.lending or other.lending,
            staking=self.staking or other.staking,
        )

    def support(self, operation: Operation, kind: MarketKind | None = None) -> Support:
        """The support of one cell; with no kind, the best over all kinds (for calls that name no market)."""
        if kind is not None:
            return self.matrix.get((operation, kind), Support.NONE)
        cells = [support for (op, _), support in self.matrix.items() if op is operation and support]
        return min(cells, key=lambda support: support.mode != "native", default=Support.NONE)

    def kinds(self, operation: Operation) -> tuple[MarketKind, ...]:
        """The market kinds for which ``operation`` works, in the order of :class:`MarketKind`."""
        return tuple(kind for kind in MarketKind if self.matrix.get((operation, kind)))

    def cells(self) -> Iterator[tuple[Operation, MarketKind, Support]]:
        """Every supported cell."""
        return ((operation, kind, support) for (operation, kind), support in self.matrix.items() if support)

    def _any(self, operation: Operation, *kinds: MarketKind) -> bool:
        return any(self.matrix.get((operation, kind)) for kind in (kinds or MarketKind))

    @property
    def spot_trading(self) -> bool:
        return self._any(Operation.CREATE_ORDER, MarketKind.SPOT)

    @property
    def futures_trading(self) -> bool:
        return self._any(Operation.CREATE_ORDER, *_FUTURES)

    @property
    def margin_trading(self) -> bool:
        return self._any(Operation.CREATE_ORDER, MarketKind.MARGIN)

    @property
    def options_trading(self) -> bool:
        return self._any(Operation.CREATE_ORDER, MarketKind.OPTION)

    @property
    def orderbook_stream(self) -> bool:
        return self._any(Operation.SUBSCRIBE_ORDERBOOK)

    @property
    def trades_stream(self) -> bool:
        return self._any(Operation.SUBSCRIBE_TRADES)

    @property
    def ticker_stream(self) -> bool:
        return self._any(Operation.SUBSCRIBE_TICKER)

    @property
    def kline_stream(self) -> bool:
        return self._any(Operation.SUBSCRIBE_KLINES)

    @property
    def balance_query(self) -> bool:
        return self._any(Operation.GET_BALANCE)

    @property
    def position_query(self) -> bool:
        return self._any(Operation.GET_POSITIONS)

    @property
    def order_history(self) -> bool:
        return self._any(Operation.GET_ORDER_HISTORY)

    @property
    def trade_history(self) -> bool:
        return self._any(Operation.GET_TRADE_HISTORY)

    @property
    def funding_rate(self) -> bool:
        return self._any(Operation.GET_FUNDING_RATE)


@attrs.frozen
class RateLimit:
    """One budget of a venue: at most ``capacity`` units of ``scope`` within any ``interval`` seconds.

    ``per`` says who shares it: everyone behind one egress address, or everyone on one account. ``reserve`` units are
    kept for cancels.
    """

    scope: str
    capacity: int = attrs.field(validator=attrs.validators.gt(0))
    interval: float = attrs.field(validator=attrs.validators.gt(0))
    per: Literal["egress", "account"] = "egress"
    reserve: int = attrs.field(default=0, validator=attrs.validators.ge(0))


@attrs.frozen
class ClientOrderIdRule:
    """What a venue accepts as a client order id: at most ``max_length`` characters of ``alphabet``."""

    max_length: int
    alphabet: str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    prefix: str = ""


@attrs.frozen
class ExchangeMetadata:
    """What an adapter says of itself, without a connection.

    ``supported_symbols``, ``base_currencies``, ``quote_currencies`` and ``min_trade_amounts`` (base coin; quote coin
    for inverse) are filled after ``initialize()``, empty before. ``fee_structure`` holds the venue's published base
    rates as fractions (``{"taker": Decimal("0.0005")}``), per market where they differ (``"linear_swap.taker"``).
    ``requires_credentials`` says that nothing works without a key, ``account_needs_credentials`` that its account does
    not: False where there is an account without one, as in a simulation.
    """

    name: str
    display_name: str
    version: str
    plugin_type: PluginType
    capabilities: ExchangeCapabilities
    rate_limits: tuple[RateLimit, ...] = ()
    supported_symbols: tuple[str, ...] = ()
    base_currencies: frozenset[str] = frozenset()
    quote_currencies: frozenset[str] = frozenset()
    min_trade_amounts: Mapping[str, Decimal] = attrs.field(factory=dict)
    fee_structure: Mapping[str, Decimal] = attrs.field(factory=dict)
    requires_credentials: bool = False
    account_needs_credentials: bool = True
    client_order_id_rule: ClientOrderIdRule | None = None
    markets: tuple[str, ...] = ()
