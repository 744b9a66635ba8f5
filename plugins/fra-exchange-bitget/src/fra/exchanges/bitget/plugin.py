"""BitgetPlugin: Bitget through ccxt, with what ccxt misreads of it mended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from fra.adapters.ccxt import BitgetCCXT, Interval, Refused, number, positive
from fra.adapters.ccxt.convert import Raw, moment, within
from fra.adapters.ccxt.funding import settled_rates
from fra.core import (
    Balance,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeMetadata,
    Fill,
    FundingRate,
    MarketKind,
    Order,
    PositionSide,
    Side,
    Symbol,
)
from fra.exchanges.bitget import funding

PRODUCTS: Final[Mapping[str, str]] = {"usdt": "USDT-FUTURES", "usdc": "USDC-FUTURES"}
"""Market → Bitget's product type, which all that is asked for many symbols is bound to."""
SIMULATED: Final = frozenset({"SUSDT", "SUSDC", "SUSD"})
"""The coins of demo contracts, which ccxt lists among the real ones."""
PUBLIC: Final = (
    *("fetchMarkets", "fetchOrderBook", "fetchTicker", "fetchTickers", "fetchTrades", "fetchOHLCV"),
    *("fetchFundingRate", "fetchFundingRates", "fetchFundingRateHistory"),
    *(
        "watchOrderBookForSymbols",
        "watchOrderBook",
        "watchTicker",
        "watchTrades",
        "watchTradesForSymbols",
        "watchOHLCV",
    ),
    *("unWatchOrderBook", "unWatchTicker", "unWatchTrades", "unWatchOHLCV"),
)
"""ccxt's methods that need no account: they ask the same paths whatever account the keys are of."""
UNIFIED: Final = "unified"
"""The one wallet of a unified account."""
HISTORY_PAGE: Final = 100
HISTORY_PAGES: Final = 60

_POSITION_SIDES: Final = {"long": PositionSide.LONG, "short": PositionSide.SHORT, "net": PositionSide.NET}
_OTHER: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


