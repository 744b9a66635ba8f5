"""Whatever an emulated venue is asked: an answer in the venue's own shape, and it serves on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from fuzz_play import INPUTS, Played, play_all
from fuzz_requests import RequestBench, request_bench

Venue = Played[RequestBench]


def play(venue: Venue, kind: str, inputs: Sequence[bytes]) -> None:
    async def each() -> None:
        for data in inputs:
            await getattr(venue.bench, kind)(data)

    venue.run(each())


@pytest.fixture(scope="module", params=["binance", "bybit", "htx", "okx"])
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    played = Played(request.param, request_bench(request.param))
    yield played
    played.close()


def test_whatever_is_asked_is_answered_in_the_venues_own_shape(venue: Venue) -> None:
    play_all(lambda drawn: play(venue, "ask", drawn), inputs=INPUTS // 5)


def test_whatever_is_said_on_a_socket_the_venue_serves_on(venue: Venue) -> None:
    play_all(lambda drawn: play(venue, "say", drawn), inputs=INPUTS // 20)
