"""Account and orders of OKX: the methods that read the venue's tables (chapters "Trading Account" and "Trade")."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from fra.adapters.custom import Failure, before_sending, endpoint_for
from fra.core import (
    Balance,
    ExchangeAPIError,
    ExchangeConnectionError,
    ExchangeError,
    Fill,
    FundingPayment,
    KeyPermissions,
    NotSupported,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    Position,
    PositionMode,
    Symbol,
)
from fra.exchanges.okx import account, conditional, convert, orders, wire
from fra.exchanges.okx.conditional import Conditionals
from fra.exchanges.okx.listings import OKXListings
from fra.exchanges.okx.options import OKXOptions
from fra.exchanges.okx.tables import (
    ALGO_ORDER,
    BALANCE,
    BILLS,
    CANCEL,
    CANCEL_ALGOS,
    CANCEL_BATCH,
    CONFIG,
    ENDED,
    FILLS,
    KINDS,
    OLD_BILLS,
    OLD_ENDED,
    OLD_FILLS,
    ORDER,
    PENDING,
    PENDING_ALGOS,
    PLACE,
    PLACE_ALGO,
    POSITIONS,
    SET_LEVERAGE,
    SET_POSITION_MODE,
)

_BATCHES: Final[Mapping[bool, int]] = {False: 20, True: 10}
"""How many orders one call cancels, by whether they are conditional."""
_FUNDING: Final = "8"
_MODES: Final[Mapping[PositionMode, str]] = {
    PositionMode.ONE_WAY: "net_mode",
    PositionMode.HEDGE: "long_short_mode",
}
_CANCELLING: Final = "51410"
_TRIGGERED: Final = "51412"
_WRONG_PARAMETER: Final = "51000"
_WRONG_LEVEL: Final = "51010"


class OKXTrading(OKXListings):
    """What an OKX account can do. All amounts are coins; OKX counts contracts of swaps."""

    options: OKXOptions
    conditionals: Conditionals
    _account: wire.AccountConfig | None

    async def initialize(self) -> None:
        await super().initialize()
        self.conditionals = Conditionals()
        self._account = None

    # --- account

    async def get_balance(self, market: str | None = None) -> list[Balance]:
        """One wallet, ``trading``, for all markets: the account is unified. The funding wallet is not shown."""
        known = (account.WALLET, *KINDS)
        if market is not None and market not in known:
            raise NotSupported(
                f"OKX has no wallet {market!r}", exchange=self.config.name, cure=f"it has {', '.join(known)}"
            )
        reply = await self.http.request(self._any(BALANCE))
        return account.held(balance for row in reply.data for balance in account.balances(row))

    async def get_positions(self, symbol: Symbol | None = None) -> list[Position]:
        """Of swaps."""
        params = {"instType": "SWAP", "instId": symbol.venue_id if symbol else None}
        reply = await self.http.request(POSITIONS[0], params)
        named = await self.named(reply.data, symbol)
        return [position for row, of in named if (position := account.position(row, of)).amount]

    async def get_key_permissions(self) -> KeyPermissions:
        """OKX tells of no date on which a key ends."""
        reply = await self.http.request(self._any(CONFIG))
        return account.key_permissions(self._first(reply.data, "the account's configuration"))

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """For the option's ``margin_mode``; with isolated margin in hedge mode for both sides."""
        mode = self.options.margin_mode
        params = {"instId": symbol.venue_id, "lever": leverage, "mgnMode": mode}
        hedge = mode == "isolated" and (await self._settings()).posMode == _MODES[PositionMode.HEDGE]
        for side in ("long", "short") if hedge else (None,):
            await self.http.request(endpoint_for(SET_LEVERAGE, symbol), {**params, "posSide": side})

    async def set_position_mode(self, mode: PositionMode) -> None:
        """OKX refuses it while there are positions or open orders."""
        await self.http.request(SET_POSITION_MODE[0], {"posMode": _MODES[mode]})
        self._account = None

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[FundingPayment]:
        """Of the last three months; at most ``limit`` (100) of them: the first from ``since``, else the latest."""
        bills = await self._listing(
            OLD_BILLS if since is None or self._before(7, since, until) else BILLS,
            symbol,
            since=since,
            until=until,
            limit=limit,
            id_of=lambda row: row.billId,
            time_of=lambda row: int(row.ts),
            params={"type": _FUNDING},
        )
        return [account.funding_payment(row, of) for row, of in await self.named(bills, symbol)]

    async def _settings(self) -> wire.AccountConfig:
        """Account level and position mode, asked for once."""
        if self._account is None:
            reply = await self.http.request(self._any(CONFIG))
            self._account = self._first(reply.data, "the account's configuration")
        return self._account

    # --- orders

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Order:
        """OKX answers with an id alone, so the order is PENDING.

        Stop and take-profit orders are triggered by the last price. A swap's market order that must not rest is one
        with IOC.
        """
        orders.check(request, symbol)
        with before_sending():
            settings = await self._settings()
        common = orders.parameters(request, symbol, settings, margin_mode=self.options.margin_mode)
        is_conditional = orders.is_conditional(request)
        make = orders.conditional if is_conditional else orders.ordinary
        row = endpoint_for(PLACE_ALGO if is_conditional else PLACE, symbol)
        try:
            reply = await self.http.request(row, make(request, symbol, common))
        except ExchangeError as error:
            if error.code in (_WRONG_PARAMETER, _WRONG_LEVEL):
                self._account = None  # its modes may have been changed elsewhere
            raise
        if not reply.data:
            raise ExchangeConnectionError("OKX acknowledged no order", exchange=self.config.name)
        ack = reply.data[0]
        return Order.of(request, id=ack.algoId or ack.ordId, timestamp_ms=convert.moment(ack.ts))

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Needs the symbol. Gives the order as it is right after OKX has accepted the cancelling."""
        symbol = self._required(symbol)
        params = {"instId": symbol.venue_id, "ordId": order_id, "clOrdId": client_order_id}
        try:
            await self.http.request(endpoint_for(CANCEL, symbol), params, priority=True)
        except OrderNotFound:
            if not await self._cancel_conditional(order_id, client_order_id, symbol):
                raise
        except ExchangeAPIError as error:
            if error.code != _CANCELLING:  # else it was asked for before
                raise
        return await self._cancelled(order_id, client_order_id, symbol)

    async def cancel_all_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """Twenty at a time (ten conditional ones). Raises if one of them could not be cancelled, after trying all."""
        open_rows = await self._open_rows(symbol)
        acknowledged: list[tuple[str, Symbol]] = []
        refusals: list[ExchangeError] = []
        for rows, conditional_, key in ((open_rows[0], False, "ordId"), (open_rows[1], True, "algoId")):
            size = _BATCHES[conditional_]
            for start in range(0, len(rows), size):
                batch = {getattr(row, key): (row, of) for row, of in rows[start : start + size]}
                params = [{"instId": row.instId, key: id_} for id_, (row, _) in batch.items()]
                endpoint = self._any(CANCEL_ALGOS if conditional_ else CANCEL_BATCH)
                for ack in (await self.http.request(endpoint, {"rows": params}, priority=True)).data:
                    id_ = getattr(ack, key)
                    error = self._refusal(ack)
                    if error is None and id_ in batch:
                        acknowledged.append((id_, batch[id_][1]))
                    elif error is not None and not isinstance(error, OrderNotFound):  # not found: it has ended
                        refusals.append(error)
        if refusals:
            refusals[0].message = f"{len(refusals)} orders could not be cancelled: {refusals[0].message}"
            raise refusals[0]
        return list(await asyncio.gather(*(self._cancelled(id_, None, of) for id_, of in acknowledged)))

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Needs the symbol. OKX forgets orders that were cancelled without a fill after two hours."""
        symbol = self._required(symbol)
        params = {"instId": symbol.venue_id, "ordId": order_id, "clOrdId": client_order_id}
        try:
            reply = await self.http.request(endpoint_for(ORDER, symbol), params)
            if not reply.data:
                raise OrderNotFound("OKX answers with no order", exchange=self.config.name)
        except OrderNotFound:
            parent = await self._conditional(order_id, client_order_id, symbol)
            if parent is None:
                raise
            return await self._as_order(parent, symbol)
        await self.learn(reply.data, symbol)
        return self.conditionals.order(reply.data[0], symbol)

    async def get_open_orders(self, symbol: Symbol | None = None) -> list[Order]:
        """All pages. Of algo orders the one-way stop losses and take profits."""
        ordinary, waiting = await self._open_rows(symbol)
        found = [self.conditionals.order(row, of) for row, of in ordinary]
        return found + [conditional.untriggered(row, of) for row, of in waiting]

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """Created in [since, until), within three months, by creation; at most ``limit`` (100) of them.

        The first from ``since``, else the latest of seven days (with an older ``until``: of three months). Those that
        were cancelled without a fill are kept for two hours, conditional ones that were never triggered are not among
        them.
        """
        rows = await self._listing(
            OLD_ENDED if self._before(7, since, until) else ENDED,
            symbol,
            since=since,
            until=until,
            limit=limit,
            id_of=lambda row: row.ordId,
            time_of=lambda row: int(row.cTime),
        )
        await self.learn(rows, symbol)
        return [self.conditionals.order(row, of) for row, of in await self.named(rows, symbol)]

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Fill]:
        """Of the last three months; at most ``limit`` (100) of them: the first from ``since``, else the latest."""
        rows = await self._listing(
            OLD_FILLS if since is None or self._before(3, since, until) else FILLS,
            symbol,
            since=since,
            until=until,
            limit=limit,
            id_of=lambda row: row.billId,
            time_of=lambda row: int(row.ts),
        )
        return [self.fill(row, of) for row, of in await self.named(rows, symbol)]

    # --- conditional orders

    async def _conditional(
        self, order_id: str | None, client_order_id: str | None, symbol: Symbol
    ) -> wire.AlgoOrder | None:
        """The algo order of this id as it is now, None where OKX knows none."""
        try:
            reply = await self.http.request(
                endpoint_for(ALGO_ORDER, symbol), {"algoId": order_id, "algoClOrdId": client_order_id}
            )
        except ExchangeAPIError as error:
            if isinstance(error, OrderNotFound) or error.code == _WRONG_PARAMETER:
                return None
            raise
        rows = [row for row in reply.data if row.instId == symbol.venue_id]
        for row in rows:
            self.conditionals.remember(row)
        return rows[0] if rows else None

    async def _as_order(self, row: wire.AlgoOrder, symbol: Symbol) -> Order:
        """An algo order, or the ordinary one that came of it."""
        waited = conditional.untriggered(row, symbol)
        triggered = conditional.children(row)
        if waited.status is not OrderStatus.UNKNOWN or len(triggered) != 1:
            return waited
        try:
            reply = await self.http.request(
                endpoint_for(ORDER, symbol), {"instId": symbol.venue_id, "ordId": triggered[0]}
            )
        except OrderNotFound:
            return waited  # cancelled without a fill long ago, or not there yet
        return self.conditionals.order(reply.data[0], symbol) if reply.data else waited

    async def _cancel_conditional(self, order_id: str | None, client_order_id: str | None, symbol: Symbol) -> bool:
        """Cancel an algo order or what came of it; False where there is nothing to cancel."""
        row = await self._conditional(order_id, client_order_id, symbol)
        if row is not None and account.ALGO_STATES.get(row.state) is OrderStatus.OPEN:
            params = [{"instId": row.instId, "algoId": row.algoId}]
            reply = await self.http.request(endpoint_for(CANCEL_ALGOS, symbol), {"rows": params}, priority=True)
            refusal = next(filter(None, map(self._refusal, reply.data)), None)
            if refusal is None:
                return True
            if refusal.code != _TRIGGERED:
                raise refusal
            row = await self._conditional(order_id, client_order_id, symbol)
        triggered = [] if row is None else conditional.children(row)
        for child in triggered:
            ids = {"instId": symbol.venue_id, "ordId": child}
            await self.http.request(endpoint_for(CANCEL, symbol), ids, priority=True)
        return bool(triggered)

    async def learn(self, rows: Iterable[wire.Order], symbol: Symbol | None) -> None:
        """Make the algo orders known that these orders came of."""
        for row, of in await self.named([row for row in rows if conditional.is_triggered(row)], symbol):
            if self.conditionals.get(row.algoId) is None:
                await self._conditional(row.algoId, None, of)

    # --- parts

    def fill(self, row: wire.Fill, symbol: Symbol) -> Fill:
        """An execution, under the ids by which its order is known."""
        return account.fill(row, symbol, ids=self.conditionals.of_fill(row))

    async def _open_rows(
        self, symbol: Symbol | None
    ) -> tuple[list[tuple[wire.Order, Symbol]], list[tuple[wire.AlgoOrder, Symbol]]]:
        params = {"instId": symbol.venue_id if symbol else None}
        open_rows = await self._all(self._any(PENDING, symbol), params, lambda row: row.ordId)
        waiting = await self._all(
            self._any(PENDING_ALGOS, symbol), {**params, "ordType": conditional.KINDS}, lambda row: row.algoId
        )
        for row in waiting:
            self.conditionals.remember(row)
        await self.learn(open_rows, symbol)
        return await self.named(open_rows, symbol), await self.named(waiting, symbol)

    async def _cancelled(self, order_id: str | None, client_order_id: str | None, symbol: Symbol) -> Order:
        try:
            return await self.get_order(order_id, symbol, client_order_id=client_order_id)
        except ExchangeError as error:
            error.message = f"the cancelling was accepted, but then the order could not be asked for: {error.message}"
            raise

    def _refusal(self, ack: wire.Ack) -> ExchangeError | None:
        if ack.sCode in ("", "0", _CANCELLING):
            return None
        failure = Failure(code=ack.sCode, message=ack.sMsg, status=200)
        return self.errors.error(failure, exchange=self.config.name)

    def _required(self, symbol: Symbol | None) -> Symbol:
        if symbol is None:
            raise NotSupported(
                "OKX needs the symbol to find an order", exchange=self.config.name, cure="give the symbol"
            )
        return symbol
