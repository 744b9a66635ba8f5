"""Applications of aiohttp served on a free port of loopback, of which nothing is left open afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

from aiohttp import web

from fra.testkit.scripted import stop_listening


@asynccontextmanager
async def serving(app: web.Application, *, tls: SSLContext | None = None) -> AsyncIterator[str]:
    """Host and port of ``app`` while it is served."""
    loop, runner = asyncio.get_running_loop(), web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    server = await loop.create_server(runner.server, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await stop_listening(server)
        await runner.cleanup()
