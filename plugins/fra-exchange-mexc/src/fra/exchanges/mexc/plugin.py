"""MEXC: spot and perpetual swaps on ccxt, with what ccxt misreads there mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from fra.adapters.ccxt import MEXCCCXT, Interval, number
from fra.adapters.ccxt.convert import Raw, funding_payment, moment, within
from fra.adapters.ccxt.funding import one_by_one, upcoming
from fra.adapters.ccxt.streams import Cut
from fra.adapters.ccxt.symbols import Market
from fra.core import (
    BookView,
    ExchangeCapabilities,
    ExchangeError,
    ExchangeMetadata,
    Fill,
    FundingPayment,
    FundingRate,
    IntervalSource,
    MarketKind,
    Operation,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    PositionSide,
    RateLimit,
    Support,
    Symbol,
    Ticker,
    Upstream,
)
from fra.exchanges.mexc import books, funding, orders

_SPOT_POLLED: Final = 2.0
"""Seconds between two questions for a spot book or ticker, whose streams ccxt decodes with a package it lacks."""
_SPOT_STREAMS: Final = (
    Operation.SUBSCRIBE_TRADES,
    Operation.SUBSCRIBE_KLINES,
    Operation.SUBSCRIBE_USER_DATA,
)
_RATES: Final = RateLimit("funding_rate", 20, 2.0)
"""MEXC, futures, "Get Funding Rate"."""
_AT_ONCE: Final = 5
_PAGE: Final = 100
_GONE: Final = frozenset({"-2011", "-2013"})
_GONE_WORDS: Final = ("not exist", "state cannot")
_ABOUT_AN_ORDER: Final = ("cancel_order", "fetch_order", "contractPrivateGetOrderExternalSymbolExternalOid")
_POSITION_TYPES: Final = (1, 2)
_OPEN_TYPES: Final = {"isolated": 1, "cross": 2}


class MEXCPlugin(MEXCCCXT):
    """MEXC: spot, linear and inverse perpetual swaps. The README names what is mended of ccxt."""

    venue = attrs.evolve(
        MEXCCCXT.venue,
        margin_mode_param=True,
        # ccxt makes up ids of trades that have none: two equal trades of one millisecond would be one.
        settings={"options": {"useCcxtTradeId": False}},
    )
    missing = frozenset(
        {
            *((Operation.SET_MARGIN_MODE, kind) for kind in MarketKind),
            *((operation, MarketKind.SPOT) for operation in _SPOT_STREAMS),
        }
    )

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return attrs.evolve(super().describe(), name="mexc", display_name="MEXC")

    async def initialize(self) -> None:
        """Raises ConfigError for settings that it cannot have."""
        await super().initialize()
        self._cycles: dict[str, tuple[timedelta | None, int | None]] = {}
        self._rates = self.context.limiter("mexc", [_RATES])
        assert self._matrix is not None
        polled = Support.polled(_SPOT_POLLED)
        self._matrix |= ExchangeCapabilities(
            {(Operation.GET_FUNDING_RATES, kind): Support.NATIVE for kind in self.kinds if kind.is_swap}
            | {
                (operation, kind): polled
                for operation in (Operation.SUBSCRIBE_ORDERBOOK, Operation.SUBSCRIBE_TICKER)
                for kind in self.kinds
                if kind is MarketKind.SPOT
            }
        )

    def adjust(self, client: Any) -> None:
        """Streamed books of contracts: exact numbers, and no update missing."""
        books.mend(client)

    def scope(self, market: str) -> dict[str, object]:
        """MEXC has one account of contracts, and no word for linear or inverse."""
        return {"type": super().scope(market)["type"]}

    def make_symbol(self, market: Market, name: str) -> Symbol:
        """A contract whose ``apiAllowed`` is false takes no orders from here."""
        made = super().make_symbol(market, name)
        allowed = (market.get("info") or {}).get("apiAllowed")
        return attrs.evolve(made, active=False) if allowed is False else made

    # --- funding

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """Two requests: the rate, and the ticker, where the mark price is."""
        raw, answer = await asyncio.gather(
            self._asked(symbol), self.call("contractPublicGetTicker", params={"symbol": symbol.venue_id})
        )
        told = answer.get("data") or {}
        rows = told if isinstance(told, list) else [told]
        return self._marked(raw, symbol, next((row for row in rows if row.get("symbol") == symbol.venue_id), {}))

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """One request for each symbol, five at once and ten in a second, which is what MEXC allows: every active swap
        takes a minute and more. Each rate has the time it was received at.
        """
        wanted = self.wanted(symbols, self.capabilities.kinds(Operation.GET_FUNDING_RATES)).values()
        asked = [symbol for symbol in wanted if symbol.active or symbols is not None]
        rows = (await self.call("contractPublicGetTicker")).get("data") or ()
        prices = {row["symbol"]: row for row in rows}

        async def one(symbol: Symbol) -> FundingRate | None:
            raw = await self._asked(symbol)
            if raw.get("fundingRate") is None and symbols is None:
                return None
            return self._marked(raw, symbol, prices.get(symbol.venue_id, {}))

        return await one_by_one(asked, one, at_once=_AT_ONCE)

    async def _asked(self, symbol: Symbol) -> Raw:
        await self._rates.acquire(1)
        raw: Raw = await self.call("fetch_funding_rate", symbol.name)
        row = raw.get("info") or {}
        self._cycles[symbol.name] = (funding.interval(row), funding.settles(row))
        return raw

    def _marked(self, raw: Raw, symbol: Symbol, price: Raw) -> FundingRate:
        made = self._rate({**raw, "markPrice": price.get("fairPrice"), "indexPrice": price.get("indexPrice")}, symbol)
        row = raw.get("info") or {}
        return attrs.evolve(made, cap=number(row.get("maxFundingRate")), floor=number(row.get("minFundingRate")))

    async def learn_intervals(self, symbols: Sequence[Symbol]) -> None:
        """The stream of rates names no interval: the request's is remembered until its settlement."""
        now = self.context.now_ms()
        for symbol in symbols:
            _, settles = self._cycles.get(symbol.name, (None, None))
            if settles is None or settles <= now:
                await self._asked(symbol)

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """MEXC's own ``collectCycle``. A streamed rate has none: that of the same settlement, if it was asked for."""
        row = raw.get("info") or {}
        made = funding.interval(row)
        if made is None and "collectCycle" not in row:
            known, settles = self._cycles.get(symbol.name, (None, None))
            if settles is not None and settles == funding.settles(row):
                made = known
            else:
                self._cycles.pop(symbol.name, None)
        return None if made is None else (made, IntervalSource.REPORTED)

    def next_settlement(self, raw: Raw, symbol: Symbol) -> int | None:
        return upcoming(funding.settles(raw.get("info") or {}), self.context.now_ms())

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """The newest hundred, or with ``since`` all pages back to it: MEXC's pages know no time, only numbers."""
        rows: list[Raw] = []
        page = 1
        while True:
            params = {"symbol": symbol.venue_id, "page_num": page, "page_size": _PAGE}
            data = (await self.call("contractPublicGetFundingRateHistory", params=params)).get("data") or {}
            found = data.get("resultList") or []
            rows += found
            oldest = min((moment(row.get("settleTime")) or 0 for row in found), default=0)
            if since is None or oldest < since or page >= int(data.get("totalPage") or 0):
                break
            page += 1
        made = within(funding.settled(rows, symbol, received_ms=self.context.now_ms()), "settled_ms", since, until)
        if limit is None:
            return made
        return made[:limit] if since is not None else made[-limit:]

    async def get_funding_payments(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[FundingPayment]:
        """The newest page. Asked without a symbol, ccxt drops the name of each row; MEXC's row has it."""
        if symbol is not None:
            return await super().get_funding_payments(symbol, since=since, until=until, limit=limit)
        rows = await self.call("fetch_funding_history", None, since, limit)
        by_id = {one.venue_id: one for one in self._symbols.values() if one.kind.is_swap}
        made = [
            funding_payment(row, of) for row in rows if (of := by_id.get(str(row["info"].get("symbol")))) is not None
        ]
        return sorted(within(made, "timestamp_ms", since, until), key=lambda payment: payment.timestamp_ms)

    # --- orders

    def order_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """ccxt leaves out the time in force of contract orders, and takes a market order for one at the last price:
        MEXC has both as a number.
        """
        params = super().order_params(request, symbol)
        if symbol.kind.is_swap:
            params.pop("timeInForce", None)
            if (kind := orders.type_number(request)) is not None:
                params["type"] = kind
        return params

    def position_params(self, request: OrderRequest) -> dict[str, object]:
        """In hedge mode ccxt closes the other position than the one that is named."""
        params = super().position_params(request)
        closes = request.position_side is not PositionSide.NET and params.get("reduceOnly")
        return {**params, "side": orders.side_number(request)} if closes else params

    def order_status(self, raw: Raw, symbol: Symbol) -> OrderStatus:
        if symbol.kind.is_swap and str((raw.get("info") or {}).get("state")) == orders.INVALID:
            return OrderStatus.REJECTED
        return super().order_status(raw, symbol)

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        if not symbol.kind.is_swap:
            post = (raw.get("info") or {}).get("type") == "LIMIT_MAKER"
            return super().order({**raw, "timeInForce": "PO"} if post else raw, symbol)
        made = super().order(orders.contract_order(raw), symbol)
        return attrs.evolve(made, position_side=orders.position_side(raw))

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        return super().fill(orders.contract_fill(raw) if symbol.kind.is_swap else raw, symbol, received_ms)

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """A contract's by its client order id too, which ccxt cannot ask for."""
        if order_id is not None or symbol is None or not symbol.kind.is_swap:
            return await super().get_order(order_id, symbol, client_order_id=client_order_id)
        params = {"symbol": symbol.venue_id, "external_oid": client_order_id}
        answer = await self.call("contractPrivateGetOrderExternalSymbolExternalOid", params=params)
        row = answer.get("data")
        if not row:
            raise OrderNotFound(f"MEXC has no order {client_order_id!r}", exchange=self.config.name)
        return self.order(self.client.parse_order(row, self.client.market(symbol.name)), symbol)

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Of a contract by its client order id: three requests, since ccxt cancels contracts' orders by id only."""
        if order_id is None and symbol is not None and symbol.kind.is_swap:
            order_id = (await self.get_order(None, symbol, client_order_id=client_order_id)).id
        return await super().cancel_order(order_id, symbol, client_order_id=client_order_id)

    def failure(self, error: Exception, what: str = "") -> ExchangeError:
        """Orders that MEXC does not know, or that have ended, are not found."""
        made = super().failure(error, what)
        gone = what in _ABOUT_AN_ORDER and any(word in made.message.lower() for word in _GONE_WORDS)
        if made.code in _GONE or gone:
            return OrderNotFound(made.message, exchange=made.exchange, code=made.code, response=made.response)
        return made

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """Of the long and of the short position, in the margin mode of ``options.margin_mode``: two requests."""
        if leverage != leverage.to_integral_value():
            raise self._cannot(f"MEXC has whole leverages, not {leverage}")
        for position_type in _POSITION_TYPES:
            params = {"openType": _OPEN_TYPES[self.options.margin_mode], "positionType": position_type}
            await self._set("set_leverage", int(leverage), symbol.name, params=params)

    # --- streams

    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> Upstream[BookView]:
        """Of spot asked for each two seconds, as the capabilities say."""
        if symbol.kind is MarketKind.SPOT:
            return self._poll_book(symbol, depth)
        return super().subscribe_orderbook(symbol, depth=depth)

    async def _poll_book(self, symbol: Symbol, depth: int | None) -> AsyncIterator[BookView]:
        while True:
            book = await self.get_orderbook(symbol, depth=depth)
            yield BookView(book.symbol, Cut(book), book.received_ms, book.timestamp_ms, book.sequence)
            await asyncio.sleep(_SPOT_POLLED)

    def subscribe_ticker(self, symbol: Symbol) -> Upstream[Ticker]:
        """Of spot asked for each two seconds, as the capabilities say."""
        if symbol.kind is MarketKind.SPOT:
            return self._poll_ticker(symbol)
        return super().subscribe_ticker(symbol)

    async def _poll_ticker(self, symbol: Symbol) -> AsyncIterator[Ticker]:
        while True:
            yield await self.get_ticker(symbol)
            await asyncio.sleep(_SPOT_POLLED)

    def user_scopes(self, flag: str) -> list[dict[str, object]]:
        """One list for all contracts, and none for spot, which comes in the encoding that ccxt lacks."""
        return [{"type": "swap", "wallet": "swap"}] if any(kind.is_swap for kind in self.kinds) else []
