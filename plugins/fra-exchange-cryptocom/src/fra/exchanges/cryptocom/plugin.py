"""Crypto.com: spot and perpetual swaps on ccxt, with what ccxt gets wrong there mended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import attrs

from fra.adapters.ccxt import CryptoComCCXT, Interval
from fra.adapters.ccxt.convert import Raw, moment, within
from fra.adapters.ccxt.funding import one_by_one, settled_rates
from fra.core import (
    ExchangeConfig,
    ExchangeMetadata,
    FundingRate,
    IntervalSource,
    MarketKind,
    Operation,
    Order,
    OrderNotFound,
    OrderRequest,
    OrderStatus,
    PositionSide,
    Symbol,
    Ticker,
)
from fra.exchanges.cryptocom import own
from fra.exchanges.cryptocom.funding import SETTLEMENTS, Schedule

_AT_ONCE: Final = 5
_PAGE_MS: Final = 86_400_000
"""A day: the 25 rows that Crypto.com answers with at most by itself hold it, if it settles each hour."""
_PAGES: Final = 30
_WORKING: Final = ("NEW", "PENDING")
_VALUATIONS: Final = "v1PublicGetPublicGetValuations"


class CryptoComPlugin(CryptoComCCXT):
    """Crypto.com: spot and perpetual swaps of one wallet. The README names what is mended of ccxt."""

    venue = attrs.evolve(
        CryptoComCCXT.venue,
        markets={"spot": (MarketKind.SPOT,), "linear": (MarketKind.LINEAR_SWAP,)},
        types={"spot": "spot", "linear": "swap"},
        wallets={"trading": {}},
        wallet_of={"spot": "trading", "linear": "trading"},
        one_account=True,
        client_id_param="client_oid",
        by_client_id="param",
    )

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self._schedules: dict[str, Schedule] = {}

    missing = frozenset()

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return attrs.evolve(super().describe(), name="cryptocom", display_name="Crypto.com")

    def adjust(self, client: Any) -> None:
        client.has = {**client.has, "fetchFundingRates": True}
        own.mend(client)

    def scope(self, market: str) -> dict[str, object]:
        """One account holds all markets, and Crypto.com would refuse ccxt's words for them."""
        return {}

    def _ticker(self, raw: Raw, symbol: Symbol) -> Ticker:
        """Crypto.com tells no opening price; ccxt reckons one back from a rounded change."""
        return super()._ticker({**raw, "open": None}, symbol)

    # --- funding

    async def learn_intervals(self, symbols: Sequence[Symbol]) -> None:
        """The last settlements of each symbol, asked for after each settlement and each five minutes."""
        for symbol in symbols:
            now = self.context.now_ms()
            known = self._schedules.get(symbol.name)
            if known is None or known.old(now):
                rows = await self.call("fetch_funding_rate_history", symbol.name, None, SETTLEMENTS)
                times = [stamp for row in rows if (stamp := moment(row.get("timestamp"))) is not None]
                self._schedules[symbol.name] = Schedule.of(times, self.context.now_ms())

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        """Never ccxt's, which is an hour whatever Crypto.com does."""
        known = self._schedules.get(symbol.name)
        return None if known is None or known.interval is None else (known.interval, IntervalSource.DERIVED)

    def next_settlement(self, raw: Raw, symbol: Symbol) -> int | None:
        """Never ccxt's, which is the end of the hour whatever Crypto.com does."""
        known = self._schedules.get(symbol.name)
        return None if known is None else known.next_ms(self.context.now_ms())

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """Two requests: the estimate and the mark price; a third where the settlements have to be asked for."""
        params = {"instrument_name": symbol.venue_id, "valuation_type": "mark_price", "count": 1}
        _, raw, answer = await asyncio.gather(
            self.learn_intervals((symbol,)),
            self.call("fetch_funding_rate", symbol.name),
            self.call(_VALUATIONS, params=params),
        )
        marks = (answer.get("result") or {}).get("data") or [{}]
        rate = self._rate({**raw, "markPrice": marks[0].get("v")}, symbol)
        return attrs.evolve(rate, next_settlement_derived=rate.next_settlement_ms is not None)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """Crypto.com tells them one symbol at a time: five are asked at once, so all of them take some seconds."""
        wanted = self.wanted(symbols, self.capabilities.kinds(Operation.GET_FUNDING_RATES)).values()
        asked = [symbol for symbol in wanted if symbol.active or symbols is not None]
        return await one_by_one(asked, self.get_funding_rate, at_once=_AT_ONCE)

    async def get_funding_rate_history(
        self, symbol: Symbol, *, since: int | None = None, until: int | None = None, limit: int | None = None
    ) -> list[FundingRate]:
        """The newest ones, or with ``since`` a month from there (and from the first on where it has none yet), asked
        for day by day: Crypto.com does not say which rows it leaves out of a longer answer.
        """
        rows: list[Raw] = []
        if since is None:
            rows += await self.call("fetch_funding_rate_history", symbol.name, None, limit)
        else:
            end = self.context.now_ms() if until is None else until
            for page, start in enumerate(range(since, end, _PAGE_MS)):
                if rows and page >= _PAGES:
                    break
                params = {"until": min(start + _PAGE_MS, end)}
                rows += await self.call("fetch_funding_rate_history", symbol.name, start, None, params=params)
        by_time = {row["timestamp"]: row for row in rows}
        made = settled_rates(
            by_time.values(),
            symbol,
            received_ms=self.context.now_ms(),
            settled_at=lambda row: moment(row.get("timestamp")),
        )
        found: list[FundingRate] = within(made, "settled_ms", since, until)
        if limit is None:
            return found
        return found[:limit] if since is not None else found[-limit:]

    # --- orders

    def order_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """Raises NotSupported for orders that only reduce: ccxt would send them as ones that may open."""
        if request.reduce_only:
            raise self._cannot("ccxt has no reduce-only orders at Crypto.com", "send the order without it")
        return super().order_params(request, symbol)

    def position_params(self, request: OrderRequest) -> dict[str, object]:
        """Raises NotSupported for a position side: there is one position per instrument."""
        if request.position_side is not PositionSide.NET:
            raise self._cannot("Crypto.com has no hedge mode", "leave position_side NET")
        return {}

    def order_status(self, raw: Raw, symbol: Symbol) -> OrderStatus:
        if (raw.get("info") or {}).get("status") in _WORKING:
            return OrderStatus.OPEN
        return super().order_status(raw, symbol)

    async def get_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """By either id, with no empty one beside it as ccxt would send; no symbol is needed."""
        params = {"client_oid": client_order_id} if order_id is None else {"order_id": order_id}
        row = (await self.call("v1PrivatePostPrivateGetOrderDetail", params=params)).get("result")
        if not row:
            raise OrderNotFound(f"Crypto.com has no order {order_id or client_order_id!r}", exchange=self.config.name)
        raw = self.client.parse_order(row)
        return self.order(raw, self.symbol(raw.get("symbol")))

    async def cancel_order(
        self, order_id: str | None = None, symbol: Symbol | None = None, *, client_order_id: str | None = None
    ) -> Order:
        """Two requests; three where the id or the symbol has to be asked for."""
        if order_id is None or symbol is None:
            found = await self.get_order(order_id, client_order_id=client_order_id)
            order_id, symbol = found.id, self.symbol(found.symbol)
        return await super().cancel_order(order_id, symbol)
