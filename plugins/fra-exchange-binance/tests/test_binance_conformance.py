"""The conformance suite on the emulated venue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from conformance import emulated

from fra.testkit import Conformance, VenueUnderTest


class TestBinance(Conformance):
    adapter = "binance"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("binance") as venue:
            yield venue
