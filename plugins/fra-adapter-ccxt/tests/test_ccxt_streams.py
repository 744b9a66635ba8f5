"""Pumps: what is published, when a stream is stale, what a loss looks like; and funding that is known or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from ccxt_local import LocalContext

from fra.adapters.ccxt import CCXTOptions, CryptoComCCXT, GateCCXT, worded
from fra.adapters.ccxt.client import waiting
from fra.adapters.ccxt.funding import settled_rates
from fra.adapters.ccxt.streams import Pump
from fra.core import (
    ErrorRaised,
    ExchangeConfig,
    ExchangeError,
    IntervalSource,
    MarketKind,
    StreamGap,
    StreamStatus,
    Symbol,
    SymbolNotFound,
)

SWAP = Symbol(
    "BTC/USDT:USDT",
    "BTC_USDT",
    MarketKind.LINEAR_SWAP,
    "BTC",
    "USDT",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    contract_size=Decimal("0.001"),
)


@pytest.fixture
async def adapter() -> AsyncIterator[GateCCXT]:
    made = GateCCXT(ExchangeConfig("main", "gate"))
    made.options = CCXTOptions(reconnect_delay=0.001, reconnect_max_delay=0.002)
    made.context = LocalContext("main")
    await made.initialize()
    yield made
    await made.disconnect()


class Sink:
    """What was told of a stream, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.changed = asyncio.Event()

    def _tell(self, what: object) -> None:
        self.told.append(what)
        self.changed.set()

    def on_item(self, item: object) -> None:
        self._tell(item)

    def on_gap(self, gap: StreamGap) -> None:
        self._tell(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        self._tell(status)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Feed:
    """What ccxt would answer, one after the other; then nothing more."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self) -> Any:
        self.asked += 1
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def pump(adapter: GateCCXT, watch: Callable[[], Awaitable[Any]], **more: Any) -> tuple[Pump[Any], Sink]:
    made: Pump[Any] = Pump(adapter, "a stream", watch=watch, convert=lambda raw, received: [raw], **more)
    sink = Sink()
    made.source.attach(sink)
    return made, sink


def ccxt_error(name: str, text: str = "lost") -> Exception:
    import ccxt

    error: Exception = getattr(ccxt, name)(text)
    return error


async def test_each_answer_is_published_and_makes_the_stream_live(adapter: GateCCXT) -> None:
    made, sink = pump(adapter, Feed(1, 2))
    await sink.until(lambda: 2 in sink.told)
    assert sink.told == [StreamStatus.LIVE, 1, 2]
    await made.source.close()


async def test_after_a_loss_it_recovers_and_a_lossless_stream_says_where_the_gap_is(adapter: GateCCXT) -> None:
    made, sink = pump(adapter, Feed(1, ccxt_error("NetworkError"), 2), lossless=True)
    await sink.until(lambda: 2 in sink.told)
    live, recovering = StreamStatus.LIVE, StreamStatus.RECOVERING
    assert [what for what in sink.told if not isinstance(what, StreamGap)] == [live, 1, recovering, live, 2]
    assert [type(what) for what in sink.told].index(StreamGap) == 3
    await made.source.close()


async def test_what_is_kept_from_before_a_loss_is_forgotten_before_the_gap(adapter: GateCCXT) -> None:
    sink: Sink | None = None
    forgotten: list[list[object]] = []
    made, sink = pump(
        adapter,
        Feed(1, ccxt_error("NetworkError"), 2),
        lossless=True,
        forget=lambda: forgotten.append([] if sink is None else list(sink.told)),
    )
    await sink.until(lambda: 2 in sink.told)
    assert forgotten == [[StreamStatus.LIVE, 1]]
    await made.source.close()


async def test_a_socket_that_ended_while_nobody_waited_on_it_left_a_gap(adapter: GateCCXT) -> None:
    class Socket:
        error = None

    first, second = Socket(), Socket()
    sockets = iter([first, second, second])

    class Watching(Feed):
        async def __call__(self) -> Any:
            note = waiting.get()
            assert note is not None
            note(next(sockets), None)
            return await super().__call__()

    made, sink = pump(adapter, Watching(1, 2), lossless=True)
    await sink.until(lambda: 2 in sink.told)
    assert [type(what) if isinstance(what, StreamGap) else what for what in sink.told] == [
        StreamStatus.LIVE, 1, StreamStatus.RECOVERING, StreamGap, StreamStatus.LIVE, 2
    ]  # fmt: skip
    await made.source.close()


async def test_what_watching_again_does_not_cure_fails_for_good(adapter: GateCCXT) -> None:
    feed = Feed(ccxt_error("BadSymbol"), 1)
    made, sink = pump(adapter, feed)
    await sink.until(lambda: StreamStatus.FAILED in sink.told)
    assert isinstance(made.source.error, SymbolNotFound)
    assert feed.asked == 1


async def test_silence_is_stale_and_then_watched_anew(adapter: GateCCXT) -> None:
    left = asyncio.Event()

    async def leave() -> None:
        left.set()

    feed = Feed(1)
    made, sink = pump(adapter, feed, staleness=0.05, unwatch=leave)
    await sink.until(lambda: StreamStatus.RECOVERING in sink.told)
    assert [what for what in sink.told if isinstance(what, StreamStatus)][:3] == [
        StreamStatus.LIVE,
        StreamStatus.STALE,
        StreamStatus.RECOVERING,
    ]
    assert left.is_set()
    await made.source.close()


async def test_updates_of_a_book_that_nobody_saw_are_counted(adapter: GateCCXT) -> None:
    class Book:
        fra_updates = 0

    book = Book()

    class Counting(Feed):
        async def __call__(self) -> Any:
            answer = await super().__call__()
            book.fra_updates += answer
            return book

    made, sink = pump(adapter, Counting(1, 1, 4))
    await sink.until(lambda: sink.told.count(book) == 3)
    assert made.conflated == 3
    await made.source.close()


async def test_an_answer_that_makes_no_sense_is_reported_and_ends_nothing(adapter: GateCCXT) -> None:
    def convert(raw: Any, received: int) -> list[Any]:
        return [1 / raw]

    made: Pump[Any] = Pump(adapter, "a stream", watch=Feed(0, 1), convert=convert)
    sink = Sink()
    made.source.attach(sink)
    await sink.until(lambda: 1.0 in sink.told)
    context = adapter.context
    assert isinstance(context, LocalContext)
    assert [type(event) for event in context.events] == [ErrorRaised]
    await made.source.close()


# --- funding


@pytest.mark.parametrize(
    ("word", "hours"), [("1h", 1), ("2h", 2), ("4h", 4), ("6h", 6), ("8h", 8), ("480m", 8), ("1d", 24)]
)
def test_ccxts_word_for_an_interval_is_read(word: str, hours: int) -> None:
    assert worded(word) == timedelta(hours=hours)


@pytest.mark.parametrize("word", [None, "", "h", "0h", 8, "8 h", "undefined"])
def test_what_is_no_interval_is_unknown(word: object) -> None:
    assert worded(word) is None


async def test_the_next_settlement_is_never_one_that_has_passed(adapter: GateCCXT) -> None:
    now = adapter.context.now_ms()
    assert adapter.next_settlement({"fundingTimestamp": now - 1, "nextFundingTimestamp": now + 9}, SWAP) is None
    assert adapter.next_settlement({"fundingTimestamp": now + 9_000}, SWAP) == now + 9_000
    assert adapter.next_settlement({"fundingTimestamp": None}, SWAP) is None


async def test_an_interval_that_ccxt_makes_up_is_unknown(adapter: GateCCXT) -> None:
    raw = {"interval": "1h"}
    assert adapter.funding_interval(raw, SWAP) == (timedelta(hours=1), IntervalSource.REPORTED)
    assert CryptoComCCXT.funding_interval(CryptoComCCXT(ExchangeConfig("x", "cryptocom")), raw, SWAP) is None


def test_settled_intervals_follow_a_change_in_mid_life() -> None:
    hour = 3_600_000
    start = 1_700_000_000_000
    stamps = [start, start + 8 * hour, start + 12 * hour + 3, start + 13 * hour, start + 90 * hour]
    rows = [{"timestamp": stamp, "fundingRate": "0.0001"} for stamp in reversed(stamps)]
    rates = settled_rates(rows, SWAP, received_ms=stamps[-1], settled_at=lambda row: row["timestamp"])
    assert [rate.settled_ms for rate in rates] == stamps
    hours = [None if rate.interval is None else rate.interval / timedelta(hours=1) for rate in rates]
    assert hours == [None, 8, 4, 1, None], "the first is unknown, and so is what is surely not the one before"
