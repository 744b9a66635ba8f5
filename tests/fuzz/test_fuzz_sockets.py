"""The same over real sockets, as a user has it: a venue on loopback that answers and pushes what no venue should."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from fuzz_models import check_model, check_told
from fuzz_mutations import Choices, Seed
from fuzz_play import INPUTS
from fuzz_rest import CALLS, managed
from traders import LINEAR, Told, configured, emulator

from fra.core import BookView, ErrorRaised, ExchangeHandle, FraError, StreamStatus, StreamStatusChanged
from fra.emulator import Venue

SHARE = 25
"""A connection over the network costs as much as many inputs in memory."""


@pytest.fixture(params=["binance", "bybit", "htx", "okx"])
async def exchange(request: pytest.FixtureRequest) -> AsyncIterator[tuple[ExchangeHandle, Venue]]:
    async with emulator(request.param, symbols=0, levels=8) as running:
        (venue,) = running.venues.values()
        settings = configured(
            venue, None, options={"retries": 0, "reconnect_delay": 0.001, "reconnect_max_delay": 0.001}
        )
        async with managed(venue.name, settings) as manager:
            yield manager.get_plugin(venue.name), venue


async def test_a_venue_that_answers_garbage_is_answered_with_errors_of_the_tree(
    exchange: tuple[ExchangeHandle, Venue],
) -> None:
    handle, venue = exchange
    await handle.get_symbols()
    drawn = random.Random(f"fuzz {venue.name}")
    seed = Seed(
        '{"code": "0", "retCode": 0, "status": "ok", "data": [{"a": "1", "ts": "1700000000000"}], "bids": [["1", "2"]]}'
    )
    symbol = handle.symbol(LINEAR)
    for _ in range(INPUTS // SHARE):
        body = seed.mutated(Choices(drawn.randbytes(24)))
        venue.answer_with(drawn.choice((200, 200, 200, 400, 404, 500, 503)), body, count=1)
        try:
            check_model(await CALLS[drawn.choice(("get_orderbook", "get_ticker", "get_trades"))](handle, symbol))
        except FraError as error:
            check_told(error)
        venue.answer_normally()
    check_model(await handle.get_orderbook(symbol))


async def test_a_venue_that_pushes_garbage_is_told_of_and_its_book_comes_back(
    exchange: tuple[ExchangeHandle, Venue],
) -> None:
    handle, venue = exchange
    told, wrong = Told(), []
    handle.register_event_handler(ErrorRaised, told)
    handle.register_event_handler(StreamStatusChanged, told)
    books = handle.subscribe_orderbook(LINEAR)

    def look(view: BookView) -> None:
        try:
            check_model(view)
        except AssertionError as error:
            wrong.append(str(error))

    books.add_listener(look)
    async with asyncio.timeout(30):
        await books.ready()
        drawn = random.Random(f"fuzz {venue.name}")
        seed = Seed(
            '{"stream": "x", "data": {"e": "depthUpdate", "b": [["1", "2"]]}, "arg": {"channel": "books"}, "ch": "x"}'
        )
        for _ in range(INPUTS // SHARE // 4):
            frame = seed.mutated(Choices(b"\x01" + drawn.randbytes(24)))
            before = len(told.events)
            venue.push_raw(frame)
            await asyncio.sleep(0)
            if len(told.events) > before or books.status is not StreamStatus.LIVE:
                await told.until(lambda: books.status is StreamStatus.LIVE)
        venue.push_raw(b"\xff\x00{")
        await told.until(lambda: told.of(ErrorRaised))
        await told.until(lambda: books.status is StreamStatus.LIVE)
        book = await anext(books)
        check_model(book)
    await books.close()
    assert wrong == []
    assert all(isinstance(event.error, FraError) for event in told.of(ErrorRaised))
