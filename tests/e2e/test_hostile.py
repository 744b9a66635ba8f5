"""A venue that turns on its clients in mid-stream: they get typed errors, come back, and no other is harmed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import attrs
import pytest

from fra.core import BookView, ExchangeError, ExchangeHandle, PluginManager, StreamStatus
from fra.emulator import Emulator

pytestmark = pytest.mark.alone

STALENESS = 1.0
SYMBOL = "BTC/USDT:USDT"
MARKETS = {"binance": "usdm", "okx": "swap"}
CHUNK = bytes(65_536)
TEN_MEGABYTES = 160 * len(CHUNK)
_WRONG = json.dumps(
    {"serverTime": "soon", "lastUpdateId": [], "bids": 7, "asks": {}, "code": {}, "data": {"bids": 1}, "symbols": None}
).encode()
_WRONG_PUSHES = (
    b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":"now","U":[],"u":null,"pu":{},"b":7,"a":"none"}}',
    b'{"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":"now","U":[],"u":null,"pu":{},"b":7,"a":"none"}}',
    b'{"stream":"btcusdt@depth@100ms","data":[]}',
    b'{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":[{"asks":"none","bids":7,"ts":[]}]}',
    b'{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":{"seqId":"x"}}',
    b"[]",
    b"null",
)


def frame(payload: bytes) -> bytes:
    """A text frame as a server sends it (RFC 6455)."""
    size = len(payload)
    return b"\x81" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + payload


async def zeros(writer: asyncio.StreamWriter) -> None:
    for _ in range(TEN_MEGABYTES // len(CHUNK)):
        writer.write(CHUNK)
        await writer.drain()


async def say_nothing(writer: asyncio.StreamWriter, *, socket: bool) -> None:
    await asyncio.Event().wait()


async def close_in_the_middle(writer: asyncio.StreamWriter, *, socket: bool) -> None:
    half = b"\x81\x7e\x10\x00" if socket else b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    writer.write(half + b'{"e":"depthUpdate","arg":{"channel":')
    await writer.drain()


async def send_garbage(writer: asyncio.StreamWriter, *, socket: bool) -> None:
    writer.write(bytes(range(255, -1, -1)) * 40)
    await writer.drain()
    await asyncio.Event().wait()


async def send_wrong_types(writer: asyncio.StreamWriter, *, socket: bool) -> None:
    if socket:
        writer.write(b"".join(map(frame, _WRONG_PUSHES)))
    else:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(_WRONG)}\r\n\r\n"
        writer.write(head.encode() + _WRONG)
    await writer.drain()
    await asyncio.Event().wait()


async def send_zeros(writer: asyncio.StreamWriter, *, socket: bool) -> None:
    size = TEN_MEGABYTES
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode()
    writer.write(b"\x82\x7f" + size.to_bytes(8, "big") if socket else head)
    await zeros(writer)
    await asyncio.Event().wait()


HOSTILITIES = [say_nothing, close_in_the_middle, send_garbage, send_wrong_types, send_zeros]


class Front:
    """What stands before the venue: it passes bytes on, until it turns hostile to all connections, old and new."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.connections = 0
        self._behind = port
        self._turn: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._calm = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.hostility = say_nothing

    def turn(self, hostility: object) -> None:
        self.hostility = hostility  # type: ignore[assignment]
        self._calm = asyncio.Event()
        self._turn.set_result(None)

    def calm(self) -> None:
        """End of it: hostile connections are cut, new ones reach the venue."""
        self._turn = asyncio.get_running_loop().create_future()
        self._calm.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            if not self._turn.done():
                await self._relay(reader, writer)
            else:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._attack(writer, socket=await self._greet(head, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = False
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)

        async def up() -> None:
            nonlocal socket
            while data := await reader.read(65_536):
                socket = socket or b"Upgrade: websocket" in data
                behind_writer.write(data)

        async def down() -> None:
            while data := await behind_reader.read(65_536):
                writer.write(data)
                await writer.drain()

        ways = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
        try:
            await asyncio.wait([*ways, self._turn], return_when=asyncio.FIRST_COMPLETED)
        finally:
            behind_writer.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        if self._turn.done() and not writer.is_closing():
            if not socket:
                return  # an idle connection: the next request meets the hostile server
            await self._attack(writer, socket=True)

    @staticmethod
    async def _greet(head: bytes, writer: asyncio.StreamWriter) -> bool:
        """Finish a WebSocket handshake; False for a plain request."""
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n") if b": " in line)
        if b"sec-websocket-key" not in fields:
            return False
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")).split(b": ")[
            1
        ]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        return True

    async def _attack(self, writer: asyncio.StreamWriter, *, socket: bool) -> None:
        calm = asyncio.ensure_future(self._calm.wait())
        attack = asyncio.ensure_future(self.hostility(writer, socket=socket))
        try:
            await asyncio.wait([calm, attack], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in (calm, attack):
                way.cancel()
            await asyncio.gather(calm, attack, return_exceptions=True)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # a transport that was aborted closes its socket a turn later


@asynccontextmanager
async def fronted(port: int) -> AsyncIterator[Front]:
    front = Front(port)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    try:
        yield front
    finally:
        server.close()
        await front.close()
        await server.wait_closed()


@attrs.define
class Pulse:
    """One venue's book as its listener sees it."""

    times: list[float] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)
    beat: asyncio.Event = attrs.field(factory=asyncio.Event)

    def __call__(self, view: BookView) -> None:
        if not view.valid:
            return
        bid, ask = view.best_bid, view.best_ask
        if bid is None or ask is None or bid.price >= ask.price:
            self.wrong.append(f"{bid} {ask}")
        self.times.append(time.monotonic())
        self.beat.set()

    async def beats(self, count: int) -> None:
        """Wait for so many valid views from now on."""
        until = len(self.times) + count
        while len(self.times) < until:
            self.beat.clear()
            await self.beat.wait()

    def longest_gap(self, since: float) -> float:
        times = [since, *(at for at in self.times if at > since), time.monotonic()]
        return max(b - a for a, b in pairwise(times))


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def highest_rss() -> int:
    """The peak until it is cancelled."""
    peak = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            peak = max(peak, rss())
            await asyncio.sleep(0.01)
    return peak


