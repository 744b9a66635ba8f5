"""Swaps on a single-asset account: v1 and v3 ("Swap Trade Interface" of the USDT-margined documents)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

from fra.adapters.custom import Endpoint, Failure, Params, before_sending
from fra.core import (
    Balance,
    ExchangeAPIError,
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
from fra.exchanges.htx import orders, swap_convert
from fra.exchanges.htx.listings import Listing, Named, chosen

if TYPE_CHECKING:
    from fra.exchanges.htx.trading import HTXTrading

T = TypeVar("T", wire.Order, wire.Fill, wire.Record)

_PAGE: Final = 50
_MOST_PAGES: Final = 40
_BEING_CANCELLED: Final = "1062"
_NOTHING_TO_CANCEL: Final = "1051"
_ENDED: Final = "5,6,7"


def code_of(row: Named) -> str:
    return row.contract_code


class SwapTrading:
    """What a key may ask and do with swaps, at the margin mode of the options."""

    def __init__(self, plugin: HTXTrading) -> None:
        self._plugin = plugin
        self._cross = plugin.options.margin_mode == "cross"
        self._levers: dict[str, int] = {}
        self._hedge: dict[str, bool] = {}
        self.used: set[str] = set()
        """Contracts that this account was seen to trade: history is asked for by contract."""
        self._margins: dict[str, wire.Margin] = {}

    def _at(self, **params: object) -> dict[str, object]:
        return {"margin": "cross_" if self._cross else "", **params}

    def _margin_account(self, symbol: Symbol) -> str:
        return symbol.quote if self._cross else symbol.venue_id

    # --- account

    async def balances(self) -> list[Balance]:
        rows = (await self._plugin.http.request(tables.MARGINS, self._at())).data
        self._margins = {row.margin_account: row for row in rows}
        return swap_convert.swap_balances(rows)

    def balances_with(self, rows: Iterable[wire.Margin], *, timestamp_ms: int | None) -> list[Balance]:
        """The wallet once these margin accounts have changed: with isolated margin each contract has one."""
        self._margins.update((row.margin_account, row) for row in rows)
        return swap_convert.swap_balances(self._margins.values(), timestamp_ms=timestamp_ms)

    async def positions(self, symbol: Symbol | None) -> list[Position]:
        code = symbol.venue_id if symbol else None
        rows = (await self._plugin.http.request(tables.POSITIONS, self._at(contract_code=code))).data
        named = await self._plugin.named((row for row in rows if row.volume), code_of, symbol)
        self.used.update(row.contract_code for row, _ in named)
        liquidations: dict[str, Decimal | None] = {}
        if self._cross and any(row.liquidation_price is None for row, _ in named):
            margins = (await self._plugin.http.request(tables.MARGINS, self._at())).data
            liquidations = {
                detail.contract_code: detail.liquidation_price
                for account in margins
                for detail in account.contract_detail
            }
        return [
            swap_convert.swap_position(row, of, liquidation=liquidations.get(row.contract_code)) for row, of in named
        ]

    async def funding_payments(self, symbol: Symbol | None, listing: Listing) -> list[FundingPayment]:
        if symbol is None and not self._cross:
            raise self._needs_symbol("funding payments of isolated margin")
        since, until, _ = listing
        account = self._margin_account(symbol) if symbol else "USDT"
        contract = symbol.venue_id if symbol else None
        params = {"mar_acct": account, "contract": contract, "type": convert.FUNDING_TYPES}
        rows = await self._pages(tables.RECORDS, params, since, until)
        named = await self._plugin.named(rows, code_of, symbol)
        payments = [convert.funding_payment(row, of) for row, of in named]
        return chosen(payments, lambda payment: payment.timestamp_ms, listing, _PAGE * _MOST_PAGES)

    async def set_leverage(self, symbol: Symbol, leverage: int) -> None:
        await self._plugin.http.request(tables.SET_LEVER, self._at(contract_code=symbol.venue_id, lever_rate=leverage))
        self._levers[symbol.venue_id] = leverage

    async def set_position_mode(self, mode: PositionMode) -> None:
        if not self._cross:
            raise NotSupported(
                "HTX has a position mode for each isolated contract",
                exchange=self._plugin.config.name,
                cure="set it on HTX's pages, or use margin_mode = cross",
            )
        if await self._is_hedge_account("USDT") is not (mode is PositionMode.HEDGE):
            params = self._at(margin_account="USDT", position_mode=orders.MODES[mode])
            await self._plugin.http.request(tables.SET_MODE, params)
        self._hedge.clear()

    async def _is_hedge_account(self, margin_account: str) -> bool:
        reply = await self._plugin.http.request(tables.MODE, self._at(margin_account=margin_account))
        return reply.data.position_mode == orders.MODES[PositionMode.HEDGE]

    async def _is_hedge(self, symbol: Symbol) -> bool:
        account = self._margin_account(symbol)
        if account not in self._hedge:
            self._hedge[account] = await self._is_hedge_account(account)
        return self._hedge[account]

    async def _lever(self, symbol: Symbol) -> int:
        """Every order must say the leverage that the contract has already."""
        code = symbol.venue_id
        if code not in self._levers:
            params = self._at(margin_account=symbol.quote) if self._cross else self._at(contract_code=code)
            for row in (await self._plugin.http.request(tables.MARGINS, params)).data:
                if row.contract_code is not None and row.lever_rate is not None:
                    self._levers[row.contract_code] = row.lever_rate
                self._levers.update((detail.contract_code, detail.lever_rate) for detail in row.contract_detail)
        if code not in self._levers:
            raise ExchangeAPIError(
                f"HTX tells no leverage of {symbol.name}, and every order needs it",
                exchange=self._plugin.config.name,
                cure="set_leverage first",
            )
        return self._levers[code]

    # --- orders

    async def create(self, request: OrderRequest, symbol: Symbol) -> Order:
        orders.number(request.client_order_id)
        with before_sending():
            hedge = await self._is_hedge(symbol)
            orders.is_closing(request, hedge=hedge)
            lever_rate = await self._lever(symbol)
        params = orders.swap(request, symbol, hedge=hedge, lever_rate=lever_rate)
        self.used.add(symbol.venue_id)
        try:
            reply = await self._plugin.http.request(tables.PLACE, self._at(**params))
        except ExchangeAPIError:
            # What was remembered may have been changed elsewhere.
            self._hedge.pop(self._margin_account(symbol), None)
            self._levers.pop(symbol.venue_id, None)
            raise
        return Order.of(request, id=reply.data.id, timestamp_ms=reply.ts)

    async def cancel(self, order_id: str | None, client_order_id: str | None, symbol: Symbol) -> None:
        params = self._at(contract_code=symbol.venue_id, order_id=order_id, client_order_id=client_order_id)
        reply = await self._plugin.http.request(tables.CANCEL, params, priority=True)
        for failed in reply.data.errors:
            if str(failed.err_code) != _BEING_CANCELLED:
                raise self._error(failed)

    async def cancel_all(self, symbol: Symbol | None) -> list[Order]:
        symbols = [symbol] if symbol is not None else await self._symbols_of(await self.open_orders(None))
        cancelled: list[Order] = []
        refusals: list[ExchangeError] = []
        for of in symbols:
            params = self._at(contract_code=of.venue_id)
            try:
                reply = await self._plugin.http.request(tables.CANCEL_ALL, params, priority=True)
            except OrderNotFound as error:
                if error.code != _NOTHING_TO_CANCEL:
                    raise
                continue
            failures = [self._error(failed) for failed in reply.data.errors]
            refusals += [failure for failure in failures if not isinstance(failure, OrderNotFound)]
            taken = reply.data.taken
            for start in range(0, len(taken), _PAGE):
                cancelled += await self._ask(of, order_id=",".join(taken[start : start + _PAGE]))
        if refusals:
            refusals[0].message = f"{len(refusals)} orders could not be cancelled: {refusals[0].message}"
            raise refusals[0]
        return cancelled

    async def get(self, order_id: str | None, client_order_id: str | None, symbol: Symbol) -> Order:
        missing = OrderNotFound(
            f"HTX knows no order {order_id or client_order_id} of {symbol.name}", exchange=self._plugin.config.name
        )
        try:
            found = await self._ask(symbol, order_id=order_id, client_order_id=client_order_id)
            if found:
                return found[0]
        except OrderNotFound as error:
            missing = error
        # HTX tells of an order by its id for some hours; then it is in the history.
        for order in reversed(await self.history(symbol, (None, None, None))):
            if order_id is not None and order.id == order_id:
                return order
            if order_id is None and order.client_order_id == client_order_id:
                return order
        raise missing

    async def _ask(self, symbol: Symbol, **ids: str | None) -> list[Order]:
        reply = await self._plugin.http.request(tables.ORDER, self._at(contract_code=symbol.venue_id, **ids))
        return [swap_convert.swap_order(row, symbol) for row in reply.data]

    async def open_orders(self, symbol: Symbol | None) -> list[Order]:
        found: dict[object, wire.Order] = {}
        page, pages, known = 1, 1, -1
        while page <= pages and len(found) > known:  # a page that brings nothing new is the last, whatever they count
            known = len(found)
            params = self._at(contract_code=symbol.venue_id if symbol else None, page_index=page, page_size=_PAGE)
            answer = (await self._plugin.http.request(tables.OPEN, params)).data
            found |= {row.order_id: row for row in answer.orders}
            page, pages = page + 1, answer.total_page
        named = await self._plugin.named(found.values(), code_of, symbol)
        self.used.update(row.contract_code for row, _ in named)
        return [swap_convert.swap_order(row, of) for row, of in named]

    async def history(self, symbol: Symbol | None, listing: Listing) -> list[Order]:
        of = self._required(symbol, "order history")
        params = {"contract": of.venue_id, "trade_type": 0, "type": 1, "status": _ENDED}
        rows = await self._pages(tables.ENDED, self._at(**params), listing[0], listing[1])
        found = [swap_convert.swap_order(row, of) for row in rows]
        return chosen(found, lambda order: order.created_ms or 0, listing, _PAGE * _MOST_PAGES)

    async def fills(self, symbol: Symbol | None, listing: Listing) -> list[Fill]:
        of = self._required(symbol, "trade history")
        params = self._at(contract=of.venue_id, trade_type=0)
        rows = await self._pages(tables.FILLS, params, listing[0], listing[1])
        found = [swap_convert.swap_fill(row, of) for row in rows]
        return chosen(found, lambda fill: fill.timestamp_ms, listing, _PAGE * _MOST_PAGES)

    # --- parts

    async def _pages(
        self, row: Endpoint[wire.Answer[list[T]]], params: Params, since: int | None, until: int | None
    ) -> list[T]:
        """All rows of one window, oldest first: each page begins after the last row's ``query_id``."""
        start, end = self._plugin.span(since, until)
        wanted = {**params, "start_time": start, "end_time": end, "direct": "next"}
        found: dict[int, T] = {}
        for _ in range(_MOST_PAGES):
            rows = (await self._plugin.http.request(row, wanted)).data
            fresh = [item for item in rows if item.query_id is not None and item.query_id not in found]
            found.update((item.query_id, item) for item in fresh if item.query_id is not None)
            if not fresh:
                return list(found.values()) or rows
            wanted["from_id"] = max(item.query_id for item in fresh if item.query_id is not None)
        return list(found.values())

    async def _symbols_of(self, found: Iterable[Order]) -> Sequence[Symbol]:
        names = {order.symbol for order in found}
        return [symbol for symbol in self._plugin.all_listed() if symbol.name in names]

    def _error(self, failed: wire.Failed) -> ExchangeError:
        failure = Failure(code=str(failed.err_code), message=failed.err_msg, status=200)
        return self._plugin.errors.error(failure, exchange=self._plugin.config.name)

    def _required(self, symbol: Symbol | None, what: str) -> Symbol:
        if symbol is None:
            raise self._needs_symbol(what)
        return symbol

    def _needs_symbol(self, what: str) -> NotSupported:
        return NotSupported(
            f"HTX gives {what} of swaps by contract", exchange=self._plugin.config.name, cure="give the symbol"
        )
