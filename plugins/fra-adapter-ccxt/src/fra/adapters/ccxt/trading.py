"""Orders through ccxt's unified methods: what cannot be done is refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import attrs

from fra.adapters.ccxt import convert
from fra.adapters.ccxt.account import CCXTAccount
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.errors import MALFORMED
from fra.adapters.ccxt.numbers import number, plain
from fra.core import (
    ExchangeAPIError,
    ExchangeError,
    Fill,
    InvalidOrder,
    MarketKind,
    Order,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Recent,
    Side,
    Symbol,
    TimeInForce,
)

_REMEMBERED: Final = 2_000
"""Open orders."""
_CONDITIONAL: Final = (OrderType.STOP, OrderType.TAKE_PROFIT)
_HISTORY: Final = (
    ("fetchOrders", "fetch_orders"),
    ("fetchCanceledAndClosedOrders", "fetch_canceled_and_closed_orders"),
    ("fetchClosedOrders", "fetch_closed_orders"),
)


class CCXTTrading(CCXTAccount):
    """The account at one exchange. All amounts are coins; ccxt counts contracts."""

    traded: set[str]
    """The names of symbols that were traded by this instance or met on the account's stream."""

    async def initialize(self) -> None:
        await super().initialize()
        self.traded = set()
        self._open: Recent[tuple[str, str], None] = Recent(_REMEMBERED)

    # --- hooks

    def order_status(self, raw: Raw, symbol: Symbol) -> OrderStatus:
        """A hook: where an order stands."""
        return convert.order_status(raw)

    def order_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """A hook: ccxt's parameters of an order beside type, side, amount and price. Raises NotSupported."""
        params: dict[str, object] = {self.venue.client_id_param: request.client_order_id, **self.venue.order_params}
        if request.time_in_force is not TimeInForce.GTC and request.price is not None:
            params["timeInForce"] = request.time_in_force.value
        if request.post_only:
            params["postOnly"] = True
        if symbol.kind.is_derivative:
            params |= self.position_params(request)
            if self.venue.margin_mode_param:
                params["marginMode"] = self.options.margin_mode
        return params

    def position_params(self, request: OrderRequest) -> dict[str, object]:
        """A hook: how an order says which position it is for."""
        if request.position_side is PositionSide.NET:
            return {"reduceOnly": True} if request.reduce_only else {}
        closing = (request.side is Side.SELL) == (request.position_side is PositionSide.LONG)
        if request.reduce_only and not closing:
            raise self._invalid(
                f"a {request.side.value} opens a {request.position_side.value} position: it cannot be reduce-only"
            )
        return {"hedged": True, **({"reduceOnly": True} if closing else {})}

    def trigger_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object] | None:
        """A hook: ccxt's parameters by which an order waits for its ``trigger_price``; None where it cannot, or where
        ccxt could send it and not tell afterwards what became of it.
        """
        return None

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """A hook: one of ccxt's orders as ours."""
        return self.noted(convert.order(raw, symbol, status=self.order_status(raw, symbol)))

    def noted(self, order: Order) -> Order:
        """Remember an order while it is open, so that its end is asked for where the stream missed it."""
        if order.id is not None:
            self._open.pop((order.symbol, order.id), None)
            if not order.status.final:
                self._open[order.symbol, order.id] = None
        return order

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """A hook: one of ccxt's own trades as ours."""
        return convert.fill(raw, symbol, received_ms=received_ms)

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """Sent once. Everything that ccxt would round or leave out is refused before.

        Raises OrderOutcomeUnknown where the answer cannot be read.
        """
        self._check(request, symbol)
        await self._check_mode(request, symbol)
        params = self.order_params(request, symbol)
        self.traded.add(symbol.name)
        self._check_grid(request, symbol)
        try:
            raw = await self._send(request, symbol, params)
        except ExchangeAPIError as error:
            if error.code != MALFORMED:
                raise
            raise OrderOutcomeUnknown(
                f"sent, and the answer cannot be read: {error.message}",
                client_order_id=request.client_order_id or "",
                exchange=self.config.name,
                code=MALFORMED,
                cure="ask for the order by its client order id; do not send it again",
            ) from error
        return self._created(raw, request, symbol)

    async def _send(self, request: OrderRequest, symbol: Symbol, params: dict[str, object]) -> Any:
        side = request.side.value
        kind = request.type.value
        if request.type in _CONDITIONAL:
            kind = OrderType.MARKET.value if request.price is None else OrderType.LIMIT.value
            params |= self.trigger_params(request, symbol) or {}
        price = None if request.price is None else plain(request.price)
        if request.quote_amount is not None:
            return await self.call(
                "create_market_buy_order_with_cost", symbol.name, plain(request.quote_amount), params=params
            )
        assert request.amount is not None
        if self._base_buy(request, symbol):
            assert self.venue.base_amount_buys is not None
            params |= self.venue.base_amount_buys
        amount = plain(symbol.contracts(request.amount))
        return await self.call("create_order", symbol.name, kind, side, amount, price, params=params)

    def _base_buy(self, request: OrderRequest, symbol: Symbol) -> bool:
        return (
            symbol.kind is MarketKind.SPOT
            and request.type is OrderType.MARKET
            and request.side is Side.BUY
            and request.amount is not None
        )

    def _check(self, request: OrderRequest, symbol: Symbol) -> None:
        """Raises NotSupported for what ccxt or the venue cannot do."""
        known = self.features(symbol.kind).get("createOrder") or {}
        forces = known.get("timeInForce") or {}
        force = request.time_in_force
        if request.type in _CONDITIONAL and self.trigger_params(request, symbol) is None:
            raise self._cannot(
                f"{request.type.value} orders are not supported through ccxt here",
                "it has market and limit orders; follow the price and send one of these",
            )
        if force is not TimeInForce.GTC and (
            not forces.get(force.value) or (request.price is None and force is TimeInForce.FOK)
        ):
            allowed = ", ".join(one.value for one in TimeInForce if one is TimeInForce.GTC or forces.get(one.value))
            raise self._cannot(f"a {request.type.value} order cannot be {force.value} there", f"it can be {allowed}")
        if request.post_only and forces and not forces.get("PO"):
            raise self._cannot("post-only orders are not supported there")
        if symbol.kind is MarketKind.SPOT and (request.reduce_only or request.position_side is not PositionSide.NET):
            raise self._invalid("a spot order reduces no position and has no position side")
        if request.quote_amount is not None and not self.client.has.get("createMarketBuyOrderWithCost"):
            raise self._cannot("ccxt has no orders by quote_amount there", "give amount, or a limit order with IOC")
        if self._base_buy(request, symbol) and self.venue.base_amount_buys is None:
            raise self._cannot("spot market buys are by value there", "give quote_amount, or a limit order with IOC")

    def _check_grid(self, request: OrderRequest, symbol: Symbol) -> None:
        """Raises InvalidOrder where ccxt would round a price, an amount or a value on its way."""
        for what, price in (("price", request.price), ("trigger price", request.trigger_price)):
            if price is not None and (rounded := self._rounded("price_to_precision", symbol, price)) != price:
                raise self._invalid(f"the {what} {price} is off the grid; the nearest is {rounded}")
        if request.amount is not None:
            contracts = symbol.contracts(request.amount)
            rounded = self._rounded("amount_to_precision", symbol, contracts)
            if rounded is None or rounded != contracts:
                nearest = None if rounded is None else symbol.amount(rounded)
                raise self._invalid(f"the amount {request.amount} is off the grid; the nearest is {nearest}")
        cost = request.quote_amount
        if cost is not None and (rounded := self._rounded("cost_to_precision", symbol, cost)) != cost:
            raise self._invalid(f"the quote amount {cost} is off the grid; the nearest is {rounded}")

    def _rounded(self, method: str, symbol: Symbol, value: Decimal) -> Decimal | None:
        try:
            return number(getattr(self.client, method)(symbol.name, plain(value)))
        except Exception as error:
            raise self.failure(error) from None

    async def _check_mode(self, request: OrderRequest, symbol: Symbol) -> None:
        if not symbol.kind.is_derivative:
            return
        if self._hedged is None:
            self._hedged = await self.hedged(symbol)
        if self._hedged is None:
            return
        if self._hedged and request.position_side is PositionSide.NET:
            raise self._invalid("this account is in hedge mode: give position_side LONG or SHORT")
        if not self._hedged and request.position_side is not PositionSide.NET:
            raise self._invalid("this account is in one-way mode: position_side is NET")

    def _invalid(self, message: str) -> InvalidOrder:
        return InvalidOrder(message, exchange=self.config.name)

    def _created(self, raw: Raw, request: OrderRequest, symbol: Symbol) -> Order:
        """What the venue answered, with what was asked for where it says nothing."""
        stamp = convert.moment(raw.get("timestamp"))
        name = str(raw["id"]) if raw.get("id") else None
        if raw.get("status") is None:
            if name is None:  # ccxt took an answer for good that names no order: nobody knows
                raise ExchangeError("the venue's answer names no order", exchange=self.config.name)
            return self.noted(Order.of(request, id=name, timestamp_ms=stamp))
        told = convert.order({**raw, "side": request.side.value}, symbol, status=self.order_status(raw, symbol))
        made = attrs.evolve(
            told,
            type=request.type,
            client_order_id=request.client_order_id,
            amount=request.amount if request.amount is not None else told.amount,
            quote_amount=request.quote_amount,
            price=request.price,
            trigger_price=request.trigger_price,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            position_side=request.position_side,
        )
        return self.noted(made)

    def orders(self, rows: Iterable[Raw]) -> list[Order]:
        """Of the configured markets, oldest first."""
        return sorted(
            (self.order(row, symbol) for row, symbol in self.named(rows)), key=lambda order: order.created_ms or 0
        )

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """By the venue's own question where ccxt has it for this id, else among open orders and the last that ended."""
        self._need(symbol)
        how = self.venue.by_client_id
        if order_id is not None or how != "scan":
            params = dict(self.venue.ask_params)
            if order_id is None:
                if how == "param":
                    params[self.venue.client_id_param] = client_order_id
                else:
                    order_id = self.venue.client_id_prefix + str(client_order_id)
            try:
                raw = await self.call("fetch_order", order_id, symbol.name if symbol else None, params=params)
            except OrderNotFound:
                if not self.venue.search_on:
                    raise
            else:
                return self.order(raw, symbol if symbol is not None else self.symbol(raw.get("symbol")))
        return await self._search(order_id, symbol, client_order_id)

    def _need(self, symbol: Symbol | None) -> None:
        """Raises NotSupported where ccxt finds an order only with its symbol."""
        if symbol is None and (
            len(self.markets) > 1 or self.features(self.kinds[0]).get("fetchOrder", {}).get("symbolRequired", True)
        ):
            raise self._cannot("ccxt needs the symbol to find an order", "give the symbol too")

    async def _search(self, order_id: str | None, symbol: Symbol | None, client_order_id: str | None) -> Order:
        def meant(order: Order) -> bool:
            return order.id == order_id if order_id is not None else order.client_order_id == client_order_id

        for look in (self.get_open_orders, self.get_order_history):
            found = next((order for order in await look(symbol) if meant(order)), None)
            if found is not None:
                return found
        raise OrderNotFound(
            f"no order {order_id or client_order_id!r} is open or among the last that ended", exchange=self.config.name
        )

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Two requests: the cancel, and a question for what became of the order."""
        self._need(symbol)
        params: dict[str, object] = {}
        asked = order_id
        if asked is None:
            if self.venue.by_client_id == "param":
                params[self.venue.client_id_param] = client_order_id
            elif self.venue.by_client_id == "id":
                asked = self.venue.client_id_prefix + str(client_order_id)
            else:
                asked = order_id = (await self._search(None, symbol, client_order_id)).id
        await self.call("cancel_order", asked, symbol.name if symbol else None, params=params, urgent=True)
        return await self.what_became(order_id, symbol, client_order_id)

    async def what_became(
        self, order_id: str | None, symbol: Symbol | None, client_order_id: str | None = None
    ) -> Order:
        """An order after its cancel was accepted. Raises ExchangeError where that is not known."""
        try:
            return await self.get_order(order_id, symbol, client_order_id=client_order_id)
        except ExchangeError as error:
            raise ExchangeError(
                f"the cancel was accepted, but what became of the order is not known: {error.message}",
                exchange=self.config.name,
                code=error.code,
                response=error.response,
            ) from error

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """Those that were open before and are cancelled after, each as the venue tells it then."""
        before = await self.get_open_orders(symbol)
        cancelled: list[Order] = []
        for name in dict.fromkeys(order.symbol for order in before):
            here = [order for order in before if order.symbol == name]
            if self.client.has.get("cancelAllOrders"):
                await self.cancel_each(self.symbol(name))
                cancelled += [await self.get_order(order.id, self.symbol(name)) for order in here]
            else:
                for order in here:
                    try:
                        cancelled.append(await self.cancel_order(order.id, self.symbol(name)))
                    except OrderNotFound:
                        continue  # it ended by itself
        return [order for order in cancelled if order.status is OrderStatus.CANCELED]

    async def cancel_each(self, symbol: Symbol) -> None:
        """A hook: cancel every open order of a symbol by ccxt's method for that."""
        await self.call("cancel_all_orders", symbol.name, urgent=True)

    async def get_open_orders(self, symbol: Symbol | None = None) -> list[Order]:
        if symbol is not None:
            return self.orders(await self.call("fetch_open_orders", symbol.name))
        found: dict[tuple[str, str | None], Order] = {}
        for market in self.markets:
            rows = await self.call("fetch_open_orders", None, None, None, params=self.scope(market))
            found |= {(order.symbol, order.id): order for order in self.orders(rows)}
        return sorted(found.values(), key=lambda order: order.created_ms or 0)

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """One page of the venue, of the best of ccxt's methods: cancelled and filled orders, or all of them."""
        has = self.client.has
        method = next(name for flag, name in _HISTORY if has.get(flag))
        methods = [method]
        if method == "fetch_closed_orders" and has.get("fetchCanceledOrders") is True:
            methods.append("fetch_canceled_orders")
        found: dict[tuple[str, str | None], Order] = {}
        for one in methods:
            for market in (None,) if symbol is not None else self.markets:
                params = self._ranged(market, until)
                most = self._most(one, symbol) if since else limit
                rows = await self.call(one, symbol.name if symbol else None, since, most, params=params)
                found |= {(order.symbol, order.id): order for order in self.orders(rows) if order.status.final}
        ended = convert.within(found.values(), "created_ms", since, until) if since or until else list(found.values())
        return convert.cut(sorted(ended, key=lambda order: order.created_ms or 0), since, limit)

    def _most(self, method: str, symbol: Symbol | None) -> int | None:
        """The largest page of one of ccxt's methods, None where ccxt does not know it."""
        camel = "".join(part.capitalize() for part in method.split("_"))
        known = self.features(symbol.kind if symbol is not None else self.kinds[0])
        return (known.get(camel[0].lower() + camel[1:]) or {}).get("limit")

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Fill]:
        """One page of the venue."""
        found: dict[tuple[str, str], Fill] = {}
        now = self.context.now_ms()
        for market in (None,) if symbol is not None else self.markets:
            params = self._ranged(market, until)
            most = self._most("fetch_my_trades", symbol) if since else limit
            rows = await self.call("fetch_my_trades", symbol.name if symbol else None, since, most, params=params)
            for row, of in self.named(rows):
                made = self.fill(row, of, now)
                found[made.symbol, made.trade_id] = made
        fills = convert.within(found.values(), "timestamp_ms", since, until)
        return convert.cut(sorted(fills, key=lambda fill: fill.timestamp_ms), since, limit)
