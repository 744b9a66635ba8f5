"""The conformance suite over two paper exchanges, in this process: what needs a server's switches is not evaluated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fra.testkit import Conformance, VenueUnderTest

MEMBERS = {"one": {"plugin": "paper", "options": {"seed": 5}}, "two": {"plugin": "paper", "options": {"seed": 5}}}
CROSSED = "levels of two members may have one price, and their best may cross: test_aggregated_paper has their order"


class TestAggregated(Conformance):
    adapter = "aggregated"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        yield VenueUnderTest(
            config={"options": {"members": list(MEMBERS)}},
            others=MEMBERS,
            may_trade=True,
            not_evaluated={
                "test_the_class_and_the_instance_say_the_same": "what it can do is known when its members are",
                "test_a_book_is_sorted_and_not_crossed": CROSSED,
                "test_streamed_trades_are_one_each_and_in_order": "trades of two members come as they come",
                "test_a_streamed_book_is_sorted_and_not_crossed_at_every_update": CROSSED,
            },
        )
