"""GatePlugin: Gate through ccxt, with what ccxt misreads of it mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from string import punctuation
from typing import Any, Final
from urllib.parse import quote

import attrs

from fra.adapters.ccxt import GateCCXT, Interval, Refused, number, positive
from fra.adapters.ccxt.convert import Raw, moment, within
from fra.adapters.ccxt.funding import settled_rates
from fra.core import (
    Balance,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeError,
    ExchangeMetadata,
    Fill,
    FundingRate,
    MarketKind,
    Operation,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionMode,
    Side,
    Symbol,
)
from fra.exchanges.gate import funding

SETTLES: Final = ("usdt", "btc")
"""The markets of swaps, by what Gate calls ``settle``: each has paths and an account of its own."""
STREAMS: Final[Mapping[str, Mapping[str, object]]] = {
    "spot": {"type": "spot"},
    "usdt": {"type": "swap", "subType": "linear"},
    "btc": {"type": "swap", "subType": "inverse"},
}
"""By what ccxt chooses the socket of a market."""
UNIFIED: Final = "unified"
"""The one wallet of a unified account."""
PREFIX: Final = "t-"
"""What Gate wants before a client order id; other texts of orders are Gate's own."""
STATUSES: Final[Mapping[str, OrderStatus]] = {
    "open": OrderStatus.OPEN,
    "filled": OrderStatus.FILLED,
    "poc": OrderStatus.EXPIRED,
    **dict.fromkeys(
        (
            *("cancelled", "ioc", "fok", "stp", "small", "depth_not_enough", "trader_not_enough"),
            *("liquidated", "auto_deleveraged", "reduce_only", "reduce_out", "position_closed", "position_close"),
            *("liquidate_cancelled", "price_protect_cancelled"),
        ),
        OrderStatus.CANCELED,
    ),
}
""" ``finish_as`` of "List futures orders" and "List orders" of spot: why an order ended, whatever it had filled."""
HISTORY_PAGE: Final = 1000
HISTORY_PAGES: Final = 30


