"""Whatever an exchange answers to ccxt: a sound model, or an error of fra's tree."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest
from fuzz_ccxt import CALLS, CcxtBench, ccxt_bench
from fuzz_play import INPUTS, Played, play_all

VENUES = ("bitfinex", "bitget", "cryptocom", "gate", "kucoin", "mexc", "okx")
pytestmark = pytest.mark.skipif(
    "FRA_FIXTURES" not in os.environ, reason="FRA_FIXTURES does not name the folder of recorded data"
)


Venue = Played[CcxtBench]


def play(venue: Venue, method: str, inputs: Sequence[bytes]) -> None:
    async def each() -> None:
        for data in inputs:
            await venue.bench.play(method, data)

    venue.run(each())


@pytest.fixture(scope="module", params=VENUES)
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    played = Played(request.param, ccxt_bench(request.param))
    yield played
    played.close()


@pytest.mark.parametrize("method", CALLS)
def test_whatever_is_answered_is_a_sound_model_or_an_error_of_the_tree(venue: Venue, method: str) -> None:
    play_all(lambda drawn: play(venue, method, drawn), inputs=INPUTS)
