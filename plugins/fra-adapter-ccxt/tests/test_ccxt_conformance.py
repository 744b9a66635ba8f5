"""The conformance suite on the four emulated venues, through ccxt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from conformance import emulated

from fra.testkit import Conformance, VenueUnderTest

LOST = "test_a_lost_update_makes_the_book_invalid_until_it_is_mended"
KNOWN = {
    "test_garbage_on_a_socket_is_survived": "ccxt's socket reads no further after a frame that is no JSON",
    "test_garbage_is_an_error": "ccxt takes an answer that is no JSON for a book with nothing in it",
    "test_every_request_asks_the_limiter": "ccxt counts some requests as free of cost",
}
"""What is known not to hold through ccxt, and is therefore not shown here: who needs it uses the native adapter."""
UNNUMBERED = {**KNOWN, LOST: "ccxt does not check the numbers of this venue's books"}
OKX = {
    **KNOWN,
    LOST: "beside other books on one socket a gap is not always told of; it is not settled what ccxt does then",
}
BYBIT = {
    **UNNUMBERED,
    "test_a_streamed_book_is_the_book_that_is_asked_for": "ccxt cannot open a book of Bybit's again at once",
}
HTX = {
    **UNNUMBERED,
    "test_settled_rates_are_paged_by_since_and_until": "ccxt asks HTX for no end, and gets the newest page only",
}
MULTI_ASSETS = {"htx_multi_assets": True}


class TestBinanceThroughCCXT(Conformance):
    adapter = "binance_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("binance", plugin="binance_ccxt", not_evaluated=KNOWN) as venue:
            yield venue


class TestOKXThroughCCXT(Conformance):
    adapter = "okx_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("okx", plugin="okx_ccxt", not_evaluated=OKX) as venue:
            yield venue


class TestBybitThroughCCXT(Conformance):
    adapter = "bybit_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("bybit", plugin="bybit_ccxt", not_evaluated=BYBIT) as venue:
            yield venue


class TestHTXThroughCCXT(Conformance):
    adapter = "htx_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("htx", plugin="htx_ccxt", settings=MULTI_ASSETS, not_evaluated=HTX) as venue:
            yield venue
