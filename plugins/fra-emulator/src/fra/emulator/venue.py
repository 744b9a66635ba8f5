"""What every emulated venue has: a port, its connections, counters and test switches."""

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs
from aiohttp import WSMsgType, web

from fra.emulator.accounts import Account
from fra.emulator.exchange import VenueExchange
from fra.emulator.faults import BookFault, CannedAnswer, Faults, PendingFault
from fra.emulator.order_faults import OrderFaults, OrderPaths
from fra.emulator.settings import Settings
from fra.emulator.sockets import Connection
from fra.emulator.source import Source, TrueBook

Markets = dict[str, dict[str, str]]

_TURNS: Final = 3
"""Turns of the loop from the acceptance of a connection until aiohttp knows of it."""


@attrs.define
class Stats:
    """What a venue has been asked and has answered, for tests to assert on."""

    requests: int = 0
    by_path: Counter[str] = attrs.field(factory=Counter)
    by_call: Counter[str] = attrs.field(factory=Counter)
    """The same as `METHOD /path`."""
    answered: Counter[int] = attrs.field(factory=Counter)
    sockets_opened: int = 0
    subscriptions: Counter[str] = attrs.field(factory=Counter)

    @property
    def answered_429(self) -> int:
        return self.answered[429]

    @property
    def answered_418(self) -> int:
        return self.answered[418]


