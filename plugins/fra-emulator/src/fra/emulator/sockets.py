"""One client's WebSocket connection at an emulated venue: its way out, its ages, its subscriptions."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable

from aiohttp import WSCloseCode, web

_BACKLOG = 50_000


class Connection:
    """Writes in a task of its own, so that pushing is synchronous and one slow reader hurts nobody else."""

    def __init__(
        self,
        ws: web.WebSocketResponse,
        request: web.Request,
        *,
        market: str,
        path: str,
        combined: bool = False,
        pack: Callable[[str], bytes] | None = None,
    ) -> None:
        self.ws = ws
        self.market = market
        self.path = path
        self.combined = combined
        self.opened = time.monotonic()
        self.last_in = self.opened
        self.last_out = self.opened
        self.ping_sent: float | None = None
        self.pongs = 0
        self.unanswered: list[int] = []
        """Pings of the venue's own kind, in JSON, that wait for their answer."""
        self.client_pings = 0
        self.subscriptions: dict[str, object] = {}
        self.incoming: deque[float] = deque()
        self._request = request
        self._pack = pack
        self._frames: deque[str | bytes] = deque()
        self._wake = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self.opened

    def send(self, text: str) -> None:
        """Queue a message as the venue frames it: a text frame, or a binary one if it packs its messages."""
        self.send_raw(self._pack(text) if self._pack is not None else text)

    def send_raw(self, frame: str | bytes) -> None:
        """Queue a text (str) or binary (bytes) frame as it is; a reader that falls hopelessly behind is cut."""
        if self.ws.closed:
            return
        if len(self._frames) >= _BACKLOG:
            self.abort()
            return
        self._frames.append(frame)
        self._wake.set()

    async def write(self) -> None:
        """Send what is queued until the connection ends."""
        frames = self._frames
        with contextlib.suppress(ConnectionError, RuntimeError):
            while not self.ws.closed:
                while frames:
                    frame = frames.popleft()
                    if isinstance(frame, str):
                        await self.ws.send_str(frame)
                    else:
                        await self.ws.send_bytes(frame)
                    self.last_out = time.monotonic()
                self._wake.clear()
                await self._wake.wait()

    async def ping(self, payload: bytes) -> None:
        """Send a ping control frame and start waiting for its pong."""
        if self.ping_sent is None:
            self.ping_sent = time.monotonic()
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.ws.ping(payload)

    async def close(self, code: int = WSCloseCode.OK, reason: str = "") -> None:
        """Close politely, with a close frame."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.ws.close(code=code, message=reason.encode())
        self._wake.set()

    def abort(self, *, mid_frame: bool = False) -> None:
        """Cut the TCP connection without a word, or in the middle of a frame."""
        transport = self._request.transport
        if transport is not None:
            if mid_frame:
                transport.write(b"\x81\x7e\x10\x00" + b'{"e":"depthUpdate","E":')
                transport.close()
            else:
                transport.abort()
        self._wake.set()
