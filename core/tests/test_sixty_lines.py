"""The README's adapter, which uses no framework, through manager and handle, over real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from fra import core
from fra.core import (
    ExchangeAPIError,
    ExchangeConnectionError,
    NotSupported,
    StreamGap,
    StreamGapped,
    StreamStatus,
    SymbolNotFound,
)

PACKAGE = Path(__file__).parents[1]
EXAMPLE = PACKAGE / "docs" / "examples" / "sixty_line_adapter.py"


@pytest.fixture
async def venue(tiny_venue):
    async with tiny_venue() as venue:
        yield venue


@pytest.fixture
async def tiny(kit, tiny_exchange, venue):
    async with kit.manager({"tiny": {"base_url": venue.url, "timeout": 5}}, tiny=tiny_exchange) as manager:
        yield manager.get_plugin("tiny")


def test_the_example_runs_as_it_stands() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "BTC/USD" in run.stdout


def test_the_readme_shows_the_example_as_it_is() -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    adapter = source[source.index("class TinyExchange") : source.index("async def main")].strip()
    assert adapter in (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_the_adapter_has_some_sixty_lines() -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    adapter = source[source.index("class TinyExchange") : source.index("async def main")]
    assert len([line for line in adapter.splitlines() if line.strip()]) <= 65


async def test_books_and_tickers_are_asked_for_by_unified_name(tiny) -> None:
    book = await tiny.get_orderbook("BTC/USD", depth=2)
    assert (book.symbol, len(book.bids), len(book.asks), book.valid) == ("BTC/USD", 2, 2, True)
    assert (await tiny.get_ticker("ETH/USD")).bid == book.bids[0].price


async def test_books_stream_to_an_iterator(tiny) -> None:
    async with tiny.subscribe_orderbook("BTC/USD", depth=1) as books:
        sequences = [(await anext(books)).sequence for _ in range(20)]
    assert sequences == sorted(set(sequences))


async def test_every_trade_reaches_every_consumer_over_one_connection(tiny, venue) -> None:
    heard = []
    first, second, third = (tiny.subscribe_trades("BTC/USD") for _ in range(3))
    third.add_listener(lambda trade: heard.append(trade.id))
    one = [(await anext(first)).id for _ in range(20)]
    two = [(await anext(second)).id for _ in range(20)]
    assert one == two == heard[:20] == [str(number) for number in range(1, 21)]
    assert venue.watching == 1


async def test_the_venue_is_unsubscribed_with_the_last_consumer(tiny, venue) -> None:
    async with tiny.subscribe_trades("BTC/USD"), tiny.subscribe_orderbook("BTC/USD"):
        assert venue.watching == 2
    async with asyncio.timeout(5):
        await venue.unwatched.wait()


async def test_a_cut_connection_heals_with_a_gap(kit, tiny, venue, monkeypatch) -> None:
    monkeypatch.setattr("random.Random.uniform", lambda self, low, high: low)
    async with tiny.subscribe_trades("BTC/USD") as trades, asyncio.timeout(10):
        before = int((await anext(trades)).id)
        venue.cut()
        with pytest.raises(StreamGap):
            await _drain(trades)
        after = await anext(trades)
        assert int(after.id) > before
        assert trades.status is StreamStatus.LIVE
        assert [event.channel for event in kit.heard(StreamGapped)] == ["trades"]


async def test_a_name_that_nobody_lists_is_answered_with_one_that_is(tiny) -> None:
    with pytest.raises(SymbolNotFound, match="tiny: there is no symbol 'BTC/USDT' → did you mean 'BTC/USD'"):
        await tiny.get_ticker("BTC/USDT")


async def test_what_the_adapter_cannot_do_asks_the_venue_nothing(tiny, venue) -> None:
    asked = list(venue.questions)
    with pytest.raises(NotSupported, match="tiny: get_funding_rate is not supported for linear swap markets"):
        await tiny.get_funding_rate("BTC/USD:USD")
    with pytest.raises(NotSupported):
        tiny.subscribe_ticker("BTC/USD")
    with pytest.raises(NotSupported):
        await tiny.get_balance()
    assert venue.questions == asked


async def test_the_venues_refusal_carries_its_code_and_answer(tiny, venue, monkeypatch) -> None:
    await tiny.get_symbols()
    monkeypatch.setattr(sys.modules[type(venue).__module__], "MARKETS", [])
    with pytest.raises(ExchangeAPIError) as refusal:
        await tiny.get_orderbook("BTC/USD")
    assert (refusal.value.exchange, refusal.value.code) == ("tiny", "404")
    assert "no market" in refusal.value.response


async def test_a_venue_that_is_not_there_is_a_connection_error(tiny_exchange, tiny_venue, kit) -> None:
    async with tiny_venue() as venue:
        url = venue.url
    with pytest.raises(ExchangeConnectionError, match="tiny: connect got no answer: ConnectionRefusedError"):
        async with core.connect("tiny", base_url=url, registry=kit.registry(tiny=tiny_exchange)):
            pass


async def test_nothing_stays_open(kit, tiny_exchange, tiny_venue) -> None:
    before = asyncio.all_tasks()
    async with tiny_venue() as venue:
        async with core.connect("tiny", base_url=venue.url, registry=kit.registry(tiny=tiny_exchange)) as tiny:
            await tiny.subscribe_trades("BTC/USD").ready()  # which nobody closes
            await tiny.get_orderbook("BTC/USD")
            assert venue.watching == 1
        async with asyncio.timeout(5):
            await venue.unwatched.wait()
    assert asyncio.all_tasks() == before


async def _drain(trades) -> None:
    async for _ in trades:
        pass
