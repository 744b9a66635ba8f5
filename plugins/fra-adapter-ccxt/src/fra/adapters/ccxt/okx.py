"""OKX through ccxt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import attrs

from fra.adapters.ccxt import codes, convert, sequences, urls
from fra.adapters.ccxt.algos import Algo, AlgoOrders, joined
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.funding import Interval, apart
from fra.adapters.ccxt.numbers import number, plain, positive
from fra.adapters.ccxt.venue import KINDS, SWAPS, Venue
from fra.core import (
    Fill,
    IntervalSource,
    MarketKind,
    Operation,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Symbol,
    TimeInForce,
)

_ALGO: Final = "conditional"
"""OKX's ``ordType`` of one-way stop losses and take profits; its other algo orders are not shown."""
_OF_STOP: Final = "7"
_ALGO_STATES: Final[Mapping[str, OrderStatus]] = {
    "live": OrderStatus.OPEN,
    "pause": OrderStatus.OPEN,
    "canceled": OrderStatus.CANCELED,
    "order_failed": OrderStatus.REJECTED,
}
"""OKX, "Algo orders channel". Of one that was triggered its ordinary order has the say."""


class OKXCCXT(AlgoOrders):
    """OKX through ccxt: spot and perpetual swaps."""

    venue = Venue(
        id="okx",
        display_name="OKX",
        markets={"spot": KINDS["spot"], "swap": (*KINDS["linear"], *KINDS["inverse"])},
        types={"spot": "spot", "swap": "swap"},
        wallets={"trading": {"type": "trading"}},
        wallet_of={"spot": "trading", "swap": "trading"},
        by_client_id="param",
        base_amount_buys={"tgtCcy": "base_ccy"},
        margin_mode_param=True,
        interval_source=IntervalSource.DERIVED,
        one_account=True,
        candles_in_contracts=SWAPS,
        candle_volume=dict.fromkeys(MarketKind, (5, "vol")),
        volumes_in_contracts=True,
        codes=codes.OKX,
        words=codes.OKX_WORDS,
        clock_codes=frozenset({"50102", "60006"}),
        point=urls.okx,
        book_numbers=sequences.okx,
        book_depths=(400,),
    )
    missing = frozenset((Operation.SET_MARGIN_MODE, kind) for kind in MarketKind)
    open_algo_params: ClassVar[Mapping[str, object]] = {"trigger": True, "ordType": _ALGO}

    def refused(self, answer: object) -> bool:
        """OKX, "Place algo order": what is refused may stand under the code 0."""
        rows = answer.get("data") if isinstance(answer, dict) else None
        codes = [row.get("sCode") for row in rows or () if isinstance(row, dict)] if isinstance(rows, list) else []
        wrong = next((code for code in codes if code not in (None, "", "0")), None)
        if wrong is not None:
            self.client.throw_exactly_matched_exception(self.client.exceptions["exact"], wrong, str(answer))
        return wrong is not None

    # --- algo orders

    def keeps_apart(self, symbol: Symbol) -> bool:
        return True

    def user_scopes(self, flag: str) -> list[dict[str, object]]:
        """Algo orders have a channel of their own."""
        made = super().user_scopes(flag)
        return [*made, *({**one, "trigger": True} for one in made)] if flag == "watchOrders" else made

    def trigger_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object] | None:
        """OKX, "Place algo order": a one-way stop loss or take profit. Its client order id has a name of its own, which
        ccxt does not know; and ccxt has spot ones bought and sold on margin.
        """
        if request.trigger_price is None:
            return None
        if request.time_in_force is not TimeInForce.GTC or request.post_only:
            raise self._cannot("a conditional order becomes a plain one there", "send it GTC and not post-only")
        name = "stopLossPrice" if request.type is OrderType.STOP else "takeProfitPrice"
        params: dict[str, object] = {name: plain(request.trigger_price), "algoClOrdId": request.client_order_id}
        return params | ({"tdMode": "cash"} if symbol.kind is MarketKind.SPOT else {})

    def position_params(self, request: OrderRequest) -> dict[str, object]:
        """Of conditional orders of hedge mode ccxt writes the side of a position that is closed, whatever is meant."""
        made = super().position_params(request)
        if request.trigger_price is None or request.position_side is PositionSide.NET:
            return made
        return {"positionSide": request.position_side.value}

    def algo(self, raw: Raw, symbol: Symbol) -> Algo | None:
        """OKX, "Get algo order details" and "Algo orders channel"."""
        info = raw.get("info") or {}
        if info.get("ordType") != _ALGO or not info.get("algoId"):
            return None
        status = _ALGO_STATES.get(str(info.get("state")), OrderStatus.UNKNOWN)
        made = attrs.evolve(
            convert.order({**raw, "clientOrderId": info.get("algoClOrdId")}, symbol, status=status),
            price=positive(info.get("slOrdPx") if info.get("slTriggerPx") else info.get("tpOrdPx")),
            time_in_force=TimeInForce.GTC,
            post_only=False,
            reason=f"OKX could not place it: {info.get('failCode')}" if status is OrderStatus.REJECTED else None,
        )
        children = info.get("ordIdList") or ([info["ordId"]] if info.get("ordId") else [])
        return Algo(made, str(children[0]) if len(children) == 1 else None)

    def child_id(self, raw: Raw) -> str | None:
        return (raw.get("info") or {}).get("ordId") or None

    def came_of(self, raw: Raw) -> str | None:
        info = raw.get("info") or {}
        return info.get("algoId") or None if info.get("source") == _OF_STOP else None

    def adjust(self, client: Any) -> None:
        """Of algo orders those are told that wait or ended waiting: of triggered ones their ordinary orders tell."""
        handle = client.handle_orders

        def handle_orders(socket: Any, message: Any) -> None:
            if message["arg"]["channel"] == "orders-algo":
                message = {**message, "data": [row for row in message["data"] if self._waits(client, row)]}
            handle(socket, message)

        client.handle_orders = handle_orders

    def _waits(self, client: Any, row: Mapping[str, Any]) -> bool:
        if row.get("ordType") != _ALGO:
            return False
        raw = client.parse_order(row)
        symbol = self.symbols.get(str(raw.get("symbol")))
        if symbol is not None:
            self.order(raw, symbol)  # which takes note of it
        return row.get("state") in _ALGO_STATES

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        return await self._learnt(await super().get_order(order_id, symbol, client_order_id=client_order_id))

    async def get_order_history(
        self,
        symbol: Symbol | None = None,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
    ) -> list[Order]:
        """Algo orders that were never triggered are not among them."""
        found = await super().get_order_history(symbol, since=since, until=until, limit=limit)
        return [await self._learnt(order) for order in found]

    async def _learnt(self, order: Order) -> Order:
        """An order that came of an algo order which is not known yet, with the type and trigger price of that."""
        if not self.conditionals.missing(order.symbol, order.id):
            return order
        try:
            return joined(order, (await self._algo(order.id, self.symbol(order.symbol), None)).order)
        except OrderNotFound:
            return order

    # --- what ccxt misreads

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """ccxt gives the id of an algo order to all that came of it."""
        made, info = super().order(raw, symbol), raw.get("info") or {}
        algo_id = info.get("algoId")
        if not algo_id or not info.get("ordId") or info.get("ordType") == _ALGO:
            return made
        if self.came_of(raw) is None:
            self._open.pop((symbol.name, made.id or ""), None)
            return self.noted(attrs.evolve(made, id=str(info["ordId"])))
        if self.conditionals.knows(symbol.name, algo_id):
            return made
        self.conditionals.miss(symbol.name, algo_id)
        return attrs.evolve(made, client_order_id=info.get("algoClOrdId") or None)

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """OKX, "Get funding rate": the distance between the settlements that it tells. ccxt knows few of these by name,
        and not six hours.
        """
        made = apart(raw.get("fundingTimestamp"), raw.get("nextFundingTimestamp"))
        return None if made is None else (made, IntervalSource.DERIVED)

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """OKX, "Order channel": ``fillFee`` is negative when paid, and ccxt leaves it so on the stream."""
        made, told = super().fill(raw, symbol, received_ms), number((raw.get("info") or {}).get("fillFee"))
        return made if told is None else attrs.evolve(made, fee=-told)
