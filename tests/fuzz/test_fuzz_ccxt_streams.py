"""Whatever is streamed to ccxt: sound items, garbage that is told of, and a stream that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from fuzz_ccxt_streams import CcxtStreamBench, ccxt_stream_benches
from fuzz_play import INPUTS, play_all
from fuzz_streams import CHANNELS

CONNECTIONS = 50
"""After so many the venue speaks plainly again, and the stream must be live."""
SHARE = 10
"""A frame costs ccxt ten times what it costs a native adapter: a tenth of the inputs of the other parsers."""
POLLED = {(venue, "funding_rate") for venue in ("binance", "bybit", "htx")}
"""ccxt streams no funding rates there: they are asked for."""


class Played:
    """The channels of one adapter on ccxt in a loop of their own."""

    def __init__(self, venue: str) -> None:
        self.name = venue
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.benches = self._runner.run(self._stack.enter_async_context(ccxt_stream_benches(venue)))

    def begin(self, bench: CcxtStreamBench) -> None:
        bench.use()
        self._runner.run(bench.recover())

    def play(self, bench: CcxtStreamBench, inputs: Sequence[bytes]) -> None:
        """A connection for each, and then one on which the venue speaks plainly."""

        async def each() -> None:
            await bench.inputs(inputs)
            await bench.recover()

        self._runner.run(each())

    def end(self, bench: CcxtStreamBench) -> None:
        self._runner.run(bench.end())

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module", params=["binance", "bybit", "htx", "okx"])
def venue(request: pytest.FixtureRequest) -> Iterator[Played]:
    played = Played(request.param)
    yield played
    played.close()


@pytest.mark.parametrize("channel", CHANNELS)
def test_whatever_ccxt_is_sent_only_sound_items_come_and_the_stream_comes_back(venue: Played, channel: str) -> None:
    if (venue.name, channel) in POLLED:
        assert channel not in venue.benches
        return
    bench, inputs = venue.benches[channel], max(1, INPUTS // SHARE)
    batch = min(CONNECTIONS, inputs)
    venue.begin(bench)
    before = bench.changed
    try:
        play_all(
            lambda drawn: venue.play(bench, drawn),
            inputs=inputs + batch,  # hypothesis begins with a batch that changes nothing
            size=60,
            batch=batch,
        )
    finally:
        venue.end(bench)
    assert bench.changed - before >= 0.4 * inputs  # every fourth is the message as it was
