"""The orders of an account on spot and USD-M futures."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from fra.adapters.custom import Params, before_sending, endpoint_for
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
    PositionSide,
    Side,
    Symbol,
    TimeInForce,
)
from fra.exchanges.binance import account_tables as tables
from fra.exchanges.binance import account_wire as wire
from fra.exchanges.binance import orders
from fra.exchanges.binance.conditional import Conditionals
from fra.exchanges.binance.convert import SPOT, USDM
from fra.exchanges.binance.holdings import BinanceHoldings

T = TypeVar("T")

_OTHER_MODE: Final = "-4061"
_NOTHING_TO_CANCEL: Final = "-2011"
_TRIGGERED: Final = "TRIGGERED"
_CONDITIONAL: Final = (OrderType.STOP, OrderType.TAKE_PROFIT)
_SPOT_TYPES: Final = {
    (OrderType.MARKET, False): "MARKET",
    (OrderType.LIMIT, True): "LIMIT",
    (OrderType.STOP, False): "STOP_LOSS",
    (OrderType.STOP, True): "STOP_LOSS_LIMIT",
    (OrderType.TAKE_PROFIT, False): "TAKE_PROFIT",
    (OrderType.TAKE_PROFIT, True): "TAKE_PROFIT_LIMIT",
}
_USDM_TYPES: Final = {
    (OrderType.MARKET, False): "MARKET",
    (OrderType.LIMIT, True): "LIMIT",
    (OrderType.STOP, False): "STOP_MARKET",
    (OrderType.STOP, True): "STOP",
    (OrderType.TAKE_PROFIT, False): "TAKE_PROFIT_MARKET",
    (OrderType.TAKE_PROFIT, True): "TAKE_PROFIT",
}
"""fra's type, and whether the order has a price → Binance's type ("New Order", "New Algo Order")."""
_CLOSING: Final = {PositionSide.LONG: Side.SELL, PositionSide.SHORT: Side.BUY}


class BinanceTrading(BinanceHoldings):
    """Orders and own trades. Conditional orders of USD-M live in the venue's algo service, with ids of their own."""

    async def initialize(self) -> None:
        await super().initialize()
        self.conditionals = Conditionals()
        self.traded: dict[str, Symbol] = {}
        """Symbols by name that this account has had orders of since we look."""

    # --- creating orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """Spot orders, USD-M orders, and USD-M's conditional orders through its algo service.

        Market orders never rest at Binance, so that IOC is what they are; FOK is for limit orders. The answer is the
        whole order, with what filled at once; what is left of IOC and FOK orders is EXPIRED. "New Order" of Spot and of
        USD-M, "New Algo Order". Raises NotSupported before anything is sent, and InvalidOrder for a position side that
        is not of the account's mode.
        """
        self.traded[symbol.name] = symbol
        if symbol.kind is MarketKind.SPOT:
            params = self._spot_order(request, symbol)
            answer = await self.http.request(tables.CREATE_SPOT, params)
            return orders.order(answer, symbol, created=True)
        self._check_usdm(request)
        common = await self._usdm_order(request, symbol)
        try:
            if request.type in _CONDITIONAL:
                algo = {
                    **common,
                    "algoType": "CONDITIONAL",
                    "triggerPrice": request.trigger_price,
                    "clientAlgoId": request.client_order_id,
                }
                return self._seen(await self.http.request(tables.CREATE_ALGO, algo), symbol)
            plain = {**common, "newClientOrderId": request.client_order_id, "newOrderRespType": "RESULT"}
            return orders.order(await self.http.request(tables.CREATE_USDM, plain), symbol, created=True)
        except InvalidOrder as error:
            if error.code == _OTHER_MODE:
                self.forget_mode()
            raise

    def _spot_order(self, request: OrderRequest, symbol: Symbol) -> Params:
        if request.position_side is not PositionSide.NET or request.reduce_only:
            raise self._refused("spot has no positions: reduce_only and position_side are for futures")
        self._check_force(request)
        if request.post_only and request.type is not OrderType.LIMIT:
            raise self._refused("post-only is for limit orders on Binance spot, not for conditional ones")
        priced = request.price is not None
        return {
            "symbol": symbol.venue_id,
            "side": request.side.name,
            "type": "LIMIT_MAKER" if request.post_only else _SPOT_TYPES[request.type, priced],
            "timeInForce": request.time_in_force.value if priced and not request.post_only else None,
            "quantity": None if request.amount is None else symbol.contracts(request.amount),
            "quoteOrderQty": request.quote_amount,
            "price": request.price,
            "stopPrice": request.trigger_price,
            "newClientOrderId": request.client_order_id,
            "newOrderRespType": "FULL",
        }

    def _check_usdm(self, request: OrderRequest) -> None:
        if request.amount is None:
            raise self._refused("quote_amount is for spot market buys: Binance's futures take an amount in base coin")
        self._check_force(request)

    def _check_force(self, request: OrderRequest) -> None:
        if request.price is None and request.time_in_force is TimeInForce.FOK:
            raise self._refused("Binance has no FOK market order: send a limit order with FOK, or a market order")

    async def _usdm_order(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        assert request.amount is not None
        side = request.position_side
        with before_sending():
            hedge = await self.in_hedge_mode()
        if hedge and side is PositionSide.NET:
            raise self._invalid("this account is in hedge mode: give position_side LONG or SHORT")
        if not hedge and side is not PositionSide.NET:
            raise self._invalid(f"this account is in one-way mode: it has no {side.name} side, leave position_side out")
        if hedge and request.reduce_only and request.side is not _CLOSING[side]:
            raise self._invalid(f"a {request.side.value} opens the {side.value} side, so it cannot be reduce-only")
        priced = request.price is not None
        force = "GTX" if request.post_only else request.time_in_force.value
        return {
            "symbol": symbol.venue_id,
            "side": request.side.name,
            "type": _USDM_TYPES[request.type, priced],
            "positionSide": side.name if hedge else None,
            "timeInForce": force if priced else None,
            "quantity": symbol.contracts(request.amount),
            "price": request.price,
            # In hedge mode the closing side reduces by its nature, and the venue refuses the flag.
            "reduceOnly": True if request.reduce_only and not hedge else None,
        }

    def _refused(self, message: str) -> NotSupported:
        return NotSupported(message, exchange=self.config.name)

    def _invalid(self, message: str) -> InvalidOrder:
        return InvalidOrder(message, exchange=self.config.name)

    # --- cancelling orders

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Cancel an order; on USD-M a conditional one where there is no plain order of that id."""
        symbol = self._needed(symbol, "find an order")
        params, algo = self._named(order_id, symbol, client_order_id), _algo_named(order_id, client_order_id)
        if self.conditionals.knows(symbol.name, order_id):
            return await self._cancel_algo(algo, symbol)
        try:
            answer = await self.http.request(endpoint_for(tables.CANCEL, symbol), params, priority=True)
        except OrderNotFound:
            if symbol.kind is MarketKind.SPOT:
                raise
            return await self._cancel_algo(algo, symbol)
        return self.conditionals.plain(orders.order(answer, symbol))

    async def _cancel_algo(self, params: Params, symbol: Symbol) -> Order:
        # Plain and conditional orders are numbered apart: nothing is cancelled that is not of this symbol.
        row = await self._algo_row(params, symbol)
        if row.algoStatus == _TRIGGERED and row.actualOrderId:
            self._seen(row, symbol)
            return await self.cancel_order(str(row.actualOrderId), symbol)
        await self.http.request(tables.CANCEL_ALGO, params, priority=True)
        return await self._afterwards(lambda: self._algo(params, symbol))

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        """Cancel the open orders of ``symbol``, of every symbol that has some without it; those that are cancelled now.

        Binance cancels by symbol, so without one it is a request for each.
        """
        if symbol is not None:
            return await self._cancel_all(symbol)
        names = {order.symbol for order in await self.get_open_orders()}
        wanted = [listed for listed in (await self.listed()).values() if listed.name in names]
        return [order for each in wanted for order in await self._cancel_all(each)]

    async def _cancel_all(self, symbol: Symbol) -> list[Order]:
        if symbol.kind is MarketKind.SPOT:
            return await self._cancel_all_spot(symbol)
        return await self._cancel_all_usdm(symbol, await self.get_open_orders(symbol))

    async def _cancel_all_spot(self, symbol: Symbol) -> list[Order]:
        try:
            answer = await self.http.request(tables.CANCEL_ALL_SPOT, {"symbol": symbol.venue_id}, priority=True)
        except OrderNotFound as error:
            if error.code == _NOTHING_TO_CANCEL:
                return []
            raise
        return [orders.order(row, symbol) for group in answer for row in (group.orderReports or (group,))]

    async def _cancel_all_usdm(self, symbol: Symbol, opened: Sequence[Order]) -> list[Order]:
        params = {"symbol": symbol.venue_id}
        await self.http.request(tables.CANCEL_ALL_USDM, params, priority=True)
        await self.http.request(tables.CANCEL_ALL_ALGO, params, priority=True)
        # The answers only say that it was done: what became of each order is asked.
        asked = await self._afterwards(lambda: asyncio.gather(*(self.get_order(order.id, symbol) for order in opened)))
        return [order for order in asked if order.status.final and order.remaining]

    async def _afterwards(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What became of orders whose cancelling was accepted."""
        try:
            return await ask()
        except ExchangeError as error:
            raise ExchangeError(
                f"the cancel was accepted, and asking what became of it failed: {error.message}",
                exchange=error.exchange,
                code=error.code,
                response=error.response,
                cure="ask with get_order",
            ) from error

    # --- asking for orders

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Ask for an order; on USD-M for a conditional one where there is no plain order of that id.

        Binance forgets orders without any fill some days after they ended ("Query Order").
        """
        symbol = self._needed(symbol, "find an order")
        params, algo = self._named(order_id, symbol, client_order_id), _algo_named(order_id, client_order_id)
        if self.conditionals.knows(symbol.name, order_id):
            return await self._algo(algo, symbol)
        try:
            answer = await self.http.request(endpoint_for(tables.GET, symbol), params)
        except OrderNotFound:
            if symbol.kind is MarketKind.SPOT:
                raise
            return await self._algo(algo, symbol)
        return self.conditionals.plain(orders.order(answer, symbol))

    async def _algo(self, params: Params, symbol: Symbol) -> Order:
        try:
            row = await self._algo_row(params, symbol)
        except OrderNotFound:
            # The question for one order forgets those that ended sooner than the list does.
            ended = {"symbol": symbol.venue_id, "algoId": params["algoId"], "limit": 1}
            rows = [] if params["algoId"] is None else await self.http.request(tables.HISTORY_ALGO, ended)
            found = next((row for row in rows if str(row.algoId) == params["algoId"]), None)
            if found is None:
                raise
            row = found
        order = self._seen(row, symbol)
        if row.algoStatus != _TRIGGERED or not row.actualOrderId:
            return order
        # What the plain order has traded so far is only known of itself.
        child = {"symbol": symbol.venue_id, "orderId": row.actualOrderId}
        answer = await self.http.request(endpoint_for(tables.GET, symbol), child)
        return self.conditionals.plain(orders.order(answer, symbol))

    async def _algo_row(self, params: Params, symbol: Symbol) -> wire.AlgoOrder:
        row = await self.http.request(tables.GET_ALGO, params)
        if row.symbol != symbol.venue_id:
            raise OrderNotFound(f"there is no such order of {symbol}", exchange=self.config.name)
        return row

    def _seen(self, row: wire.AlgoOrder, symbol: Symbol) -> Order:
        return self.conditionals.see(orders.algo_order(row, symbol), row.actualOrderId)

    async def get_open_orders(self, symbol: Symbol | None = None) -> Sequence[Order]:
        """Open orders, USD-M's conditional ones too."""
        markets = self.markets if symbol is None else (_market_of(symbol),)
        found = await asyncio.gather(*(self.open_orders(market, symbol) for market in markets))
        return [order for part in found for order in part]

    async def open_orders(self, market: str, symbol: Symbol | None = None) -> list[Order]:
        """The open orders of one market."""
        params = {"symbol": None if symbol is None else symbol.venue_id}
        row = next(row for row in tables.OPEN if row.market == market)
        plain = self.http.request(row, params)
        rows: Sequence[wire.Order]
        algos: Sequence[wire.AlgoOrder] = ()
        if market == SPOT:
            rows = await plain
        else:
            rows, algos = await asyncio.gather(plain, self.http.request(tables.OPEN_ALGO, params))
        symbols = await self.symbols_of(market, [*(row.symbol for row in rows), *(row.symbol for row in algos)], symbol)
        conditional = [self._seen(row, symbols[row.symbol]) for row in algos if row.symbol in symbols]
        opened = [orders.order(row, symbols[row.symbol]) for row in rows if row.symbol in symbols]
        return self.conditionals.joined(opened, conditional)

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Order]:
        """Orders of ``symbol`` that ended: from ``since`` on for one day on spot and 7 days on USD-M, or the latest.

        500 at most, or up to 1000 by ``limit``; times are when an order was created.
        """
        symbol = self._needed(symbol, "list its orders")
        page = await self.orders_page(symbol, since=since, until=until, limit=limit)
        ended = [order for order in page if order.status.final]
        if limit is None:
            return ended
        return ended[:limit] if since is not None else ended[-limit:]

    async def orders_page(
        self, symbol: Symbol, *, since: int | None, until: int | None = None, limit: int | None = None
    ) -> Sequence[Order]:
        """One page of all orders, open ones too, oldest first; conditional ones come on top of ``limit``."""
        row = endpoint_for(tables.HISTORY, symbol)
        params = {"symbol": symbol.venue_id, **_page(row.market, since, until, limit)}
        plain = [orders.order(answer, symbol) for answer in await self.http.request(row, params)]
        if row.market == SPOT:
            return plain
        answers = await self.http.request(tables.HISTORY_ALGO, params)
        conditional = [self._seen(answer, symbol) for answer in answers]
        size = min(limit or 500, tables.MAX_PAGE)
        plain, conditional = _without_holes(plain, conditional, size, forward=since is not None)
        return sorted(self.conditionals.joined(plain, conditional), key=_created)

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Fill]:
        """Own trades of ``symbol``: from ``since`` on for one day on spot and 7 days on USD-M, or the latest.

        500 at most, or up to 1000 by ``limit``.
        """
        symbol = self._needed(symbol, "list its trades")
        market = _market_of(symbol)
        params = {"symbol": symbol.venue_id, **_page(market, since, until, limit)}
        if market == SPOT:
            return [orders.spot_fill(row, symbol) for row in await self.http.request(tables.SPOT_FILLS, params)]
        rows = await self.http.request(tables.USDM_FILLS, params)
        return [self.conditionals.fill(orders.usdm_fill(row, symbol)) for row in rows]

    # --- helpers of the above

    def _needed(self, symbol: Symbol | None, what: str) -> Symbol:
        if symbol is None:
            raise NotSupported(f"Binance needs the symbol to {what}", exchange=self.config.name)
        return symbol

    def _named(self, order_id: str | None, symbol: Symbol, client_order_id: str | None) -> Params:
        if order_id is None and client_order_id is None:
            raise NotSupported("an order is named by its id or client order id", exchange=self.config.name)
        if order_id is not None and not order_id.isdigit():
            raise OrderNotFound(
                f"{order_id!r} is no order id of Binance's: those are numbers", exchange=self.config.name
            )
        return {
            "symbol": symbol.venue_id,
            "orderId": order_id,
            "origClientOrderId": client_order_id if order_id is None else None,
        }


