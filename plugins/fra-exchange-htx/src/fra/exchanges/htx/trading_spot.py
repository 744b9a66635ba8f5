"""The spot account ("Trading" of the spot documents)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from fra.adapters.custom import Endpoint, Params, before_sending
from fra.core import Balance, ExchangeAPIError, Fill, Order, OrderNotFound, OrderRequest, Symbol
from fra.exchanges.htx import account_tables as tables
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx import orders, spot_convert
from fra.exchanges.htx.listings import Listing, chosen

if TYPE_CHECKING:
    from fra.exchanges.htx.trading import HTXTrading

T = TypeVar("T", wire.SpotOrder, wire.SpotFill)

_PAGE: Final = 100
_LONG_PAGE: Final = 500
_RECENT_PAGE: Final = 1000
_BATCH: Final = 50
_ENDED: Final = "filled,partial-canceled,canceled"
_CANCELLING: Final = 10
"""What a cancel by client order id answers when it was taken; any other number is the state that the order ended in."""


class SpotTrading:
    """What a key may ask and do on spot."""

    def __init__(self, plugin: HTXTrading) -> None:
        self._plugin = plugin
        self._account_id: int | None = None

    async def account_id(self) -> int:
        """Of the spot account, asked for once. Raises ExchangeAPIError where there is none."""
        if self._account_id is None:
            rows = (await self._plugin.http.request(tables.SPOT_ACCOUNTS)).data
            found = [row.id for row in rows if row.type == "spot"]
            if not found:
                raise ExchangeAPIError("this key has no spot account", exchange=self._plugin.config.name)
            self._account_id = found[0]
        return self._account_id

    async def balances(self) -> list[Balance]:
        reply = await self._plugin.http.request(tables.SPOT_BALANCE, {"account_id": await self.account_id()})
        return spot_convert.spot_balances(reply.data.amounts)

    async def create(self, request: OrderRequest, symbol: Symbol) -> Order:
        with before_sending():
            account_id = await self.account_id()
        params = {"account-id": str(account_id), **orders.spot(request, symbol)}
        reply = await self._plugin.http.request(tables.SPOT_PLACE, params)
        return Order.of(request, id=reply.data)

    async def cancel(self, order_id: str | None, client_order_id: str | None) -> None:
        if order_id is not None:
            await self._plugin.http.request(tables.SPOT_CANCEL, {"order_id": order_id}, priority=True)
            return
        reply = await self._plugin.http.request(
            tables.SPOT_CANCEL_CLIENT, {"client-order-id": client_order_id}, priority=True
        )
        if reply.data != _CANCELLING:
            raise OrderNotFound(
                f"the order {client_order_id} is open no more", code=str(reply.data), exchange=self._plugin.config.name
            )

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        open_orders = await self.open_orders(symbol)
        taken: list[str] = []
        ids = [order.id for order in open_orders if order.id is not None]
        for start in range(0, len(ids), _BATCH):
            params = {"order-ids": ids[start : start + _BATCH]}
            taken += (await self._plugin.http.request(tables.SPOT_CANCEL_BATCH, params, priority=True)).data.success
        return [await self.get(order_id, None) for order_id in taken]

    async def get(self, order_id: str | None, client_order_id: str | None) -> Order:
        if order_id is not None:
            reply = await self._plugin.http.request(tables.SPOT_ORDER, {"order_id": order_id})
        else:
            reply = await self._plugin.http.request(tables.SPOT_CLIENT_ORDER, {"clientOrderId": client_order_id})
        named = await self._plugin.named([reply.data], _symbol)
        if not named:
            raise OrderNotFound(
                f"the order is of {reply.data.symbol}, which is not listed", exchange=self._plugin.config.name
            )
        return spot_convert.spot_order(*named[0])

    async def open_orders(self, symbol: Symbol | None) -> list[Order]:
        account = {"account-id": await self.account_id(), "symbol": symbol.venue_id} if symbol is not None else {}
        rows = await self._pages(tables.SPOT_OPEN, account, _LONG_PAGE)
        return [spot_convert.spot_order(row, of) for row, of in await self._plugin.named(rows, _symbol, symbol)]

    async def history(self, symbol: Symbol | None, listing: Listing) -> list[Order]:
        since, until, _ = listing
        start, end = self._plugin.span(since, until)
        times = {"start-time": start, "end-time": end}
        if symbol is None:
            rows = await self._pages(tables.SPOT_RECENT, times, _RECENT_PAGE)
        else:
            wanted = {"symbol": symbol.venue_id, "states": _ENDED, **times}
            rows = await self._pages(tables.SPOT_ENDED, wanted, _PAGE)
        found = [spot_convert.spot_order(row, of) for row, of in await self._plugin.named(rows, _symbol, symbol)]
        ended = [order for order in found if order.status.final]
        return chosen(ended, lambda order: order.created_ms or 0, listing, _PAGE)

    async def fills(self, symbol: Symbol | None, listing: Listing) -> list[Fill]:
        since, until, _ = listing
        start, end = self._plugin.span(since, until)
        params = {"symbol": symbol.venue_id if symbol else None, "start-time": start, "end-time": end}
        rows = await self._pages(tables.SPOT_FILLS, params, _LONG_PAGE)
        found = [spot_convert.spot_fill(row, of) for row, of in await self._plugin.named(rows, _symbol, symbol)]
        return chosen(found, lambda fill: fill.timestamp_ms, listing, _LONG_PAGE)

    async def _pages(self, row: Endpoint[wire.Answer[list[T]]], params: Params, size: int) -> list[T]:
        """All of them, newest first: each page begins with the last row of the one before."""
        found: dict[str, T] = {}
        following: Mapping[str, object] = {}
        while True:
            rows = (await self._plugin.http.request(row, {**params, "size": size, **following})).data
            fresh = [item for item in rows if str(item.id) not in found]
            found.update((str(item.id), item) for item in fresh)
            if len(rows) < size or not fresh:
                return list(found.values())
            following = {"from": rows[-1].id, "direct": "next"}


_symbol: Callable[[wire.SpotOrder | wire.SpotFill], str] = lambda row: row.symbol  # noqa: E731