class BitgetPlugin(BitgetCCXT):
    """Bitget: spot, USDT and USDC perpetual swaps, of classic and unified accounts."""

    missing = frozenset()
    settles = frozenset({"USDT", "USDC"})

    venue = attrs.evolve(
        BitgetCCXT.venue,
        markets={
            "spot": (MarketKind.SPOT,),
            "usdt": (MarketKind.LINEAR_SWAP,),
            "usdc": (MarketKind.LINEAR_SWAP,),
        },
        types={"spot": "spot", "usdt": "swap", "usdc": "swap"},
        wallets={
            "spot": {"type": "spot"},
            **{name: {"type": "swap", "productType": product} for name, product in PRODUCTS.items()},
            UNIFIED: {},
        },
        wallet_of={"spot": "spot", "usdt": "usdt", "usdc": "usdc"},
        unwatchable=frozenset({"watchBalance", "watchPositions"}),
    )

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return attrs.evolve(super().describe(), name=cls.venue.id, display_name=cls.venue.display_name)

    # --- which account

    def adjust(self, client: Any) -> None:
        super().adjust(client)
        for method in PUBLIC:
            client.options[method] = {"uta": False, **client.options.get(method, {})}

    async def connect(self) -> None:
        """With keys: learn first whether the account is a unified one. ccxt would take any failure of that question
        for a no, for good.
        """
        if self.config.api_key is not None and self.client.options.get("uta") is None:
            self.client.options["uta"] = await self._asks_unified()
        await super().connect()

    async def _asks_unified(self) -> bool:
        """A refusal means a classic account; no answer is raised."""
        try:
            await self.call("private_uta_get_v3_account_settings")
        except (ExchangeAPIError, ExchangeAuthError):
            return False
        return True

    @property
    def unified(self) -> bool:
        """Whether the account is a unified one, as far as is known."""
        return self.client is not None and self.client.options.get("uta") is True

    # --- symbols

    def make_symbol(self, market: Raw, name: str) -> Symbol:
        if market.get("settle") in SIMULATED or market.get("quote") in SIMULATED:
            raise Refused("it is a contract of demo trading")
        if market.get("swap"):
            name = str(market["settle"]).lower()
            if name not in PRODUCTS:
                raise Refused(f"it settles in {market['settle']}, which no market of fra's Bitget does")
            if name not in self.markets:
                raise Refused(f"the market {name} is not configured")
        made = super().make_symbol(market, name)
        largest = positive((market.get("info") or {}).get("maxOrderQty"))
        return made if made.max_amount or largest is None else attrs.evolve(made, max_amount=largest)

    def scope(self, market: str) -> dict[str, object]:
        product = PRODUCTS.get(market)
        if product is not None:
            return {"type": "swap", "productType": product}
        return {"type": "spot", "productType": "SPOT"} if self.unified else {"type": "spot"}

    # --- funding

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        return funding.interval(raw["info"])

    def next_settlement(self, raw: Raw, symbol: Symbol) -> int | None:
        return funding.settlement(raw["info"], self.context.now_ms())

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """Two requests: the rate, and the ticker for mark and index price."""
        raw, ticker = await asyncio.gather(
            self.call("fetch_funding_rate", symbol.name), self.call("fetch_ticker", symbol.name)
        )
        return self._whole_rate(raw, ticker, symbol)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """Two requests for each of the markets USDT and USDC: all rates, and all tickers for mark and index prices."""
        wanted = self.wanted(symbols, (MarketKind.LINEAR_SWAP,))
        found: list[FundingRate] = []
        for market in (name for name in self.markets if name in PRODUCTS):
            if any(symbol.market == market for symbol in wanted.values()):
                product = {"productType": PRODUCTS[market]}
                rates, tickers = await asyncio.gather(
                    self.call("fetch_funding_intervals", None, params=product),
                    self.call("fetch_tickers", None, params=product),
                )
                found += [
                    self._whole_rate(raw, tickers.get(symbol.name) or {}, symbol)
                    for raw, symbol in self.named(rates.values())
                    if symbol.name in wanted and symbol.market == market and raw.get("fundingRate") is not None
                ]
        self.all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    def _whole_rate(self, raw: Raw, ticker: Raw, symbol: Symbol) -> FundingRate:
        return attrs.evolve(
            self._rate(raw, symbol),
            mark_price=positive(ticker.get("markPrice")),
            index_price=positive(ticker.get("indexPrice")),
            cap=funding.bound(raw["info"], "maxFundingRate"),
            floor=funding.bound(raw["info"], "minFundingRate"),
        )

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """Bitget tells the latest first, by page: as many pages are asked for as lead back to ``since``, up to 60 of
        100. Raises ExchangeAPIError when that is not enough.
        """
        rows: dict[int, Raw] = {}
        for page in range(1, HISTORY_PAGES + 1):
            told = await self.call(
                "fetch_funding_rate_history", symbol.name, None, HISTORY_PAGE, params={"pageNo": page}
            )
            known = len(rows)
            rows |= {int(row["timestamp"]): row for row in told}
            first = min(rows, default=0)
            wanted = sum(until is None or stamp < until for stamp in rows)
            enough = first < since if since is not None else wanted > (limit or HISTORY_PAGE)
            if enough or len(told) < HISTORY_PAGE or len(rows) == known:
                break
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
        """ccxt knows no way to ask. Bitget ignores ``tradeSide`` in one-way mode: an order that closes in hedge mode,
        where it has the position's side, would add to the position there.

        "Get Single Account" of a classic account, "Get Account Settings" of a unified one.
        """
        if self.unified:
            answer = await self.call("private_uta_get_v3_account_settings")
            mode = (answer.get("data") or {}).get("holdMode")
        else:
            asked = {"symbol": symbol.venue_id, "productType": PRODUCTS[symbol.market], "marginCoin": symbol.settle}
            answer = await self.call("private_mix_get_v2_mix_account_account", params=asked)
            mode = (answer.get("data") or {}).get("posMode")
        if mode not in ("hedge_mode", "one_way_mode"):
            raise ExchangeAPIError(f"Bitget names the position mode {mode!r}", exchange=self.config.name)
        return bool(mode == "hedge_mode")

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """ccxt reads no average price of unified accounts, and no position side."""
        made = super().order(raw, symbol)
        info = raw.get("info") or {}
        more: dict[str, Any] = {"position_side": _POSITION_SIDES.get(str(info.get("posSide")).lower())}
        if made.filled and made.average_price is None:
            more["average_price"] = positive(info.get("avgPrice"))
        if symbol.kind is MarketKind.SPOT and info.get("orderType") == "market" and made.side is Side.BUY:
            more["quote_amount"] = positive(info.get("size"))
        if "tradeSide" in info:
            more["side"] = real_side(info, made.side)
        return attrs.evolve(made, **more)

    def fill(self, raw: Raw, symbol: Symbol, received_ms: int) -> Fill:
        """Unified accounts write a fee that was paid as positive, classic ones as negative; ccxt turns both round."""
        made = super().fill(raw, symbol, received_ms)
        info = raw.get("info") or {}
        if "execId" in info and made.fee is not None:
            detail = info.get("feeDetail") or [{}]
            made = attrs.evolve(made, fee=number(detail[0].get("fee")))
        if info.get("posMode") == "hedge_mode" and "close" in str(info.get("tradeSide")):
            made = attrs.evolve(made, side=real_side(info, made.side))
        return made

    # --- account

    async def get_balance(self, market: str | None = None) -> list[Balance]:
        """A unified account has one wallet, ``unified``, whatever market it is asked for."""
        return await super().get_balance(UNIFIED if self.unified else market)

    def user_scopes(self, flag: str) -> list[dict[str, object]]:
        """Of a unified account each list is one for all markets. Balances and positions are not watched: ccxt keeps the
        coins of all wallets in one place, and the positions of USDT contracts only.
        """
        if self.unified:
            return [{"type": "swap", "productType": PRODUCTS["usdt"], "wallet": UNIFIED}]
        return super().user_scopes(flag)


def real_side(info: Raw, side: Side) -> Side:
    """What is bought or sold. In hedge mode Bitget's ``side`` is the direction of the position, also when it closes."""
    if info.get("posMode") != "hedge_mode":
        return side
    told = {"buy": Side.BUY, "sell": Side.SELL}.get(str(info.get("side")).lower())
    if told is None:
        return side
    return _OTHER[told] if "close" in str(info.get("tradeSide")).lower() else told
