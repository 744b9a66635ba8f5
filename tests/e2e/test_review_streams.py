"""What must not end an account's stream for good."""

from __future__ import annotations

import asyncio

import pytest
from traders import VENUES, emulator, trading

from fra.core import StreamStatus

JUMP_MS = {"binance": 20_000, "okx": 90_000, "bybit": 30_000, "htx": 900_000}
"""More than by how much a login's time may be off."""


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("name", VENUES)
async def test_a_login_that_a_jump_of_the_clock_spoils_is_made_anew(name: str, direction: int) -> None:
    async with emulator(name) as running, trading(running.venues[name], listen=True) as trader:
        venue = trader.venue
        venue.clock_offset_ms = direction * JUMP_MS[name]
        venue.cut()
        await trader.down()
        assert trader.stream is not None
        async with asyncio.timeout(10):
            while trader.stream.status is not StreamStatus.LIVE:
                assert trader.stream.status is not StreamStatus.FAILED
                await asyncio.sleep(0.01)
