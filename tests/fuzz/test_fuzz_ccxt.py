"""Whatever an exchange answers to ccxt: a sound model, or an error of fra's tree."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from fuzz_ccxt import CALLS, CcxtBench, ccxt_bench
from fuzz_play import INPUTS, play_all

VENUES = ("bitfinex", "bitget", "cryptocom", "gate", "kucoin", "mexc", "okx")
pytestmark = pytest.mark.skipif(
    "FRA_FIXTURES" not in os.environ, reason="FRA_FIXTURES does not name the folder of recorded data"
)


class Played:
    """An exchange on ccxt in a loop of its own."""

    def __init__(self, venue: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.bench: CcxtBench = self._runner.run(self._stack.enter_async_context(ccxt_bench(venue)))

    def play(self, method: str, inputs: Sequence[bytes]) -> None:
        async def each() -> None:
            for data in inputs:
                await self.bench.play(method, data)

        self._runner.run(each())

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module", params=VENUES)
def venue(request: pytest.FixtureRequest) -> Iterator[Played]:
    played = Played(request.param)
    yield played
    played.close()


@pytest.mark.parametrize("method", CALLS)
def test_whatever_is_answered_is_a_sound_model_or_an_error_of_the_tree(venue: Played, method: str) -> None:
    play_all(lambda drawn: venue.play(method, drawn), inputs=INPUTS)
