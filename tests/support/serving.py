"""Applications of aiohttp served on a free port of loopback, of which nothing is left open afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

from aiohttp import web

_TURNS = 3
"""Turns of the loop from the acceptance of a connection until aiohttp knows of it."""


@asynccontextmanager
async def serving(app: web.Application, *, tls: SSLContext | None = None) -> AsyncIterator[str]:
    """Host and port of ``app`` while it is served."""
    loop, runner = asyncio.get_running_loop(), web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    server = await loop.create_server(runner.server, "127.0.0.1", 0, ssl=tls)
    (listener,) = server.sockets
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # Python 3.11 forgets who is accepted while a server closes, and leaves them open: so first nobody is any more.
        loop.remove_reader(listener)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        server.close()
        await runner.cleanup()