class GatePlugin(GateCCXT):
    """Gate: spot, USDT-margined and BTC-margined perpetual swaps."""

    venue = attrs.evolve(
        GateCCXT.venue,
        markets={
            "spot": (MarketKind.SPOT,),
            "usdt": (MarketKind.LINEAR_SWAP,),
            "btc": (MarketKind.INVERSE_SWAP,),
        },
        types={"spot": "spot", "usdt": "swap", "btc": "swap"},
        wallets={
            "spot": {"type": "spot"},
            **{settle: {"type": "swap", "settle": settle} for settle in SETTLES},
            UNIFIED: {"unifiedAccount": True},
        },
        wallet_of={"spot": "spot", "usdt": "usdt", "btc": "btc"},
        unwatchable=frozenset({"watchBalance", "watchPositions"}),
        book_depths={"spot": (1000, 500, 100, 50, 20, 10), **dict.fromkeys(SETTLES, (300, 100, 50, 20, 10))},
    )

    missing = frozenset()

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return attrs.evolve(super().describe(), name=cls.venue.id, display_name=cls.venue.display_name)

    def adjust(self, client: Any) -> None:
        """Contracts can have names in Chinese, and ccxt puts names into paths as they are."""
        fetch = client.fetch

        async def encoded(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            return await fetch(quote(url, safe=punctuation), method, headers, body)

        client.fetch = encoded

    # --- which account

    async def connect(self) -> None:
        """With keys: learn first whether the account is a unified one, and its number, which the streams of swaps need.
        ccxt would take any failure of that question for a no, for good.
        """
        options = self.client.options
        if self.config.api_key is not None and (options.get("unifiedAccount") is None or not self.client.uid):
            number, unified = await self._asks_account()
            self.client.uid = self.client.uid or number
            if options.get("unifiedAccount") is None:
                options["unifiedAccount"] = unified
        await super().connect()

    async def _asks_account(self) -> tuple[str, bool]:
        """ "Retrieve user account information": mode 2 is unified. A refusal means classic; no answer is raised."""
        try:
            answer = await self.call("privateAccountGetDetail")
        except (ExchangeAPIError, ExchangeAuthError):
            return "", False
        return str(answer.get("user_id") or ""), str((answer.get("key") or {}).get("mode")) == "2"

    @property
    def unified(self) -> bool:
        """Whether the account is a unified one, as far as is known."""
        return self.client is not None and self.client.options.get("unifiedAccount") is True

    # --- symbols

    def make_symbol(self, market: Raw, name: str) -> Symbol:
        """A contract is ``quanto_multiplier`` coins, or one dollar where that is 0."""
        info = market.get("info") or {}
        if market.get("swap"):
            name = str(market["settleId"]).lower()
            if name not in self.markets:
                raise Refused(f"the market {name} is not configured")
        made = super().make_symbol(market, name)
        tradable = info.get("trade_status", "tradable") == "tradable" and info.get("in_delisting") is not True
        return attrs.evolve(made, active=made.active and tradable)

    def scope(self, market: str) -> dict[str, object]:
        return {"type": "swap", "settle": market} if market in SETTLES else {"type": "spot"}

    # --- funding

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        return funding.interval(raw["info"])

    def next_settlement(self, raw: Raw, symbol: Symbol) -> int | None:
        return funding.settlement(raw["info"], self.context.now_ms())

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """One request for each of the markets USDT and BTC: the list of contracts."""
        wanted = self.wanted(symbols, self.capabilities.kinds(Operation.GET_FUNDING_RATES))
        found: list[FundingRate] = []
        for market in (name for name in self.markets if name in SETTLES):
            if any(symbol.market == market for symbol in wanted.values()):
                rows = await self.call("fetch_funding_rates", None, params={"settle": market})
                found += [
                    self._rate(raw, symbol)
                    for raw, symbol in self.named(rows.values())
                    if symbol.name in wanted and symbol.market == market and raw.get("fundingRate") is not None
                ]
        self.all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """Gate tells the latest of a range first: as many pages are asked for as lead back to ``since``, up to 30 of
        1000. Raises ExchangeAPIError when that is not enough.
        """
        rows: dict[int, Raw] = {}
        before = until
        for _ in range(HISTORY_PAGES):
            params = {} if before is None else {"until": before}
            told = await self.call("fetch_funding_rate_history", symbol.name, None, HISTORY_PAGE, params=params)
            known = len(rows)
            rows |= {int(row["timestamp"]): row for row in told}
            first = min(rows, default=0)
            enough = since is None or first < since
            if enough or len(told) < HISTORY_PAGE or len(rows) == known:
                break
            before = first
        else:
            raise ExchangeAPIError(
                f"{symbol.name} has more settlements than {HISTORY_PAGES} pages", exchange=self.config.name
            )
        now = self.context.now_ms()
        settled = settled_rates(
            rows.values(), symbol, received_ms=now, settled_at=lambda row: moment(row.get("timestamp"))
        )
        made = within(settled, "settled_ms", since, until)
        if limit is None:
            return made
        return made[:limit] if since is not None else made[-limit:]

    # --- orders

    async def hedged(self, symbol: Symbol) -> bool:
        """ "Query futures account" tells the mode: in dual mode an order that is not reduce-only opens a position."""
        account = await self.call("privateFuturesGetSettleAccounts", params={"settle": symbol.market})
        return account.get("in_dual_mode") is True or str(account.get("position_mode", "")).startswith("dual")

    def order_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """The prefix goes before each client order id; ccxt leaves it out before one that begins with "t"."""
        params = super().order_params(request, symbol)
        params.pop("hedged", None)  # Gate knows by reduce_only which of the two positions is meant
        if request.client_order_id is not None:
            params[self.venue.client_id_param] = PREFIX + request.client_order_id
        return params

    def order_status(self, raw: Raw, symbol: Symbol) -> OrderStatus:
        told = STATUSES.get(str((raw.get("info") or {}).get("finish_as")))
        return super().order_status(raw, symbol) if told is None else told

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """ccxt divides what a spot market buy spends by its average price; Gate tells what it filled."""
        info = raw.get("info") or {}
        raw = {**raw, "clientOrderId": client_id(raw.get("clientOrderId"))}
        made = super().order(raw, symbol)
        if symbol.kind is not MarketKind.SPOT:
            return made
        filled = number(info.get("filled_amount"))
        if filled is not None:
            made = attrs.evolve(made, filled=filled, average_price=_average(info) if filled else None)
        if made.type is OrderType.MARKET and made.side is Side.BUY:
            made = attrs.evolve(made, amount=None, quote_amount=positive(info.get("amount")))
        return made

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """The fee is the one that was paid (in the coin, GT or points), and the client order id is in a text."""
        paid = [fee for fee in raw.get("fees") or () if number(fee.get("cost"))]
        named = client_id((raw.get("info") or {}).get("text"))
        return super().fill({**raw, "clientOrderId": named, **({"fee": paid[0]} if paid else {})}, symbol, received_ms)

    # --- account

    async def get_balance(self, market: str | None = None) -> list[Balance]:
        """A unified account has one wallet, ``unified``, whatever market it is asked for."""
        return await super().get_balance(UNIFIED if self.unified else market)

    async def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        """Of the option's margin mode: at Gate the leverage chooses it, so ccxt's default would make it isolated."""
        if leverage != leverage.to_integral_value():
            raise self._cannot(f"ccxt sets whole leverages, not {leverage}")
        await self._set("set_leverage", int(leverage), symbol.name, params={"marginMode": self.options.margin_mode})

    def user_scopes(self, flag: str) -> list[dict[str, object]]:
        """By socket. Balances and positions are not watched: ccxt keeps the coins of all wallets in one place."""
        return [{**STREAMS[market], "wallet": self.venue.wallet_of[market]} for market in self.markets]

    def unchanged(self, error: ExchangeError) -> bool:
        return error.code == "NO_CHANGE" or super().unchanged(error)

    async def set_position_mode(self, mode: PositionMode) -> None:
        for market in (name for name in self.markets if name in SETTLES):
            await self._set("set_position_mode", mode is PositionMode.HEDGE, None, params={"settle": market})
        self._hedged = None


def client_id(text: object) -> str | None:
    """The client order id in an order's text; None where the text is Gate's own ("web", "api", "liquidation")."""
    found = str(text or "")
    return found.removeprefix(PREFIX) if found.startswith(PREFIX) else None


def _average(info: Mapping[str, Any]) -> Decimal | None:
    """``fill_price`` of spot orders is the total that was filled, for historical reasons: it is not read."""
    return positive(info.get("avg_deal_price"))
