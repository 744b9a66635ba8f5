"""No false book: 200 seeded places at which a recorded delta is lost, doubled or swapped on its way to us."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from captures import Capture, Replay, Watch, has_sequence, length, lines, read, recordings

from fra.core import BookView, ExchangeHandle, StreamStatus, Symbol, connect
from fra.emulator import Emulator, Venue
from fra.emulator.playback import recorded_source
from fra.emulator.playback.binance import BinancePlayback
from fra.emulator.playback.okx import OkxPlayback
from fra.emulator.playback.track import Fault

POSITIONS = 200
_SHORT, _LONG = 12, 300
_GAP_S = 0.0012
"""Between two messages on the average: a resync takes some of them, so it meets a stream that goes on."""
_USDM_SNAPSHOT = 1000
"""Levels a side of the deepest REST snapshot of USD-M: what lies beyond is unknown after a resync."""
_AFTER = 12
_KINDS: Sequence[Fault] = ("drop", "duplicate", "swap")


def _captures() -> list[Capture]:
    books = recordings("binance/spot-book/*.jsonl*", "binance/usdm-book/*.jsonl*")
    okx = [path for path in recordings("okx/v5-book/*.jsonl*") if has_sequence(path)]
    # Each worker of a test run is here, and what is long takes long to read.
    found = [read(path) for path in (*books, *okx) if length(path) <= 2 * _LONG]
    return [capture for capture in found if capture.has_snapshot and _SHORT <= len(capture.changes) <= _LONG]


@attrs.frozen
class Place:
    """A fault at the `event`-th recorded message, which is the `change`-th of the capture's changes."""

    kind: Fault
    event: int
    change: int


def _places(capture: Capture, count: int) -> list[Place]:
    """Seeded places, each a delta that is neither the last (whose loss nobody can see) nor one that changes no id."""
    ids = [change.sequence for change in capture.changes]
    shift = capture.offset - 1 if capture.venue == "binance" else 0
    fit = [at for at in range(1, len(ids) - 1) if ids[at - 1] < ids[at] < ids[at + 1] and at + shift > capture.asked_at]
    every = [Place(kind, at + shift, at) for at in fit for kind in _KINDS]
    return random.Random(capture.name).sample(every, min(count, len(every)))


def _cases() -> list[tuple[Capture, list[Place]]]:
    """All captures share the positions as evenly as their lengths allow."""
    captures = sorted(_captures(), key=lambda capture: len(capture.changes))
    cases: list[tuple[Capture, list[Place]]] = []
    left = POSITIONS
    for index, capture in enumerate(captures):
        places = _places(capture, -(-left // (len(captures) - index)))
        left -= len(places)
        cases.append((capture, places))
    return cases


CASES = _cases()
_ABSENT = pytest.param(
    None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"), id="none"
)


def _speed(path: Path, messages: int) -> float:
    times = [float(line["ts"]) for line in lines(path) if line.get("ts")]
    return (max(times) - min(times)) / (messages * _GAP_S) if times else 0.1 / _GAP_S


def _asked(venue: Venue) -> Counter[str]:
    """What a resync costs: snapshots by REST, or subscriptions."""
    return Counter(
        {path: n for path, n in venue.stats.by_path.items() if path.endswith(("/depth", "/books"))}
        | {name: n for name, n in venue.stats.subscriptions.items() if name.startswith("books:")}
    )


async def _play(capture: Capture, place: Place, symbol: Symbol, exchange: ExchangeHandle, venue: Venue) -> str | None:
    """Play the capture with one fault; what was wrong with it, or None."""
    assert isinstance(venue.source, BinancePlayback | OkxPlayback)
    venue.source.faults.plant({place.event: place.kind})
    before = _asked(venue)
    last = capture.changes[-1].sequence
    near = {change.sequence for change in capture.changes[max(0, place.change - 3) : place.change + _AFTER]}
    replay = Replay(capture.changes, unit=symbol.contract_size if capture.market == "swap" else Decimal(1))
    watch = Watch(replay, whole=lambda count: count % 25 == 1, best=lambda count: count % 20 == 0)
    since_valid = _AFTER
    if capture.market == "usdm":
        watch.anew = lambda: replay.cut(_USDM_SNAPSHOT)
    ended = asyncio.Event()

    def listen(view: BookView) -> None:
        nonlocal since_valid
        since_valid = since_valid + 1 if view.valid and watch.valid else 0
        watch(view)
        if view.valid and (view.sequence in near or since_valid < _AFTER or view.sequence == last):
            watch.compare(view)
        if view.valid and view.sequence == last:
            ended.set()

    books = exchange.subscribe_orderbook(symbol)
    books.add_listener(listen)
    try:
        async with asyncio.timeout(15):
            await ended.wait()
    except TimeoutError:
        return f"it never came to {last}: {books.status}, {books.error}, last valid at {watch.sequences[-1:]}"
    finally:
        status = books.status
        await books.close()
    asked = sum((_asked(venue) - before).values())
    if watch.wrong:
        return watch.wrong[0]
    if status is not StreamStatus.LIVE:
        return f"it ended {status}"
    if place.kind == "duplicate":
        return f"a duplicate cost {watch.losses} losses and {asked} requests" if watch.losses or asked != 1 else None
    if watch.losses > 1:
        return f"one fault, {watch.losses} losses"
    return None if asked > 1 else "nobody saw it"


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case[0].venue}/{case[0].name}") for case in CASES] or [_ABSENT]
)
async def test_one_wrong_message_never_makes_a_false_book(case: tuple[Capture, list[Place]]) -> None:
    capture, places = case
    speed = _speed(capture.path, len(capture.changes))
    async with Emulator(
        [capture.venue], source=recorded_source(capture.path, speed=speed), enforce_limits=False
    ) as emulator:
        venue = emulator.venues[capture.venue]
        async with connect(capture.venue, base_url=venue.markets, markets=[capture.market]) as exchange:
            symbol = next(s for s in await exchange.get_symbols() if s.venue_id == capture.venue_id)
            failed = {place: why for place in places if (why := await _play(capture, place, symbol, exchange, venue))}
    assert failed == {}


@pytest.mark.skipif(not CASES, reason="FRA_FIXTURES does not name the folder of recorded data")
def test_the_cases_are_the_promised_number_and_of_every_kind() -> None:
    places = [place for _, places in CASES for place in places]
    assert len(places) == POSITIONS
    assert min(Counter(place.kind for place in places).values()) > POSITIONS // 5
