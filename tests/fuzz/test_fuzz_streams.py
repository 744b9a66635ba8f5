"""Whatever a native venue streams: sound items, garbage that is told of, and a stream that comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from fuzz_play import INPUTS, play_all
from fuzz_streams import CHANNELS, StreamBench, stream_benches

CONNECTIONS = 50
"""After so many the venue speaks plainly again, and the stream must be live."""
SPARE = 1.1
"""A connection brings one changed frame or more, unless it is refused before that."""


class Played:
    """The channels of one adapter in a loop of their own."""

    def __init__(self, venue: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.venue = venue
        self.benches = self._runner.run(self._stack.enter_async_context(stream_benches(venue)))

    def begin(self, bench: StreamBench) -> None:
        self._runner.run(bench.use())
        self._runner.run(bench.recover())

    def play(self, bench: StreamBench, inputs: Sequence[bytes]) -> int:
        """A connection for each, and then one on which the venue speaks plainly."""

        async def each() -> int:
            changed = await bench.inputs(inputs)
            await bench.recover()
            return changed

        return self._runner.run(each())

    def end(self, bench: StreamBench) -> None:
        if bench.source is not None:
            self._runner.run(bench.source.close())
            bench.source = None

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module", params=["binance", "bybit", "htx", "okx"])
def venue(request: pytest.FixtureRequest) -> Iterator[Played]:
    played = Played(request.param)
    yield played
    played.close()


@pytest.mark.parametrize("channel", CHANNELS)
def test_whatever_is_streamed_only_sound_items_come_and_the_stream_comes_back(venue: Played, channel: str) -> None:
    bench = venue.benches[channel]
    venue.begin(bench)
    changed = 0

    def play(drawn: Sequence[bytes]) -> None:
        nonlocal changed
        changed += venue.play(bench, drawn)

    try:
        play_all(play, inputs=int(INPUTS * SPARE), size=60, batch=min(CONNECTIONS, INPUTS))
    finally:
        venue.end(bench)  # the next channel may be on the same connection
    assert changed >= 0.9 * INPUTS - CONNECTIONS  # hypothesis begins with one that changes nothing
