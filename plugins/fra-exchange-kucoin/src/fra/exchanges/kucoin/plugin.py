"""KuCoinPlugin: KuCoin through ccxt, with what ccxt misreads of it mended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import attrs

from fra.adapters.ccxt import Interval, KuCoinCCXT, positive
from fra.adapters.ccxt.convert import Raw, balances
from fra.core import (
    Balance,
    ExchangeMetadata,
    FundingRate,
    MarketKind,
    Operation,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Symbol,
)
from fra.exchanges.kucoin import funding

UNIFIED: Final = "unified"
"""The one wallet of a unified account."""
_NANOSECONDS: Final = 10**16
"""From here on a time is in nanoseconds: as milliseconds it would be far beyond any date."""
_SWAPS: Final = (MarketKind.LINEAR_SWAP, MarketKind.INVERSE_SWAP)


class KuCoinPlugin(KuCoinCCXT):
    """KuCoin: spot, linear and inverse perpetual swaps."""

    venue = attrs.evolve(
        KuCoinCCXT.venue,
        markets={"spot": (MarketKind.SPOT,), "swap": _SWAPS},
        types={"spot": "spot", "swap": "swap"},
        wallets={"spot": {"type": "spot"}, "swap": {"type": "swap"}, UNIFIED: {}},
        wallet_of={"spot": "spot", "swap": "swap"},
        margin_mode_param=True,
        unwatchable=frozenset({"watchBalance", "watchPositions"}),
    )
    missing = frozenset((Operation.SUBSCRIBE_FUNDING_RATE, kind) for kind in _SWAPS)

    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return attrs.evolve(super().describe(), name=cls.venue.id, display_name=cls.venue.display_name)

    # --- funding

    def funding_interval(self, raw: Raw, symbol: Symbol) -> Interval:
        return funding.interval(raw["info"], self.context.now_ms())

    def next_settlement(self, raw: Raw, symbol: Symbol) -> int | None:
        return funding.settlement(raw["info"], self.context.now_ms())

    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        """Two requests: the rate, and the mark price."""
        raw, marks = await asyncio.gather(
            self.call("fetch_funding_rate", symbol.name), self.call("fetch_mark_price", symbol.name)
        )
        prices = {name: marks.get(name) for name in ("markPrice", "indexPrice")}
        return self._bounded({**raw, **prices}, symbol)

    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> list[FundingRate]:
        """One request: the list of contracts has rate, schedule, next settlement and prices of each."""
        wanted = {symbol.venue_id: symbol for symbol in self.wanted(symbols, _SWAPS).values()}
        answer = await self.call("futuresPublicGetContractsActive")
        found = [
            self._bounded(funding.unified(row, symbol.name), symbol)
            for row in answer.get("data") or ()
            if (symbol := wanted.get(str(row.get("symbol")))) is not None and row.get("fundingFeeRate") is not None
        ]
        self.all_there(symbols, (rate.symbol for rate in found), "funding rate")
        return found

    def _bounded(self, raw: Raw, symbol: Symbol) -> FundingRate:
        return attrs.evolve(
            self._rate(raw, symbol),
            cap=funding.bound(raw["info"], "fundingRateCap"),
            floor=funding.bound(raw["info"], "fundingRateFloor"),
        )

    # --- orders

    def order_params(self, request: OrderRequest, symbol: Symbol) -> dict[str, object]:
        """Raises NotSupported for an order of isolated margin: ccxt sends each with a leverage of 1."""
        if symbol.kind.is_derivative and self.options.margin_mode == "isolated":
            raise self._cannot(
                "ccxt sends orders of isolated margin with a leverage of 1", 'set options.margin_mode to "cross"'
            )
        return super().order_params(request, symbol)

    def order_status(self, raw: Raw, symbol: Symbol) -> OrderStatus:
        """``cancelExist`` says that a part was cancelled, which an order that is still active can have had."""
        info = raw.get("info") or {}
        if (info.get("isActive") if "isActive" in info else info.get("active")) is True:
            return OrderStatus.OPEN
        return super().order_status(raw, symbol)

    def order(self, raw: Raw, symbol: Symbol) -> Order:
        """What a market buy was to spend is kept. Pushed orders have nanoseconds, which ccxt passes on of spot ones."""
        info = raw.get("info") or {}
        stamp = raw.get("timestamp")
        made = super().order({**raw, "timestamp": milliseconds(stamp)}, symbol)
        pushed, spent = milliseconds(info.get("ts")), positive(info.get("funds"))
        if pushed is not None:
            made = attrs.evolve(made, timestamp_ms=pushed)
        return made if spent is None or made.type is not OrderType.MARKET else attrs.evolve(made, quote_amount=spent)

    # --- account

    async def get_balance(self, market: str | None = None) -> list[Balance]:
        """Futures have an account per coin, each a request; a unified account has one wallet, ``unified``."""
        if await self.call_unified():
            return await super().get_balance(UNIFIED)
        if market not in (None, "swap"):
            return await super().get_balance(market)
        found = [] if market or "spot" not in self.markets else await super().get_balance("spot")
        if market or "swap" in self.markets:
            coins = dict.fromkeys(symbol.settle for symbol in self.symbols.values() if symbol.settle)
            told = await asyncio.gather(
                *(self.call("fetch_balance", params={"type": "swap", "code": coin}) for coin in coins)
            )
            found += [balance for raw in told for balance in balances(raw, "swap")]
        return found

    async def call_unified(self) -> bool:
        """Whether the account is a unified one. Asked once; raises what the venue answers."""
        told = self.client.options.get("uta")
        return bool(await self.call("is_uta_enabled")) if told is None else bool(told)


def milliseconds(stamp: object) -> int | None:
    """A time that is in milliseconds or nanoseconds, as KuCoin has both."""
    told = positive(stamp)
    if told is None:
        return None
    return int(told) if told < _NANOSECONDS else int(told) // 1_000_000
