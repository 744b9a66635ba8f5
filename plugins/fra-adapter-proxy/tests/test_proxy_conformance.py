"""The conformance suite through a real broker, over paper and over an emulated venue: a proxy is an adapter as any."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from conformance import emulated
from proxy_world import NatsServer, World

from fra.core import MarketKind
from fra.testkit import Conformance, VenueUnderTest

LISTED = "the host answers by its own listing, which it has"
NOT_HERE = {
    "test_the_class_and_the_instance_say_the_same": "what it can do is known when its host has said so",
    "test_every_request_asks_the_limiter": "its host keeps the limits",
    **{
        f"test_a_failed_request_is_an_error_and_not_an_empty_answer[get_symbols-{kind.value}]": LISTED
        for kind in MarketKind
    },
}


@asynccontextmanager
async def hosted(config: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The configuration of a client of an exchange that is hosted as ``config`` says."""
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(Path(folder))
        await server.start()
        try:
            async with AsyncExitStack() as stack:
                world = World(server, stack)
                near = (await world.manager("near", **config)).get_plugin("near")
                hosting = await world.host(near, target="near")
                await hosting.active.wait()
                yield {
                    "exchange_id": config["exchange_id"],
                    "plugin": "proxy",
                    "timeout": 5.0,
                    "options": {"servers": [server.url], "target": "near", "silence": 3.0},
                }
        finally:
            server.kill()


class TestProxyOverPaper(Conformance):
    adapter = "proxy"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with hosted({"exchange_id": "paper"}) as config:
            yield VenueUnderTest(config=config, may_trade=True, not_evaluated=NOT_HERE)


class TestProxyOverOKX(Conformance):
    adapter = "proxy"

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[VenueUnderTest]:
        async with emulated("okx") as venue, hosted(venue.config) as config:
            yield attrs.evolve(venue, config=config, not_evaluated=NOT_HERE)
