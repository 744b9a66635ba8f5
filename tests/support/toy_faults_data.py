"""Adapters that are wrong about prices, amounts, times and funding, in one thing each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
from toy_adapter import ToyAdapter
from toy_exchange import HOUR_MS

from fra.core import (
    FundingRate,
    Kline,
    OrderBook,
    PriceLevel,
    RateKind,
    Symbol,
    Ticker,
    Trade,
)


def moved(book: OrderBook, *, by: Decimal = Decimal(0), times: Decimal = Decimal(1)) -> OrderBook:
    bids, asks = (
        tuple(PriceLevel(level.price + by, level.amount * times) for level in side) for side in (book.bids, book.asks)
    )
    return attrs.evolve(book, bids=bids, asks=asks)


def upside_down(told: Ticker) -> Ticker:
    return attrs.evolve(told, bid=told.ask, ask=told.bid)


def askew(told: Kline) -> Kline:
    return attrs.evolve(told, high=told.low, low=told.high)


class FloatMoney(ToyAdapter):
    def trade_price(self, text: str) -> Any:
        return float(text)


class FloatNoise(ToyAdapter):
    def rate(self, text: str) -> Decimal:
        return Decimal(float(text))


class SecondsForMilliseconds(ToyAdapter):
    def trade_time(self, row: Any) -> int:
        return int(row["time"]) // 1000


class SettlementAfterTheNext(ToyAdapter):
    def settles(self, row: Any) -> int:
        return int(row["next"]) + HOUR_MS


class EightHours(ToyAdapter):
    def interval(self, row: Any) -> timedelta:
        return timedelta(hours=8)


class PerCent(ToyAdapter):
    def rate(self, text: str) -> Decimal:
        return Decimal(text) * 100


class NewestFirst(ToyAdapter):
    async def get_funding_rate_history(self, symbol: Symbol, **page: Any) -> Sequence[FundingRate]:
        return (await super().get_funding_rate_history(symbol, **page))[::-1]


class InclusiveUntil(ToyAdapter):
    async def get_funding_rate_history(self, symbol: Symbol, **page: Any) -> Sequence[FundingRate]:
        until = page.get("until")
        return await super().get_funding_rate_history(symbol, **{**page, "until": until and until + 1})


class UnsortedBook(ToyAdapter):
    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        book = await super().get_orderbook(symbol, depth=depth)
        first, second, third, *rest = book.asks
        return attrs.evolve(book, asks=(first, third, second, *rest))


class VolumeInContracts(ToyAdapter):
    def kline_volume(self, row: Any, symbol: Symbol) -> Decimal:
        return Decimal(row["contracts"])


class CandlesNewestFirst(ToyAdapter):
    async def get_klines(self, *args: Any, **page: Any) -> Sequence[Kline]:
        return (await super().get_klines(*args, **page))[::-1]


class TradesNewestFirst(ToyAdapter):
    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        return (await super().get_trades(symbol, limit=limit))[::-1]


class ManyByEightHours(ToyAdapter):
    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> Sequence[FundingRate]:
        return [attrs.evolve(rate, interval=timedelta(hours=8)) for rate in await super().get_funding_rates(symbols)]


class NativeNames(ToyAdapter):
    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        return [attrs.evolve(one, symbol=symbol.venue_id) for one in await super().get_trades(symbol, limit=limit)]


class TradesOfHalfALot(ToyAdapter):
    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        return [attrs.evolve(one, amount=one.amount / 2) for one in await super().get_trades(symbol, limit=limit)]


class TradesOfOneId(ToyAdapter):
    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        return [attrs.evolve(one, id="1") for one in await super().get_trades(symbol, limit=limit)]


class ShallowBook(ToyAdapter):
    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        book = await super().get_orderbook(symbol, depth=depth)
        return attrs.evolve(book, asks=book.asks[: depth and depth - 1])


class BookBetweenTicks(ToyAdapter):
    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        return moved(await super().get_orderbook(symbol, depth=depth), by=Decimal("0.03"))


class BookMultipliedTwice(ToyAdapter):
    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        return moved(await super().get_orderbook(symbol, depth=depth), times=symbol.contract_size)


class TickerUpsideDown(ToyAdapter):
    async def get_ticker(self, symbol: Symbol) -> Ticker:
        return upside_down(await super().get_ticker(symbol))


class TickerInContracts(ToyAdapter):
    async def get_ticker(self, symbol: Symbol) -> Ticker:
        told = await super().get_ticker(symbol)
        return attrs.evolve(told, volume=told.volume and symbol.contracts(told.volume))


class AllTickers(ToyAdapter):
    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> Sequence[Ticker]:
        return [*await super().get_tickers(symbols)] * 2


class CandlesAskew(ToyAdapter):
    async def get_klines(self, *args: Any, **page: Any) -> Sequence[Kline]:
        return [askew(one) for one in await super().get_klines(*args, **page)]


class CandlesFromTheBeginning(ToyAdapter):
    async def get_klines(self, *args: Any, **page: Any) -> Sequence[Kline]:
        return await super().get_klines(*args, **{**page, "since": None})


class CalledSettled(ToyAdapter):
    async def get_funding_rate(self, symbol: Symbol) -> FundingRate:
        now = await super().get_funding_rate(symbol)
        return attrs.evolve(now, kind=RateKind.SETTLED, settled_ms=now.received_ms)


FAULTS: dict[type[ToyAdapter], str] = {
    FloatMoney: "test_money_is_decimal_everywhere",
    FloatNoise: "test_no_number_went_through_a_float",
    SecondsForMilliseconds: "test_times_are_utc_milliseconds",
    SettlementAfterTheNext: "test_the_next_settlement_is_the_next",
    EightHours: "test_the_interval_is_that_of_the_history",
    PerCent: "test_a_rate_is_a_fraction",
    NewestFirst: "test_settled_rates_are_settled_and_oldest_first",
    InclusiveUntil: "test_settled_rates_are_paged_by_since_and_until",
    UnsortedBook: "test_a_book_is_sorted_and_not_crossed",
    VolumeInContracts: "test_candles_count_volume_in_base_coin",
    CandlesNewestFirst: "test_candles_are_oldest_first_and_on_their_minutes",
    TradesNewestFirst: "test_trades_are_oldest_first",
    ManyByEightHours: "test_one_rate_and_many_agree",
    NativeNames: "test_what_is_asked_of_a_symbol_is_of_that_symbol",
    TradesOfHalfALot: "test_trades_are_at_prices_and_amounts_that_could_be_traded",
    TradesOfOneId: "test_trades_are_one_each",
    ShallowBook: "test_a_book_is_as_deep_as_asked",
    BookBetweenTicks: "test_a_book_has_prices_of_the_symbols_grid",
    BookMultipliedTwice: "test_a_book_has_amounts_that_could_be_traded",
    TickerUpsideDown: "test_a_ticker_is_the_right_way_round",
    TickerInContracts: "test_a_tickers_volume_is_in_base_coin",
    AllTickers: "test_many_tickers_are_those_that_were_asked_for",
    CandlesAskew: "test_candles_hold_their_prices",
    CandlesFromTheBeginning: "test_candles_are_paged_by_since_and_until",
    CalledSettled: "test_a_running_rate_is_an_estimate",
}
