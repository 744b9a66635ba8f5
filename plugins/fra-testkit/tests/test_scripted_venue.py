"""The scripted venue itself, where the adapters that are tested with it do not show it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from urllib.parse import urlsplit

import pytest

from fra.testkit import ScriptedVenue


@pytest.mark.parametrize("turns", range(6))
async def test_who_connects_in_the_moment_of_the_end_is_cut_too(turns: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        venue = await stack.enter_async_context(ScriptedVenue())
        address = urlsplit(venue.url)
        with socket.create_connection((address.hostname, address.port)) as client:
            client.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            await stack.aclose()
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
