"""Every recorded OKX book, one test id per file: chains of seqId through the builder, checksums over the levels."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from captures import has_sequence, lines, recordings

from fra.adapters.custom.books import BookBuilder
from fra.adapters.custom.levels import Levels
from fra.adapters.custom.sync import OKX_BOOKS
from fra.core import (
    BookView,
    ExchangeError,
    MarketKind,
    PriceLevel,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
    connect,
)
from fra.emulator import Emulator, OkxVenue
from fra.emulator.playback import recorded_source
from fra.emulator.playback.track import Fault
from fra.exchanges.okx import books

CAPTURES = recordings("okx/*-book/*")
PUSH = msgspec.json.Decoder(books.BookPush)
Side = dict[Decimal, str]
Both = tuple[list[PriceLevel], list[PriceLevel]]


@functools.cache
def messages(path: Path) -> list[str]:
    return [line["raw"] for line in lines(path) if line["dir"] == "recv"]


def rows(message: str) -> Iterator[dict[str, Any]]:
    yield from json.loads(message)["data"]


CHAINED = [path for path in CAPTURES if has_sequence(path)]
CHECKED = [path for path in CAPTURES if not has_sequence(path)]


def each(paths: Sequence[Path]) -> pytest.MarkDecorator:
    absent = pytest.param(None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"))
    params = [pytest.param(path, id=f"{path.parent.name}/{path.name}") for path in paths] or [absent]
    return pytest.mark.parametrize("capture", params)


@functools.cache
def symbol_of(path: Path) -> Symbol:
    """With the finest step that the capture's prices show. Sizes are compared as sent, so a contract counts as one."""
    prices = [level[0] for message in messages(path) for row in rows(message) for level in (*row["bids"], *row["asks"])]
    tick = Decimal(1).scaleb(min(int(Decimal(price).normalize().as_tuple().exponent) for price in prices))
    venue_id = path.name.split("__")[1].removesuffix(".gz").removesuffix(".jsonl")
    return Symbol(venue_id, venue_id, MarketKind.SPOT, "B", "Q", tick_size=tick, lot_size=Decimal(1))


class Replay:
    """A book kept in the plainest way: two dicts."""

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}

    def apply(self, row: dict[str, Any], *, whole: bool) -> None:
        for side, changes in ((self.bids, row["bids"]), (self.asks, row["asks"])):
            if whole:
                side.clear()
            for price, size, *_ in changes:
                if Decimal(size):
                    side[Decimal(price)] = size
                else:
                    side.pop(Decimal(price), None)

    def levels(self) -> Both:
        bids = [PriceLevel(price, Decimal(self.bids[price])) for price in sorted(self.bids, reverse=True)]
        return bids, [PriceLevel(price, Decimal(self.asks[price])) for price in sorted(self.asks)]


@each(CHECKED)
def test_checksums_match(capture: Path) -> None:
    levels, replay, checked, absent = Levels(symbol_of(capture)), Replay(), 0, 0
    for message in messages(capture):
        whole = json.loads(message)["action"] in ("snapshot", "partial")
        for row in rows(message):
            replay.apply(row, whole=whole)
            levels.keep_texts([*row["bids"], *row["asks"]])
            bids, asks = ([(float(price), size) for price, size, *_ in row[side]] for side in ("bids", "asks"))
            if whole:
                levels.replace(bids, asks)
            else:
                levels.update(bids, asks)
            if row.get("checksum"):
                checked += 1
                assert books.checksum(levels) == row["checksum"], f"after {checked + absent} rows"
            else:
                absent += 1
            assert (list(levels.bids()), list(levels.asks())) == replay.levels()
    assert checked > 0