def exchange(name: str, urls: Mapping[str, Mapping[str, str]], old: int, new: int) -> dict[str, object]:
    market = MARKETS[name]
    moved = {key: url.replace(f":{old}", f":{new}") for key, url in urls[market].items()}
    return {
        "exchange_id": name,
        "base_url": {market: moved},
        "markets": [market],
        "timeout": 0.6,
        "options": {
            "staleness": STALENESS,
            "ack_timeout": 0.6,
            "reconnect_delay": 0.05,
            "reconnect_max_delay": 0.2,
            "retries": 1,
        },
    }


@pytest.mark.parametrize("hostility", HOSTILITIES, ids=lambda hostility: hostility.__name__)
@pytest.mark.parametrize("victim", MARKETS)
async def test_a_hostile_venue_ends_in_typed_errors_and_comes_back_while_the_other_goes_on(
    victim: str, hostility: object
) -> None:
    async with Emulator(list(MARKETS), seed=7, okx_connects_per_s=50) as emulator:
        venues = emulator.venues
        async with fronted(venues[victim].port) as front:
            ports = {name: front.port if name == victim else venue.port for name, venue in venues.items()}
            config = {name: exchange(name, v.markets, v.port, ports[name]) for name, v in venues.items()}
            async with PluginManager.from_config({"exchanges": config}) as manager:
                handles: dict[str, ExchangeHandle] = {name: manager.get_plugin(name) for name in MARKETS}
                books = {name: handle.subscribe_orderbook(SYMBOL) for name, handle in handles.items()}
                pulses = {name: Pulse() for name in books}
                for name, book in books.items():
                    book.add_listener(pulses[name])
                bystander = next(name for name in MARKETS if name != victim)
                async with asyncio.timeout(10):
                    await asyncio.gather(*(pulse.beats(5) for pulse in pulses.values()))
                    with contextlib.suppress(ExchangeError):
                        await handles[victim].get_orderbook(SYMBOL)
                gc.collect()
                before, watching = rss(), asyncio.create_task(highest_rss())

                turned = time.monotonic()
                front.turn(hostility)
                met = front.connections
                with pytest.raises(ExchangeError) as asked:
                    await handles[victim].get_orderbook(SYMBOL)
                assert time.monotonic() - turned < 2 * STALENESS
                # Hostile for two periods; within them the stream said that it is not live, and why, or had reconnected.
                seen: set[StreamStatus] = set()
                why: list[BaseException] = []
                while (left := turned + 2 * STALENESS - time.monotonic()) > 0:
                    seen.add(books[victim].status)
                    why += [books[victim].error] if books[victim].error is not None else []
                    await asyncio.sleep(min(0.02, left))
                assert seen & {StreamStatus.STALE, StreamStatus.RECOVERING}
                assert all(isinstance(error, ExchangeError) for error in [asked.value, *why])
                assert why
                assert front.connections > met, "nobody tried again"

                front.calm()
                async with asyncio.timeout(10):
                    await pulses[victim].beats(3)
                    assert (await handles[victim].get_orderbook(SYMBOL)).bids
                watching.cancel()
                peak = await watching

                assert books[victim].status is StreamStatus.LIVE
                assert pulses[victim].wrong == []
                assert pulses[bystander].wrong == []
                assert books[bystander].status is StreamStatus.LIVE
                assert pulses[bystander].longest_gap(turned) < STALENESS
                assert peak - before < 20_000_000
