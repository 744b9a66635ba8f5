"""The fast transport: picows parses frames in C and hands each over by a plain call, with no queue and no task between.

Only imported where an adapter's option ``transport`` asks for it; the extra ``fra-adapter-custom[fast]`` installs it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, final

import aiohappyeyeballs
import picows
from python_socks import ProxyError

from fra.adapters.custom.network import USER_AGENT, Network
from fra.adapters.custom.transport import CLOSE_TIMEOUT, TURN, HandshakeRefused, Transport

_HAPPY_EYEBALLS: Final = 0.25
_LARGEST_CONTROL: Final = 125
_TEXT: Final = picows.WSMsgType.TEXT
_BINARY: Final = picows.WSMsgType.BINARY


class _Complaints(logging.Handler):
    """Where picows' log ends. It is for nobody to read: connections and errors of a peer are told of as events here.

    But picows says only in its log that it has met a frame that it refuses. Then it reads on for a while, and may even
    hand over what it refused; here that ends the connection at once.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.on_error: Callable[[], None] = _nothing

    def emit(self, record: logging.LogRecord) -> None:
        self.on_error()

    def logger(self) -> logging.Logger:
        """A logger of one connection, of which nothing reaches other handlers."""
        logger = logging.Logger("fra.picows", logging.ERROR)
        logger.addHandler(self)
        logger.propagate = False
        return logger


@final
class _Listener(picows.WSListener):
    """Takes what picows reads: all that came at once, however much that is, one call after the other.

    It is put together here and handed over when it is complete, a share for each turn of the loop; nothing more is
    read meanwhile. What comes before somebody runs the transport waits for that.
    """

    def __init__(self, max_message: int, complaints: _Complaints) -> None:
        self._max_message = max_message
        complaints.on_error = self.abort
        self._transport: picows.WSTransport | None = None
        self._read: list[bytes] = []
        self._put: Callable[[bytes], None] = self._read.append
        self._handed = 0
        self._paused = False
        self._received_ms = 0
        self._parts: bytearray | None = None
        self._on_frame: Callable[[bytes, int], None] | None = None
        self._on_ping: Callable[[], None] = _nothing
        self._now_ms: Callable[[], int] = int
        self._reason: str | None = None
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = self._loop.create_future()

    def run(
        self, on_frame: Callable[[bytes, int], None], on_ping: Callable[[], None], now_ms: Callable[[], int]
    ) -> None:
        self._on_frame, self._on_ping, self._now_ms = on_frame, on_ping, now_ms
        if self._read:
            self._received_ms = now_ms()
            self._hand_over()

    def stop(self) -> None:
        """Hand over nothing more."""
        self._on_frame, self._on_ping = _ignore, _nothing
        self._read.clear()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport

    def abort(self) -> None:
        """End it at once; that it ended is seen even where nothing is read any more."""
        self.stop()
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._end("the connection broke")

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        # Asking for a frame's type costs as much as all the rest; only data is that large.
        if frame.payload_size > _LARGEST_CONTROL and frame.fin and self._parts is None:
            self._put(frame.get_payload_as_bytes())
        elif self._reason is None:
            self._on_other(transport, frame)
        if frame.last_in_buffer and self._read:
            self._on_read()

    def _on_other(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind is _TEXT or kind is _BINARY or kind is picows.WSMsgType.CONTINUATION:
            self._on_part(frame, begins=kind is not picows.WSMsgType.CONTINUATION)
        elif kind is picows.WSMsgType.CLOSE:
            code, words = int(frame.get_close_code()), frame.get_close_reason()  # type: ignore[call-overload]
            self._end(f"the venue closed the connection ({code}{f': {words}' if words else ''})")
        else:
            self._on_ping()
            if kind is picows.WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())

    def _on_part(self, frame: picows.WSFrame, *, begins: bool) -> None:
        parts = self._parts
        if begins is (parts is not None):
            what = "a message begins inside another" if begins else "a message continues that never began"
            self._refuse(picows.WSCloseCode.PROTOCOL_ERROR, what)
            return
        if parts is None:
            if frame.fin:
                self._put(frame.get_payload_as_bytes())
                return
            parts = self._parts = bytearray()
        parts += frame.get_payload_as_memoryview()
        if len(parts) > self._max_message:
            self._refuse(picows.WSCloseCode.MESSAGE_TOO_BIG, f"a message has more than {self._max_message} bytes")
        elif frame.fin:
            self._parts = None
            self._put(bytes(parts))

    def _refuse(self, code: picows.WSCloseCode, what: str) -> None:
        """End it now: raising would have picows go on through all that it has read."""
        assert self._transport is not None
        self.stop()
        self._transport.send_close(code)
        self._transport.disconnect(graceful=False)
        self._end(f"the connection broke: {what}")

    def _on_read(self) -> None:
        if self._on_frame is None:
            self._pause()
            return
        self._received_ms = self._now_ms()
        self._hand_over()

    def _hand_over(self) -> None:
        on_frame, read, received_ms = self._on_frame, self._read, self._received_ms
        assert on_frame is not None
        start, self._handed = self._handed, self._handed + TURN
        for message in read[start : start + TURN] if start or len(read) > TURN else read:
            on_frame(message, received_ms)
        if self._handed < len(read):
            self._pause()
            self._loop.call_soon(self._hand_over)
            return
        read.clear()
        self._handed = 0
        if self._reason is not None:
            self._end(self._reason)
        elif self._paused and self._transport is not None:
            self._paused = False
            self._transport.underlying_transport.resume_reading()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.underlying_transport.pause_reading()

    def _end(self, reason: str) -> None:
        """It is over, once what came before has been handed over."""
        if self._reason is None:
            self._reason = reason
        if not self._read and not self.ended.done():
            self.ended.set_result(self._reason)


