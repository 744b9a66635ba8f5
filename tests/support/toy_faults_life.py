"""Adapters that start, stop, claim, hold back or refuse wrongly, in one thing each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import attrs
from toy_adapter import SWAP, Book, ToyAdapter

from fra.core import (
    BookView,
    ExchangeAPIError,
    ExchangeAuthError,
    ExchangeCapabilities,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeMetadata,
    FundingRate,
    Health,
    Operation,
    OrderNotFound,
    RateLimit,
    StreamSource,
    Symbol,
    Ticker,
    Trade,
)


def without(operation: Operation) -> ExchangeCapabilities:
    """What the right adapter claims, less this."""
    return ExchangeCapabilities.of(
        [one for one in Operation if one is not operation and ToyAdapter.capabilities.support(one)], [SWAP]
    )


class SwallowedError(ToyAdapter):
    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Sequence[Trade]:
        try:
            return await super().get_trades(symbol, limit=limit)
        except ExchangeError:
            return []


class LyingCapability(ToyAdapter):
    async def get_tickers(self, symbols: Sequence[Symbol] | None = None) -> Sequence[Ticker]:
        raise self._not_supported(Operation.GET_TICKERS)


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


class BooksForNothing(ToyAdapter):
    async def acquire(self, path: str) -> None:
        await self.known.acquire({"requests": int(path != "/book")})


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


class BanIsAnything(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if status == 418:
            raise ExchangeAPIError("HTTP 418", status_code=418)
        super().refuse(status, text, retry_after, headers)


class SymbolsTwice(ToyAdapter):
    async def get_symbols(self) -> Sequence[Symbol]:
        return [*await super().get_symbols()] * 2


class ClockSinceTheEpoch(ToyAdapter):
    async def health_check(self) -> Health:
        health = await super().health_check()
        return attrs.evolve(health, clock_skew=health.checked_ms / 1000)


class NeverStarts(ToyAdapter):
    async def connect(self) -> None:
        raise ExchangeAPIError("the venue's greeting is not understood")


class Nameless(ToyAdapter):
    @classmethod
    def describe(cls) -> ExchangeMetadata:
        return attrs.evolve(super().describe(), display_name="")


class AsksBeforeItIsConnected(ToyAdapter):
    async def initialize(self) -> None:
        await super().initialize()
        await self.acquire("/time")
        async with aiohttp.ClientSession(base_url=str(self.config.base_url)) as session:
            await session.get("/time")


class SecretLimit(ToyAdapter):
    async def initialize(self) -> None:
        await super().initialize()
        self.context.limiter("toy", (RateLimit("orders", 100_000, 1.0),))


class ClaimsLessThanItsClass(ToyAdapter):
    def __init__(self, config: ExchangeConfig) -> None:
        super().__init__(config)
        self.capabilities = without(Operation.SUBSCRIBE_KLINES)  # type: ignore[misc]


class HiddenCall(ToyAdapter):
    capabilities = without(Operation.GET_TICKERS)


class NeverValid(ToyAdapter):
    def subscribe_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> StreamSource[BookView]:
        book = Book(self, symbol)

        def take(row: Any, source: StreamSource[BookView]) -> None:
            book(row, StreamSource())
            source.publish(book.view(valid=False))

        source: StreamSource[BookView] = self.stream("book", take)
        return source


class SilentFunding(ToyAdapter):
    def subscribe_funding_rate(self, symbol: Symbol) -> StreamSource[FundingRate]:
        source: StreamSource[FundingRate] = self.stream("fundings", lambda row, source: None)
        return source


class AnyAnswerWillDo(ToyAdapter):
    def parse(self, text: str, path: str) -> Any:
        return json.loads(text)


class WordlessRefusal(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if '"code": 40000' in text:
            raise ExchangeAPIError("HTTP 400", status_code=400)
        super().refuse(status, text, retry_after, headers)


class StatusAlone(ToyAdapter):
    def says_no(self, answer: Any) -> bool:
        return False


class CodeAlone(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if '"code": 40000' in text:
            raise ExchangeAPIError("HTTP 400", status_code=400, code="40000")
        super().refuse(status, text, retry_after, headers)


class LateFailure(ToyAdapter):
    """A failure is raised once more to whoever asks next."""

    broken = False

    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        self.broken = status == 503
        super().refuse(status, text, retry_after, headers)

    async def acquire(self, path: str) -> None:
        if self.broken and path == "/book":
            self.broken = False
            raise ExchangeConnectionError("the venue was away")
        await super().acquire(path)


class SecretInRefusal(ToyAdapter):
    def refuse(self, status: int, text: str, retry_after: str | None, headers: dict[str, str]) -> None:
        if status == 404:
            raise OrderNotFound(f"no order for {headers}", code=40400, response=text)
        super().refuse(status, text, retry_after, headers)


class AsksWithoutKeys(ToyAdapter):
    def sign(self) -> dict[str, str]:
        return super().sign() if self.config.api_key else {}


FAULTS: dict[type[ToyAdapter], str] = {
    SwallowedError: "test_a_failed_request_is_an_error_and_not_an_empty_answer[get_trades-linear_swap]",
    LyingCapability: "test_every_claimed_call_answers[get_tickers-linear_swap]",
    LeakedTask: "test_stopping_leaves_no_task_and_no_socket",
    StopsOnce: "test_stopping_twice_is_no_error",
    BlindStart: "test_a_venue_that_is_away_is_an_error_and_leaves_nothing",
    BooksForNothing: "test_every_request_asks_the_limiter",
    UncountedBooks: "test_every_request_asks_the_limiter",
    HammersOn: "test_too_many_requests_is_called_so_and_heeded",
    SecretInError: "test_wrong_keys_are_called_so_and_shown_nowhere",
    BanIsAnything: "test_a_ban_is_called_so_and_heeded",
    SymbolsTwice: "test_symbols_are_one_each_and_say_their_rules",
    ClockSinceTheEpoch: "test_health_is_told",
    NeverStarts: "test_it_starts",
    Nameless: "test_it_describes_itself_before_there_is_an_instance",
    AsksBeforeItIsConnected: "test_initialize_sends_nothing",
    SecretLimit: "test_its_limits_are_the_ones_it_declares",
    ClaimsLessThanItsClass: "test_the_class_and_the_instance_say_the_same",
    HiddenCall: "test_what_works_is_claimed[get_tickers]",
    NeverValid: "test_every_claimed_stream_tells_something[subscribe_orderbook-linear_swap]",
    SilentFunding: "test_every_claimed_stream_tells_something[subscribe_funding_rate-linear_swap]",
    AnyAnswerWillDo: "test_garbage_is_an_error",
    WordlessRefusal: "test_a_refusal_carries_the_venues_answer",
    StatusAlone: "test_a_refusal_carries_the_venues_answer",
    CodeAlone: "test_a_refusal_carries_the_venues_answer",
    LateFailure: "test_it_works_again_after_failures",
    SecretInRefusal: "test_no_error_so_far_shows_a_secret",
    AsksWithoutKeys: "test_an_account_without_keys_is_refused_before_anything_is_sent",
}
