"""The conformance suite on the market of its own, in this process: what needs a server's switches is not evaluated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fra.testkit import Conformance, VenueUnderTest


class TestPaper(Conformance):
    adapter = "paper"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        yield VenueUnderTest(may_trade=True)
