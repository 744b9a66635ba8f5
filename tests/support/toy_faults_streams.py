"""Adapters whose streams, or whose reloads, are wrong in one thing each."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import attrs
from toy_adapter import Levels, Stream, ToyAdapter

from fra.core import (
    ExchangeConfig,
    ExchangeConnectionError,
    FundingRate,
    Kline,
    KlineInterval,
    PriceLevel,
    StreamSource,
    Symbol,
    Ticker,
    Trade,
)

OneSide = tuple[PriceLevel, ...]
Sides = tuple[OneSide, OneSide]


def scaled(sides: Sides, times: Decimal) -> Sides:
    bids, asks = (tuple(PriceLevel(price, amount * times) for price, amount in side) for side in sides)
    return bids, asks


def upside_down(told: Ticker) -> Ticker:
    return attrs.evolve(told, bid=told.ask, ask=told.bid)


def askew(told: Kline) -> Kline:
    return attrs.evolve(told, high=told.low, low=told.high)


class StaleBook(ToyAdapter):
    def staleness(self) -> float | None:
        return None


class UnnoticedGap(ToyAdapter):
    def minds_gaps(self) -> bool:
        return False


class DoubledTrades(ToyAdapter):
    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        def twice(row: Any, source: StreamSource[Trade]) -> None:
            for _ in range(2):
                source.publish(self.trade(row, symbol))

        source: StreamSource[Trade] = self.stream("trades", twice, lossless=True)
        return source


class SubscribedForAll(ToyAdapter):
    """What one instance has subscribed to is taken for subscribed by the next, too."""

    def stream(self, topic: str, *args: Any, **how: Any) -> Any:
        shared: dict[str, ToyAdapter] = vars(type(self)).get("shared", {})
        type(self).shared = shared  # type: ignore[attr-defined]
        if shared.setdefault(topic, self) is self:
            return super().stream(topic, *args, **how)
        return StreamSource()


class LatestInstanceOnly(ToyAdapter):
    """A new instance closes the session of the one before, which still serves."""

    async def initialize(self) -> None:
        before = vars(type(self)).get("latest")
        type(self).latest = self  # type: ignore[attr-defined]
        if before is not None and before.opened is not None:
            await before.opened.close()
        await super().initialize()


class StreamedBookMultipliedTwice(ToyAdapter):
    def levels(self, row: Any, symbol: Symbol) -> Sides:
        return scaled(super().levels(row, symbol), symbol.contract_size)


class StreamedBookInContracts(ToyAdapter):
    def levels(self, row: Any, symbol: Symbol) -> Sides:
        return scaled(super().levels(row, symbol), 1 / symbol.contract_size)


class WorstFirst(ToyAdapter):
    def best_first(self, bids: OneSide, asks: OneSide) -> Levels:
        return Levels((tuple(sorted(bids)), tuple(sorted(asks))))


class CutInSilence(ToyAdapter):
    def lost(self, stream: Stream, failure: ExchangeConnectionError) -> None:
        if stream.lossless or "closed" not in failure.message:
            super().lost(stream, failure)


class UntoldGap(ToyAdapter):
    def missed(self, source: StreamSource[Any]) -> None:
        pass


class GivesUp(ToyAdapter):
    def survives(self, error: Exception) -> bool:
        return not isinstance(error, ValueError)


class ToldAgain(ToyAdapter):
    recovers = False

    def missed(self, source: StreamSource[Any]) -> None:
        super().missed(source)
        self.recovers = True

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        last: list[Trade] = []

        def take(row: Any, source: StreamSource[Trade]) -> None:
            if self.recovers:
                self.recovers = False
                source.publish(last[-1])
            last.append(self.trade(row, symbol))
            source.publish(last[-1])

        source: StreamSource[Trade] = self.stream("trades", take, lossless=True)
        return source


class NumberedByTheInstance(ToyAdapter):
    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        numbers = itertools.count(1)

        def take(row: Any, source: StreamSource[Trade]) -> None:
            source.publish(attrs.evolve(self.trade(row, symbol), id=str(next(numbers))))

        source: StreamSource[Trade] = self.stream("trades", take, lossless=True)
        return source


class LosesWhatOthersTell(ToyAdapter):
    """An instance that is started beside two others, as a reload does it, loses every third trade."""

    connected: ClassVar[int] = 0
    beside: int

    async def initialize(self) -> None:
        await super().initialize()
        self.beside = LosesWhatOthersTell.connected
        LosesWhatOthersTell.connected += 1

    async def disconnect(self) -> None:
        if vars(self).pop("beside", None) is not None:
            LosesWhatOthersTell.connected -= 1
        await super().disconnect()

    def subscribe_trades(self, symbol: Symbol) -> StreamSource[Trade]:
        numbers = itertools.count(1)

        def take(row: Any, source: StreamSource[Trade]) -> None:
            if next(numbers) % 3 or self.beside < 2:
                source.publish(self.trade(row, symbol))

        source: StreamSource[Trade] = self.stream("trades", take, lossless=True)
        return source


class KeepsTheOldOpen(ToyAdapter):
    """An instance that a newer one took the place of stays open until that one stops, too."""

    kept: list[KeepsTheOldOpen]

    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        type(self).newest = self  # type: ignore[attr-defined]
        type(self).kept = vars(type(self)).get("kept", [])

    async def disconnect(self) -> None:
        self.kept.append(self)
        if type(self).newest in (self, None):  # type: ignore[attr-defined]
            type(self).newest = None  # type: ignore[attr-defined]
            while self.kept:
                await ToyAdapter.disconnect(self.kept.pop())


class FirstConfigurationForEver(ToyAdapter):
    def __init__(self, config: ExchangeConfig) -> None:
        type(self).first = first = vars(type(self)).get("first", config)  # type: ignore[attr-defined]
        super().__init__(first)


class StreamedTickerUpsideDown(ToyAdapter):
    def subscribe_ticker(self, symbol: Symbol) -> StreamSource[Ticker]:
        def take(row: Any, source: StreamSource[Ticker]) -> None:
            source.publish(upside_down(self.ticker(row, symbol)))

        source: StreamSource[Ticker] = self.stream("ticker", take)
        return source


class StreamedCandleAskew(ToyAdapter):
    def subscribe_klines(self, symbol: Symbol, interval: KlineInterval) -> StreamSource[Kline]:
        def take(row: Any, source: StreamSource[Kline]) -> None:
            source.publish(askew(self.kline(row, symbol)))

        source: StreamSource[Kline] = self.stream("klines", take)
        return source


class StreamedEightHours(ToyAdapter):
    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        def take(row: Any, source: StreamSource[FundingRate]) -> None:
            source.publish(attrs.evolve(self.funding(row, symbol), interval=timedelta(hours=8)))

        source: StreamSource[FundingRate] = self.stream("funding", take)
        return source


FAULTS: dict[type[ToyAdapter], str] = {
    StaleBook: "test_a_silent_stream_does_not_look_live",
    UnnoticedGap: "test_a_lost_update_makes_the_book_invalid_until_it_is_mended",
    DoubledTrades: "test_streamed_trades_are_one_each_and_in_order",
    SubscribedForAll: "test_consumers_go_on_through_a_reload",
    LatestInstanceOnly: "test_a_reload_that_fails_keeps_the_old",
    StreamedBookMultipliedTwice: "test_a_streamed_book_has_prices_and_amounts_of_the_symbol",
    StreamedBookInContracts: "test_a_streamed_book_is_the_book_that_is_asked_for",
    WorstFirst: "test_a_streamed_book_is_sorted_and_not_crossed_at_every_update",
    CutInSilence: "test_a_cut_stream_says_so_and_comes_back",
    UntoldGap: "test_trades_that_a_cut_lost_are_told_of_by_a_gap",
    GivesUp: "test_garbage_on_a_socket_is_survived",
    ToldAgain: "test_trades_go_on_after_a_cut",
    NumberedByTheInstance: "test_no_trade_is_lost_or_told_twice_by_a_reload",
    LosesWhatOthersTell: "test_no_trade_is_lost_or_told_twice_by_a_reload",
    KeepsTheOldOpen: "test_a_reload_closes_what_the_old_had_open",
    FirstConfigurationForEver: "test_a_reload_takes_the_new_configuration",
    StreamedTickerUpsideDown: "test_a_streamed_ticker_is_the_right_way_round",
    StreamedCandleAskew: "test_a_streamed_candle_holds_its_prices",
    StreamedEightHours: "test_streamed_funding_settles_when_the_asked_for_does",
}
