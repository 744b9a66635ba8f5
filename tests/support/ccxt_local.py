"""An adapter on ccxt whose venue is a server on loopback that gives one recorded answer to everything."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import cache
from pathlib import Path
from time import time_ns
from typing import Any

import attrs
from aiohttp import web
from serving import serving

from fra.adapters.ccxt import (
    HTXCCXT,
    MEXCCCXT,
    OKXCCXT,
    BinanceCCXT,
    BitfinexCCXT,
    BitgetCCXT,
    BybitCCXT,
    CCXTAdapter,
    CCXTOptions,
    CryptoComCCXT,
    GateCCXT,
    KuCoinCCXT,
)
from fra.core import (
    ConnectionStatus,
    Event,
    ExchangeConfig,
    ExchangeHandle,
    PluginContext,
    RateLimit,
    RateLimiter,
    Secret,
)

ADAPTERS: Mapping[str, type[CCXTAdapter]] = {
    cls.venue.id: cls
    for cls in (
        BinanceCCXT,
        OKXCCXT,
        BybitCCXT,
        HTXCCXT,
        BitgetCCXT,
        KuCoinCCXT,
        GateCCXT,
        MEXCCCXT,
        CryptoComCCXT,
        BitfinexCCXT,
    )
}
KEY, SECRET, WORD = "the-api-key", "the-secret-key", "the-passphrase"


@cache
def fixtures(kind: str, venue: str, number: type = Decimal) -> Any:
    """``ccxt/KIND/VENUE.json`` of the recorded data; nothing where FRA_FIXTURES does not name its folder."""
    if "FRA_FIXTURES" not in os.environ:
        return {}
    path = Path(os.environ["FRA_FIXTURES"]) / "ccxt" / kind / f"{venue}.json"
    return json.loads(path.read_text(), parse_float=number)


class LocalContext(PluginContext):
    """What a host lends, and what was told to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events: list[Event] = []
        self.limits: list[RateLimit] = []

    @property
    def exchange_name(self) -> str:
        return self.name

    def now_ms(self) -> int:
        return time_ns() // 1_000_000

    def limiter(self, venue: str, limits: Sequence[RateLimit]) -> RateLimiter:
        self.limits += limits
        return RateLimiter(limits)

    def connection_changed(self, status: ConnectionStatus, reason: str | None = None) -> None:
        pass

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def register(self, event_type: type[Any], handler: Callable[[Any], object]) -> Callable[[], None]:
        return lambda: None

    async def exchange(self, name: str) -> ExchangeHandle:
        raise AssertionError("no other exchange is needed")


@attrs.define
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]


@attrs.define
class Local:
    """A venue that gives ``answer`` to everything; ``asked`` is what came."""

    answer: Any = None
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    asked: list[Asked] = attrs.field(factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        self.asked.append(Asked(request.method, request.path, request.query_string, body, dict(request.headers)))
        answer = self.answer(request) if callable(self.answer) else self.answer
        text = answer if isinstance(answer, str) else json.dumps(answer, default=float)
        return web.Response(text=text, status=self.status, content_type="application/json", headers=self.headers)

    @asynccontextmanager
    async def adapter(
        self, venue: str, *, cls: type[CCXTAdapter] | None = None, keys: bool = True, **config: Any
    ) -> AsyncIterator[CCXTAdapter]:
        """An initialized adapter with the recorded markets, whose every URL leads here."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.serve)
        options = config.pop("options", CCXTOptions())
        secrets = {"api_key": Secret(KEY), "secret_key": Secret(SECRET), "passphrase": Secret(WORD)} if keys else {}
        async with serving(app) as address:
            made = (cls or ADAPTERS[venue])(
                ExchangeConfig(venue, venue, base_url=f"http://{address}", timeout=5.0, **{**secrets, **config})
            )
            made.options = options
            made.context = LocalContext(venue)
            try:
                await made.initialize()
                client = made.client
                client.timeout_on_exit = 0
                markets = fixtures("markets", venue, str)
                client.set_markets(list(markets.values()), fixtures("currencies", venue, str) or None)
                client.markets_loading = _loaded(client.markets)
                made.take_markets()
                yield made
            finally:
                await made.disconnect()


def _loaded(markets: Any) -> Any:
    """What ccxt awaits where it would load its markets."""
    import asyncio

    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(markets)
    return future
