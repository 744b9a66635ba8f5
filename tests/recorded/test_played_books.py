"""Every recorded book through the emulator's sockets and the real adapter: one test id per capture file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from captures import Best, Capture, Change, Replay, Watch, has_sequence, read, recordings

from fra.core import BookView, ExchangeHandle, StreamStatus, connect
from fra.emulator import Emulator, Venue
from fra.emulator.playback import recorded_source

FILES = [
    *recordings("binance/spot-book/*.jsonl*", "binance/usdm-book/*.jsonl*"),
    *(path for path in recordings("okx/v5-book/*.jsonl*") if has_sequence(path)),
]
_ABSENT = pytest.param(
    None, marks=pytest.mark.skip("FRA_FIXTURES does not name the folder of recorded data"), id="none"
)
EACH = pytest.mark.parametrize(
    "path", [pytest.param(p, id=f"{p.parent.parent.name}/{p.parent.name}/{p.name}") for p in FILES] or [_ABSENT]
)
_WHOLE_BOOKS = 25
"""About so many times in a capture all levels are compared."""


@asynccontextmanager
async def playing(capture: Capture, source: Path) -> AsyncIterator[tuple[Venue, ExchangeHandle]]:
    async with Emulator([capture.venue], source=recorded_source(source, speed=0)) as emulator:
        venue = emulator.venues[capture.venue]
        async with connect(capture.venue, base_url=venue.markets, markets=[capture.market]) as exchange:
            yield venue, exchange


async def played(capture: Capture, source: Path, told: Mapping[int, Best]) -> tuple[Watch, Venue]:
    """Plays `source` to its end: what a listener saw, held against the `told` best prices; and the venue."""
    async with playing(capture, source) as (venue, exchange):
        symbol = next(s for s in await exchange.get_symbols() if s.venue_id == capture.venue_id)
        unit = symbol.contract_size if capture.market == "swap" else Decimal(1)  # OKX counts contracts
        changes = capture.changes
        every = max(1, len(changes) // _WHOLE_BOOKS)
        last = changes[-1].sequence
        watch = Watch(
            Replay(changes, unit=unit),
            whole=lambda count: (count - 1) % every == 0,
            best=lambda count: (count - 1) % max(1, every // 20) == 0,
            told={at: (bid, size * unit, ask, other * unit) for at, (bid, size, ask, other) in told.items()},
        )
        ended = asyncio.Event()

        def listen(view: BookView) -> None:
            watch(view)
            if view.valid and view.sequence == last:
                watch.compare(view)
                ended.set()

        books = exchange.subscribe_orderbook(symbol)
        books.add_listener(listen)
        async with asyncio.timeout(60), books:
            await ended.wait()
            assert books.status is StreamStatus.LIVE
        return watch, venue


def started(capture: Capture) -> Capture:
    """A capture without a snapshot begins with an empty book, right before its first delta."""
    if capture.has_snapshot:
        return capture
    # The emulator's snapshot stands where the venue's rule lets the first delta follow it: spot one before the
    # delta's own ids, USD-M inside of them.
    first = capture.first_id if capture.market == "usdm" else capture.first_id - 1
    return attrs.evolve(capture, changes=[Change(first, (), (), whole=True), *capture.changes])


def check(watch: Watch, capture: Capture) -> None:
    assert watch.wrong == []
    assert watch.losses == 0
    assert watch.sequences == [change.sequence for change in capture.changes]
    assert watch.compared >= min(len(capture.changes), _WHOLE_BOOKS)
    assert watch.matched == watch.told.keys() & {change.sequence for change in capture.changes}


@EACH
async def test_a_recorded_book_arrives_whole_and_in_order_with_no_resync(path: Path) -> None:
    recorded = read(path)
    capture = started(recorded)
    watch, venue = await played(capture, path, recorded.best_told() if recorded.has_snapshot else {})
    check(watch, capture)
    asked = sum(count for asked, count in venue.stats.by_path.items() if "depth" in asked or "books" in asked)
    assert asked == (capture.venue == "binance"), "a snapshot was asked for again"
    assert [count for name, count in venue.stats.subscriptions.items() if "@depth" in name or "books" in name] == [1]


def books() -> dict[str, list[Path]]:
    """The captures of each book of which there are several, by what its files are called."""
    found: dict[str, list[Path]] = {}
    for path in FILES:
        found.setdefault(f"{path.parent.name}/{path.name.partition('__')[2].partition('.')[0]}", []).append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def continued(paths: list[Path]) -> list[tuple[Capture, Capture]]:
    """Captures that go on exactly where another one ends: (the earlier, the later)."""
    captures = [*map(read, paths)]
    return [
        (earlier, later)
        for later in captures
        for earlier in captures
        if earlier.has_snapshot and not later.has_snapshot and earlier.changes[-1].sequence == later.follows
    ]


@pytest.mark.parametrize("paths", [pytest.param(paths, id=name) for name, paths in books().items()] or [_ABSENT])
async def test_a_capture_that_goes_on_where_another_ends_is_one_unbroken_book_with_it(
    paths: list[Path], tmp_path: Path
) -> None:
    pairs = continued(paths)
    if not pairs:
        pytest.skip("none of these goes on where another ends")
    for number, (earlier, later) in enumerate(pairs):
        folder = tmp_path / str(number)
        folder.mkdir()
        for capture in (earlier, later):
            (folder / capture.path.name).symlink_to(capture.path)
        whole = attrs.evolve(earlier, changes=[*earlier.changes, *later.changes])
        watch, _ = await played(whole, folder, earlier.best_told() | later.best_told())
        check(watch, whole)
