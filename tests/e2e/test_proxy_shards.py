"""The public data of one venue over several hosts: each symbol comes from one, and one that dies takes only its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from proxy_world import Hosting, NatsServer, World
from traders import configured, emulator

from fra.core import ExchangeHandle, StreamStatus, Subscription

pytestmark = pytest.mark.asyncio(loop_scope="module")

VENUE, HOSTS, ASSETS = "okx", ("md-1", "md-2", "md-3"), 12


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def test_each_symbol_has_one_host_and_a_dead_one_takes_only_its_own(
    tmp_path: Path, stack: AsyncExitStack
) -> None:
    running = await stack.enter_async_context(emulator(VENUE, symbols=ASSETS, okx_connects_per_s=100))
    server = NatsServer(tmp_path)
    await server.start()
    stack.callback(server.kill)
    world = World(server, stack)
    near: dict[str, ExchangeHandle] = {}
    hosts: dict[str, Hosting] = {}
    for target in HOSTS:
        manager = await world.manager(target, **configured(running.venues[VENUE], None))
        near[target] = manager.get_plugin(target)
        hosts[target] = await world.host(near[target], target=target, account=False)
        await hosts[target].active.wait()
    clients = [await world.client(HOSTS[0], silence=1.5, market_targets=list(HOSTS)) for _ in range(2)]
    names = [symbol.name for symbol in await clients[0].get_symbols() if symbol.kind.is_swap]
    books = {name: client.subscribe_orderbook(name, depth=5) for client in clients for name in names}
    await asyncio.gather(*(book.ready() for book in books.values()))

    served = {target: _books(handle) for target, handle in near.items()}
    assert set().union(*served.values()) == set(names)
    assert sum(map(len, served.values())) == len(names), "two clients agree, and no symbol is streamed twice"
    assert all(served.values()), "every host has some"
    ticker = await clients[0].get_ticker(names[0])
    assert ticker.symbol == names[0]

    dead = max(served, key=lambda target: len(served[target]))
    await hosts[dead].stop()
    await _all(books, served[dead], StreamStatus.RECOVERING)
    assert {books[name].status for name in names if name not in served[dead]} == {StreamStatus.LIVE}
    again = await world.host(near[dead], target=dead, account=False)
    await again.active.wait()
    await _all(books, served[dead], StreamStatus.LIVE)


def _books(handle: ExchangeHandle) -> set[str]:
    return {stream.symbol for stream in handle.health.streams if stream.channel == "orderbook" and stream.symbol}


async def _all(books: dict[str, Subscription[object]], names: set[str], status: StreamStatus) -> None:
    changed = asyncio.Event()
    removals = [books[name].add_status_listener(lambda _: changed.set()) for name in names]
    async with asyncio.timeout(15):
        while {books[name].status for name in names} != {status}:
            changed.clear()
            await changed.wait()
    for remove in removals:
        remove()
