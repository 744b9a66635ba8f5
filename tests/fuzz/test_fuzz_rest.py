"""Whatever a native venue answers: a sound model, or an error of fra's tree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack

import pytest
from fuzz_mutations import Choices
from fuzz_play import INPUTS, play_all
from fuzz_rest import CALLS, RestBench, rest_bench

from fra.core import ExchangeError, Order, OrderOutcomeUnknown


class Played:
    """An adapter's parsers in a loop of their own, which lives as long as the tests of this venue."""

    def __init__(self, venue: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.bench: RestBench = self._runner.run(self._stack.enter_async_context(rest_bench(venue)))

    def play(self, parser: str, inputs: Sequence[bytes]) -> list[object]:
        """What comes of each; in one run, because starting one costs as much as an input."""

        async def each() -> list[object]:
            found = self.bench.parsers[parser]
            return [await self.bench.play(found, data) for data in inputs]

        return self._runner.run(each())

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module", params=["binance", "bybit", "htx", "okx"])
def venue(request: pytest.FixtureRequest) -> Iterator[Played]:
    played = Played(request.param)
    yield played
    played.close()


@pytest.mark.parametrize("method", CALLS)
def test_whatever_is_answered_is_a_sound_model_or_an_error_of_the_tree(venue: Played, method: str) -> None:
    parsers = [name for name in venue.bench.parsers if name.startswith(f"{method} of ")]
    if not parsers:
        pytest.skip(f"{venue.bench.name} has no {method}")
    for parser in parsers:
        play_all(lambda drawn, parser=parser: venue.play(parser, drawn), inputs=INPUTS // len(parsers))


@pytest.mark.parametrize("market", ["BTC/USDT", "BTC/USDT:USDT"])
def test_no_order_that_was_taken_is_called_refused(venue: Played, market: str) -> None:
    """Garbage in what is asked after the order has been taken says nothing of the order."""
    parser = venue.bench.parsers.get(f"create_market_order of {market}")
    if parser is None or not isinstance(venue.play(parser.name, [b""])[0], Order):
        pytest.skip(f"{venue.bench.name} took no such order")
    places = [place for place, answer in enumerate(parser.answers) if answer.method == "POST"]

    def play(drawn: Sequence[bytes]) -> None:
        for data, outcome in zip(drawn, venue.play(parser.name, drawn), strict=True):
            place = Choices(data).pick(len(parser.answers))
            if places and place > places[0]:
                assert isinstance(outcome, Order | OrderOutcomeUnknown), f"{outcome!r}"
            else:
                assert isinstance(outcome, Order | ExchangeError)

    play_all(play, inputs=INPUTS // 5)
