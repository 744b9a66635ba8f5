"""The seam between a socket and everything above it: frames come in by a plain call, text goes out."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from fra.adapters.custom.network import Network

_TURN: Final = 256
_CLOSE_TIMEOUT: Final = 0.5


class Transport(ABC):
    """One open WebSocket."""

    @abstractmethod
    async def run(self, on_frame: Callable[[bytes], None], on_ping: Callable[[], None]) -> str:
        """Call ``on_frame`` for every text or binary message until the socket ends; say why it ended.

        Pings are answered here, and told of by ``on_ping``. Other tasks get a turn also while a burst is read.
        """

    @abstractmethod
    async def send(self, text: str) -> None:
        """Send one text message."""

    @abstractmethod
    async def close(self) -> None:
        """Close the socket, within a second. Idempotent."""


class AiohttpTransport(Transport):
    """A WebSocket of an aiohttp session."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket

    @classmethod
    async def connect(cls, network: Network, url: str, *, max_frame: int) -> AiohttpTransport:
        """Open ``url``, through the proxy if there is one. Raises aiohttp.ClientError, OSError or TimeoutError."""
        socket = await network.session().ws_connect(
            URL(url, encoded=True),
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT),
            autoping=False,
            autoclose=False,
            max_msg_size=max_frame,
            decode_text=False,
            headers=network.headers_to(urlsplit(url).scheme),
            proxy=network.proxy,
            proxy_headers=network.proxy_headers,
        )
        return cls(socket)

    async def run(self, on_frame: Callable[[bytes], None], on_ping: Callable[[], None]) -> str:
        receive = self._socket.receive
        text, binary = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY
        turn = _TURN
        while True:
            message = await receive()
            kind = message.type
            if kind is text or kind is binary:
                on_frame(message.data)
                turn -= 1
                if not turn:
                    # A receive() that finds a message waiting never yields to the loop.
                    turn = _TURN
                    await asyncio.sleep(0)
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

    async def send(self, text: str) -> None:
        await self._socket.send_str(text)

    async def close(self) -> None:
        await self._socket.close()
