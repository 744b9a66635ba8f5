"""Orders of Bybit's unified trading account, and the account's stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fra.adapters.custom import Channel, Endpoint, Params, before_sending, endpoint_for
from fra.core import (
    ExchangeError,
    Fill,
    InvalidOrder,
    MarketKind,
    NotSupported,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    StreamSource,
    Symbol,
    TimeInForce,
    UserEvent,
)
from fra.exchanges.bybit import user, wire
from fra.exchanges.bybit.account import WINDOW_MS, AccountPlugin, cut
from fra.exchanges.bybit.listing import Listing
from fra.exchanges.bybit.tables import (
    CANCEL,
    CANCEL_ALL,
    CONTRACTS,
    CREATE,
    EXECUTION_TOPIC,
    EXECUTIONS,
    HISTORY,
    ORDER_TOPIC,
    POSITION_TOPIC,
    POSITIONS,
    REALTIME,
    WALLET_TOPIC,
)

if TYPE_CHECKING:
    from fra.adapters.custom import UserChannel

M = TypeVar("M")
R = TypeVar("R")

_ORDERS_PAGE: Final = 50
_FILLS_PAGE: Final = 100

_SIDES: Final[Mapping[Side, str]] = {Side.BUY: "Buy", Side.SELL: "Sell"}
_POSITION_INDEX: Final[Mapping[PositionSide, int]] = {
    PositionSide.NET: 0,
    PositionSide.LONG: 1,
    PositionSide.SHORT: 2,
}
_CLOSING: Final[Mapping[PositionSide, Side]] = {PositionSide.LONG: Side.SELL, PositionSide.SHORT: Side.BUY}


class TradingPlugin(AccountPlugin):
    """The orders of Bybit's unified account, and the stream that tells of all that happens to it."""

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """Bybit answers with the id alone: what became of the order comes by the stream, or is asked for.

        Conditional orders are for contracts only. Market orders are always immediate-or-cancel, so that FOK is refused.
        """
        endpoint = endpoint_for(CREATE, symbol)
        params = self._order(request, symbol)
        if symbol.kind.is_derivative:
            params |= await self._position_params(request, symbol)
        try:
            reply = await self.http.request(endpoint, self._about(endpoint, symbol, **params))
        except InvalidOrder:
            # Among the reasons is that the position mode was switched elsewhere.
            self._modes.pop((endpoint.market, symbol.venue_id), None)
            raise
        return Order.of(request, id=reply.result.orderId or None, timestamp_ms=reply.time or None)

    def _order(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """The parameters of an order, all but the position's. Raises NotSupported for what Bybit cannot do."""
        conditional = request.trigger_price is not None
        market = request.price is None
        spot = symbol.kind is MarketKind.SPOT
        if market and request.time_in_force is TimeInForce.FOK:
            raise self._cannot("FOK market orders", "a limit order with FOK, or a market order with IOC")
        if conditional and spot:
            raise self._cannot("conditional orders on spot", "conditional orders on contracts")
        if request.quote_amount is not None and not (spot and market):
            raise self._cannot("orders by quote amount, save for spot market orders", "orders by amount")
        if request.reduce_only and spot:
            raise self._cannot("reduce-only orders on spot", "reduce-only orders on contracts")
        if request.position_side is not PositionSide.NET and spot:
            raise self._invalid("a spot order has no position side: leave position_side out")
        params: dict[str, object] = {
            "side": _SIDES[request.side],
            "orderType": "Market" if market else "Limit",
            "qty": request.quote_amount if request.amount is None else symbol.contracts(request.amount),
            "price": request.price,
            "timeInForce": "IOC" if market else "PostOnly" if request.post_only else request.time_in_force.value,
            "orderLinkId": request.client_order_id,
        }
        if spot and market:
            params["marketUnit"] = "baseCoin" if request.quote_amount is None else "quoteCoin"
        if conditional:
            stop = user.stop_direction(request.side)
            params["triggerPrice"] = request.trigger_price
            params["triggerDirection"] = stop if request.type is OrderType.STOP else 3 - stop
        return params

    async def _position_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """``positionIdx`` and ``reduceOnly``. Raises InvalidOrder for what does not fit the position mode."""
        side = request.position_side
        with before_sending():
            mode = await self._position_mode(symbol)
        if mode is PositionMode.HEDGE and side is PositionSide.NET:
            raise self._invalid("this account is in hedge mode: give position_side LONG or SHORT")
        if mode is PositionMode.ONE_WAY and side is not PositionSide.NET:
            raise self._invalid("this account is in one-way mode: give position_side NET")
        if side is PositionSide.NET:
            return {"positionIdx": 0, "reduceOnly": True if request.reduce_only else None}
        if request.reduce_only and request.side is not _CLOSING[side]:
            raise self._invalid(f"a {request.side.value} of a {side.value} position opens it: it cannot be reduce-only")
        return {"positionIdx": _POSITION_INDEX[side]}  # the closing side reduces by itself in hedge mode

    async def _position_mode(self, symbol: Symbol) -> PositionMode | None:
        """The mode of this contract: it is asked for once, by which positions it can have; None where none is told."""
        endpoint = endpoint_for(POSITIONS, symbol)
        key = (endpoint.market, symbol.venue_id)
        if key not in self._modes:
            rows = (await self.http.request(endpoint, self._about(endpoint, symbol))).result.rows
            indices = {row.positionIdx for row in rows if row.symbol == symbol.venue_id}
            if not indices:
                return None
            self._modes[key] = PositionMode.ONE_WAY if indices == {0} else PositionMode.HEDGE
        return self._modes[key]

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Bybit answers that it took the request; the order is then asked for once, and may still be open."""
        symbol = self._needed(symbol, "cancel an order")
        endpoint = endpoint_for(CANCEL, symbol)
        ids = self._ids(order_id, client_order_id)
        await self.http.request(endpoint, self._about(endpoint, symbol, **ids), priority=True)
        try:
            return await self.get_order(order_id, symbol, client_order_id=client_order_id)
        except ExchangeError as error:
            raise ExchangeError(
                f"the cancel of {order_id or client_order_id} was accepted, but what became of the order could not be "
                f"asked: {error.message}",
                exchange=self.config.name,
                code=error.code,
                cure="ask with get_order",
            ) from error

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """Those that Bybit says it cancels, as they stand afterwards."""
        listing = await self._listed()
        canceled: list[Order] = []
        for endpoint, params in self._scopes(CANCEL_ALL, listing, symbol, by_coin=CONTRACTS):
            answer = (await self.http.request(endpoint, params, priority=True)).result.rows
            for ids in answer:
                canceled += await self._afterwards(endpoint.market, {**params, "orderId": ids.orderId}, listing)
        return canceled

    async def _afterwards(self, category: str, params: Params, listing: Listing) -> list[Order]:
        for rows in (REALTIME, HISTORY):
            endpoint = next(row for row in rows if row.market == category)
            if found := (await self.http.request(endpoint, params)).result.rows:
                return self._orders(found, category, listing)
        raise OrderNotFound(
            f"all orders were cancelled, but Bybit does not know {params['orderId']} any more",
            exchange=self.config.name,
        )

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Among the open and the 500 last ended orders, then in the history."""
        symbol = self._needed(symbol, "find an order")
        ids = self._ids(order_id, client_order_id)
        for rows in (REALTIME, HISTORY):
            endpoint = endpoint_for(rows, symbol)
            for row in (await self.http.request(endpoint, self._about(endpoint, symbol, **ids))).result.rows:
                if order_id in (None, row.orderId) and client_order_id in (None, row.orderLinkId):
                    return user.order(row, symbol)
        raise OrderNotFound(
            f"Bybit knows no order {order_id or client_order_id} of {symbol.name} now", exchange=self.config.name
        )

    async def get_open_orders(self, symbol: Symbol | None = None) -> list[Order]:
        listing = await self._listed()
        found: list[Order] = []
        for endpoint, params in self._scopes(REALTIME, listing, symbol):
            rows = await self._pages(endpoint, {**params, "limit": _ORDERS_PAGE})
            found += [order for order in self._orders(rows, endpoint.market, listing) if not order.status.final]
        return found

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """At most 50, of 7 days by their creation: the first ones from ``since``, else the latest."""
        listing = await self._listed()
        page = min(limit or _ORDERS_PAGE, _ORDERS_PAGE)
        found: list[Order] = []
        for endpoint in self._rows(HISTORY, symbol):
            asked = page if since is None else _ORDERS_PAGE
            rows = await self._history(endpoint, self._of(symbol), since, until, asked)
            found += [order for order in self._orders(rows, endpoint.market, listing) if order.status.final]
        found.sort(key=lambda order: order.created_ms or 0)
        return cut(found, since, page)

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Fill]:
        """At most 100, of 7 days: the first ones from ``since``, else the latest."""
        await self._listed()
        page = min(limit or _FILLS_PAGE, _FILLS_PAGE)
        found: list[Fill] = []
        for endpoint in self._rows(EXECUTIONS, symbol):
            asked = page if since is None else _FILLS_PAGE
            rows = await self._history(endpoint, self._of(symbol), since, until, asked)
            found += self._fills(rows, endpoint.market)
        found.sort(key=lambda fill: fill.timestamp_ms)
        return cut(found, since, page)

    # --- the account's stream

    def subscribe_user_data(self) -> StreamSource[UserEvent]:
        """Orders, fills, positions and balances of the configured markets, over one connection."""
        from fra.adapters.custom import UserChannel, UserFeed

        def row(rows: Iterable[Channel[M]]) -> Channel[M]:
            return next(row for row in rows if row.market in self.markets)

        channels: list[UserChannel[Any]] = [
            UserChannel(row(ORDER_TOPIC), self._events.orders),
            UserChannel(row(EXECUTION_TOPIC), self._events.fills),
            UserChannel(row(WALLET_TOPIC), self._events.wallets),
        ]
        if any(market in CONTRACTS for market in self.markets):
            channels.append(UserChannel(row(POSITION_TOPIC), self._events.positions))
        return UserFeed(self.streams, channels, self._account_now).source

    async def _account_now(self, since_ms: int | None) -> list[UserEvent]:
        """How the account stands, after all that ended or traded since ``since_ms``."""
        listing = await self._listed()
        events: list[UserEvent] = []
        if since_ms is not None:
            events += await self._ended(since_ms, listing)
            events += await self._traded(since_ms)
        events += await self.get_open_orders()
        if any(market in CONTRACTS for market in self.markets):
            positions = await self.get_positions()
            self._events.remember(positions)
            events += positions
        return [*events, *await self.get_balance()]

    async def _ended(self, since_ms: int, listing: Listing) -> list[Order]:
        """By the last 500 ended orders, however old, and the history, which goes by creation."""
        found: dict[str | None, Order] = {}
        for endpoint in self._rows(HISTORY, None):
            rows = await self._windows(endpoint, since_ms, _ORDERS_PAGE)
            found.update((order.id, order) for order in self._orders(rows, endpoint.market, listing))
        for endpoint, params in self._scopes(REALTIME, listing, None):
            rows = await self._pages(endpoint, {**params, "openOnly": 1, "limit": _ORDERS_PAGE})
            found.update((order.id, order) for order in self._orders(rows, endpoint.market, listing))
        ended = [order for order in found.values() if order.status.final and (order.timestamp_ms or 0) >= since_ms]
        return sorted(ended, key=lambda order: order.timestamp_ms or 0)

    async def _traded(self, since_ms: int) -> list[Fill]:
        found: list[Fill] = []
        for endpoint in self._rows(EXECUTIONS, None):
            found += self._fills(await self._windows(endpoint, since_ms, _FILLS_PAGE), endpoint.market)
        return sorted(found, key=lambda fill: fill.timestamp_ms)

    # --- parts

    async def _windows(self, endpoint: Endpoint[wire.Reply[wire.Page[R]]], since_ms: int, page: int) -> list[R]:
        """Everything since then, however long ago."""
        found: list[R] = []
        for start in range(since_ms, self.clock.now_ms() + 1, WINDOW_MS):
            found += await self._history(endpoint, {}, start, None, page)
        return found

    def _orders(self, rows: Iterable[wire.Order], category: str, listing: Listing) -> list[Order]:
        found = ((row, self._events.symbol(category, row.symbol, "an order")) for row in rows)
        return [user.order(row, symbol) for row, symbol in found if symbol is not None]

    def _fills(self, rows: Iterable[wire.Execution], category: str) -> list[Fill]:
        found = ((row, self._events.symbol(category, row.symbol, "an execution")) for row in rows)
        fills = (user.fill(row, symbol) for row, symbol in found if symbol is not None)
        return [fill for fill in fills if fill is not None]

    def _needed(self, symbol: Symbol | None, what: str) -> Symbol:
        if symbol is None:
            raise NotSupported(f"Bybit needs the symbol to {what}", exchange=self.config.name, cure="name the symbol")
        return symbol

    def _ids(self, order_id: str | None, client_order_id: str | None) -> dict[str, object]:
        if order_id is None and client_order_id is None:
            raise self._invalid("name the order by order_id or client_order_id")
        return {"orderId": order_id} if order_id is not None else {"orderLinkId": client_order_id}

    def _cannot(self, what: str, instead: str) -> NotSupported:
        return NotSupported(f"Bybit has no {what}", exchange=self.config.name, cure=f"it has {instead}")

    def _invalid(self, why: str) -> InvalidOrder:
        return InvalidOrder(why, exchange=self.config.name)
