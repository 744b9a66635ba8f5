"""Bitfinex: spot and perpetual swaps on ccxt, with what ccxt gets wrong there mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import attrs

from fra.adapters.ccxt import BitfinexCCXT, Interval, number
from fra.adapters.ccxt.convert import Raw, moment, within
from fra.adapters.ccxt.funding import settled_rates, upcoming
from fra.adapters.ccxt.numbers import Exact
from fra.core import (
    ClientOrderIdRule,
    ExchangeMetadata,
    Fill,
    FundingRate,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    Position,
    PositionSide,
    Symbol,
)
from fra.exchanges.bitfinex import funding, orders
from fra.exchanges.bitfinex.funding import Seen, Status

_HISTORY_ROWS: Final = 5_000
_PAGES: Final = 20
_ORDERS: Final = 2_500
_TRADES: Final = 1_000


class BitfinexPlugin(BitfinexCCXT):
    """Bitfinex: spot and perpetual swaps. The README names what is mended of ccxt."""

    venue = attrs.evolve(
        BitfinexCCXT.venue,
        markets={"spot": (MarketKind.SPOT,), "linear": (MarketKind.LINEAR_SWAP,)},
        types={"spot": "spot", "linear": "swap"},
        wallets={"exchange": {"type": "exchange"}, "derivatives": {"type": "derivatives"}},
        wallet_of={"spot": "exchange", "linear": "derivatives"},
        one_account=True,
        client_order_id_rule=ClientOrderIdRule(13, "0123456789"),
        client_id_param="cid",
        book_depths=(25, 100),
        stream_depth=100,
        settings={"options": {"fetchOrderBook": {"precision": "P0"}}},
    )

    missing = frozenset()

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return attrs.evolve(super().describe(), name="bitfinex", display_name="Bitfinex")

    async def initialize(self) -> None:
        """Raises ConfigError for settings that it cannot have."""
        await super().initialize()
        self._seen: dict[str, Seen] = {}

    def adjust(self, client: Any) -> None:
        """Bitfinex writes lists of numbers: they stay the text they are, and those of streamed books, which ccxt
        compares and negates, remember theirs. ccxt's cancel of all knows no symbol.
        """
        client.on_json_response = partial(json.loads, parse_float=str)
        client.handle_order_book = _comparing(client, _anew(client, client.handle_order_book))
        client.handle_checksum = _comparing(client, client.handle_checksum)
        client.has = {**client.has, "cancelAllOrders": False}

    def scope(self, market: str) -> dict[str, object]:
        """One account holds all markets; Bitfinex knows none of ccxt's words for them."""
        return {}

    # --- market data

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        """By price (P0, whose five digits are the grid) and not by order; Bitfinex tells no time of it."""
        return attrs.evolve(await super().get_orderbook(symbol, depth=depth), timestamp_ms=None)

    # --- funding

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """All in one request. Those without a rate yet are left out, unless they were asked for."""
        wanted = self.wanted(symbols, self.capabilities.kinds(Operation.GET_FUNDING_RATES))
        if not wanted:
            return []
        rows = await self.call("fetch_funding_rates", list(wanted))
        found = [
            self._rate(row, symbol)
            for row, symbol in self.named(rows.values())
            if symbol.name in wanted and (row.get("fundingRate") is not None or symbols is not None)
        ]
        self.all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    def _rate(self, raw: Raw, symbol: Symbol) -> FundingRate:
        """The mark price is Bitfinex's. What ccxt calls its index price is the middle of the swap's own book."""
        status = Status.of(raw.get("info") or ())
        cap = number(status.cap)
        made = super()._rate({**raw, "markPrice": status.mark, "indexPrice": None}, symbol)
        if status.event is not None:
            self._seen[symbol.name] = Seen(status.event, self.funding_interval(raw, symbol))
        return attrs.evolve(made, cap=cap, floor=None if cap is None else -cap)

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """Bitfinex names none; see :func:`funding.interval`."""
        return funding.interval(Status.of(raw.get("info") or ()), self._seen.get(symbol.name))

    def next_settlement(self, raw: Raw, symbol: Symbol) -> int | None:
        """NEXT_FUNDING_EVT_MTS, at which CURRENT_FUNDING is charged."""
        return upcoming(Status.of(raw.get("info") or ()).event, self.context.now_ms())

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """Read off snapshots of the status, which are all that Bitfinex keeps: as many pages as hold a settlement.

        An interval is the time between two settlements; beyond the documented one it is unknown, as some are missing.
        """
        rows: list[Sequence[Any]] = []
        found: dict[int, Status] = {}
        end = until
        start = None if since is None else since - funding.PERIOD_MS
        for _ in range(_PAGES):
            params = {"symbol": symbol.venue_id, "sort": -1 if since is None else 1, "limit": _HISTORY_ROWS}
            params |= {key: value for key, value in (("start", start), ("end", end)) if value is not None}
            page = await self.call("publicGetStatusDerivSymbolHist", params=params)
            rows += page
            now = self.context.now_ms()
            found = {
                settled: status
                for settled, status in funding.settlements(rows, now).items()
                if (since is None or settled >= since) and (until is None or settled < until)
            }
            if found or len(page) < _HISTORY_ROWS:
                break
            stamps = [moment(row[0]) or 0 for row in page]
            start, end = (start, min(stamps) - 1) if since is None else (max(stamps) + 1, end)
        made = settled_rates(
            [{"timestamp": settled, "fundingRate": status.rate} for settled, status in found.items()],
            symbol,
            received_ms=self.context.now_ms(),
            settled_at=lambda row: moment(row["timestamp"]),
        )
        told = [
            attrs.evolve(rate, interval=None, interval_source=None)
            if rate.interval is not None and rate.interval > funding.DOCUMENTED
            else rate
            for rate in made
        ]
        rates: list[FundingRate] = within(told, "settled_ms", since, until)
        if limit is None:
            return rates
        return rates[:limit] if since is not None else rates[-limit:]

    # --- orders

    def order_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """The client order id is a number of at most 45 bits there."""
        params = super().order_params(request, symbol)
        return params if request.client_order_id is None else {**params, "cid": int(request.client_order_id)}

    def position_params(self, request: OrderRequest) -> dict[str, object]:
        """Raises NotSupported for a position side: there is one position per pair."""
        if request.position_side is not PositionSide.NET:
            raise self._cannot("Bitfinex has no hedge mode", "leave position_side NET")
        return super().position_params(request)

    def order_status(self, raw: Raw, symbol: Symbol) -> OrderStatus:
        told = orders.status(raw)
        return super().order_status(raw, symbol) if told in (None, OrderStatus.FILLED) else told

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        return attrs.evolve(super().order(orders.order(raw), symbol), reason=orders.reason(raw))

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        return super().fill(orders.fill(raw), symbol, received_ms)

    def position(self, raw: Raw, symbol: Symbol) -> Position | None:
        return super().position(orders.position(raw), symbol)

    def error_code(self, answer: object) -> str | None:
        """Bitfinex's errors are lists: ``["error", code, text]``."""
        if isinstance(answer, list) and len(answer) > 1 and answer[0] == "error":
            return str(answer[1])
        return super().error_code(answer)

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Among the open ones and then in the history; ccxt makes an order of nothing when it is not open."""
        if order_id is None:
            return await super().get_order(None, symbol, client_order_id=client_order_id)
        if not (order_id.isascii() and order_id.isdigit()):  # ccxt would fail over it
            raise OrderNotFound(f"Bitfinex has no order {order_id!r}: its ids are numbers", exchange=self.config.name)
        name = None if symbol is None else symbol.name
        try:
            raw = await self.call("fetch_open_order", order_id, name)
        except OrderNotFound:
            raw = await self.call("fetch_closed_order", order_id, name)
        return self.order(raw, self.symbol(raw.get("symbol")))

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """The last 2500, or ``limit`` of them: by itself Bitfinex answers with 25."""
        return await super().get_order_history(symbol, since=since, until=until, limit=limit or _ORDERS)

    async def get_trade_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Fill]:
        """The last 1000, or ``limit`` of them: by itself Bitfinex answers with 25."""
        return await super().get_trade_history(symbol, since=since, until=until, limit=limit or _TRADES)

    def _ranged(self, market: str | None, until: int | None) -> dict[str, object]:
        return {} if until is None else {"end": until}


def _anew(client: Any, handle: Callable[..., Any]) -> Callable[..., Any]:
    """``handle`` for streamed books, which begins a book anew with its snapshot ("Books": a list of rows, where an
    update is one row): ccxt takes all but the first of a process for an update, and fails over it.
    """

    def handled(socket: Any, message: Any, subscription: Any) -> Any:
        rows = message[1] if len(message) > 1 else None
        if isinstance(rows, list) and (not rows or isinstance(rows[0], list)):
            client.orderbooks.pop(client.safe_symbol(subscription.get("symbol")), None)
        return handle(socket, message, subscription)

    return handled


def _comparing(client: Any, handle: Callable[..., Any]) -> Callable[..., Any]:
    """``handle`` with numbers that are floats to ccxt while it runs."""

    def handled(*args: Any) -> Any:
        usual, client.number = client.number, Exact
        try:
            return handle(*args)
        finally:
            client.number = usual

    return handled
