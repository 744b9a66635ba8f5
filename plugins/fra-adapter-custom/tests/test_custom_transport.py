"""An opening that is given up at any step leaves no socket: not to the garbage collector, and not to the venue."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from fra.adapters.custom.network import Network
from fra.adapters.custom.transport import AiohttpTransport
from fra.core import ExchangeConfig

PATIENCE = 5.0
STEPS = ("nothing", "half an answer", "an answer", "an answer and messages")
TURNS = 25
"""Of the loop, after each of which an opening is given up once."""


class Server:
    """Goes so far in a WebSocket's opening and no further; knows when each of its clients has gone."""

    def __init__(self, step: str, tls: ssl.SSLContext | None) -> None:
        self.step = step
        self.heard = asyncio.Event()
        self.clients = 0
        self.gone = 0
        self._changed = asyncio.Event()
        self._tls = tls
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"wss://localhost:{port}" if self._tls is not None else f"ws://127.0.0.1:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = accept(head)
            told = {
                "half an answer": answer[: len(answer) // 2],
                "an answer": answer,
                "an answer and messages": answer + b"\x81\x02{}" * 3,
            }
            writer.write(told.get(self.step, b""))
            self.heard.set()
            while await reader.read(65_536):
                pass
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()
            self.gone += 1
            self._changed.set()

    async def alone(self) -> None:
        """Wait until every client has gone."""
        async with asyncio.timeout(PATIENCE):
            while self.gone < self.clients:
                self._changed.clear()
                await self._changed.wait()


def accept(head: bytes) -> bytes:
    """The handshake of RFC 6455."""
    lines = (line.partition(b":") for line in head.split(b"\r\n"))
    key = next(value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key")
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


@pytest.fixture(params=["aiohttp", "picows"])
def kind(request: pytest.FixtureRequest) -> Any:
    if request.param == "aiohttp":
        return AiohttpTransport
    pytest.importorskip("picows")
    from fra.adapters.custom.transport_picows import PicowsTransport

    return PicowsTransport


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["plain", "TLS"])
def tls(
    request: pytest.FixtureRequest, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    import aiohttp

    # made when aiohttp was imported
    aiohttp.connector._SSL_CONTEXT_VERIFIED.load_verify_locations(path)
    return context


@pytest.fixture
async def network() -> Any:
    network = Network(ExchangeConfig(name="mine", exchange_id="toy"))
    yield network
    await network.close()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is left open stays so, and is not closed by chance."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def open_and_use(kind: Any, network: Network, url: str) -> None:
    transport = await kind.connect(network, url, to="main public", max_frame=1 << 20)
    try:
        await transport.run(lambda frame, ms: None, lambda: None, now_ms=int)
    finally:
        await transport.close()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("step", STEPS)
async def test_an_opening_that_is_given_up_where_the_venue_stops_leaves_no_socket(
    kind: Any, network: Network, tls: ssl.SSLContext | None, step: str
) -> None:
    async with Server(step, tls) as server:
        opening = asyncio.create_task(open_and_use(kind, network, server.url))
        async with asyncio.timeout(PATIENCE):
            await server.heard.wait()
        opening.cancel()
        await asyncio.wait((opening,), timeout=PATIENCE)
        assert opening.cancelled()
        await server.alone()


@pytest.mark.usefixtures("no_collector")
async def test_an_opening_that_is_given_up_after_any_turn_of_the_loop_leaves_no_socket(
    kind: Any, network: Network, tls: ssl.SSLContext | None
) -> None:
    async with Server("an answer and messages", tls) as server:
        for turns in range(TURNS):
            opening = asyncio.create_task(open_and_use(kind, network, server.url))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait((opening,), timeout=PATIENCE)
            assert opening.done()
        await server.alone()


@pytest.mark.usefixtures("no_collector")
async def test_an_opening_without_an_answer_to_tls_leaves_no_socket(kind: Any, network: Network) -> None:
    gone, there = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        there.set()
        try:
            while await reader.read(65_536):
                pass
        except OSError:
            pass
        writer.transport.abort()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        opening = asyncio.create_task(open_and_use(kind, network, f"wss://127.0.0.1:{port}"))
        async with asyncio.timeout(PATIENCE):
            await there.wait()
            opening.cancel()
            await asyncio.wait((opening,))
            await gone.wait()
