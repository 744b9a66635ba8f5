"""Whatever a native venue answers: a sound model, or an error of fra's tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from fuzz_play import INPUTS, Played, play_all
from fuzz_rest import CALLS, RestBench, rest_bench

from fra.core import ExchangeError, Order, OrderOutcomeUnknown

Venue = Played[RestBench]


def outcomes(venue: Venue, parser: str, inputs: Sequence[bytes]) -> list[object]:
    """What comes of each."""

    async def each() -> list[object]:
        found = venue.bench.parsers[parser]
        return [await venue.bench.play(found, data) for data in inputs]

    return venue.run(each())


@pytest.fixture(scope="module", params=["binance", "bybit", "htx", "okx"])
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    played = Played(request.param, rest_bench(request.param))
    yield played
    played.close()


@pytest.mark.parametrize("method", CALLS)
def test_whatever_is_answered_is_a_sound_model_or_an_error_of_the_tree(venue: Venue, method: str) -> None:
    parsers = [name for name in venue.bench.parsers if name.startswith(f"{method} of ")]
    if not parsers:
        pytest.skip(f"{venue.bench.name} has no {method}")
    for parser in parsers:
        play_all(lambda drawn, parser=parser: outcomes(venue, parser, drawn), inputs=INPUTS // len(parsers))


@pytest.mark.parametrize("market", ["BTC/USDT", "BTC/USDT:USDT"])
def test_no_order_that_may_have_been_taken_is_called_refused(venue: Venue, market: str) -> None:
    """An answer that is no clear refusal leaves it unknown, and so does what is asked afterwards."""
    parser = venue.bench.parsers.get(f"create_market_order of {market}")
    if parser is None or not isinstance(outcomes(venue, parser.name, [b""])[0], Order):
        pytest.skip(f"{venue.bench.name} refused the order, or is asked for more before it than was kept with it")
    asked = [answer.key for answer in parser.answers]
    order = next((key for key in asked if key[0] == "POST"), None)
    # A busy machine may be refused for its clock at first, sets it, and sends the order again: the last one was taken.
    taken = max((place for place, key in enumerate(asked) if key == order), default=len(asked))

    def play(drawn: Sequence[bytes]) -> None:
        for data, outcome in zip(drawn, outcomes(venue, parser.name, drawn), strict=True):
            place, forged = venue.bench.forge(parser, data)
            refuses = forged.status >= 400 or b"code" in forged.body or forged.headers.get("Content-Encoding")
            allowed = ExchangeError if refuses and place <= taken else OrderOutcomeUnknown
            assert isinstance(outcome, Order | allowed), f"{outcome!r}"

    play_all(play, inputs=INPUTS // 5)
