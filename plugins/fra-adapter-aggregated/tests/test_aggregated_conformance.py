"""The conformance suite over two paper exchanges, and over two emulated venues with natives as members."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from conformance import emulated

from fra.testkit import Conformance, Faults, VenueUnderTest

MEMBERS = {"one": {"plugin": "paper", "options": {"seed": 5}}, "two": {"plugin": "paper", "options": {"seed": 5}}}
CROSSED = "levels of two members may have one price, and their best may cross: test_aggregated_paper has their order"


NOT_HERE = {
    "test_the_class_and_the_instance_say_the_same": "what it can do is known when its members are",
    "test_a_book_is_sorted_and_not_crossed": CROSSED,
    "test_streamed_trades_are_one_each_and_in_order": "trades of two members come as they come",
    "test_a_streamed_book_is_sorted_and_not_crossed_at_every_update": CROSSED,
}

OF_TWO_VENUES = {
    "test_a_ticker_is_the_right_way_round": CROSSED,
    "test_a_streamed_ticker_is_the_right_way_round": CROSSED,
    **dict.fromkeys(
        (
            "test_a_book_has_amounts_that_could_be_traded",
            "test_a_streamed_book_has_prices_and_amounts_of_the_symbol",
            "test_trades_are_at_prices_and_amounts_that_could_be_traded",
        ),
        "the grid is the coarser of two: what a member with a finer one shows may lie between",
    ),
}


class TestAggregated(Conformance):
    adapter = "aggregated"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        yield VenueUnderTest(
            config={"options": {"members": list(MEMBERS)}},
            others=MEMBERS,
            may_trade=True,
            not_evaluated=NOT_HERE,
        )


SWITCHES = (
    "restore", "fail", "garble", "cut", "silence", "garble_sockets", "lose_order_reply", "lose_order_request",
)  # fmt: skip


def at_once(first: VenueUnderTest, second: VenueUnderTest) -> Faults:
    """Switches that befall both members, and so the whole; those of one symbol's book are a member's own."""

    def both(name: str) -> Callable[..., None]:
        def switch(*arguments: object, **keywords: object) -> None:
            for venue in (first, second):
                getattr(venue.faults, name)(*arguments, **keywords)

        return switch

    return Faults(**{name: both(name) for name in SWITCHES})


class TestAggregatedOverVenues(Conformance):
    """OKX and Bybit over their sockets. What befalls one of them alone is in test_aggregated_venues."""

    adapter = "aggregated"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("okx") as first, emulated("bybit") as second:
            members = {"okx": first.config, "bybit": second.config}
            yield VenueUnderTest(
                config={"options": {"members": list(members)}},
                others=members,
                may_trade=True,
                faults=at_once(first, second),
                order_requests=lambda: first.order_requests() + second.order_requests(),
                stale_after=first.stale_after,
                not_evaluated={**NOT_HERE, **OF_TWO_VENUES},
            )
