"""What an adapter makes of an answer is sound, or an error of fra's tree says that it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest

from fra.adapters.custom import ClockSample, CustomExchangePlugin, publishing, publishing_each
from fra.adapters.custom.books import BookBuilder, BookSnapshot
from fra.adapters.custom.errors import ErrorTable, Failure
from fra.adapters.custom.levels import Levels
from fra.adapters.custom.sync import BINANCE_SPOT
from fra.core import (
    BookView,
    ExchangeAPIError,
    ExchangeConfig,
    ExchangeError,
    ExchangeRateLimitError,
    MarketKind,
    OrderBook,
    OrderOutcomeUnknown,
    OrderRequest,
    OrderType,
    PriceLevel,
    Side,
    StreamSource,
    StreamStatus,
    Symbol,
    Ticker,
    Trade,
)

NOW = 1_700_000_000_000
SYMBOL = Symbol("A/B", "AB", MarketKind.SPOT, "A", "B", tick_size=Decimal("0.1"), lot_size=Decimal("0.1"))
NAN = Decimal("NaN")


class Reading(CustomExchangePlugin):
    """Answers what the test says."""

    venue, display_name, urls, errors = "toy", "Toy", {"spot": {}}, ErrorTable(codes={}, read=lambda body: None)

    def __init__(self, answer: object) -> None:
        super().__init__(ExchangeConfig(name="mine", exchange_id="toy"))
        self.answer = answer

    def _read(self) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def server_time(self) -> Any:
        return self._read()

    def make_dialect(self, channel: Any) -> Any:
        raise NotImplementedError

    async def get_symbols(self) -> Any:
        return self._read()

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> Any:
        return self._read()

    async def get_ticker(self, symbol: Symbol) -> Any:
        return self._read()

    async def get_trades(self, symbol: Symbol, *, limit: int | None = None) -> Any:
        return self._read()

    async def create_order(self, request: OrderRequest, symbol: Symbol) -> Any:
        return self._read()


def book(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> OrderBook:
    bid, ask = ([PriceLevel(Decimal(price), Decimal(size)) for price, size in rows] for rows in (bids, asks))
    return OrderBook(symbol="A/B", bids=bid, asks=ask, received_ms=NOW)


def trade(price: str = "1", amount: str = "1", at: int = NOW) -> Trade:
    return Trade("A/B", "1", Decimal(price), Decimal(amount), Side.BUY, at, NOW)


@pytest.mark.parametrize("error", [KeyError("side"), ValueError("x"), InvalidOperation()])
async def test_what_cannot_be_converted_is_an_answer_that_the_venue_does_not_document(error: Exception) -> None:
    with pytest.raises(ExchangeAPIError, match="the answer to get_ticker is not what") as malformed:
        await Reading(error).get_ticker(SYMBOL)
    assert malformed.value.code == "malformed"
    assert malformed.value.exchange == "mine"
    assert malformed.value.__cause__ is error


async def test_errors_of_the_tree_and_cancellations_go_through() -> None:
    for error in (ExchangeRateLimitError("slow"), asyncio.CancelledError()):
        with pytest.raises(type(error)) as raised:
            await Reading(error).get_ticker(SYMBOL)
        assert raised.value is error


async def test_an_order_whose_answer_cannot_be_converted_may_live() -> None:
    request = OrderRequest(
        symbol="A/B", side=Side.BUY, type=OrderType.MARKET, amount=Decimal(1), client_order_id="mine1"
    )
    with pytest.raises(OrderOutcomeUnknown) as unknown:
        await Reading(KeyError("id")).create_order(request, SYMBOL)
    assert unknown.value.client_order_id == "mine1"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("get_ticker", Ticker("A/B", NOW, last=NAN)),
        ("get_ticker", Ticker("A/B", NOW, bid=Decimal("-Infinity"))),
        ("get_ticker", Ticker("A/B", NOW, timestamp_ms=NOW // 1000)),
        ("get_trades", [trade(), trade(price="NaN")]),
        ("get_trades", [trade(amount="0")]),
        ("get_trades", (trade(at=0),)),
        ("get_orderbook", book([("1", "NaN")], [])),
        ("get_orderbook", book([("1", "-1")], [])),
        ("get_orderbook", book([("1", "1"), ("2", "1")], [])),
        ("get_orderbook", book([], [("2", "1"), ("2", "1")])),
        ("get_orderbook", book([("2", "1")], [("2", "1")])),
    ],
)
async def test_a_model_that_no_venue_means_does_not_come_out(method: str, answer: object) -> None:
    with pytest.raises(ExchangeAPIError) as malformed:
        await getattr(Reading(answer), method)(SYMBOL)
    assert malformed.value.code == "malformed"


async def test_sound_models_come_out_as_they_are() -> None:
    for method, answer in (
        ("get_ticker", Ticker("A/B", NOW, last=Decimal(1), timestamp_ms=NOW)),
        ("get_trades", [trade(), trade()]),
        ("get_orderbook", book([("2", "1"), ("1", "1")], [("3", "1"), ("4", "1")])),
    ):
        assert await getattr(Reading(answer), method)(SYMBOL) is answer


@pytest.mark.parametrize(
    ("make", "item"), [(publishing, Ticker("A/B", NOW, ask=NAN)), (publishing_each, [trade(), trade("Infinity")])]
)
def test_a_stream_publishes_nothing_that_no_venue_means(make: Callable[..., Any], item: object) -> None:
    class One:
        source: StreamSource[Any] = StreamSource()

    handler = make(lambda message, received_ms: message)(One())
    with pytest.raises(ValueError, match=r"a ticker with NaN|a trade of 1 at Infinity"):
        handler.on_message(item, NOW)


@pytest.mark.parametrize("seconds", ["inf", "nan"])
def test_a_venue_that_shuts_itself_for_ever_does_not_say_for_how_long(seconds: str) -> None:
    table = ErrorTable(codes={}, read=lambda body: None)
    error = table.error(Failure(status=429, retry_after=float(seconds)), exchange="mine")
    assert isinstance(error, ExchangeRateLimitError)
    assert error.retry_after is None


@pytest.mark.parametrize("stands_at", [0, 1_700_000_000, 1_700_000_000_000_000, 10**400, -NOW])
def test_a_time_that_is_none_is_no_clock(stands_at: int) -> None:
    with pytest.raises(ValueError, match="the venue's clock stands at"):
        ClockSample(server_ms=stands_at, sent_ms=NOW, received_ms=NOW)


# --- books

BAD = ["-1", "NaN", "Infinity", "1.2.3", "1970-01-01", ""]


@pytest.mark.parametrize("size", BAD)
def test_a_size_that_is_none_is_refused_when_it_comes(size: str) -> None:
    levels = Levels(SYMBOL)
    with pytest.raises((ExchangeAPIError, ValueError)):
        levels.replace([(1.0, size)], [(2.0, "1")])
    levels.replace([(1.0, "1")], [(2.0, "1")])
    with pytest.raises((ExchangeAPIError, ValueError)):
        levels.update([], [(3.0, size)])


@pytest.mark.parametrize("size", BAD)
def test_a_size_that_is_none_far_from_the_top_is_refused_when_it_is_read(size: str) -> None:
    levels = Levels(SYMBOL)
    levels.replace([(float(price), "1") for price in range(1, 500)], [(1000.0, "1")])
    levels.update([(1.5, size)], [])
    assert levels.bids(1)[0].price == 499
    with pytest.raises(ExchangeAPIError, match=r"a level of a book has the size|could not convert"):
        levels.bids()


class Stream:
    """What a builder is given, with its background work in the test's hands."""

    def __init__(self) -> None:
        self.source: StreamSource[BookView] = StreamSource()
        self.work: list[Coroutine[object, object, None]] = []
        self.reported: list[ExchangeError] = []

    def resubscribe(self, error: ExchangeError) -> None:
        raise NotImplementedError

    def report(self, error: ExchangeError) -> None:
        self.reported.append(error)

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        self.work.append(work)
        return lambda: None


@pytest.mark.parametrize("first", [ValueError("no number"), BookSnapshot([(1.0, "-1")], [(2.0, "1")], 5, None, NOW)])
async def test_a_snapshot_that_cannot_be_read_is_reported_and_the_next_one_taken(
    monkeypatch: pytest.MonkeyPatch, first: Exception | BookSnapshot
) -> None:
    stream = Stream()
    answers: list[Exception | BookSnapshot] = [first, BookSnapshot([(1.0, "1")], [(2.0, "1")], 5, None, NOW)]

    async def fetch() -> BookSnapshot:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def at_once(seconds: float) -> None:
        pass

    book = BookBuilder[Any](
        SYMBOL, stream, BINANCE_SPOT, lambda book, message, now: book.update([], [], now, first=5, last=6),
        exchange="mine", fetch=fetch,
    )  # fmt: skip
    monkeypatch.setattr("fra.adapters.custom.books.asyncio.sleep", at_once)
    book.on_subscribed()
    book.on_message(None, NOW)
    await stream.work[0]
    assert [error.code for error in stream.reported] == ["malformed"]
    assert stream.source.status is StreamStatus.LIVE
    assert book.levels.bids()[0] == (1, 1)
