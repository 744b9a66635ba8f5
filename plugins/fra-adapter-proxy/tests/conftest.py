"""A broker for each module, and hosts and clients around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
import pytest_asyncio
from proxy_world import NatsServer, World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A broker for all tests of a module: each takes a target of its own."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    await server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def world(server: NatsServer) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(server, stack)


@pytest.fixture
def target() -> str:
    """A name that no other test serves."""
    return f"t-{uuid4().hex[:10]}"
