"""The seam between a socket and everything above it: frames come in by a plain call, text goes out."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sized
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from fra.adapters.custom.network import Network

TURN: Final = 256
CLOSE_TIMEOUT: Final = 0.05
"""Whoever closes has no more use for the connection: the venue's own close frame is not worth waiting for."""


class HandshakeRefused(Exception):
    """The venue answered the WebSocket handshake with an HTTP status."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


class Transport(ABC):
    """One open WebSocket."""

    @abstractmethod
    async def run(
        self, on_frame: Callable[[bytes, int], None], on_ping: Callable[[], None], *, now_ms: Callable[[], int]
    ) -> str:
        """Call ``on_frame(message, received_ms)`` for every text or binary message until the socket ends; say why.

        Messages that came together have one ``received_ms``. Pings are answered here; they and pongs are told of by
        ``on_ping``. Other tasks get a turn also while a burst is read.
        """

    @abstractmethod
    async def send(self, text: str) -> None:
        """Send one text message."""

    @abstractmethod
    async def ping(self) -> None:
        """Send a ping; its pong is told of by ``on_ping``."""

    @abstractmethod
    async def close(self) -> None:
        """Close the socket, within a second. Idempotent."""


class AiohttpTransport(Transport):
    """A WebSocket of an aiohttp session."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket

    @classmethod
    async def connect(cls, network: Network, url: str, *, to: str, max_frame: int) -> AiohttpTransport:
        """Open ``url``, through the proxy if there is one. ``to`` is what errors call it: a URL may hold a token.

        Raises HandshakeRefused or ExchangeConnectionError.
        """
        failure: Exception
        try:
            socket = await network.session().ws_connect(
                URL(url, encoded=True),
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                autoping=False,
                autoclose=False,
                max_msg_size=max_frame,
                decode_text=False,
                headers=network.headers_to(urlsplit(url).scheme),
                proxy=network.proxy,
                proxy_headers=network.proxy_headers,
            )
        except aiohttp.WSServerHandshakeError as error:
            failure = HandshakeRefused(error.status, error.headers or {})
        except (aiohttp.ClientError, OSError) as error:
            failure = network.failure(error, to=to)
        else:
            return cls(socket)
        # Outside of the except clauses: aiohttp's errors hold the URL, which may carry a token.
        raise failure

    async def run(
        self, on_frame: Callable[[bytes, int], None], on_ping: Callable[[], None], *, now_ms: Callable[[], int]
    ) -> str:
        text, binary = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY
        read, more = self._reading()
        turn, received_ms = TURN, None
        while True:
            try:
                message = await read()
            except Exception:
                message = await self._socket.receive()  # which knows what each error of a read means
            kind = message.type
            if kind is text or kind is binary:
                if received_ms is None:
                    received_ms = now_ms()
                on_frame(message.data, received_ms)
                turn -= 1
                if not turn:
                    # A read that finds a message waiting never yields to the loop.
                    turn, received_ms = TURN, None
                    await asyncio.sleep(0)
                elif not more:
                    received_ms = None
            elif kind is aiohttp.WSMsgType.PING:
                on_ping()
                await self._socket.pong(message.data)
            elif kind is aiohttp.WSMsgType.PONG:
                on_ping()
            elif kind is aiohttp.WSMsgType.CLOSE:
                reason = f": {message.extra}" if message.extra else ""
                return f"the venue closed the connection ({message.data}{reason})"
            elif kind is aiohttp.WSMsgType.ERROR:
                return f"the connection broke: {message.data}"
            else:
                return "the connection broke"

    def _reading(self) -> tuple[Callable[[], Awaitable[Any]], Sized]:
        """How to read a message, and what is empty when no more have come.

        aiohttp's receive() costs twice what its own queue does, and hides whether more is waiting. The queue is not
        part of its documented interface: where it is not as we know it, receive() does.
        """
        queue = getattr(self._socket, "_reader", None)
        waiting = getattr(queue, "_buffer", None)
        if queue is None or not isinstance(waiting, deque) or not hasattr(queue, "read"):
            return self._socket.receive, ()
        return queue.read, waiting

    async def send(self, text: str) -> None:
        await self._socket.send_str(text)

    async def ping(self) -> None:
        await self._socket.ping()

    async def close(self) -> None:
        await self._socket.close()
