"""A venue on loopback with sockets: requests get an answer, frames get replies, and a test pushes what it likes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import attrs
from aiohttp import web
from serving import serving

from fra.core import BookView

T = TypeVar("T")
Frame = dict[str, Any]
_PATIENCE_S = 20.0


@attrs.define
class Sockets:
    """``answer`` gives what a request gets, ``reply`` what a frame gets; ``greeting`` is sent to each new socket.

    ``frames`` are the frames that came, each with the path of its socket.
    """

    answer: Callable[[web.Request], Any]
    reply: Callable[[Frame], Iterable[Frame]]
    greeting: Frame | None = None
    frames: list[tuple[str, Frame]] = attrs.field(factory=list)
    open: dict[str, web.WebSocketResponse] = attrs.field(factory=dict)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            await request.read()
            return web.json_response(self.answer(request))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.open[request.path] = socket
        if self.greeting is not None:
            await socket.send_json(self.greeting)
        async for message in socket:
            if message.data == "ping":
                await socket.send_str("pong")
                continue
            frame = json.loads(message.data)
            self.frames.append((request.path, frame))
            for one in self.reply(frame):
                await socket.send_json(one)
        return socket

    async def push(self, path: str, frame: Frame) -> None:
        await self.open[path].send_json(frame)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        async with serving(app) as address:
            yield f"http://{address}"


async def first(stream: AsyncIterator[Any], cls: type[T]) -> T:
    """The next event of this kind. Raises TimeoutError."""
    async with asyncio.timeout(_PATIENCE_S):
        async for event in stream:
            if isinstance(event, cls):
                return event
    raise AssertionError(f"the stream ended without a {cls.__name__}")


async def book_with(
    stream: AsyncIterator[BookView], bid: str, *, ask: str = "50.4", top: str = "50.27"
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The levels of the first valid book with this best bid and this worst ask; none before it has a bid above ``top``,
    which would stand on what is missing. Raises TimeoutError.
    """
    async with asyncio.timeout(_PATIENCE_S):
        async for view in stream:
            if not view.valid:
                continue
            bids, asks = ([(level.price, level.amount) for level in side] for side in (view.bids, view.asks))
            assert bids[0][0] <= Decimal(top)
            if bids[0][0] == Decimal(bid) and asks[-1][0] == Decimal(ask):
                return _told(bids), _told(asks)
    raise AssertionError("the stream ended")


def _told(levels: Iterable[tuple[Decimal, Decimal]]) -> list[tuple[str, str]]:
    return [(str(price), f"{amount.normalize():f}") for price, amount in levels]
