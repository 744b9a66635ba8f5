"""Conditional orders that a venue keeps apart, and the plain orders that come of them, as one order each.

Binance's USD-M contracts and OKX have a service for them that numbers its orders by itself. Once one is triggered, a
plain order with another id does the trading. Whoever sent it knows the first id and its own client order id: under
these it stays known to its end, in answers, in lists and on the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, NamedTuple

import attrs

from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.plugin import CCXTAdapter
from fra.core import (
    ExchangeAPIError,
    Fill,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderType,
    Recent,
    Symbol,
)

_Key = tuple[str, str]

_KEPT: Final = 2_000
"""How many are remembered: those that were seen last."""
_CONDITIONAL: Final = (OrderType.STOP, OrderType.TAKE_PROFIT)


class Algo(NamedTuple):
    """A conditional order as the service tells of it, and the id of the plain order that came of it, if one has."""

    order: Order
    child: str | None


class Conditionals:
    """Remembers conditional orders, and which plain order belongs to which. Ids are of a symbol."""

    def __init__(self) -> None:
        self._orders: Recent[_Key, Order] = Recent(_KEPT)
        self._parents: Recent[_Key, str] = Recent(_KEPT)
        self._waiting: Recent[_Key, str] = Recent(_KEPT)
        self._missing: Recent[_Key, None] = Recent(_KEPT)

    def knows(self, symbol: str, order_id: str | None) -> bool:
        """Whether this is the id of a conditional order, as far as it was seen."""
        return (symbol, order_id or "") in self._orders

    def see(self, algo: Algo) -> Order:
        """Take note of one as it is now."""
        order, child = algo
        name = order.id
        if name is None:
            return order
        before = self._orders.get((order.symbol, name))
        if before is not None and order.created_ms is None:
            order = attrs.evolve(order, created_ms=before.created_ms)
        self._orders[order.symbol, name] = order
        if child is not None:
            self._parents[order.symbol, child] = name
        if order.client_order_id is not None:
            if order.status.final:  # its client order id may be used again
                self._waiting.pop((order.symbol, order.client_order_id), None)
            else:
                self._waiting[order.symbol, order.client_order_id] = name
        return order

    def miss(self, symbol: str, order_id: str) -> None:
        """Take note that a plain order named one that was not seen."""
        self._missing[symbol, order_id] = None

    def missing(self, symbol: str, order_id: str | None) -> bool:
        """Whether this one was named and not seen, since it was asked last."""
        return self._missing.pop((symbol, order_id or ""), self) is None

    def of(self, symbol: str, child: str | None, *, named: str | None, client: str | None) -> Order | None:
        """The one that a plain order came of: the one that it names, or that is known of its id, or that waits under
        its client order id.
        """
        own = named or self._parents.get((symbol, child or "")) or self._waiting.get((symbol, client or ""))
        found = None if own is None else self._orders.get((symbol, own))
        if found is not None and child is not None and found.id is not None:
            self._parents[symbol, child] = found.id
        return found


def joined(plain: Order, parent: Order) -> Order:
    """A plain order as the conditional one that it came of."""
    return attrs.evolve(
        parent,
        status=plain.status,
        filled=plain.filled,
        average_price=plain.average_price,
        reason=plain.reason,
        timestamp_ms=plain.timestamp_ms,
    )


class AlgoOrders(CCXTAdapter):
    """An adapter whose venue keeps conditional orders apart. ccxt asks for one sort at a time; here they are one."""

    algo_params: ClassVar[Mapping[str, object]] = {"trigger": True}
    """ccxt's parameters by which it asks the service, in all methods that take any."""
    open_algo_params: ClassVar[Mapping[str, object]] = {"trigger": True}

    conditionals: Conditionals

    async def initialize(self) -> None:
        await super().initialize()
        self.conditionals = Conditionals()

    # --- hooks

    def keeps_apart(self, symbol: Symbol) -> bool:
        """A hook: whether conditional orders of this symbol live in the service."""
        raise NotImplementedError

    def algo(self, raw: Raw, symbol: Symbol) -> Algo | None:
        """A hook: what one of ccxt's orders says where it is the service's; None for a plain order."""
        raise NotImplementedError

    def child_id(self, raw: Raw) -> str | None:
        """A hook: the venue's own id of a plain order, or of that of a fill."""
        raise NotImplementedError

    def came_of(self, raw: Raw) -> str | None:
        """A hook: the id of the conditional order that a plain order or a fill names."""
        return None

    def client_id(self, raw: Raw) -> str | None:
        """A hook: the client order id of a plain order or of that of a fill, where the conditional one has the same."""
        return None

    # --- what ccxt tells

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        if not self.keeps_apart(symbol):
            return super().order(raw, symbol)
        algo = self.algo(raw, symbol)
        if algo is not None:
            return self.noted(self.conditionals.see(algo))
        plain, parent = super().order(raw, symbol), self._parent(raw, symbol)
        if parent is None or parent.side is not plain.side:
            return plain
        self._open.pop((symbol.name, plain.id or ""), None)
        return self.noted(joined(plain, parent))

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        made, parent = super().fill(raw, symbol, received_ms), self._parent(raw, symbol)
        if parent is None:
            return made
        return attrs.evolve(made, order_id=parent.id, client_order_id=parent.client_order_id)

    def _parent(self, raw: Raw, symbol: Symbol) -> Order | None:
        if not self.keeps_apart(symbol):
            return None
        return self.conditionals.of(
            symbol.name, self.child_id(raw), named=self.came_of(raw), client=self.client_id(raw)
        )

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        made = await super().create_order(request, symbol)
        known = self.conditionals.knows(symbol.name, made.id)  # the stream may have told more by now
        if request.type in _CONDITIONAL and self.keeps_apart(symbol) and not known:
            self.conditionals.see(Algo(made, None))
        return made

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """A conditional one is asked for by its first id, or where there is no plain order of that id."""
        if symbol is None or not self.keeps_apart(symbol):
            return await super().get_order(order_id, symbol, client_order_id=client_order_id)
        if not self.conditionals.knows(symbol.name, order_id):
            try:
                return await super().get_order(order_id, symbol, client_order_id=client_order_id)
            except OrderNotFound:
                pass
        algo = await self._algo(order_id, symbol, client_order_id)
        if algo.child is None:
            return algo.order
        # What the plain order has traded is only known of itself.
        try:
            raw = await self.call("fetch_order", algo.child, symbol.name)
        except OrderNotFound:
            return algo.order  # it ended long ago
        return self.order(raw, symbol)

    async def _algo(self, order_id: str | None, symbol: Symbol, client_order_id: str | None) -> Algo:
        """Ask the service. Raises OrderNotFound."""
        params = dict(self.algo_params)
        if order_id is None:
            params[self.venue.client_id_param] = client_order_id
        raw = await self.call("fetch_order", order_id, symbol.name, params=params)
        algo = self.algo(raw, symbol) if raw.get("symbol") == symbol.name else None
        if algo is None:
            raise OrderNotFound(f"there is no such order of {symbol.name}", exchange=self.config.name)
        self.conditionals.see(algo)
        return algo

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Of a conditional one that was triggered, what came of it."""
        if symbol is None or not self.keeps_apart(symbol):
            return await super().cancel_order(order_id, symbol, client_order_id=client_order_id)
        if not self.conditionals.knows(symbol.name, order_id):
            try:
                return await super().cancel_order(order_id, symbol, client_order_id=client_order_id)
            except OrderNotFound:
                pass
        algo = await self._algo(order_id, symbol, client_order_id)
        if algo.child is None:
            try:
                await self.call("cancel_order", algo.order.id, symbol.name, params=self.algo_params, urgent=True)
            except ExchangeAPIError:
                algo = await self._algo(algo.order.id, symbol, None)
                if algo.child is None:
                    raise
        if algo.child is not None:  # it may have been triggered in between
            return await super().cancel_order(algo.child, symbol)
        return await self.what_became(algo.order.id, symbol)

    async def cancel_each(self, symbol: Symbol) -> None:
        await super().cancel_each(symbol)
        if self.keeps_apart(symbol):
            await self.call("cancel_all_orders", symbol.name, params=self.algo_params, urgent=True)

    async def get_open_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """Those that wait are asked for first: what is triggered meanwhile is then among the plain ones."""
        waiting: dict[tuple[str, str | None], Order] = {}
        names = [(symbol.name, symbol.market)] if symbol is not None else [(None, market) for market in self.markets]
        for name, market in names:
            if any(self.keeps_apart(one) for one in self.symbols.values() if one.market == market):
                params = {**({} if name else self.scope(market)), **self.open_algo_params}
                rows = await self.call("fetch_open_orders", name, None, None, params=params)
                waiting |= {(order.symbol, order.id): order for order in self.orders(rows)}
        plain = await super().get_open_orders(symbol)
        found = {**waiting, **{(order.symbol, order.id): order for order in plain}}
        return sorted(found.values(), key=lambda order: order.created_ms or 0)
