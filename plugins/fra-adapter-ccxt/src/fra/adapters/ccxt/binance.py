"""Binance through ccxt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import attrs

from fra.adapters.ccxt import codes, convert, urls
from fra.adapters.ccxt.algos import Algo, AlgoOrders
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.funding import Interval, outdated, worded
from fra.adapters.ccxt.numbers import number, plain, positive
from fra.adapters.ccxt.sockets import drop
from fra.adapters.ccxt.venue import INVERSE, KINDS, LETTERS, Venue
from fra.core import (
    ClientOrderIdRule,
    ExchangeAuthError,
    ExchangeError,
    IntervalSource,
    MarketKind,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PermissionDenied,
    Position,
    Symbol,
)

_DEFAULT: Final = timedelta(hours=8)
_KEY_OR_RIGHT: Final = "-2015"
_PAGE: Final = 500
_ALGO_STATES: Final[Mapping[str, OrderStatus]] = {
    "NEW": OrderStatus.OPEN,
    "TRIGGERING": OrderStatus.OPEN,
    "TRIGGERED": OrderStatus.OPEN,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}
"""Binance, USD-M, "Event: Algo Order Update". Of one that is FINISHED its amounts tell."""


class BinanceCCXT(AlgoOrders):
    """Binance through ccxt: spot, USD-M and COIN-M perpetual swaps."""

    venue = Venue(
        id="binance",
        display_name="Binance",
        markets={"spot": KINDS["spot"], "usdm": KINDS["linear"], "coinm": KINDS["inverse"]},
        types={"spot": "spot", "usdm": "linear", "coinm": "inverse"},
        wallets={
            "spot": {"type": "spot"},
            "usdm": {"type": "swap", "subType": "linear"},
            "coinm": {"type": "swap", "subType": "inverse"},
        },
        wallet_of={"spot": "spot", "usdm": "usdm", "coinm": "coinm"},
        client_order_id_rule=ClientOrderIdRule(32, LETTERS),
        by_client_id="param",
        base_amount_buys={},
        interval_source=IntervalSource.REPORTED,
        candles_in_contracts=INVERSE,
        candle_volume={MarketKind.INVERSE_SWAP: (5, "v")},
        codes=codes.BINANCE,
        words=codes.BINANCE_WORDS,
        unchanged=frozenset({"-4046", "-4059"}),
        point=urls.binance,
        settings={"options": {"warnOnFetchOpenOrdersWithoutSymbol": False}},
        book_depths={
            "spot": (5000, 1000, 500, 100),
            "usdm": (1000, 500, 100, 50, 20, 10, 5),
            "coinm": (1000, 500, 100, 50, 20, 10, 5),
        },
    )

    _intervals: Mapping[str, timedelta | None] = {}
    _learnt_ms: int | None = None

    async def learn_intervals(self, symbols: Sequence[Symbol]) -> None:
        """Binance lists adjusted intervals only, in a call of its own; the list is asked for each ten minutes and after
        each full hour.
        """
        now = self.context.now_ms()
        if not outdated(self._learnt_ms, now):
            return
        if any(symbol.kind.is_swap and not symbol.inverse for symbol in symbols):
            try:
                rows = await self.call("fetch_funding_intervals", params={"subType": "linear"})
            except ExchangeError as error:
                self.report(error, "funding intervals")  # the rate is still worth having
                return
            self._intervals = {name: worded(row.get("interval")) for name, row in rows.items()}
            self._learnt_ms = now

    def adjust(self, client: Any) -> None:
        """Of a user stream that is refused ccxt takes its note away twice, and dies of the second. It does not hear
        that a listen key has expired.
        """
        handle = client.handle_ws_error

        def handle_ws_error(socket: Any, message: Any) -> None:
            noted = dict(socket.subscriptions)
            handle(socket, message)
            socket.subscriptions |= {name: note for name, note in noted.items() if note is True}

        client.handle_ws_error = handle_ws_error
        hear = client.handle_message

        def handle_message(socket: Any, message: Any) -> None:
            if isinstance(message, dict) and message.get("e") == "ALGO_UPDATE":
                self._hear_algo(client, message)
            if isinstance(message, dict) and message.get("e") == "listenKeyExpired":
                for kind in ("linear", "inverse"):
                    client.options[kind] = {**(client.options.get(kind) or {}), "lastAuthenticatedTime": 0}
                if self.pumps is not None:
                    self.pumps.spawn(drop(socket, client), name="a listen key that expired")
                return
            hear(socket, message)

        client.handle_message = handle_message

    def trigger_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object] | None:
        """Binance, Spot, "New Order": conditional orders are types of orders there, and stay what they are. Those of
        USD-M live in a service of their own ("New Algo Order").
        """
        if symbol.inverse or request.trigger_price is None:
            return None
        if request.post_only and symbol.kind is MarketKind.SPOT:  # ccxt would leave the trigger out and send it at once
            raise self._cannot("a conditional order cannot be post-only there")
        name = "stopLossPrice" if request.type is OrderType.STOP else "takeProfitPrice"
        params: dict[str, object] = {name: plain(request.trigger_price)}
        if self.keeps_apart(symbol) and request.price is not None and not request.post_only:
            params["timeInForce"] = request.time_in_force.value  # ccxt leaves it out, and Binance wants it
        return params

    # --- the service of conditional orders

    def keeps_apart(self, symbol: Symbol) -> bool:
        return symbol.kind is MarketKind.LINEAR_SWAP

    def algo(self, raw: Raw, symbol: Symbol) -> Algo | None:
        """Binance, USD-M, "Query Algo Order" and "Event: Algo Order Update"."""
        info = raw.get("info") or {}
        if "algoId" not in info and "aid" not in info:
            return None
        word = str(info.get("algoStatus") or info.get("X"))
        traded = number(info.get("actualQty", info.get("aq")))
        made = convert.order(raw, symbol, status=_ALGO_STATES.get(word, OrderStatus.UNKNOWN))
        if traded is not None:
            filled = symbol.amount(traded)
            average = positive(info.get("actualPrice", info.get("ap"))) if filled else None
            made = attrs.evolve(made, filled=filled, average_price=average)
            if word == "FINISHED":
                whole = made.amount is not None and filled >= made.amount
                made = attrs.evolve(made, status=OrderStatus.FILLED if whole else OrderStatus.CANCELED)
        if made.status in (OrderStatus.EXPIRED, OrderStatus.REJECTED):
            made = attrs.evolve(made, reason=info.get("rm") or None)
        child = str(info.get("actualOrderId") or info.get("ai") or "")
        return Algo(made, child or None)

    def child_id(self, raw: Raw) -> str | None:
        info = raw.get("info") or {}
        found = info.get("orderId") or info.get("i")
        return str(found) if found else None

    def client_id(self, raw: Raw) -> str | None:
        """What comes of a conditional order has its client order id ("New Algo Order")."""
        info = raw.get("info") or {}
        return info.get("clientOrderId") or info.get("c")

    def _hear_algo(self, client: Any, message: Mapping[str, Any]) -> None:
        """At once: the lists that ccxt keeps of orders and of fills are read later, each at its own time."""
        raw = client.parse_ws_order({"T": message.get("T"), **message["o"]})
        symbol = self.symbols.get(str(raw.get("symbol")))
        if symbol is not None:
            self.order(raw, symbol)

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """Of USD-M one page of each sort, cut where the one of them that is full ends."""
        if symbol is None or not self.keeps_apart(symbol):
            return await super().get_order_history(symbol, since=since, until=until, limit=limit)
        most = self._most("fetch_orders", symbol) if since else limit
        pages = []
        for more in (self.algo_params, {}):  # what is triggered in between is then among the plain ones
            params = {**self._ranged(None, until), **more}
            rows = await self.call("fetch_orders", symbol.name, since, most, params=params)
            pages.append((self.orders(rows), len(rows) >= (most or _PAGE)))
        ends = [_created(page[-1 if since else 0]) for page, full in pages if full and page]
        found = {order.id: order for page, _ in pages for order in page if order.status.final}
        whole = [order for order in found.values() if _within(order, since, until, ends)]
        return convert.cut(sorted(whole, key=_created), since, limit)

    # --- what ccxt misreads

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """Of a market order that was triggered ccxt gives the average for the price."""
        made, info = super().order(raw, symbol), raw.get("info") or {}
        bare = symbol.kind is MarketKind.SPOT and (info.get("type") or info.get("o")) in ("STOP_LOSS", "TAKE_PROFIT")
        return attrs.evolve(made, price=None) if bare else made

    def failure(self, error: Exception, what: str = "") -> ExchangeError:
        """-2015 is a wrong key or a missing right: of a key that was good before it is no wrong key."""
        made = super().failure(error, what)
        if made.code != _KEY_OR_RIGHT:
            return made
        known = self.client.options.get("hasAlreadyAuthenticatedSuccessfully")
        kind = PermissionDenied if known else ExchangeAuthError
        return kind(made.message, exchange=made.exchange, code=made.code, response=made.response)

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """Binance, USD-M, "Get Funding Rate Info": symbols that it does not list settle each 8 hours."""
        if symbol.inverse or self._learnt_ms is None:
            return None
        if symbol.name not in self._intervals:
            return _DEFAULT, IntervalSource.VENUE_DEFAULT
        found = self._intervals[symbol.name]
        return None if found is None else (found, IntervalSource.REPORTED)

    async def get_positions(self, symbol: Symbol | None = None) -> list[Position]:
        """Binance, USD-M, "Position Information V3" says no leverage and "Symbol Configuration" does: one more request
        where there is a position without one. It stays unknown where that fails.
        """
        found = await super().get_positions(symbol)
        bare = {position.symbol: self.symbol(position.symbol) for position in found if position.leverage is None}
        linear = {one.venue_id: name for name, one in bare.items() if not one.inverse}
        if not linear:
            return found
        asked = {"symbol": next(iter(linear))} if len(linear) == 1 else {}
        try:
            rows = await self.call("fapiPrivateGetSymbolConfig", params=asked)
        except ExchangeError as error:
            self.report(error, "the leverage of positions")
            return found
        told = {
            linear[row["symbol"]]: positive(row.get("leverage"))
            for row in rows
            if isinstance(row, dict) and row.get("symbol") in linear
        }
        return [attrs.evolve(one, leverage=one.leverage or told.get(one.symbol)) for one in found]


def _created(order: Order) -> int:
    return order.created_ms or 0


def _within(order: Order, since: int | None, until: int | None, ends: Sequence[int]) -> bool:
    """Whether it lies in the range, and not beyond the end of a full page: the latest of it with ``since``."""
    at = _created(order)
    if (since is not None and at < since) or (until is not None and at >= until):
        return False
    return not ends or (at <= min(ends) if since else at >= max(ends))
