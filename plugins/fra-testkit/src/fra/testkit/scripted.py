"""ScriptedVenue: a local venue in plain Python, on real sockets, with switches for what goes wrong at real ones."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self, final

import attrs
from aiohttp import WSMsgType, web

from fra.core import Symbol
from fra.testkit.faults import Faults, Refusal

Json = object
"""Anything that json.dumps takes; Decimals are written as strings, as venues do."""


@attrs.frozen
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Json:
        """The body as JSON; None for none."""
        return json.loads(self.body) if self.body else None

    @property
    def params(self) -> Mapping[str, object]:
        """The query, and the fields of a JSON object in the body."""
        body = self.json if self.body.startswith("{") else None
        return {**self.query, **(body if isinstance(body, dict) else {})}


@attrs.frozen
class Answer:
    """An answer that is more than a 200 with JSON. ``body`` that is neither str nor bytes is sent as JSON."""

    body: Json = ""
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    content_type: str = "application/json"

    def text(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body, default=str)).encode()


Script = Json | Callable[[Asked], Json | Answer | Awaitable[Json | Answer]]
"""What a request is answered with: JSON, or a function (plain or async) of the request that makes it."""
_TURNS: Final = 3
"""Turns of the loop from the acceptance of a connection until aiohttp knows of it."""
_GARBAGE: Final = '{"code": 0, "data": [[['


@final
class ScriptedSocket:
    """One WebSocket connection at the venue's end: ``async for message in socket``, ``await socket.send(…)``."""

    def __init__(self, venue: ScriptedVenue, ws: web.WebSocketResponse, request: web.Request) -> None:
        self._venue = venue
        self._ws = ws
        self._transport = request.transport
        self.path = request.path
        self.query: Mapping[str, str] = dict(request.query)
        self.topics: set[str] = set()
        """Yours to fill: :meth:`ScriptedVenue.push` sends to sockets by topic."""

    async def send(self, message: Json) -> None:
        """Send one frame: text as it is, bytes as binary, anything else as JSON. Lost while the venue is silent."""
        if self._venue.silent or self._ws.closed:
            return
        try:
            if isinstance(message, bytes):
                await self._ws.send_bytes(message)
            else:
                await self._ws.send_str(message if isinstance(message, str) else json.dumps(message, default=str))
        except ConnectionError:
            pass  # the client has gone meanwhile

    def cut(self) -> None:
        """End the connection at once, with no close frame."""
        if self._transport is not None:
            self._transport.abort()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Json:
        """The next frame: parsed where it is JSON, else as it came."""
        message = await self._ws.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise StopAsyncIteration
        try:
            parsed: Json = json.loads(message.data)
        except ValueError:
            return str(message.data)
        return parsed


Talk = Callable[[ScriptedSocket], Awaitable[None]]
"""What the venue does on one connection, until it returns."""


