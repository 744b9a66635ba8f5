"""The endpoint: what it says, where it listens, when it starts, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import threading
from collections.abc import AsyncIterator

import aiohttp
import pytest

from fra.core import ErrorRaised, EventBus, FraError, HostStarted, HostStopped
from fra.hooks.prometheus import Prometheus, PrometheusOptions

NOW = 1_700_000_000_000


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


def held() -> tuple[int, set[str]]:
    gc.collect()
    return len(os.listdir("/proc/self/fd")), {thread.name for thread in threading.enumerate()}


async def test_metrics_are_served_as_text_and_nothing_else_is(program, client, read_figures) -> None:
    program.tell(ErrorRaised, where="x", error=FraError("x"))
    async with client.get(program.hook.server.url) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert read_figures(await answer.text())["fra_errors_total", "okx", "other"] == 1
    async with client.get(program.hook.server.url.replace("/metrics", "/")) as answer:
        assert answer.status == 404
    async with client.post(program.hook.server.url) as answer:
        assert answer.status == 405


async def test_openmetrics_is_spoken_to_those_who_ask_for_it(program, client) -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    async with client.get(program.hook.server.url, headers={"Accept": accept}) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await answer.text()).endswith("# EOF\n")


async def test_loopback_is_where_it_listens_by_default(program) -> None:
    assert program.hook.server.url.startswith("http://127.0.0.1:")
    assert PrometheusOptions().host == "127.0.0.1"


async def test_a_programs_own_metrics_are_served_with_these(program, client, read_figures) -> None:
    from prometheus_client import Gauge

    Gauge("my_equity_usd", "What the account is worth.", registry=program.hook.registry).set(17)
    async with client.get(program.hook.server.url) as answer:
        assert read_figures(await answer.text())["my_equity_usd",] == 17


async def test_nothing_is_left_of_it_and_open_connections_do_not_hold_up_the_end(new_program, client) -> None:
    before = held()
    program = new_program()
    url = await program.start()
    async with contextlib.AsyncExitStack() as stack:
        own = await stack.enter_async_context(aiohttp.ClientSession())
        async with own.get(url) as answer:
            await answer.read()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]))
        writer.write(b"GET /metr")
        await writer.drain()
        async with asyncio.timeout(4):
            await program.stop()
        assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert program.hook.server.url is None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]))
    for _ in range(100):
        if held() == before:
            break
        await asyncio.sleep(0.01)  # the loop lets go of the client's own sockets
    assert held() == before


async def test_an_end_without_a_start_and_an_end_at_once(new_program) -> None:
    never = new_program()
    await never.stop()
    at_once = new_program()
    at_once.bus.emit(HostStarted(timestamp_ms=NOW, host=at_once))
    await at_once.stop()
    assert at_once.hook.server.url is None


async def test_a_port_in_use_is_reported_with_a_cure_and_hurts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bus, told = EventBus(), asyncio.Queue[ErrorRaised]()
        bus.register(ErrorRaised, told.put_nowait)
        bus.add_hook(Prometheus(PrometheusOptions(port=port)), "prometheus")
        bus.emit(HostStarted(timestamp_ms=NOW, host=None))  # type: ignore[arg-type]
        error = (await told.get()).error
        assert f"127.0.0.1:{port}" in str(error)
        assert "[hooks.prometheus]" in str(error)
        assert any(record.failures == 1 for record in bus.ledger() if record.hook == "on_started")
        bus.emit(ErrorRaised(exchange="okx", timestamp_ms=NOW, where="x", error=FraError("goes on")))
        assert str((await told.get()).error) == "goes on"
        bus.emit(HostStopped(timestamp_ms=NOW))
        await bus.close()


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="port must be between"):
        PrometheusOptions(port=port)
