"""Every recorded Bybit book over a socket and the real adapter, one test id per file, held against a plain replay."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bybit_server import BybitServer, listed
from captures import Change, Replay, Watch, lines, recordings

from fra.core import BookView, Ticker
from fra.exchanges.bybit.books import BYBIT_BOOKS

CAPTURES = recordings("bybit/*-book/*", "bybit/*-book-l1/*")


@functools.cache
def frames(path: Path) -> list[tuple[str, str]]:
    """Topic and text of each recorded push of a book."""
    sent = [line["raw"] for line in lines(path) if line["dir"] == "recv"]
    return [(topic, raw) for raw in sent if (topic := json.loads(raw).get("topic", "")).startswith("orderbook.")]


@functools.cache
def chains(path: Path) -> list[str]:
    """The topics of a capture that are whole books (not best prices)."""
    topics = dict.fromkeys(topic for topic, _ in frames(path))
    return [topic for topic in topics if not topic.startswith("orderbook.1.")]


def pushed(path: Path, topic: str) -> list[str]:
    """The pushes of a topic from its first snapshot on: what comes before says nothing."""
    found = [raw for told, raw in frames(path) if told == topic]
    return list(itertools.dropwhile(lambda raw: json.loads(raw)["type"] != "snapshot", found))


BOOKS = [(path, topic) for path in CAPTURES for topic in chains(path)]
LOSABLE = [(path, topic) for path, topic in BOOKS if len(pushed(path, topic)) >= 5]
"""Those in whose middle there is a push to lose."""
BESTS = [
    (path, topic)
    for path in CAPTURES
    for topic in dict.fromkeys(topic for topic, _ in frames(path))
    if topic not in chains(path)
]


def each(found: Sequence[tuple[Path, str]]) -> pytest.MarkDecorator:
    absent = pytest.param(
        None, "", marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"), id="none"
    )
    params = [pytest.param(path, topic, id=f"{path.parent.name}/{path.name}/{topic}") for path, topic in found]
    return pytest.mark.parametrize(("path", "topic"), params or [absent])


def changes(path: Path, topic: str) -> list[Change]:
    found = []
    for raw in pushed(path, topic):
        message = json.loads(raw)
        data = message["data"]
        bids, asks = ([(price, size) for price, size in data[side]] for side in ("b", "a"))
        found.append(Change(data["u"], bids, asks, whole=message["type"] == "snapshot"))
    return found


def server_of(path: Path, topic: str, begin: Sequence[str]) -> tuple[BybitServer, str, str, str]:
    """A server that lists the recorded symbol with the finest step its prices show: with market, name and depth."""
    market = path.parent.name.partition("-")[0]
    _, depth, venue_id = topic.split(".")
    quote = "USDC" if venue_id.endswith("USDC") else "USDT"
    base = venue_id.removesuffix(quote)
    prices = [row[0] for change in changes(path, topic) for row in (*change.bids, *change.asks)]
    tick = Decimal(1).scaleb(min(int(Decimal(price).normalize().as_tuple().exponent) for price in prices))
    row = listed(venue_id, base, quote, "" if market == "spot" else quote, priceFilter={"tickSize": format(tick, "f")})
    name = f"{base}/{quote}" + ("" if market == "spot" else f":{quote}")
    server = BybitServer(listing={market: [row]}, say=lambda told: begin if told == topic else ())
    return server, market, name, depth


@each(BOOKS)
async def test_a_recorded_book_is_the_replay_at_every_update_id(path: Path, topic: str) -> None:
    recorded = pushed(path, topic)
    server, market, name, depth = server_of(path, topic, recorded[:1])
    told = changes(path, topic)
    watch = Watch(Replay(told), whole=lambda count: True, best=lambda count: True)
    ended = asyncio.Event()

    def listen(view: BookView) -> None:
        watch(view)
        if view.sequence == told[-1].sequence:
            ended.set()

    async with server.asked(markets=[market], options={"book_depth": int(depth)}) as bybit, asyncio.timeout(20):
        books = bybit.subscribe_orderbook(name)
        books.add_listener(listen)
        async with books:
            await server.push(f"/ws/{market}", *recorded[1:])
            await ended.wait()
    assert watch.wrong == []
    assert watch.losses == 0
    # Nothing is left out: each push of the venue is one state that the consumer saw.
    assert watch.sequences == [change.sequence for change in told]


@each(LOSABLE)
async def test_a_lost_push_is_seen_and_the_book_is_subscribed_anew(path: Path, topic: str) -> None:
    recorded, told = pushed(path, topic), changes(path, topic)
    whole = [place for place, change in enumerate(told) if change.whole]
    # Where a chain has too few deltas after its last snapshot there is nothing to lose in the middle.
    start = whole[-1]
    if len(told) - start < 4:
        start = 0
    lost = random.Random(topic).randrange(start + 1, len(told) - 2)
    server, market, name, depth = server_of(path, topic, recorded[start : start + 1])
    watch = Watch(Replay(told), whole=lambda count: True, best=lambda count: True)
    invalid, again = asyncio.Event(), asyncio.Event()

    def listen(view: BookView) -> None:
        watch(view)
        if not view.valid:
            invalid.set()
        elif invalid.is_set():
            again.set()

    async with server.asked(markets=[market], options={"book_depth": int(depth)}) as bybit, asyncio.timeout(20):
        books = bybit.subscribe_orderbook(name)
        books.add_listener(listen)
        async with books:
            await server.push(f"/ws/{market}", *recorded[start + 1 : lost], *recorded[lost + 1 : lost + 2])
            await invalid.wait()
            await again.wait()
    assert watch.losses == 1
    assert watch.wrong == []
    operations = [(frame["op"], frame["args"]) for frame in server.frames if frame["op"] != "ping"]
    assert operations[:3] == [("subscribe", [topic]), ("unsubscribe", [topic]), ("subscribe", [topic])]


@each(BOOKS)
def test_recorded_update_ids_follow_the_rule(path: Path, topic: str) -> None:
    place: int | None = None
    for change in changes(path, topic):
        if change.whole:
            place = change.sequence
            continue
        assert place is not None
        assert BYBIT_BOOKS.chains(0, change.sequence, 0, place)
        assert not BYBIT_BOOKS.stale(0, change.sequence, 0, place)
        assert BYBIT_BOOKS.stale(0, place, 0, place)
        place = change.sequence


def best(side: list[list[str]]) -> tuple[Decimal, Decimal]:
    ((price, size),) = side
    return Decimal(price), Decimal(size)


@each(BESTS)
async def test_recorded_best_prices_are_tickers(path: Path, topic: str) -> None:
    recorded = pushed(path, topic)
    server, market, name, _ = server_of(path, topic, recorded[:1])
    seen: list[Ticker] = []
    ended = asyncio.Event()

    def listen(ticker: Ticker) -> None:
        seen.append(ticker)
        if len(seen) == len(recorded):
            ended.set()

    async with server.asked(markets=[market], options={"ticker_channel": "orderbook.1"}) as bybit, asyncio.timeout(20):
        tickers = bybit.subscribe_ticker(name)
        tickers.add_listener(listen)
        async with tickers:
            await server.push(f"/ws/{market}", *recorded[1:])
            await ended.wait()
    state: dict[str, Any] = {}
    for ticker, message in zip(seen, map(json.loads, recorded), strict=True):
        state |= dict(_told(message))
        assert ((ticker.bid, ticker.bid_amount), (ticker.ask, ticker.ask_amount)) == (
            best(state["b"]),
            best(state["a"]),
        )
        assert ticker.timestamp_ms == message["cts"]


def _told(message: dict[str, Any]) -> Iterator[tuple[str, list[list[str]]]]:
    """Of each side the level that is left: a delta takes the old one away in the same message."""
    for side in ("b", "a"):
        rows = [row for row in message["data"][side] if Decimal(row[1])]
        if rows:
            yield side, rows
