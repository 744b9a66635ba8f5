"""Whatever is streamed to ccxt: sound items, garbage that is told of, and a stream that comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ccxt_plain import with_recordings
from fuzz_ccxt_streams import CcxtStreamBench, ccxt_stream_benches
from fuzz_channels import CHANNELS
from fuzz_play import INPUTS, Played, play_all
from fuzz_written import WRITTEN, written_stream_benches

CONNECTIONS = 50
"""After so many the venue speaks plainly again, and the stream must be live."""
SHARE = 10
"""A frame costs ccxt ten times what it costs a native adapter: a tenth of the inputs of the other parsers."""
EMULATED = ("binance", "bybit", "htx", "okx")
POLLED = {(venue, "funding_rate") for venue in ("binance", "bybit", "htx", *WRITTEN)} - {("mexc", "funding_rate")}
"""ccxt streams no funding rates there: they are asked for."""

Venue = Played[dict[str, CcxtStreamBench]]


@pytest.fixture(scope="module", params=[*EMULATED, *(pytest.param(name, marks=with_recordings) for name in WRITTEN)])
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    benches = ccxt_stream_benches if request.param in EMULATED else written_stream_benches
    played = Played(request.param, benches(request.param))
    yield played
    played.close()


@pytest.mark.parametrize("channel", CHANNELS)
def test_whatever_ccxt_is_sent_only_sound_items_come_and_the_stream_comes_back(venue: Venue, channel: str) -> None:
    if (venue.name, channel) in POLLED:
        assert channel not in venue.bench
        return
    bench, inputs = venue.bench[channel], max(1, INPUTS // SHARE)
    batch = min(CONNECTIONS, inputs)
    bench.use()
    venue.run(bench.recover())
    before = bench.stage.changed
    try:
        play_all(
            lambda drawn: venue.run(bench.tried(drawn)),
            inputs=inputs + batch,  # hypothesis begins with a batch that changes nothing
            size=60,
            batch=batch,
        )
    finally:
        venue.run(bench.end())
    assert bench.stage.changed - before >= 0.4 * inputs  # every fourth is the message as it was
