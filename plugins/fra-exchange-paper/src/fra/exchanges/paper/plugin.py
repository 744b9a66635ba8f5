"""The paper exchange: public calls go to the market, private ones to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, Final, TypeVar

import attrs

from fra import matching
from fra.core import (
    Balance,
    ClientOrderIdRule,
    ConfigError,
    ConnectionChanged,
    ExchangeAPIError,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeMetadata,
    Fill,
    FundingPayment,
    Health,
    MarginMode,
    NotSupported,
    Operation,
    Order,
    OrderRequest,
    PluginType,
    Position,
    PositionMode,
    StreamSource,
    Symbol,
    UserEvent,
)
from fra.exchanges.paper import convert
from fra.exchanges.paper.account import NAME, PaperAccount
from fra.exchanges.paper.builtin import BuiltinMarket
from fra.exchanges.paper.convert import KINDS, WALLET
from fra.exchanges.paper.errors import refusals
from fra.exchanges.paper.generator import LISTINGS, Listing
from fra.exchanges.paper.options import DEFAULT_FEES, PaperOptions
from fra.exchanges.paper.public import PaperMarket

T = TypeVar("T")

_TRADING: Final = (
    Operation.GET_BALANCE,
    Operation.CREATE_ORDER,
    Operation.CANCEL_ORDER,
    Operation.CANCEL_ALL_ORDERS,
    Operation.GET_ORDER,
    Operation.GET_OPEN_ORDERS,
    Operation.GET_ORDER_HISTORY,
    Operation.GET_TRADE_HISTORY,
    Operation.SUBSCRIBE_USER_DATA,
)
_POSITIONS: Final = (
    Operation.GET_POSITIONS,
    Operation.GET_FUNDING_PAYMENTS,
    Operation.SET_LEVERAGE,
    Operation.SET_MARGIN_MODE,
    Operation.SET_POSITION_MODE,
)


def trading(market: ExchangeCapabilities) -> ExchangeCapabilities:
    """A market with a paper account: what it can do itself in public, and the account wherever it streams books."""
    kinds = [kind for kind in market.kinds(Operation.SUBSCRIBE_ORDERBOOK) if kind in KINDS]
    private = {*_TRADING, *_POSITIONS}
    public = {cell: support for cell, support in market.matrix.items() if cell[0] not in private}
    swaps = [kind for kind in kinds if kind.is_swap]
    return (
        ExchangeCapabilities(public)
        | ExchangeCapabilities.of(_TRADING, kinds)
        | ExchangeCapabilities.of(_POSITIONS, swaps)
    )


class PaperExchange(PaperMarket):
    """A simulated exchange: an account in memory, on a market of its own or on another exchange's live data."""

    Options = PaperOptions
    options: PaperOptions
    listings: ClassVar[Sequence[Listing]] = LISTINGS
    """The market of its own."""

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self._account: PaperAccount | None = None
        self._can = trading(BuiltinMarket.capabilities)
        self._fees: Mapping[str, Decimal] = {}
        self._forget: Callable[[], None] | None = None

    @property
    def capabilities(self) -> ExchangeCapabilities:
        """Once connected: those of the market, with an account. Before: those of the built-in market."""
        return self._can

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return ExchangeMetadata(
            name="paper",
            display_name="Paper",
            version="0.1.0",
            plugin_type=PluginType.SIMULATED,
            capabilities=trading(BuiltinMarket.capabilities),
            fee_structure=DEFAULT_FEES,
            client_order_id_rule=ClientOrderIdRule(32),
            markets=tuple(dict.fromkeys(listing.symbol.market for listing in cls.listings)),
            account_needs_credentials=False,
        )

    def get_metadata(self) -> ExchangeMetadata:
        fees = {**DEFAULT_FEES, **self._fees, **self.options.fees}
        return attrs.evolve(self.describe(), capabilities=self.capabilities, fee_structure=fees)

    # --- lifecycle

    async def initialize(self) -> None:
        """Nothing to make: the account begins with :meth:`connect`."""

    async def connect(self) -> None:
        """Take the market and open the account. Raises what the other exchange's start raises."""
        source = self.options.market_data
        if source is None:
            self._market = BuiltinMarket(self.listings, seed=self.options.seed, now_ms=self.context.now_ms)
            known = self.describe().markets
        else:
            handle = await self.context.exchange(source)
            self._market, self._fees, known = handle, handle.metadata.fee_structure, handle.metadata.markets
            self._forget = handle.register_event_handler(ConnectionChanged, self._on_connection)
        self._can = trading(self._market.capabilities)
        for market in self.config.markets:
            if known and market not in known:
                raise ConfigError(
                    f"{self._market.name} has no market {market!r}",
                    path=f"exchanges.{self.config.name}.markets",
                    cure=f"its markets are: {', '.join(known)}",
                )
        self._account = PaperAccount(
            self._market, self.options, context=self.context, timeout=self.config.timeout, fees=self._fees
        )

    def _on_connection(self, event: ConnectionChanged) -> None:
        self.context.connection_changed(event.new, event.reason)

    async def disconnect(self) -> None:
        if self._forget is not None:
            self._forget()
        if self._account is not None:
            await self._account.close()

    async def health_check(self) -> Health:
        """The market's."""
        return await self.market.health_check()

    @property
    def account(self) -> PaperAccount:
        """Raises ExchangeConnectionError before :meth:`connect`."""
        if self._account is None:
            raise ExchangeConnectionError("it is not connected")
        return self._account

    # --- account

    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        """The one wallet, ``paper``, under any name of a market."""
        names = {WALLET, *(symbol.market for symbol in await self.get_symbols() if symbol.market)}
        if market is not None and market not in names:
            raise NotSupported(f"there is no wallet {market!r}: there are {', '.join(sorted(names))}")
        now = self.context.now_ms()
        return [
            convert.balance(found.asset, total=found.total, free=found.free, timestamp_ms=now)
            for found in self.account.engine.balances(NAME)
            if found.total
        ]

    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        if not self.account.knows(symbol):
            return []
        found = self.account.engine.positions(NAME, _name(symbol))
        return [convert.position(position) for position in found]

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[FundingPayment]:
        """All there were; ``timestamp_ms`` is that of the settlement."""
        found = [one for one in self.account.payments if symbol is None or one.symbol == symbol.name]
        return _page(found, lambda payment: payment.timestamp_ms, since, until, limit)

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        name = self.account.listed(symbol)
        with refusals():
            self.account.engine.set_leverage(NAME, name, leverage, now_ms=self.context.now_ms())

    async def set_margin_mode(self, symbol: Symbol, mode: MarginMode) -> None:
        """Refused while orders or a position are open on the symbol."""
        name, wanted = self.account.listed(symbol), matching.MarginMode[mode.name]
        with refusals(MARGIN=ExchangeAPIError):
            self.account.engine.set_margin_mode(NAME, name, wanted, now_ms=self.context.now_ms())

    async def set_position_mode(self, mode: PositionMode) -> None:
        """Refused while derivative orders or positions are open."""
        with refusals():
            wanted = matching.PositionMode[mode.name]
            self.account.engine.set_position_mode(NAME, wanted, now_ms=self.context.now_ms())

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """Against the live book when it arrives; InvalidOrder (code ``no_book``) while that book cannot be trusted."""
        await self._travel()
        return await self.account.place(request, symbol)

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        await self._travel()
        found = self.account.find(order_id, symbol, client_order_id)
        with refusals():
            return convert.order(self.account.engine.cancel(NAME, order_id=found.id, now_ms=self.context.now_ms()))

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        await self._travel()
        canceled = self.account.engine.cancel_all(NAME, _name(symbol), now_ms=self.context.now_ms())
        return [convert.order(order) for order in canceled]

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        return convert.order(self.account.find(order_id, symbol, client_order_id))

    async def get_open_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        return [convert.order(order) for order in self.account.engine.open_orders(NAME, _name(symbol))]

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Order]:
        """All that ended, by the time when they were placed."""
        orders = self.account.engine.orders(NAME, _name(symbol))
        ended = [order for order in orders if not order.status.is_open]
        return [convert.order(order) for order in _page(ended, lambda order: order.created_ms, since, until, limit)]

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Fill]:
        """All there were."""
        fills = self.account.engine.fills(NAME, _name(symbol))
        return [convert.fill(fill) for fill in _page(fills, lambda fill: fill.timestamp_ms, since, until, limit)]

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        return self.account.stream()

    async def _travel(self) -> None:
        if self.options.latency:
            await asyncio.sleep(self.options.latency)


def _name(symbol: Symbol | None) -> str | None:
    return None if symbol is None else symbol.name


def _page(
    rows: Iterable[T], moment: Callable[[T], int], since: int | None, until: int | None, limit: int | None
) -> Sequence[T]:
    """Those in [since, until): the first ``limit`` of them from ``since`` on, or else the last."""
    found = [row for row in rows if (since is None or moment(row) >= since) and (until is None or moment(row) < until)]
    if limit is None:
        return found
    return found[:limit] if since is not None else found[-limit:]
