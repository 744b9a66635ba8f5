"""Whatever an emulated venue is asked: an answer in the venue's own shape, and it serves on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from fuzz_play import INPUTS, play_all
from fuzz_requests import RequestBench, request_bench


class Played:
    """A venue in a loop of its own, which lives as long as its tests."""

    def __init__(self, venue: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.bench: RequestBench = self._runner.run(self._stack.enter_async_context(request_bench(venue)))

    def play(self, kind: str, inputs: Sequence[bytes]) -> None:
        async def each() -> None:
            for data in inputs:
                await getattr(self.bench, kind)(data)

        self._runner.run(each())

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module", params=["binance", "bybit", "htx", "okx"])
def venue(request: pytest.FixtureRequest) -> Iterator[Played]:
    played = Played(request.param)
    yield played
    played.close()


def test_whatever_is_asked_is_answered_in_the_venues_own_shape(venue: Played) -> None:
    play_all(lambda drawn: venue.play("ask", drawn), inputs=INPUTS // 5)


def test_whatever_is_said_on_a_socket_the_venue_serves_on(venue: Played) -> None:
    play_all(lambda drawn: venue.play("say", drawn), inputs=INPUTS // 20)