def _algo_named(order_id: str | None, client_order_id: str | None) -> Params:
    return {"algoId": order_id, "clientAlgoId": client_order_id if order_id is None else None}


def _market_of(symbol: Symbol) -> str:
    return symbol.market or (SPOT if symbol.kind is MarketKind.SPOT else USDM)


def _page(market: str, since: int | None, until: int | None, limit: int | None) -> dict[str, object]:
    """One page from ``since`` on, cut to what the venue lets one call span; its latest without ``since``."""
    if since is not None:
        end = since + tables.WINDOW_MS[market]
        until = end if until is None else min(until, end)
    return {
        "startTime": since,
        "endTime": None if until is None else until - 1,
        "limit": None if limit is None else min(limit, tables.MAX_PAGE),
    }


def _without_holes(
    plain: list[Order], conditional: list[Order], size: int, *, forward: bool
) -> tuple[list[Order], list[Order]]:
    """Pages of two services, cut where the one of them that is full ends."""
    full = [page for page in (plain, conditional) if len(page) >= size]
    if not full:
        return plain, conditional
    if forward:
        last = min(_created(page[-1]) for page in full)
        return [o for o in plain if _created(o) <= last], [o for o in conditional if _created(o) <= last]
    first = max(_created(page[0]) for page in full)
    return [o for o in plain if _created(o) >= first], [o for o in conditional if _created(o) >= first]


def _created(order: Order) -> int:
    return order.created_ms or 0
