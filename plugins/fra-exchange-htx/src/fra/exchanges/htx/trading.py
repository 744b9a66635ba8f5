"""Account and orders of HTX: spot's account, and swaps on the kind of account that the key has."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Final, TypeVar

from fra.adapters.custom import before_sending
from fra.core import (
    Balance,
    ExchangeAPIError,
    ExchangeError,
    Fill,
    FundingPayment,
    KeyPermissions,
    MarketKind,
    NotSupported,
    Order,
    OrderNotFound,
    OrderRequest,
    Position,
    PositionMode,
    Symbol,
    UserEvent,
)
from fra.exchanges.htx import account_convert as convert
from fra.exchanges.htx import account_tables as tables
from fra.exchanges.htx import orders
from fra.exchanges.htx.listings import HTXListings, Listing
from fra.exchanges.htx.tables import LINEAR, SPOT
from fra.exchanges.htx.trading_spot import SpotTrading
from fra.exchanges.htx.trading_swap import SwapTrading
from fra.exchanges.htx.trading_union import UnionTrading

T = TypeVar("T", Order, Fill)

_MULTI: Final = 1

Swaps = SwapTrading | UnionTrading


class HTXTrading(HTXListings):
    """What an account of HTX can do. All amounts are base coin; HTX counts contracts of swaps."""

    spot: SpotTrading
    single: SwapTrading
    _swaps: Swaps | None

    async def initialize(self) -> None:
        await super().initialize()
        self.spot = SpotTrading(self)
        self.single = SwapTrading(self)
        self._swaps = None

    async def connect(self) -> None:
        """Also asks for the kind of swap account, where there is a key: a stream must know it from the start.

        A key that HTX does not take makes no public data fail: it is told of by the first call that needs it.
        """
        await super().connect()
        if self.config.has_credentials and LINEAR in self.markets:
            with contextlib.suppress(ExchangeError):
                await self.swaps()

    @property
    def is_union(self) -> bool:
        """Whether swaps are known to be traded on a multi-assets account."""
        return isinstance(self._swaps, UnionTrading)

    async def swaps(self) -> Swaps:
        """The swap account, single-asset or multi-assets: what the option says, or HTX, which is asked once."""
        if self._swaps is None:
            kind = self.options.account
            if kind == "auto":
                reply = await self.http.request(tables.ASSET_MODE)
                kind = "multi" if reply.data.asset_mode == _MULTI else "single"
            self._swaps = UnionTrading(self) if kind == "multi" else self.single
        return self._swaps

    def all_listed(self) -> Iterable[Symbol]:
        """Every known instrument."""
        return self._listed.values()

    def by_name(self, name: str) -> Symbol | None:
        """The instrument of this unified name."""
        return next((symbol for symbol in self._listed.values() if symbol.name == name), None)

    # --- account

    async def get_balance(self, market: str | None = None) -> list[Balance]:
        """Two wallets: ``spot`` and ``linear``. Free of ``linear`` is what may serve as margin of new orders."""
        if market is not None and market not in self.markets:
            raise NotSupported(
                f"there is no wallet {market!r}", exchange=self.config.name, cure=f"there is {', '.join(self.markets)}"
            )
        found: list[Balance] = []
        if SPOT in self.markets and market in (None, SPOT):
            found += await self.spot.balances()
        if LINEAR in self.markets and market in (None, LINEAR):
            found += convert.held(await (await self.swaps()).balances())
        return found

    async def get_key_permissions(self) -> KeyPermissions:
        """As "API key query" of the spot documents has it, which asks for the user's id first."""
        assert self.config.api_key is not None  # else the first request has said so
        uid = (await self.http.request(tables.USER_ID)).data
        key = self.config.api_key.reveal()
        reply = await self.http.request(tables.API_KEYS, {"uid": uid, "accessKey": key})
        found = next((row for row in reply.data if row.accessKey == key), None)
        if found is None:
            raise ExchangeAPIError("HTX does not list this key among those of its user", exchange=self.config.name)
        return convert.key_permissions(found, now_ms=self.context.now_ms())

    async def get_positions(self, symbol: Symbol | None = None) -> list[Position]:
        """Of swaps, at the option's ``margin_mode`` (of a multi-assets account: all)."""
        return await (await self.swaps()).positions(symbol)

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[FundingPayment]:
        """Within 48 h: from ``since`` on, else the latest. HTX keeps them for 90 days, and names no rate."""
        return await (await self.swaps()).funding_payments(symbol, (since, until, limit))

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """Whole numbers, at the option's ``margin_mode``. HTX refuses it while orders of the contract are open."""
        if leverage < 1 or leverage != leverage.to_integral_value():
            raise NotSupported(f"leverage {leverage}: HTX takes whole numbers from 1 on", exchange=self.config.name)
        await (await self.swaps()).set_leverage(symbol, int(leverage))

    async def set_position_mode(self, mode: PositionMode) -> None:
        """HTX refuses it while there are positions or open orders."""
        await (await self.swaps()).set_position_mode(mode)

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """HTX answers with an id alone, so the order is PENDING.

        A swap's market order takes what the 20 best levels hold on a single-asset account, and never rests.
        """
        try:
            orders.check(request, symbol)
            if symbol.kind is MarketKind.SPOT:
                return await self.spot.create(request, symbol)
            with before_sending():
                swaps = await self.swaps()
            return await swaps.create(request, symbol)
        except ExchangeError as error:
            error.exchange = error.exchange or self.config.name
            raise

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Needs the symbol. Gives the order as it is right after HTX has accepted the cancelling."""
        of = self._required(symbol)
        if of.kind is MarketKind.SPOT:
            await self.spot.cancel(order_id, client_order_id)
        else:
            await (await self.swaps()).cancel(order_id, client_order_id, of)
        try:
            return await self.get_order(order_id, of, client_order_id=client_order_id)
        except ExchangeError as error:
            error.message = f"the cancelling was accepted, but then the order could not be asked for: {error.message}"
            raise

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """Those whose cancelling HTX has accepted, as they are right after it."""
        found: list[Order] = []
        if self._concerns(SPOT, symbol):
            found += await self.spot.cancel_all(symbol)
        if self._concerns(LINEAR, symbol):
            found += await (await self.swaps()).cancel_all(symbol)
        return found

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Needs the symbol. By client order id HTX finds spot's orders for some hours after their end."""
        of = self._required(symbol)
        if of.kind is not MarketKind.SPOT:
            return await (await self.swaps()).get(order_id, client_order_id, of)
        order = await self.spot.get(order_id, client_order_id)
        if order.symbol != of.name:
            raise OrderNotFound(f"that order is of {order.symbol} and not of {of}", exchange=self.config.name)
        return order

    async def get_open_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """All pages."""
        found: list[Order] = []
        if self._concerns(SPOT, symbol):
            found += await self.spot.open_orders(symbol)
        if self._concerns(LINEAR, symbol):
            found += await (await self.swaps()).open_orders(symbol)
        return found

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """Created within 48 h from ``since`` on, else within the latest 48 h; spot at most 100.

        Swaps need the symbol; spot without one gives the last 48 h only. HTX keeps what was cancelled without a fill
        for some hours.
        """
        listing, found = (since, until, limit), list[Order]()
        if self._concerns(LINEAR, symbol):
            found += await (await self.swaps()).history(symbol, listing)
        if self._concerns(SPOT, symbol):
            found += await self.spot.history(symbol, listing)
        return sorted(found, key=lambda order: order.created_ms or 0)

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Fill]:
        """Within 48 h from ``since`` on, else within the latest 48 h; spot at most 500. Swaps need the symbol."""
        listing, found = (since, until, limit), list[Fill]()
        if self._concerns(LINEAR, symbol):
            found += await (await self.swaps()).fills(symbol, listing)
        if self._concerns(SPOT, symbol):
            found += await self.spot.fills(symbol, listing)
        return sorted(found, key=lambda fill: fill.timestamp_ms)

    # --- what became of the account while nobody listened

    async def account_since(self, since: int | None) -> list[UserEvent]:
        """Open orders, balances and positions; with ``since`` (UTC ms) also what ended and was filled after it.

        HTX gives ended orders and fills of swaps by contract: those are asked for that this account was seen to use.
        """
        await self.load_symbols()
        now: list[UserEvent] = [*await self.get_open_orders(), *await self.get_balance()]
        if LINEAR in self.markets:
            now += await self.get_positions()
        return [*(() if since is None else await self._past(since)), *now]

    async def _past(self, since: int) -> list[UserEvent]:
        """Oldest first. An order is found by its creation, so those created before ``since`` by their fills."""
        ended: dict[str | None, Order] = {}
        fills: list[Fill] = []
        places: list[Symbol | None] = [None] if SPOT in self.markets else []
        if LINEAR in self.markets:
            used = (await self.swaps()).used
            places += [symbol for code in sorted(used) if (symbol := self.listed(code)) is not None]
        begin = self.span(None, None)[0]
        for symbol in places:
            source = self.spot if symbol is None else await self.swaps()
            fills += await self._whole(source.fills, symbol, since, lambda fill: (fill.timestamp_ms, fill.trade_id))
            for order in await self._whole(source.history, symbol, begin, lambda o: (o.created_ms or 0, o.id or "")):
                if (order.timestamp_ms or 0) >= since:
                    ended[order.id] = order
            for fill in fills:
                of = self.by_name(fill.symbol)
                if fill.order_id not in ended and of is not None and (symbol is None or of is symbol):
                    try:
                        ended[fill.order_id] = await self.get_order(fill.order_id, of)
                    except OrderNotFound as error:  # its fills are told all the same
                        self.streams.report(error, where="account")
        past = sorted(ended.values(), key=lambda order: order.timestamp_ms or 0)
        return [*past, *sorted(fills, key=lambda fill: fill.timestamp_ms)]

    async def _whole(
        self,
        ask: Callable[[Symbol | None, Listing], Awaitable[list[T]]],
        symbol: Symbol | None,
        start: int,
        key_of: Callable[[T], tuple[int, str]],
    ) -> list[T]:
        """All that a call lists from ``start`` on; a page may be the first of many. A key begins with the time."""
        found: dict[object, T] = {}
        after: int | None = start
        while after is not None:
            before = len(found)
            for item in await ask(symbol, (after, None, None)):
                found[key_of(item), item.side] = item
            fresh = len(found) > before
            after = max(key_of(item)[0] for item in found.values()) if fresh else self.span(after, None)[1]
        return list(found.values())

    # --- parts

    def _concerns(self, market: str, symbol: Symbol | None) -> bool:
        return market in self.markets if symbol is None else symbol.market == market

    def _required(self, symbol: Symbol | None) -> Symbol:
        if symbol is None:
            raise NotSupported(
                "HTX needs the symbol to find an order", exchange=self.config.name, cure="give the symbol"
            )
        return symbol
