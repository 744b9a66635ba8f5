"""The conformance suite on the four emulated venues, through ccxt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ccxt_again import UNHURRIED
from conformance import emulated

from fra.testkit import Conformance, VenueUnderTest

MULTI_ASSETS = {"htx_multi_assets": True}


class TestBinanceThroughCCXT(Conformance):
    adapter = "binance_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("binance", plugin="binance_ccxt", options={"ccxt": UNHURRIED}) as venue:
            yield venue


class TestOKXThroughCCXT(Conformance):
    adapter = "okx_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("okx", plugin="okx_ccxt") as venue:
            yield venue


class TestBybitThroughCCXT(Conformance):
    adapter = "bybit_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("bybit", plugin="bybit_ccxt") as venue:
            yield venue


class TestHTXThroughCCXT(Conformance):
    adapter = "htx_ccxt"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("htx", plugin="htx_ccxt", settings=MULTI_ASSETS) as venue:
            yield venue