class PicowsTransport(Transport):
    """A WebSocket of picows."""

    def __init__(self, transport: picows.WSTransport, listener: _Listener) -> None:
        self._transport = transport
        self._listener = listener

    @classmethod
    async def connect(cls, network: Network, url: str, *, to: str, max_frame: int) -> PicowsTransport:
        """Open ``url``, through the proxy if there is one, which is asked for a tunnel.

        Raises HandshakeRefused or ExchangeConnectionError.
        """
        opened: list[socket.socket] = []
        made: list[_Listener] = []

        def listen() -> _Listener:
            made.append(_Listener(max_frame, complaints))
            return made[-1]

        async def open_socket(where: picows.WSParsedURL) -> socket.socket:
            infos = await asyncio.get_running_loop().getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
            opened.append(
                await aiohappyeyeballs.start_connection(infos, happy_eyeballs_delay=_HAPPY_EYEBALLS, interleave=1)
            )
            return opened[-1]

        done, complaints = False, _Complaints()
        opening = asyncio.ensure_future(
            picows.ws_connect(
                listen,
                url,
                ssl_context=network.ssl_context() if url.startswith("wss:") else None,
                websocket_handshake_timeout=None,  # whoever connects has a deadline
                logger_name=complaints.logger(),
                enable_auto_pong=False,
                max_frame_size=max_frame,
                extra_headers={"User-Agent": USER_AGENT},
                max_redirects=0,
                proxy=network.proxy_with_login,
                socket_factory=open_socket,
            )
        )
        try:
            # Not cancelled with us: what it has begun, it and what is beneath it leave open then.
            await asyncio.wait((opening,))
            transport, listener = opening.result()
            done = isinstance(listener, _Listener)  # None, which its types do not say: closed in the middle of it
        except picows.WSHandshakeError as error:
            if error.response is not None and error.response.status != 101:
                raise HandshakeRefused(int(error.response.status), error.response.headers) from None
            raise network.unreachable(to, "the answer is no WebSocket handshake") from None
        except ProxyError as error:
            status = re.search(r"\d{3}$", str(error))
            raise (network.proxy_refused(int(status[0])) if status else network.proxy_unreachable("")) from None
        except ssl.SSLError as error:
            raise network.unreachable(to, f"TLS failed: {error.reason or type(error).__name__}") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            if network.proxy is not None and not opened:
                raise network.proxy_unreachable(reason) from None
            raise network.unreachable(to, reason) from None
        finally:
            if not done:
                await _abandon(opening, opened, made)
        if not isinstance(listener, _Listener):
            raise network.unreachable(to, "closed during the WebSocket handshake")
        return cls(transport, listener)

    async def run(
        self, on_frame: Callable[[bytes, int], None], on_ping: Callable[[], None], *, now_ms: Callable[[], int]
    ) -> str:
        self._listener.run(on_frame, on_ping, now_ms)
        reason = await asyncio.shield(self._listener.ended)
        if self._transport.is_disconnected:
            try:
                await self._transport.wait_disconnected()
            except picows.WSProtocolError as error:
                return f"the connection broke: {error}"
        return reason

    async def send(self, text: str) -> None:
        if self._transport.is_disconnected:
            raise ConnectionResetError("the connection is gone")
        self._transport.send(_TEXT, text)

    async def ping(self) -> None:
        if self._transport.is_disconnected:
            raise ConnectionResetError("the connection is gone")
        self._transport.send_ping()

    async def close(self) -> None:
        self._listener.stop()
        self._transport.send_close(picows.WSCloseCode.OK)
        self._transport.disconnect()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._transport.wait_disconnected()
        except Exception:
            pass  # why it ended: run() has said it
        finally:  # also when whoever closes has no time for that
            self._transport.disconnect(graceful=False)


async def _abandon(opening: asyncio.Future[Any], sockets: list[socket.socket], made: list[_Listener]) -> None:
    """Have what was begun end by itself: by the end of its socket, or before there is one."""

    def ended(opening: asyncio.Future[Any]) -> None:
        if not opening.cancelled():
            opening.exception()  # nobody else wants to know any more
        for listener in made:
            listener.abort()  # one that has heard something reads no further, and would not see the end

    opening.add_done_callback(ended)
    if not sockets:
        opening.cancel()
    # A transport of aiofastnet's that ends before its first turn leaves its reader behind, and the next socket of that
    # number is not read then.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for opened in sockets:
        with suppress(OSError):  # closed already
            opened.shutdown(socket.SHUT_RDWR)
    await asyncio.wait((opening,), timeout=CLOSE_TIMEOUT)
    for _ in range(3):  # its transport notices within so many rounds
        await asyncio.sleep(0)


def _nothing() -> None:
    pass


def _ignore(message: bytes, received_ms: int) -> None:
    pass
