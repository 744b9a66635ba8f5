"""Swaps on a multi-assets account: v5 ("Multi-Assets Collateral" of the USDT-margined documents)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from fra.adapters.custom import Endpoint, Failure, Params, before_sending
from fra.core import (
    Balance,
    ExchangeAPIError,
    ExchangeConnectionError,
    ExchangeError,
    Fill,
    FundingPayment,
    NotSupported,
    Order,
    OrderNotFound,
    OrderRequest,
    Position,
    PositionMode,
    Symbol,
)
from fra.exchanges.htx import account_convert as convert
from fra.exchanges.htx import account_tables as tables
from fra.exchanges.htx import account_wire as wire
from fra.exchanges.htx import orders, union_convert
from fra.exchanges.htx.listings import Listing, chosen
from fra.exchanges.htx.trading_swap import code_of

if TYPE_CHECKING:
    from fra.exchanges.htx.trading import HTXTrading

T = TypeVar("T")

_PAGE: Final = 100
_MOST_PAGES: Final = 20


class UnionTrading:
    """What a key may ask and do with swaps, at the margin mode of the options."""

    def __init__(self, plugin: HTXTrading) -> None:
        self._plugin = plugin
        self._margin_mode = plugin.options.margin_mode
        self._hedge: bool | None = None
        self.used: set[str] = set()
        """Contracts that this account was seen to trade: ended orders are asked for by contract."""

    # --- account

    async def balances(self) -> list[Balance]:
        return union_convert.union_balances((await self._plugin.http.request(tables.UNION_BALANCE)).data)

    async def positions(self, symbol: Symbol | None) -> list[Position]:
        params = {"contract_code": symbol.venue_id if symbol else None}
        rows = (await self._plugin.http.request(tables.UNION_POSITIONS, params)).data
        named = await self._plugin.named((row for row in rows if row.volume), code_of, symbol)
        self.used.update(row.contract_code for row, _ in named)
        return [union_convert.union_position(row, of) for row, of in named]

    async def funding_payments(self, symbol: Symbol | None, listing: Listing) -> list[FundingPayment]:
        params = {"contract_code": symbol.venue_id if symbol else None, "type": convert.FUNDING_TYPES}
        rows = await self._window(tables.UNION_BILLS, params, listing, lambda row: str(row.id))
        payments = [convert.funding_payment(row, of) for row, of in await self._plugin.named(rows, code_of, symbol)]
        return chosen(payments, lambda payment: payment.timestamp_ms, listing, _PAGE * _MOST_PAGES)

    async def set_leverage(self, symbol: Symbol, leverage: int) -> None:
        params: dict[str, object] = {"contract_code": symbol.venue_id, "margin_mode": self._margin_mode}
        params["lever_rate"] = leverage
        sides = ("long", "short") if self._margin_mode == "isolated" and await self._is_hedge() else (None,)
        for side in sides:
            await self._plugin.http.request(tables.SET_UNION_LEVER, {**params, "position_side": side})

    async def set_position_mode(self, mode: PositionMode) -> None:
        if await self._is_hedge(anew=True) is not (mode is PositionMode.HEDGE):
            await self._plugin.http.request(tables.SET_UNION_MODE, {"position_mode": orders.MODES[mode]})
        self._hedge = None

    async def _is_hedge(self, *, anew: bool = False) -> bool:
        if self._hedge is None or anew:
            reply = await self._plugin.http.request(tables.UNION_MODE)
            self._hedge = reply.data.position_mode == orders.MODES[PositionMode.HEDGE]
        return self._hedge

    # --- orders

    async def create(self, request: OrderRequest, symbol: Symbol) -> Order:
        with before_sending():
            hedge = await self._is_hedge()
        params = orders.union(request, symbol, hedge=hedge, margin_mode=self._margin_mode)
        self.used.add(symbol.venue_id)
        try:
            reply = await self._plugin.http.request(tables.UNION_PLACE, params)
            if (error := self._refusal(reply.data)) is not None:
                raise error
        except ExchangeAPIError:
            self._hedge = None  # it may have been changed elsewhere
            raise
        if not reply.data.order_id:
            raise ExchangeConnectionError("HTX acknowledged no order", exchange=self._plugin.config.name)
        return Order.of(request, id=str(reply.data.order_id), timestamp_ms=reply.ts)

    async def cancel(self, order_id: str | None, client_order_id: str | None, symbol: Symbol) -> None:
        params = {"contract_code": symbol.venue_id, "order_id": order_id, "client_order_id": client_order_id}
        reply = await self._plugin.http.request(tables.UNION_CANCEL, params, priority=True)
        if (error := self._refusal(reply.data)) is not None:
            raise error

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        open_orders = {} if symbol is not None else {order.id: order for order in await self.open_orders(None)}
        params = {"contract_code": symbol.venue_id if symbol else None}
        cancelled: list[Order] = []
        refusals: list[ExchangeError] = []
        for ack in (await self._plugin.http.request(tables.UNION_CANCEL_ALL, params, priority=True)).data:
            error = self._refusal(ack)
            if error is None:
                listed = open_orders.get(str(ack.order_id))
                of = symbol if listed is None else self._plugin.by_name(listed.symbol)
                if of is not None:
                    cancelled.append(await self.get(str(ack.order_id), None, of))
            elif not isinstance(error, OrderNotFound):
                refusals.append(error)
        if refusals:
            refusals[0].message = f"{len(refusals)} orders could not be cancelled: {refusals[0].message}"
            raise refusals[0]
        return cancelled

    async def get(self, order_id: str | None, client_order_id: str | None, symbol: Symbol) -> Order:
        params = {
            "contract_code": symbol.venue_id,
            "margin_mode": self._margin_mode,
            "order_id": order_id,
            "client_order_id": client_order_id,
        }
        reply = await self._plugin.http.request(tables.UNION_ORDER, params)
        return union_convert.union_order(reply.data, symbol)

    async def open_orders(self, symbol: Symbol | None) -> list[Order]:
        params = {"contract_code": symbol.venue_id if symbol else None}
        rows = await self._pages(tables.UNION_OPEN, params, lambda row: str(row.id or row.order_id))
        named = await self._plugin.named(rows, code_of, symbol)
        self.used.update(row.contract_code for row, _ in named)
        return [union_convert.union_order(row, of) for row, of in named]

    async def history(self, symbol: Symbol | None, listing: Listing) -> list[Order]:
        if symbol is None:
            raise NotSupported(
                "HTX gives order history of swaps by contract",
                exchange=self._plugin.config.name,
                cure="give the symbol",
            )
        params = {"contract_code": symbol.venue_id, "margin_mode": self._margin_mode}
        rows = await self._window(tables.UNION_ENDED, params, listing, lambda row: str(row.id or row.order_id))
        found = [union_convert.union_order(row, symbol) for row in rows]
        ended = [order for order in found if order.status.final]
        return chosen(ended, lambda order: order.created_ms or 0, listing, _PAGE * _MOST_PAGES)

    async def fills(self, symbol: Symbol | None, listing: Listing) -> list[Fill]:
        params = {"contract_code": symbol.venue_id if symbol else None}
        rows = await self._window(tables.UNION_FILLS, params, listing, lambda row: str(row.id or row.trade_id))
        found = [union_convert.union_fill(row, of) for row, of in await self._plugin.named(rows, code_of, symbol)]
        return chosen(found, lambda fill: fill.timestamp_ms, listing, _PAGE * _MOST_PAGES)

    # --- parts

    async def _window(
        self, row: Endpoint[wire.Answer[list[T]]], params: Params, listing: Listing, id_of: Callable[[T], str]
    ) -> list[T]:
        start, end = self._plugin.span(listing[0], listing[1])
        return await self._pages(row, {**params, "start_time": start, "end_time": end}, id_of)

    async def _pages(self, row: Endpoint[wire.Answer[list[T]]], params: Params, id_of: Callable[[T], str]) -> list[T]:
        found: dict[str, T] = {}
        following: dict[str, object] = {}
        for _ in range(_MOST_PAGES):
            rows = (await self._plugin.http.request(row, {**params, "limit": _PAGE, **following})).data
            fresh = {id_of(item): item for item in rows if id_of(item) not in found}
            found.update(fresh)
            if len(rows) < _PAGE or not fresh:
                break
            following = {"from": id_of(rows[-1]), "direct": "next"}
        return list(found.values())

    def _refusal(self, ack: wire.UnionAck) -> ExchangeError | None:
        if ack.code == 200:
            return None
        failure = Failure(code=str(ack.code), message=ack.message, status=200)
        return self._plugin.errors.error(failure, exchange=self._plugin.config.name)
