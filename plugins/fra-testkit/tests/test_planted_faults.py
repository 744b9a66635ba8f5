"""Adapters that are wrong in one thing each: the kit fails each by the test that names its fault, and by no other.

To be cheap, faults that touch different methods are planted together; then exactly their tests must fail.
``FRA_PLANTED=alone`` judges each wrong adapter by itself, in half a minute of work.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from toy_adapter import ToyAdapter
from toy_exchange import HOUR_MS, toy_exchange

from fra.core import (
    Balance,
    DuplicateOrder,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeCapabilities,
    ExchangeConnectionError,
    ExchangeError,
    Fill,
    FundingRate,
    Health,
    InvalidOrder,
    Kline,
    MarketKind,
    Operation,
    Order,
    OrderBook,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderStatus,
    Position,
    StreamSource,
    Symbol,
    Trade,
    UserEvent,
)
from fra.testkit import Certificate, Conformance, Outcome, VenueUnderTest, examine

SWAP = MarketKind.LINEAR_SWAP


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


class SwallowedError(ToyAdapter):
    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        try:
            return await super().get_trades(symbol, limit=limit)
        except ExchangeError:
            return []


class LyingCapability(ToyAdapter):
    capabilities = ToyAdapter.capabilities | ExchangeCapabilities.of([Operation.GET_TICKERS], [SWAP])


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


class LeakedTask(ToyAdapter):
    async def connect(self) -> None:
        await super().connect()
        self.beat = asyncio.create_task(asyncio.Event().wait(), name="toy heartbeat")


class StopsOnce(ToyAdapter):
    stopped = False

    async def disconnect(self) -> None:
        if self.stopped:
            raise RuntimeError("stopped already")
        self.stopped = True
        await super().disconnect()


class BlindStart(ToyAdapter):
    async def connect(self) -> None:
        try:
            await super().connect()
        except ExchangeConnectionError:
            pass


class UncountedBooks(ToyAdapter):
    async def acquire(self, path: str) -> None:
        if path != "/book":
            await super().acquire(path)


class HammersOn(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if status == 429:
            raise ExchangeAPIError("HTTP 429", status_code=429)
        super().refuse(status, text, retry_after, headers)


class SecretInError(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if status == 401:
            raise ExchangeAuthError(f"refused: {headers}", code=40100)
        super().refuse(status, text, retry_after, headers)


class OrderNotFoundIsAnything(ToyAdapter):
    async def get_order(self, *args: Any, **ids: Any) -> Order:
        try:
            return await super().get_order(*args, **ids)
        except OrderNotFound as error:
            raise ExchangeAPIError("no such order", code=error.code) from None


class RetriedOrder(ToyAdapter):
    async def place(self, terms: dict[str, Any]) -> Any:
        try:
            return await super().place(terms)
        except OrderOutcomeUnknown:
            pass
        try:
            return await super().place(terms)
        except DuplicateOrder:  # so it has arrived
            return await self.ask("GET", "/order", signed=True, client=terms["client"])


class UnknownCalledRejected(ToyAdapter):
    async def place(self, terms: dict[str, Any]) -> Any:
        try:
            return await self.ask("POST", "/order", signed=True, **terms)
        except ExchangeConnectionError as error:
            raise InvalidOrder("the order was rejected") from error


class AmountInContracts(ToyAdapter):
    def amount(self, contracts: str, symbol: Symbol) -> Decimal:
        return Decimal(contracts)

    def contracts(self, amount: Decimal, symbol: Symbol) -> Decimal:
        return amount

    def ticker(self, row: Any, symbol: Symbol) -> Any:
        return attrs.evolve(super().ticker(row, symbol), volume=symbol.amount(Decimal(row["contracts"])))

    def kline_volume(self, row: Any, symbol: Symbol) -> Decimal:
        return symbol.amount(Decimal(row["contracts"]))


class FillOrKillRests(ToyAdapter):
    def lives(self, request: OrderRequest) -> str:
        return super().lives(request).replace("fok", "gtc")


class PostOnlyTakes(ToyAdapter):
    def rests(self, request: OrderRequest) -> bool:
        return False


class DoubledFill(ToyAdapter):
    def tell_fill(self, fill: Fill, source: StreamSource[UserEvent]) -> None:
        super().tell_fill(fill, source)
        super().tell_fill(attrs.evolve(fill, trade_id=f"{fill.trade_id}-again"), source)


class ReorderedFills(ToyAdapter):
    async def get_trade_history(self, symbol: Symbol | None = None, **page: Any) -> Sequence[Fill]:
        return (await super().get_trade_history(symbol, **page))[::-1]


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


class BanIsAnything(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if status == 418:
            raise ExchangeAPIError("HTTP 418", status_code=418)
        super().refuse(status, text, retry_after, headers)


class SymbolsTwice(ToyAdapter):
    async def get_symbols(self) -> Sequence[Symbol]:
        return [*await super().get_symbols()] * 2


class TotalWithoutWhatIsHeld(ToyAdapter):
    async def get_balance(self, market: str | None = None) -> Sequence[Balance]:
        return [attrs.evolve(row, total=row.total - row.free) for row in await super().get_balance(market)]


class PastOrdersNewestFirst(ToyAdapter):
    async def get_order_history(self, symbol: Symbol | None = None, **page: Any) -> Sequence[Order]:
        return (await super().get_order_history(symbol, **page))[::-1]


class CandlesNewestFirst(ToyAdapter):
    async def get_klines(self, *args: Any, **page: Any) -> Sequence[Kline]:
        return (await super().get_klines(*args, **page))[::-1]


class TradesNewestFirst(ToyAdapter):
    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        return (await super().get_trades(symbol, limit=limit))[::-1]


class PositionTwice(ToyAdapter):
    async def get_positions(self, symbol: Symbol | None = None) -> Sequence[Position]:
        return [attrs.evolve(row, amount=2 * row.amount) for row in await super().get_positions(symbol)]


class ManyByEightHours(ToyAdapter):
    async def get_funding_rates(self, symbols: Sequence[Symbol] | None = None) -> Sequence[FundingRate]:
        return [attrs.evolve(rate, interval=timedelta(hours=8)) for rate in await super().get_funding_rates(symbols)]


class GoneIsOpen(ToyAdapter):
    async def cancel_order(self, *args: Any, **ids: Any) -> Order:
        try:
            return await super().cancel_order(*args, **ids)
        except OrderNotFound:
            return attrs.evolve(await self.get_order(*args, **ids), status=OrderStatus.OPEN)


class ClockSinceTheEpoch(ToyAdapter):
    async def health_check(self) -> Health:
        health = await super().health_check()
        return attrs.evolve(health, clock_skew=health.checked_ms / 1000)


FAULTS = {
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
    SwallowedError: "test_a_failed_request_is_an_error_and_not_an_empty_answer[get_trades-linear_swap]",
    LyingCapability: "test_every_claimed_call_answers[get_tickers-linear_swap]",
    StaleBook: "test_a_silent_stream_does_not_look_live",
    UnnoticedGap: "test_a_lost_update_makes_the_book_invalid_until_it_is_mended",
    DoubledTrades: "test_streamed_trades_are_one_each_and_in_order",
    LeakedTask: "test_stopping_leaves_no_task_and_no_socket",
    StopsOnce: "test_stopping_twice_is_no_error",
    BlindStart: "test_a_venue_that_is_away_is_an_error_and_leaves_nothing",
    UncountedBooks: "test_every_request_asks_the_limiter",
    HammersOn: "test_too_many_requests_is_called_so_and_heeded",
    SecretInError: "test_wrong_keys_are_called_so_and_shown_nowhere",
    OrderNotFoundIsAnything: "test_an_order_that_is_not_there_is_called_so",
    RetriedOrder: "test_an_order_without_an_answer_is_sent_once",
    UnknownCalledRejected: "test_an_order_without_an_answer_is_not_called_refused",
    AmountInContracts: "test_an_amount_is_in_base_coin_at_the_venue",
    FillOrKillRests: "test_a_fok_order_does_not_rest",
    PostOnlyTakes: "test_a_post_only_order_does_not_take",
    DoubledFill: "test_the_stream_tells_each_fill_once",
    ReorderedFills: "test_own_trades_are_oldest_first_and_one_each",
    SubscribedForAll: "test_consumers_go_on_through_a_reload",
    LatestInstanceOnly: "test_a_reload_that_fails_keeps_the_old",
    BanIsAnything: "test_a_ban_is_called_so_and_heeded",
    SymbolsTwice: "test_symbols_are_one_each_and_say_their_rules",
    TotalWithoutWhatIsHeld: "test_balances_add_up",
    PastOrdersNewestFirst: "test_past_orders_are_oldest_first_and_past",
    CandlesNewestFirst: "test_candles_are_oldest_first_and_on_their_minutes",
    TradesNewestFirst: "test_trades_are_oldest_first",
    PositionTwice: "test_a_position_grows_by_what_was_bought",
    ManyByEightHours: "test_one_rate_and_many_agree",
    GoneIsOpen: "test_a_second_cancel_says_that_it_is_gone",
    ClockSinceTheEpoch: "test_health_is_told",
}
"""A test by its name alone is meant for the swap, where it has cases."""


def examined(cls: type[ToyAdapter]) -> Certificate:
    class Examined(Conformance):
        adapter = cls

        def venue(self) -> AbstractAsyncContextManager[VenueUnderTest]:
            return toy_exchange()

    return examine(Examined)


def named(certificate: Certificate, outcome: Outcome) -> dict[str, str | None]:
    return {
        result.test.removesuffix("[linear_swap]"): result.reason
        for result in certificate.results
        if result.outcome is outcome
    }


def test_the_right_adapter_fails_nothing_and_all_of_it_is_evaluated() -> None:
    certificate = examined(ToyAdapter)
    assert named(certificate, Outcome.FAILED) == {}
    assert named(certificate, Outcome.NOT_EVALUATED) == {}
    assert certificate.valid


APART = (
    {SettlementAfterTheNext, EightHours},  # a settlement two hours away is the next where the interval is eight
    {OrderNotFoundIsAnything, RetriedOrder, UnknownCalledRejected},  # what became of an order is found out by asking
)
"""Faults that hide each other."""


def planted_together() -> list[list[type[ToyAdapter]]]:
    """Every fault in one group: in the first whose others touch none of its methods."""
    if os.environ.get("FRA_PLANTED") == "alone":
        return [[fault] for fault in FAULTS]
    groups: list[list[type[ToyAdapter]]] = []
    for fault in FAULTS:
        mine = {name for name in vars(fault) if not name.startswith("_")}
        for group in groups:
            hidden = any(fault in pair and not pair.isdisjoint(group) for pair in APART)
            if not hidden and all(mine.isdisjoint(vars(other)) for other in group):
                group.append(fault)
                break
        else:
            groups.append([fault])
    return groups


@pytest.mark.parametrize("faults", planted_together(), ids=lambda faults: "-".join(fault.__name__ for fault in faults))
def test_a_wrong_adapter_fails_the_tests_that_name_its_faults_and_no_other(faults: list[type[ToyAdapter]]) -> None:
    failed = named(examined(type("Wrong", tuple(faults), {})), Outcome.FAILED)
    assert {*failed} == {FAULTS[fault] for fault in faults}, failed