class Venue(ABC):
    """One emulated exchange on one port of the loopback interface."""

    name: str
    order_paths: OrderPaths
    """Which REST requests place and cancel orders."""

    def __init__(self, source: Source, settings: Settings) -> None:
        self.source = source
        self.settings = settings
        self.faults = Faults()
        self.order_faults = OrderFaults(self.order_paths, lambda: self.exchange.events, self.user_sockets)
        self.stats = Stats()
        self.connections: set[Connection] = set()
        self.markets: Markets = {}
        self.clock_offset_ms = 0
        """Added to the server time that clients are told."""
        self.port = 0
        self._connects: dict[tuple[str, str], deque[float]] = {}
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    # -- life
    async def start(self, port: int) -> None:
        """Serve on `port` (0 picks one). Raises OSError if it is taken."""
        await self.source.start()
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        try:
            await self._runner.setup()
            protocol = self._runner.server
            assert protocol is not None, "it is set up"
            loop, host = asyncio.get_running_loop(), self.settings.host
            self._server = await loop.create_server(protocol, host, port, reuse_address=True)
        except BaseException:
            await self.stop()
            raise
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.markets = self.addresses(self.settings.host, self.port)

    async def stop(self) -> None:
        """Cut every connection and stop; idempotent."""
        server, self._server = self._server, None
        if server is not None:
            await _stop_listening(server)
        for connection in list(self.connections):
            connection.abort()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        await self.source.stop()

    @abstractmethod
    def addresses(self, host: str, port: int) -> Markets:
        """The URLs of each market, as `fra emulate --json` prints them."""

    @property
    def exchange(self) -> VenueExchange:
        """Where accounts trade. Raises ValueError for a recording, which does not answer to orders."""
        exchange = self.source.exchange
        if exchange is None:
            raise ValueError(f"{self.name} plays a recording: nobody can trade on it")
        return exchange

    def open_account(self, account: Account) -> None:
        """Open an account that may trade. Raises ValueError for a recording, or if the key is taken."""
        self.exchange.open(account)

    def account(self, key: str) -> Account | None:
        """The account of an API key, or None."""
        exchange = self.source.exchange
        return None if exchange is None else exchange.accounts.get(key)

    def now_ms(self) -> int:
        """The venue's own clock."""
        return self.settings.clock.now_ms() + self.clock_offset_ms

    # -- dispatch
    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._handle_socket(request)
        self.stats.requests += 1
        self.stats.by_path[request.path] += 1
        self.stats.by_call[f"{request.method} {request.path}"] += 1
        if self.faults.refuse_requests and request.transport is not None:
            request.transport.abort()
            return web.Response(status=503)
        if self.faults.delay_s:
            await asyncio.sleep(self.faults.delay_s)
        canned = self.faults.answer_for(request.path)
        response: web.StreamResponse
        if canned is not None:
            response = web.Response(
                status=canned.status, body=canned.body, headers=canned.headers, content_type=canned.content_type
            )
        else:
            response = await self.order_faults.carry_out(request, self.answer)
        self.stats.answered[response.status] += 1
        return response

    async def _handle_socket(self, request: web.Request) -> web.StreamResponse:
        if self.faults.refuse_sockets:
            return web.Response(status=503)
        connection = await self.accept(request)
        if isinstance(connection, web.Response):
            self.stats.answered[connection.status] += 1
            return connection
        self.stats.sockets_opened += 1
        self.connections.add(connection)
        tasks = [asyncio.create_task(connection.write()), asyncio.create_task(self.keep(connection))]
        try:
            if self.faults.greeting is not None:
                connection.send_raw(self.faults.greeting)
            await self.opened(connection, request)
            async for message in connection.ws:
                connection.last_in = time.monotonic()
                if message.type is WSMsgType.PONG:
                    connection.pongs += 1
                    connection.ping_sent = None
                elif message.type is WSMsgType.PING:
                    connection.client_pings += 1
                    await connection.ws.pong(message.data)
                elif message.type is WSMsgType.TEXT and not self.faults.deaf:
                    await self.received(connection, message.data)
                if not self.may_talk(connection):
                    await connection.close(1008, "Too many requests")
        except ConnectionError:
            pass
        except RuntimeError:
            # aiohttp's word for writing to a connection that has just ended
            if not connection.ws.closed:
                raise
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError, ConnectionError, RuntimeError):
                    await task
            self.connections.discard(connection)
            self.ended(connection)
        return connection.ws

    def too_many_connects(self, request: web.Request, *, room: str, limit: int, window_s: float) -> bool:
        """Whether this address has opened more than `limit` connections to this room within `window_s`."""
        if not self.settings.enforce_limits:
            return False
        times = self._connects.setdefault((request.remote or "", room), deque())
        now = time.monotonic()
        while times and times[0] <= now - window_s:
            times.popleft()
        if len(times) >= limit:
            return True
        times.append(now)
        return False

    @staticmethod
    async def upgrade(
        request: web.Request, *, market: str, combined: bool = False, pack: Callable[[str], bytes] | None = None
    ) -> Connection:
        """Finish the handshake; control frames are left to the venue. `pack` frames its messages as binary ones."""
        ws = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=2**20, timeout=0.2)
        await ws.prepare(request)
        return Connection(ws, request, market=market, path=request.path, combined=combined, pack=pack)

    # -- what a venue does its own way
    @abstractmethod
    async def answer(self, request: web.Request) -> web.Response:
        """One REST request."""

    @abstractmethod
    async def accept(self, request: web.Request) -> Connection | web.Response:
        """A handshake: an open connection, or the refusal."""

    @abstractmethod
    async def opened(self, connection: Connection, request: web.Request) -> None:
        """A connection is up; streams named in its URL join here."""

    @abstractmethod
    async def received(self, connection: Connection, text: str) -> None:
        """A text frame from a client."""

    @abstractmethod
    def may_talk(self, connection: Connection) -> bool:
        """Count one incoming frame; False if there were too many and the venue hangs up."""

    @abstractmethod
    async def keep(self, connection: Connection) -> None:
        """Pings, deadlines and the lifetime of one connection; runs until it is cancelled or has closed it."""

    @abstractmethod
    def ended(self, connection: Connection) -> None:
        """A connection is gone."""

    @abstractmethod
    def user_sockets(self) -> Iterable[Connection]:
        """The open connections that an account is logged in on."""

    @abstractmethod
    def announce_shutdown(self) -> None:
        """Push the venue's own warning that connections are about to be closed."""

    # -- test switches
    def sockets(self, market: str | None = None) -> list[Connection]:
        """The open connections, or those that carry a market."""
        return [c for c in self.connections if market is None or c.market == market]

    def cut(self, market: str | None = None, *, mid_frame: bool = False) -> int:
        """Cut all connections (of a market), without a close frame; how many there were."""
        found = self.sockets(market)
        for connection in found:
            connection.abort(mid_frame=mid_frame)
        return len(found)

    async def close_sockets(self, market: str | None = None, *, code: int = 1001) -> int:
        """Close all connections (of a market) politely; how many there were."""
        found = self.sockets(market)
        for connection in found:
            await connection.close(code)
        return len(found)

    def go_silent(self, market: str | None = None, *, acks: bool = True) -> None:
        """Keep connections open and push nothing more (of a market); control frames flow on, acks too unless
        `acks` is false."""
        self.faults.silent.add(market or "*")
        self.faults.deaf = not acks

    def speak_again(self, market: str | None = None) -> None:
        """End of `go_silent`."""
        self.faults.silent.difference_update([market] if market else list(self.faults.silent))
        self.faults.deaf = False

    def drop_next_delta(self, market: str, symbol: str) -> PendingFault:
        """Lose the next book delta of the symbol; `.applied` tells when."""
        return self.faults.add_book_fault(market, symbol, BookFault.DROP)

    def duplicate_next_delta(self, market: str, symbol: str) -> PendingFault:
        """Send the next book delta of the symbol twice."""
        return self.faults.add_book_fault(market, symbol, BookFault.DUPLICATE)

    def swap_next_deltas(self, market: str, symbol: str) -> PendingFault:
        """Send the next two book deltas of the symbol in the wrong order."""
        return self.faults.add_book_fault(market, symbol, BookFault.SWAP)

    def pause_channel(self, prefix: str) -> None:
        """Push nothing on channels whose name begins so (`depth`, `funding-rate`, …)."""
        self.faults.paused_channels.add(prefix)

    def resume_channel(self, prefix: str) -> None:
        """End of `pause_channel`."""
        self.faults.paused_channels.discard(prefix)

    @abstractmethod
    def pause_funding(self) -> None:
        """Stop every push that carries a funding rate."""

    @abstractmethod
    def resume_funding(self) -> None:
        """End of `pause_funding`."""

    def answer_with(
        self,
        status: int,
        body: bytes | str = b"",
        *,
        count: int | None = None,
        seconds: float | None = None,
        path: str = "",
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> CannedAnswer:
        """Answer REST requests (whose path contains `path`) so, `count` times or for `seconds`; for good if
        neither is given."""
        raw = body.encode() if isinstance(body, str) else body
        until = time.monotonic() + seconds if seconds is not None else None
        canned = CannedAnswer(status, raw, dict(headers or {}), content_type, path, count, until)
        self.faults.answers.append(canned)
        return canned

    def answer_garbage(self, *, count: int | None = None, seconds: float | None = None, path: str = "") -> CannedAnswer:
        """Answer with bytes that are no JSON."""
        return self.answer_with(200, b"\x00\xff<html>not json{", count=count, seconds=seconds, path=path)

    def delay_answers(self, seconds: float) -> None:
        """Wait so long before every REST answer; 0 ends it."""
        self.faults.delay_s = seconds

    def answer_huge(self, size: int = 10_000_000, *, count: int | None = 1, path: str = "") -> CannedAnswer:
        """Answer with `size` zero bytes."""
        return self.answer_with(200, bytes(size), count=count, path=path)

    def answer_normally(self) -> None:
        """Forget all forged answers."""
        self.faults.answers.clear()

    def refuse_connections(self, refuse: bool = True, *, requests: bool = False) -> None:
        """Refuse WebSocket handshakes with 503; with `requests` also hang up on every REST request."""
        self.faults.refuse_sockets = refuse
        self.faults.refuse_requests = refuse and requests

    def push_raw(self, frame: str | bytes, market: str | None = None) -> int:
        """Push any text or binary frame, as it is, to all connections (of a market)."""
        found = self.sockets(market)
        for connection in found:
            connection.send_raw(frame)
        return len(found)

    def greet_with(self, frame: str | bytes | None) -> None:
        """Push any frame, as it is, first of all on every new connection; None ends it."""
        self.faults.greeting = frame

    def freeze_book(self, market: str, symbol: str, *, frozen: bool = True) -> None:
        """Let the symbol's book stand still, so that it looks quiet."""
        self.source.freeze(market, symbol, frozen=frozen)

    def renumber_book(self, market: str, symbol: str, update_id: int = 1000) -> None:
        """Restart the symbol's sequence from a low id, as after maintenance."""
        self.source.renumber(market, symbol, update_id)

    def stale_snapshots(self, market: str, symbol: str, *, count: int = 1, steps: int = 40) -> None:
        """Answer the next `count` REST books as they were `steps` book steps ago: older than what a client has
        buffered."""
        self.source.stale(market, symbol, count=count, steps=steps)

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        """The true book now, or right after `update_id` (the last 1200 steps are remembered). Raises NoData."""
        return self.source.book(market, symbol, update_id)


async def _stop_listening(server: asyncio.Server) -> None:
    """First nobody is let in any more, then it ends: Python 3.11 forgets who was accepted in that moment, and leaves
    them open (its issue 109564)."""
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        with contextlib.suppress(NotImplementedError):  # loops that do not watch sockets have no such moment
            loop.remove_reader(listener)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()
