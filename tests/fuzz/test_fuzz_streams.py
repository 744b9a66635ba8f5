"""Whatever a native venue streams: sound items, garbage that is told of, and a stream that comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from fuzz_channels import CHANNELS
from fuzz_play import INPUTS, Played, play_all
from fuzz_streams import StreamBench, stream_benches

CONNECTIONS = 50
"""After so many the venue speaks plainly again, and the stream must be live."""
SPARE = 1.1
"""A connection brings one changed frame or more, unless it is refused before that."""

Venue = Played[dict[str, StreamBench]]


@pytest.fixture(scope="module", params=["binance", "bybit", "htx", "okx"])
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    played = Played(request.param, stream_benches(request.param))
    yield played
    played.close()


@pytest.mark.parametrize("channel", CHANNELS)
def test_whatever_is_streamed_only_sound_items_come_and_the_stream_comes_back(venue: Venue, channel: str) -> None:
    bench = venue.bench[channel]
    venue.run(bench.use())
    venue.run(bench.recover())
    changed = 0

    def play(drawn: Sequence[bytes]) -> None:
        nonlocal changed
        changed += venue.run(bench.tried(drawn))

    try:
        play_all(play, inputs=int(INPUTS * SPARE), size=60, batch=min(CONNECTIONS, INPUTS))
    finally:
        venue.run(bench.end())  # the next channel may be on the same connection
    assert changed >= 0.9 * INPUTS - CONNECTIONS  # hypothesis begins with one that changes nothing
