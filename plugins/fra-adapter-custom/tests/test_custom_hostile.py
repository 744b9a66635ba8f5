"""Servers that mean no good, and proxies on the way: raw sockets, since no server library sends such things."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fra.core import ExchangeAPIError, ExchangeConnectionError, ExchangeError, StreamStatus

pytestmark = pytest.mark.alone

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

STALENESS = 0.5
ZEROS = bytes(65_536)
TEN_MEGABYTES = 160 * len(ZEROS)


@pytest.fixture(params=["aiohttp", "picows"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(name)
    return name


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """A TCP server on a port of its own, which it gives."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def guarded() -> None:
            try:
                await serve(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()

        task = asyncio.create_task(guarded())
        tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The WebSocket handshake of RFC 6455."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = next(
        line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )


async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def accept_and_say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    await asyncio.Event().wait()


async def close_in_the_middle_of_a_frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    writer.write(b"\x81\x7e\x04\x00" + b'{"topic": "ticks.A"')
    await writer.drain()


async def send_noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    writer.write(bytes(range(255, 0, -1)) * 20)
    await asyncio.Event().wait()


async def send_zeros(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    for _ in range(TEN_MEGABYTES // len(ZEROS)):
        writer.write(ZEROS)
        await writer.drain()


async def send_a_frame_of_zeros(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    writer.write(b"\x81\x7f" + TEN_MEGABYTES.to_bytes(8, "big"))
    for _ in range(TEN_MEGABYTES // len(ZEROS)):
        writer.write(ZEROS)
        await writer.drain()
    await asyncio.Event().wait()


async def send_text_that_is_no_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    await writer.drain()
    await asyncio.Event().wait()


def rss() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "serve",
    [
        say_nothing,
        accept_and_say_nothing,
        close_in_the_middle_of_a_frame,
        send_noise,
        send_zeros,
        send_a_frame_of_zeros,
        send_text_that_is_no_handshake,
    ],
)
async def test_a_hostile_stream_is_left_in_time_with_a_typed_error_and_without_growing(
    bench: Any, serve: Serve
) -> None:
    connections: list[float] = []
    loop = asyncio.get_running_loop()

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(loop.time())
        bench.changes.note()
        await serve(reader, writer)

    async with listening(counted) as port:
        hostile = {"rest": bench.venue.url, "ws": f"ws://127.0.0.1:{port}"}
        plugin = await bench.plugin(
            base_url={"main": hostile, "side": hostile},
            options={"staleness": STALENESS, "reconnect_delay": 0.05, "reconnect_max_delay": 0.05},
        )
        gc.collect()
        before = rss()
        source = plugin.ticks("A")
        await bench.until(lambda: len(connections) >= 3)
        await bench.until(lambda: plugin.context.errors)
        assert max(after - first for first, after in itertools.pairwise(connections)) < 2 * STALENESS
        assert all(isinstance(error, ExchangeError) for error in plugin.context.errors)
        assert source.status in (StreamStatus.RECOVERING, StreamStatus.STALE)
        assert source.error is not None
        assert rss() - before < 20_000_000
        await plugin.disconnect()


async def test_another_exchange_is_not_disturbed(bench: Any) -> None:
    async with listening(send_zeros) as port:
        hostile = {"rest": bench.venue.url, "ws": f"ws://127.0.0.1:{port}"}
        bad = await bench.plugin(name="bad", base_url={"main": hostile, "side": hostile})
        good = await bench.plugin(name="good")
        bad.ticks("A")
        sink = bench.sink(good.ticks("A"))
        socket = await bench.ready("ticks.A", sink)
        for n in range(2, 30):
            await socket.push("ticks.A", n=n)
            await asyncio.sleep(0.01)
        await bench.until(lambda: 29 in sink.items)
        assert good.context.errors == []
        await bad.disconnect()


async def test_ten_megabytes_of_zeros_are_a_malformed_answer(bench: Any, endpoints: Any) -> None:
    async def zeros(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {TEN_MEGABYTES}\r\n\r\n".encode())
        for _ in range(TEN_MEGABYTES // len(ZEROS)):
            writer.write(ZEROS)
            await writer.drain()

    async with listening(zeros) as port:
        side = {"rest": f"http://127.0.0.1:{port}", "ws": "ws://127.0.0.1:1"}
        plugin = await bench.plugin(connect=False, base_url={"main": side, "side": side})
        gc.collect()
        before = rss()
        with pytest.raises(ExchangeAPIError) as caught:
            await plugin.http.request(endpoints["thing"])
        assert caught.value.code == "malformed"
        assert rss() - before < 20_000_000


async def test_a_rest_server_that_says_nothing_is_a_connection_error_after_the_timeout(
    bench: Any, endpoints: Any
) -> None:
    async with listening(say_nothing) as port:
        side = {"rest": f"http://127.0.0.1:{port}", "ws": "ws://127.0.0.1:1"}
        plugin = await bench.plugin(
            connect=False, base_url={"main": side, "side": side}, timeout=0.2, options={"retries": 0}
        )
        with pytest.raises(ExchangeConnectionError, match=r"within 0\.2 s"):
            await plugin.http.request(endpoints["thing"])


# --- proxies

PASSWORD = "canary-proxy-3"
EXPECTED = b"Basic " + base64.b64encode(f"user:{PASSWORD}".encode())


class Proxy:
    """Relays what names a whole URL or asks for a tunnel, for whoever knows the password."""

    def __init__(self) -> None:
        self.passed = bytearray()
        self.refused = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        method, target, version = lines[0].split(b" ")
        if not any(line.lower() == b"proxy-authorization: " + EXPECTED.lower() for line in lines):
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        self.passed += head
        if method == b"CONNECT":
            host, _, port = target.partition(b":")
        else:
            authority, _, path = target.split(b"://", 1)[1].partition(b"/")
            host, _, port = authority.partition(b":")
            lines[0] = b" ".join((method, b"/" + path, version))
        far_reader, far_writer = await asyncio.open_connection(host.decode(), int(port))
        if method == b"CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            kept = [
                line for line in lines if not line.lower().startswith((b"proxy-authorization", b"connection: keep"))
            ]
            far_writer.write(b"\r\n".join(kept))
        try:
            await asyncio.gather(self._pump(reader, far_writer, self.passed), self._pump(far_reader, writer))
        finally:
            far_writer.transport.abort()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray | None = None) -> None:
        while data := await reader.read(65_536):
            if copy is not None:
                copy += data
            writer.write(data)
            await writer.drain()


async def test_rest_and_streams_go_through_the_proxy(bench: Any) -> None:
    proxy = Proxy()
    async with listening(proxy) as port:
        plugin = await bench.plugin(proxy=f"http://user:{PASSWORD}@127.0.0.1:{port}")
        sink = bench.sink(plugin.ticks("A"))
        await bench.ready("ticks.A", sink)
        assert b"/time HTTP/1.1" in proxy.passed
        assert b"/ws/public HTTP/1.1" in proxy.passed
        assert PASSWORD not in repr(plugin.config)
        await plugin.disconnect()


async def test_a_proxy_that_refuses_is_named_and_its_password_is_not(bench: Any) -> None:
    async with listening(Proxy()) as port:
        plugin = await bench.plugin(connect=False, proxy=f"http://user:{PASSWORD}-wrong@127.0.0.1:{port}")
        with pytest.raises(ExchangeConnectionError, match="proxy") as caught:
            await plugin.connect()
        assert PASSWORD not in repr(vars(caught.value)) + str(caught.value)


async def test_a_proxy_that_is_not_there_is_a_connection_error_that_names_it(bench: Any) -> None:
    plugin = await bench.plugin(connect=False, proxy=f"http://user:{PASSWORD}@127.0.0.1:1", options={"retries": 0})
    with pytest.raises(ExchangeConnectionError, match="cannot reach the proxy") as caught:
        await plugin.connect()
    error: BaseException | None = caught.value
    while error is not None:
        assert PASSWORD not in repr(vars(error)) + str(error)
        error = error.__cause__ or error.__context__