@final
class ScriptedVenue:
    """A venue on loopback: ``async with ScriptedVenue() as venue`` serves until the block ends.

    ``answer("GET /time", {"time": 1})`` scripts a request, ``talk("/ws", function)`` a socket. What came is in
    :attr:`asked`. A path that is not scripted is answered with 404. The switches (:meth:`fail`, :meth:`garble`,
    :meth:`delay`, :meth:`lose_replies`, :meth:`lose_requests`, :meth:`cut`, :meth:`silence`, :meth:`drop`) act until
    :meth:`restore`; :meth:`faults` hands them to the kit.
    """

    def __init__(self) -> None:
        self._answers: dict[str, Script] = {}
        self._talks: dict[str, Talk] = {}
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._port = 0
        self.asked: list[Asked] = []
        self.sockets: list[ScriptedSocket] = []
        """Those that are open."""
        self.silent = False
        self._failing: Answer | None = None
        self._delay = 0.0
        self._lost_replies: list[str] = []
        self._lost_requests: list[str] = []
        self._dropped: list[str] = []

    # --- the script

    def answer(self, request: str, script: Script) -> None:
        """Answer ``METHOD /path`` with JSON, an :class:`Answer`, or what a function makes of the request."""
        self._answers[request] = script

    def talk(self, path: str, talk: Talk) -> None:
        """Do this on every WebSocket connection to ``path``."""
        self._talks[path] = talk

    async def push(self, topic: str, message: Json) -> int:
        """Send to every socket that has ``topic`` among its topics; to how many."""
        if topic in self._dropped:
            self._dropped.remove(topic)
            return 0
        hearing = [socket for socket in self.sockets if topic in socket.topics]
        for socket in hearing:
            await socket.send(message)
        return len(hearing)

    # --- where it is, and what it was asked

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``; it stays the same after the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        """``ws://127.0.0.1:PORT``."""
        return f"ws://127.0.0.1:{self._port}"

    def requests(self, request: str = "") -> Sequence[Asked]:
        """What was asked: all of it, or one ``METHOD /path``."""
        return [asked for asked in self.asked if not request or f"{asked.method} {asked.path}" == request]

    # --- switches

    def fail(self, status: int, body: Json = "", *, retry_after: float | None = None) -> None:
        """Answer every request with ``status`` and ``body``; a 429 and a 418 may say ``Retry-After`` in seconds."""
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        self._failing = Answer(body, status, headers)

    def garble(self) -> None:
        """Answer every request with half of a JSON document and status 200."""
        self._failing = Answer(_GARBAGE)

    def delay(self, seconds: float) -> None:
        """Wait so long before every answer."""
        self._delay = seconds

    def lose_replies(self, request: str, count: int = 1) -> None:
        """Carry out the next ``count`` of ``METHOD /path`` and cut the connection instead of answering."""
        self._lost_replies += [request] * count

    def lose_requests(self, request: str, count: int = 1) -> None:
        """Cut the connection on the next ``count`` of ``METHOD /path`` and carry nothing out."""
        self._lost_requests += [request] * count

    def cut(self) -> int:
        """End every WebSocket connection at once, with no close frame; how many there were."""
        cut = [*self.sockets]
        for socket in cut:
            socket.cut()
        return len(cut)

    def silence(self) -> None:
        """Leave every WebSocket connection open and send nothing on it (half-open)."""
        self.silent = True

    def drop(self, topic: str) -> None:
        """Lose the next message that is pushed on ``topic``."""
        self._dropped.append(topic)

    async def garble_sockets(self) -> None:
        """Send every WebSocket connection half of a JSON document."""
        for socket in [*self.sockets]:
            await socket.send(_GARBAGE)

    def restore(self) -> None:
        """Put every switch back."""
        self._failing, self._delay, self.silent = None, 0.0, False
        self._lost_replies.clear()
        self._lost_requests.clear()
        self._dropped.clear()

    def faults(
        self,
        *,
        order: str | None = None,
        book: Callable[[Symbol], str] | None = None,
        refusal: Callable[[int], Refusal] | None = None,
    ) -> Faults:
        """The switches as the kit knows them.

        ``order`` is the ``METHOD /path`` that places an order, ``book`` the topic on which a symbol's book is pushed,
        ``refusal`` how the venue words a refusal of each HTTP status; without it refusals have no body.
        """

        def fail(status: int, *, retry_after: float | None = None) -> None:
            said = Refusal("", "") if refusal is None else refusal(status)
            self.fail(said.status or status, said.body, retry_after=retry_after)

        return Faults(
            restore=self.restore,
            fail=fail,
            refusal=refusal,
            garble=self.garble,
            cut=self.cut,
            silence=self.silence,
            garble_sockets=self.garble_sockets,
            lose_order_reply=None if order is None else lambda: self.lose_replies(order),
            lose_order_request=None if order is None else lambda: self.lose_requests(order),
            lose_book_update=None if book is None else lambda symbol: self.drop(book(symbol)),
        )

    # --- serving

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        protocol = self._runner.server
        assert protocol is not None, "it is set up"
        self._server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            await stop_listening(server)
        self.cut()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket" and request.path in self._talks:
            return await self._talk(request)
        body = (await request.read()).decode("utf-8", "replace")
        asked = Asked(request.method, request.path, dict(request.query), dict(request.headers), body)
        self.asked.append(asked)
        name = f"{asked.method} {asked.path}"
        if self._delay:
            await asyncio.sleep(self._delay)
        if name in self._lost_requests:
            self._lost_requests.remove(name)
            return _hang_up(request)
        if self._failing is not None:
            return _response(self._failing)
        script = self._answers.get(name, Answer({"error": f"{name} is not scripted"}, 404))
        made = script(asked) if callable(script) else script
        if inspect.isawaitable(made):
            made = await made
        if name in self._lost_replies:
            self._lost_replies.remove(name)
            return _hang_up(request)
        return _response(made if isinstance(made, Answer) else Answer(made))

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        socket = ScriptedSocket(self, ws, request)
        self.sockets.append(socket)
        try:
            await self._talks[request.path](socket)
        finally:
            self.sockets.remove(socket)
        return ws


def _response(answer: Answer) -> web.Response:
    return web.Response(
        body=answer.text(), status=answer.status, headers=answer.headers, content_type=answer.content_type
    )


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def messages(*script: Json) -> Talk:
    """The simplest talk: send these one after another, then listen until the client goes."""

    async def talk(socket: ScriptedSocket) -> None:
        for message in script:
            await socket.send(message)
        async for _ in socket:
            pass

    return talk


async def stop_listening(server: asyncio.Server) -> None:
    """First nobody is let in any more, then it ends: Python 3.11 forgets who was accepted in that moment, and leaves
    them open (its issue 109564)."""
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        with contextlib.suppress(NotImplementedError):  # loops that do not watch sockets have no such moment
            loop.remove_reader(listener)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()