class Upstream:
    """The stream of a builder: a subscription that can be asked for again."""

    def __init__(self) -> None:
        self.source: StreamSource[BookView] = StreamSource()
        self.source.attach(self)
        self.resubscribed = asyncio.Event()
        self.gaps: list[StreamGap] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def resubscribe(self, error: ExchangeError) -> None:
        self.resubscribed.set()

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

        def cancel() -> None:
            task.cancel()

        return cancel

    def on_item(self, view: BookView) -> None: ...

    def on_gap(self, gap: StreamGap) -> None:
        self.gaps.append(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None: ...


@functools.cache
def truth(capture: Path) -> tuple[dict[int, Both], dict[int, str]]:
    """All levels and the time at each sequence of a capture."""
    levels, times, replay = {}, {}, Replay()
    for message in messages(capture):
        for row in rows(message):
            replay.apply(row, whole=json.loads(message)["action"] == "snapshot")
            levels[row["seqId"]], times[row["seqId"]] = replay.levels(), row["ts"]
    return levels, times


class Played:
    """A builder under a capture, looked at after every message."""

    def __init__(self, capture: Path) -> None:
        self.upstream = Upstream()
        self.builder = BookBuilder(
            symbol_of(capture), self.upstream, OKX_BOOKS, books.BookFeed(), exchange="okx", checksum=books.checksum
        )
        self.messages = messages(capture)
        self.truth, self.times = truth(capture)

    def feed(self, message: str) -> None:
        self.builder.on_message(PUSH.decode(message), 1)
        if self.builder.valid:
            view = self.builder.view
            assert view.valid
            assert self.builder.sequence is not None
            assert (list(view.bids()), list(view.asks())) == self.truth[self.builder.sequence]

    def snapshot_at(self, sequence: int) -> str:
        bids, asks = self.truth[sequence]
        row = {"ts": self.times[sequence], "seqId": sequence, "prevSeqId": -1, "checksum": 0}
        sides = {
            name: [[format(level.price, "f"), format(level.amount, "f"), "0", "1"] for level in levels]
            for name, levels in (("bids", bids), ("asks", asks))
        }
        return json.dumps({"arg": {"channel": "books"}, "action": "snapshot", "data": [row | sides]})

    async def heal(self, sequence: int) -> None:
        """What OKX does when a book is subscribed to again: a snapshot, taken when `sequence` was the newest."""
        async with asyncio.timeout(5):
            await self.upstream.resubscribed.wait()
        self.upstream.resubscribed.clear()
        self.builder.on_lost(ExchangeError("resubscribed"))
        self.builder.on_subscribed()
        self.feed(self.snapshot_at(sequence))


def last_sequence(message: str) -> int:
    return int(list(rows(message))[-1]["seqId"])


@each(CHAINED)
def test_a_recorded_chain_plays_without_a_gap(capture: Path) -> None:
    played = Played(capture)
    played.builder.on_subscribed()
    for message in played.messages:
        played.feed(message)
        assert played.builder.sequence == last_sequence(message)
    assert played.upstream.gaps == []
    assert played.builder.resyncs == 0


@each(CHAINED)
def test_best_levels_equal_the_recorded_bbo_of_the_same_sequence(capture: Path) -> None:
    session, _, venue_id = capture.name.partition("__")
    venue_id = venue_id.removesuffix(".gz").removesuffix(".jsonl")
    told = {}
    for ticker in recordings(f"okx/v5-ticker/{session}.jsonl*"):
        for message in messages(ticker):
            if json.loads(message)["arg"] == {"channel": "bbo-tbt", "instId": venue_id}:
                told.update({row["seqId"]: row for row in rows(message)})
    if not told:
        pytest.skip("no bbo-tbt was recorded beside this book")
    played = Played(capture)
    played.builder.on_subscribed()
    matched = 0
    for message in played.messages:
        played.feed(message)
        row = told.get(last_sequence(message))
        if row is not None:
            matched += 1
            best_bid, best_ask = played.builder.view.best_bid, played.builder.view.best_ask
            assert best_bid == PriceLevel(Decimal(row["bids"][0][0]), Decimal(row["bids"][0][1]))
            assert best_ask == PriceLevel(Decimal(row["asks"][0][0]), Decimal(row["asks"][0][1]))
    assert matched > 0


@each(CHAINED)
async def test_a_lost_message_anywhere_shows_no_false_book_and_heals(capture: Path) -> None:
    count = len(messages(capture))
    for lost in range(1, count - 1):
        played = Played(capture)
        played.builder.on_subscribed()
        for position, message in enumerate(played.messages):
            if position == lost:
                continue
            played.feed(message)
            if position == lost + 1:
                assert not played.builder.valid
                await played.heal(last_sequence(message))
        assert played.builder.sequence == last_sequence(played.messages[-1])
        assert len(played.upstream.gaps) == 1


@each(CHAINED)
async def test_a_doubled_message_anywhere_changes_nothing(capture: Path) -> None:
    for doubled in range(len(messages(capture))):
        played = Played(capture)
        played.builder.on_subscribed()
        for position, message in enumerate(played.messages):
            played.feed(message)
            if position == doubled:
                played.feed(message)
            assert played.builder.sequence == last_sequence(message)
        assert played.builder.resyncs == 0


@each(CHAINED)
async def test_swapped_messages_anywhere_show_no_false_book_and_heal(capture: Path) -> None:
    count = len(messages(capture))
    for first in range(1, count - 1):
        played = Played(capture)
        played.builder.on_subscribed()
        order = played.messages[:first]
        order += [played.messages[first + 1], played.messages[first], *played.messages[first + 2 :]]
        for position, message in enumerate(order):
            played.feed(message)
            if position == first:
                assert not played.builder.valid
                await played.heal(last_sequence(message))
        assert played.builder.sequence == last_sequence(played.messages[-1])
        assert len(played.upstream.gaps) == 1


# --- through the adapter, over a socket ---------------------------------------------------------------------------


class Watched:
    """What a listener sees of a played capture, each valid state compared in full."""

    def __init__(self, capture: Path, size: Decimal) -> None:
        self.truth, _ = truth(capture)
        self.size = size
        self.sequences: list[int] = []
        self.invalid = 0
        self.changed = asyncio.Event()

    def __call__(self, view: BookView) -> None:
        self.changed.set()
        if not view.valid:
            self.invalid += 1
            return
        assert view.sequence is not None
        seen = tuple(
            [PriceLevel(level.price, level.amount / self.size) for level in side] for side in (view.bids(), view.asks())
        )
        # An assertion here would only become an error event.
        self.sequences.append(view.sequence if seen == self.truth[view.sequence] else -1)

    async def reach(self, sequence: int) -> None:
        async with asyncio.timeout(10):
            while not self.sequences or self.sequences[-1] != sequence:
                await self.changed.wait()
                self.changed.clear()


async def play(capture: Path, faults: dict[int, Fault]) -> tuple[Watched, OkxVenue]:
    market = "swap" if capture.name.count("-SWAP") else "spot"
    options = {"reconnect_delay": 0.05}
    async with (
        Emulator(["okx"], source=recorded_source(capture, speed=0, faults=faults)) as emulator,
        connect("okx", base_url=emulator.okx.markets, markets=[market], options=options) as okx,
    ):
        (symbol,) = await okx.get_symbols()
        watched = Watched(capture, symbol.contract_size)
        live = okx.subscribe_orderbook(symbol.name)
        live.add_listener(watched)
        await watched.reach(last_sequence(messages(capture)[-1]))
        await live.close()
    return watched, emulator.okx


@pytest.mark.parametrize("fault", ["drop", "duplicate", "swap"])
@each(CHAINED)
async def test_a_fault_over_a_socket_shows_no_false_book(capture: Path, fault: Fault) -> None:
    # The very last message's loss cannot be seen, for nothing follows it.
    positions = range(1, len(messages(capture)) - 2)
    for position in random.Random(7).sample(positions, min(8, len(positions))):
        watched, venue = await play(capture, {position: fault})
        assert -1 not in watched.sequences
        assert (watched.invalid == 0) is (fault == "duplicate")
        assert sum(venue.stats.subscriptions.values()) == (1 if fault == "duplicate" else 2)
