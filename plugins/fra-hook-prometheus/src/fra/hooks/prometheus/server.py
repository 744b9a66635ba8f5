"""``/metrics`` over HTTP, on the event loop of the program that it tells of: when that hangs, a scrape fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import attrs
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fra.core import PluginError

_LAST_ANSWERS: Final = 1.0
"""Seconds that answers under way have at the end; a connection that is merely open has none."""


@attrs.frozen
class _Taken(Collector):
    """What was collected, to be written down elsewhere."""

    metrics: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.metrics


class MetricsServer:
    """Serves one registry from :meth:`start` to :meth:`stop`."""

    def __init__(self, registry: CollectorRegistry, *, host: str, port: int) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._turn = asyncio.Lock()
        self._served = asyncio.Event()
        self.url: str | None = None
        """Where it is served; None while it is not."""

    async def served(self) -> str:
        """Wait until it is served; the URL."""
        await self._served.wait()
        assert self.url is not None
        return self.url

    async def start(self) -> None:
        """Listen. Raises PluginError, naming the setting, where the address is taken or not ours."""
        async with self._turn:
            if self._runner is not None:
                return
            app = web.Application()
            app.router.add_get("/metrics", self._answer)
            runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_LAST_ANSWERS)
            try:
                await runner.setup()
                await web.TCPSite(runner, self._host, self._port).start()
            except BaseException as error:
                await runner.cleanup()
                if not isinstance(error, OSError):
                    raise
                raise PluginError(
                    f"no metrics: {self._host}:{self._port} cannot be listened on: {error.strerror or error}",
                    plugin="prometheus",
                    cure="another host or port in [hooks.prometheus], or 0 for any free port",
                ) from None
            self._runner = runner
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="fra metrics")
            host, port = runner.addresses[0][:2]
            self.url = f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"
            self._served.set()

    async def stop(self) -> None:
        """Close the socket and what is connected to it. Idempotent."""
        async with self._turn:
            runner, self._runner = self._runner, None
            writer, self._writer = self._writer, None
            self.url = None
            self._served.clear()
            if runner is not None:
                await runner.cleanup()
            if writer is not None:
                writer.shutdown()

    async def _answer(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # The figures are taken here, where nothing else runs; writing them takes longer, and prices come meanwhile.
        taken = _Taken(list(self._registry.collect()))
        body = await asyncio.get_running_loop().run_in_executor(self._writer, encode, taken)
        return web.Response(body=body, headers={"Content-Type": content_type})
