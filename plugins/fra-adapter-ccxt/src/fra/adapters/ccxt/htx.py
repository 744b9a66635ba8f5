"""HTX through ccxt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from fra.adapters.ccxt import codes, convert, funding, sequences, urls
from fra.adapters.ccxt.convert import Raw
from fra.adapters.ccxt.funding import Interval, worded
from fra.adapters.ccxt.numbers import number, plain
from fra.adapters.ccxt.plugin import CCXTAdapter
from fra.adapters.ccxt.symbols import Market
from fra.adapters.ccxt.venue import INVERSE, Venue
from fra.core import (
    ClientOrderIdRule,
    ExchangeError,
    Fill,
    FundingRate,
    IntervalSource,
    MarketKind,
    Operation,
    Order,
    OrderRequest,
    OrderType,
    Position,
    PositionSide,
    Recent,
    Side,
    Symbol,
    TimeInForce,
)

_FINE: Final = "200"
_SETTLED: Final = {False: 100, True: 50}
"""Whether inverse → rows of a page."""
_RATES: Final = {
    False: "linear-swap-api/v1/swap_batch_funding_rate",
    True: "swap-api/v1/swap_batch_funding_rate",
}
_ELEMENTS: Final = {
    False: "contractPublicGetLinearSwapApiV1SwapQueryElements",
    True: "contractPublicGetSwapApiV1SwapQueryElements",
}
"""Whether inverse → the request for what contracts are like."""
_BOUGHT: Final = 1000
"""Market buys whose trades are remembered."""
_TRADES: Final = {
    MarketKind.SPOT: ("trade-id", "tradeId"),
    MarketKind.LINEAR_SWAP: ("trade_id",),
    MarketKind.INVERSE_SWAP: ("id",),
}


class HTXCCXT(CCXTAdapter):
    """HTX through ccxt: spot, linear and inverse perpetual swaps. Linear needs multi-assets collateral mode, whose
    paths are the only ones that ccxt asks. Client order ids are numbers, which ccxt keeps exactly up to 15 digits.
    """

    venue = Venue(
        id="htx",
        display_name="HTX",
        types={"spot": "spot", "linear": "linear", "inverse": "inverse"},
        wallets={
            "spot": {"type": "spot"},
            "linear": {"type": "swap", "subType": "linear"},
            "inverse": {"type": "swap", "subType": "inverse"},
        },
        wallet_of={name: name for name in ("spot", "linear", "inverse")},
        client_order_id_rule=ClientOrderIdRule(15, "0123456789", "1"),
        unwatchable=frozenset({"watchBalance"}),
        by_client_id="param",
        settings={"options": {"createMarketBuyOrderRequiresPrice": False}},
        codes=codes.HTX,
        words=codes.HTX_WORDS,
        clock_codes=frozenset({"api-signature-not-valid", "403", "1003"}),
        types_as_flags=True,
        candles_in_contracts=INVERSE,
        candle_volume={MarketKind.INVERSE_SWAP: (5, "vol")},
        counts_both_sides=True,
        point=urls.htx,
        book_numbers=sequences.htx,
        book_depths=(150,),
    )
    missing = frozenset((Operation.SET_MARGIN_MODE, kind) for kind in MarketKind)

    _bought: Recent[str, dict[str, Decimal]]
    _elements: Mapping[str, timedelta] = {}
    _learnt_ms: int | None = None

    async def initialize(self) -> None:
        await super().initialize()
        self._bought = Recent(_BOUGHT)

    async def learn_intervals(self, symbols: Sequence[Symbol]) -> None:
        """HTX, "Query Swap Elements": ``settle_period`` is in hours; asked for each ten minutes and after each full
        hour. Where HTX does not tell, the distance between two settlements is the interval, else it is unknown.
        """
        now = self.context.now_ms()
        if not funding.outdated(self._learnt_ms, now):
            return
        told: dict[str, timedelta] = {}
        try:
            for inverse, path in _ELEMENTS.items():
                if any(symbol.kind.is_swap and symbol.inverse is inverse for symbol in self._symbols.values()):
                    for row in _rows(await self.call(path)):
                        interval = worded(f"{row.get('settle_period')}h")
                        if interval is not None:
                            told[str(row.get("contract_code"))] = interval
        except ExchangeError as error:
            self.report(error, "funding intervals")  # the rate is still worth having
            return
        self._elements, self._learnt_ms = told, now

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        found = self._elements.get(symbol.venue_id)
        if found is not None:
            return found, IntervalSource.REPORTED
        made = funding.apart(raw.get("fundingTimestamp"), raw.get("nextFundingTimestamp"))
        return None if made is None else (made, IntervalSource.DERIVED)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """All swaps of a market in one request, which for linear ones ccxt does not know."""
        wanted = self.wanted(symbols, self.capabilities.kinds(Operation.GET_FUNDING_RATES))
        await self.learn_intervals(tuple(wanted.values()))
        found: list[FundingRate] = []
        for inverse, path in _RATES.items():
            here = {symbol.venue_id: symbol for symbol in wanted.values() if symbol.inverse is inverse}
            if here:
                rows = _rows(await self.call("request", path, ["contract", "public"], "GET"))
                found += [
                    self._rate(self.client.parse_funding_rate(row), symbol)
                    for row in rows
                    if (symbol := here.get(str(row.get("contract_code")))) is not None
                    and (row.get("funding_rate") is not None or symbols is not None)
                ]
        self.all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """At most 100 of a linear swap, 50 of an inverse one: the first ones from ``since``, else the latest.

        HTX's pages go back from now and know no first: those from ``since`` are found by going back to it.
        """
        page = min(limit or _SETTLED[symbol.inverse], _SETTLED[symbol.inverse])
        fetch = self._settled_inverse if symbol.inverse else self._settled_linear
        rows: dict[int, Raw] = {}
        async for answer in fetch(symbol, until):
            fresh = {int(row["timestamp"]): row for row in answer if int(row["timestamp"]) not in rows}
            rows |= fresh
            inside = [stamp for stamp in rows if until is None or stamp < until]
            if not fresh or (min(rows) < since if since is not None else len(inside) > page):
                break
        made = funding.settled_rates(
            rows.values(), symbol, received_ms=self.context.now_ms(), settled_at=lambda row: int(row["timestamp"])
        )
        kept = convert.within(made, "settled_ms", since, until)
        return kept[:page] if since is not None else kept[-page:]

    async def _settled_linear(self, symbol: Symbol, until: int | None) -> AsyncIterator[list[Raw]]:
        """Pages that end with the last settlement up to a time, each before the one before it."""
        end = until
        while True:
            more: dict[str, object] = {} if end is None else {"end_time": end}
            rows = await self.call("fetch_funding_rate_history", symbol.name, None, _SETTLED[False], params=more)
            yield rows
            if not rows:
                return
            end = int(rows[0]["timestamp"]) - 1

    async def _settled_inverse(self, symbol: Symbol, until: int | None) -> AsyncIterator[list[Raw]]:
        for page in count(1):
            rows = await self.call("fetch_funding_rate_history", symbol.name, params={"page_index": page})
            for row in rows:  # what was charged, where the running rate was not
                row["fundingRate"] = row["info"].get("realized_rate") or row["fundingRate"]
            yield rows
            if len(rows) < _SETTLED[True]:
                return

    def refused(self, answer: object) -> bool:
        """ccxt lets codes of /v5 pass that it does not know: an order would be taken for sent, a setting for made."""
        return isinstance(answer, dict) and str(answer.get("code", _FINE)) != _FINE

    def adjust(self, client: Any) -> None:
        """HTX, spot "Subscribe Order Updates": after a subscription to ``orders#*`` each push names its symbol. ccxt
        waits for the star, so it is woken for that too.

        HTX, "Authentication": the host that is asked is signed. ccxt signs its own, also where others are asked.
        """
        if self.config.base_url is not None:
            api = client.urls["api"]
            client.hostname, contracts = urlsplit(api["spot"]).netloc, urlsplit(api["contract"]).netloc
            client.urls["hostnames"] |= {"spot": client.hostname, "contract": contracts}
        handle = client.handle_message

        def handle_message(socket: Any, message: Any) -> None:
            handle(socket, message)
            channel = str(message.get("ch")) if isinstance(message, dict) and message.get("action") == "push" else ""
            if channel.startswith("orders#"):
                socket.resolve(client.orders, "orders#*")
            elif channel.startswith("trade.clearing#"):
                socket.resolve(client.myTrades, f"trade.clearing#*#{channel.rpartition('#')[2]}")

        client.handle_message = handle_message

    def make_symbol(self, market: Market, name: str) -> Symbol:
        """The minimum of a contract is one; ccxt writes its size there, in coins."""
        made = super().make_symbol(market, name)
        return attrs.evolve(made, min_amount=made.lot_size) if made.kind.is_derivative else made

    async def hedged(self, symbol: Symbol) -> bool | None:
        """HTX, "Query Position Mode" of /v5: linear only; inverse accounts are always in hedge mode."""
        if symbol.inverse:
            return True
        told = await self.call("contractPrivateGetV5PositionMode")
        return bool((told.get("data") or {}).get("position_mode") == "dual_side")

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Spot takes a cancel by a client order id that nobody has for good: it is asked for before."""
        if order_id is None and symbol is not None and not symbol.kind.is_derivative:
            order_id = (await self.get_order(None, symbol, client_order_id=client_order_id)).id
        return await super().cancel_order(order_id, symbol, client_order_id=client_order_id)

    def position_params(self, request: OrderRequest) -> dict[str, object]:
        """Linear orders of hedge mode name the position; there ccxt's ``hedged`` means the older paths' words."""
        params = super().position_params(request)
        if request.position_side is PositionSide.NET or ":USD" not in request.symbol:
            return params
        return {"position_side": request.position_side.value}

    def position(self, raw: Raw, symbol: Symbol) -> Position | None:
        """Linear positions of one-way mode are of side "both"."""
        made, told = super().position(raw, symbol), (raw.get("info") or {}).get("position_side")
        return made if made is None or told is None else attrs.evolve(made, hedge_mode=told != "both")

    def trigger_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object] | None:
        """HTX, spot "Place a New Order": ``buy-stop-limit`` is a type of orders, and becomes a plain limit order."""
        if symbol.kind is not MarketKind.SPOT or request.trigger_price is None or request.price is None:
            return None
        if request.post_only or request.time_in_force is not TimeInForce.GTC:
            raise self._cannot("a conditional order there becomes a plain limit order: no post-only, IOC or FOK")
        rises = (request.side is Side.BUY) is (request.type is OrderType.STOP)
        return {"triggerPrice": plain(request.trigger_price), "operator": "gte" if rises else "lte"}

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """Linear orders have post-only among their types, which ccxt takes for a limit order. On the stream ``execAmt``
        of a market buy is its worth (HTX, spot "Subscribe Order Updates"): how much was bought, its trades say. Only
        ``operator``, which the stream leaves out, tells a take-profit from a stop. Of a trade that comes before the
        order's creation ccxt reads little.
        """
        info = raw.get("info") or {}
        if raw.get("side") is None and info.get("eventType") == "trade":
            raw = {**self.client.parse_ws_order(info), **{name: said for name, said in raw.items() if said is not None}}
        made = super().order(raw, symbol)
        rises = {"gte": True, "lte": False}.get(str(info.get("operator")))
        if made.type is OrderType.STOP and rises is not None and rises is (made.side is Side.SELL):
            return attrs.evolve(made, type=OrderType.TAKE_PROFIT)
        if info.get("type") == "buy-market" and "execAmt" in info:
            return attrs.evolve(made, filled=self._traded(info), average_price=None)
        return attrs.evolve(made, post_only=True) if info.get("type") == "post_only" else made

    def _traded(self, info: Mapping[str, Any]) -> Decimal:
        """Base coin that the stream's messages of a market buy have told of so far, each trade once."""
        trades = self._bought.setdefault(str(info.get("orderId")), {})
        if info.get("tradeId") and (volume := number(info.get("tradeVolume"))) is not None:
            trades[str(info["tradeId"])] = volume
        return sum(trades.values(), Decimal(0))

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """HTX, "Query Historical Order Details" of /v5: the fee is positive when paid. ccxt turns it round, as is right
        for the older paths. An execution has one name in answers and on the stream.
        """
        made, info = super().fill(raw, symbol, received_ms), raw.get("info") or {}
        fee = number(info.get("trade_fee"))
        if fee is not None and "fee_currency" in info:
            made = attrs.evolve(made, fee=fee)
        name = next((info[key] for key in _TRADES[symbol.kind] if info.get(key)), None)
        return made if name is None else attrs.evolve(made, trade_id=str(name))


def _rows(answer: Any) -> list[Raw]:
    rows = answer.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
