"""A TCP and TLS proxy that stands between an adapter and a venue, and does with their bytes as it is told."""

from __future__ import annotations

import asyncio
import enum
import ssl
from collections.abc import Iterator
from random import Random
from types import TracebackType
from typing import Self

import attrs

_READ = 65_536
_UPGRADE = b"upgrade: websocket"
_DATA = (1, 2)
"""Opcodes of WebSocket frames that hold messages."""


class Where(enum.Enum):
    """Whose bytes."""

    ALL = "all"
    REST = "REST"
    SOCKETS = "sockets"


class Net(enum.Enum):
    """What happens to connections or to what goes over them."""

    CUT = "cut"
    CUT_WITHIN = "cut within a message"
    REFUSE = "connections refused"
    SWALLOW = "half-open: accepted, never forwarded"
    DEAF = "half-open: nothing goes to the venue any more"
    DUMB = "half-open: nothing comes from the venue any more"
    STALL = "stalled"
    DELAY = "delayed"
    DRIP = "slow drip"
    REORDER = "messages swapped"
    DUPLICATE = "messages twice"
    TRUNCATE = "truncated"
    GARBAGE = "garbage"
    TLS_REFUSED = "TLS handshake refused"
    TLS_WRONG = "TLS certificate of another"


_CONNECTING = frozenset({Net.REFUSE, Net.SWALLOW, Net.TLS_REFUSED, Net.TLS_WRONG})
"""Befall new connections, so the present ones are cut."""
MESSAGES = frozenset({Net.REORDER, Net.DUPLICATE})
"""Mean something between whole WebSocket messages only: TCP itself neither swaps nor repeats."""


@attrs.define(eq=False)
class NetFault:
    """One thing that goes wrong, while it is among the proxy's faults. `hit` is set when it has befallen something."""

    kind: Net
    where: Where = Where.ALL
    seconds: float = 0.1
    """Of a delay, or a drip."""
    times: int = 1
    """How many messages or answers are hurt, of kinds that hurt them."""
    deep: bool = False
    """Inside of the message (else also its frame, or its headers)."""
    rng: Random = attrs.field(factory=Random)
    hits: int = 0
    hit: asyncio.Event = attrs.field(factory=asyncio.Event)
    over: asyncio.Event = attrs.field(factory=asyncio.Event)

    def note(self) -> None:
        self.hits += 1
        self.hit.set()

    def garbage(self, size: int) -> bytes:
        """Bytes of which none is ASCII: JSON in which they stand never parses."""
        return bytes(self.rng.randrange(0x80, 0x100) for _ in range(min(size, 4096)))


class Proxy:
    """Forwards connections to one port of the loopback interface. With `tls` it takes TLS and forwards plain."""

    def __init__(self, target: int, *, tls: ssl.SSLContext | None = None, wrong: ssl.SSLContext | None = None) -> None:
        self.faults: list[NetFault] = []
        self.links: set[Link] = set()
        self.port = 0
        self._target = target
        self._tls = tls
        self._wrong = wrong
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def __aenter__(self) -> Self:
        if self._tls is not None:
            self._tls.sni_callback = self._on_hello
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        for link in tuple(self.links):
            link.abort()
        await self._empty.wait()

    # --- faults

    def begin(self, fault: NetFault) -> None:
        """Let it happen from now on; what it needs to be cut is cut."""
        self.faults.append(fault)
        if fault.kind is Net.CUT or fault.kind in _CONNECTING:
            for link in tuple(self.links):
                if link.is_of(fault.where):
                    link.abort()
                    if fault.kind is Net.CUT:
                        fault.note()
        for link in tuple(self.links):
            if fault.kind in (Net.DEAF, Net.DUMB) and link.is_of(fault.where):
                link.half_open(fault)

    def end(self, fault: NetFault) -> None:
        """New bytes and connections are well again. What is half-open stays so, as in life."""
        self.faults.remove(fault)
        fault.over.set()

    def find(self, *kinds: Net, link: Link) -> NetFault | None:
        return next((f for f in self.faults if f.kind in kinds and link.is_of(f.where)), None)

    async def left(self, seconds: float) -> bool:
        """Whether every client has left within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    # --- connections

    def _on_hello(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int | None:
        for fault in self.faults:
            if fault.kind is Net.TLS_REFUSED:
                fault.note()
                return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
            if fault.kind is Net.TLS_WRONG and self._wrong is not None:
                fault.note()
                tls.context = self._wrong
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self, reader, writer)
        self.links.add(link)
        self._empty.clear()
        try:
            await link.run(self._target)
        except (OSError, EOFError):
            pass
        finally:
            link.abort()
            self.links.discard(link)
            if not self.links:
                self._empty.set()


class Link:
    """One connection of a client, and the one to the venue that belongs to it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._onward: asyncio.StreamWriter | None = None
        self._is_socket: bool | None = None
        self._frames: Frames | None = None
        self._deaf: NetFault | None = None
        self._dumb: NetFault | None = None
        self._held: bytes | None = None

    def is_of(self, where: Where) -> bool:
        """Whether it is one of those; unknown before its first request, and then one of all only."""
        return where is Where.ALL or (where is Where.SOCKETS) is self._is_socket

    def half_open(self, fault: NetFault) -> None:
        """Forward nothing one way any more."""
        if fault.kind is Net.DEAF:
            self._deaf = fault
        else:
            self._dumb = fault
        fault.note()

    def abort(self) -> None:
        """End both sides without a word."""
        for writer in (self._writer, self._onward):
            if writer is not None:
                writer.transport.abort()

    async def run(self, target: int) -> None:
        head = await self._reader.readuntil(b"\r\n\r\n")
        self._is_socket = _UPGRADE in head.lower()
        if not await self._admits():
            return
        reader, self._onward = await asyncio.open_connection("127.0.0.1", target)
        down = asyncio.create_task(self._down(reader))
        try:
            await self._up(head, self._onward)
        finally:
            down.cancel()
            await asyncio.gather(down, return_exceptions=True)

    async def _admits(self) -> bool:
        """Whether what befalls new connections, now that it is known what this one is, lets it through."""
        if (fault := self._proxy.find(Net.REFUSE, link=self)) is not None:
            fault.note()
            return False
        if (fault := self._proxy.find(Net.SWALLOW, link=self)) is not None:
            fault.note()
            while await self._reader.read(_READ):
                pass
            return False
        for kind in (Net.DEAF, Net.DUMB):
            if (fault := self._proxy.find(kind, link=self)) is not None:
                self.half_open(fault)
        return True

    async def _up(self, data: bytes, onward: asyncio.StreamWriter) -> None:
        while data:
            # a connection that was kept after a request may become a socket with the next
            if not self._is_socket and _UPGRADE in data.lower():
                self._is_socket = True
                if not await self._admits():
                    return
            if self._deaf is None:
                onward.write(data)
                await onward.drain()
            data = await self._reader.read(_READ)

    async def _down(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_READ):
                for piece in self._pieces(data):
                    if self._dumb is None:
                        await self._hand_over(piece)
        except OSError:
            pass
        if self._dumb is None:
            self._writer.close()  # the venue has ended it; nobody hears that who hears nothing

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Whole WebSocket frames, or what has come of an answer."""
        if not self._is_socket:
            yield data
            return
        if self._frames is None:
            head, end, data = data.partition(b"\r\n\r\n")
            self._frames = Frames()
            yield head + end
        yield from self._frames.feed(data)

    # --- what becomes of a piece

    async def _hand_over(self, piece: bytes) -> None:
        proxy, write = self._proxy, self._writer.write
        is_message = self._is_socket and piece[0] & 0x0F in _DATA and self._frames is not None
        if (fault := proxy.find(Net.STALL, link=self)) is not None:
            fault.note()
            await fault.over.wait()
        if (fault := proxy.find(Net.DELAY, link=self)) is not None:
            fault.note()
            await asyncio.sleep(fault.seconds)
        if self._held is not None and is_message:
            write(piece)
            piece, self._held = self._held, None
        elif (fault := self._hurting(is_message=is_message)) is not None:
            fault.note()
            match fault.kind:
                case Net.CUT_WITHIN:
                    write(piece[: len(piece) // 2])
                    await self._writer.drain()
                    self._writer.close()
                    return
                case Net.REORDER:
                    self._held = piece
                    return
                case Net.DUPLICATE:
                    write(piece)
                case Net.TRUNCATE if is_message and fault.deep:
                    piece = framed(piece[0], payload_of(piece)[:-1][: len(payload_of(piece)) // 2])
                case Net.TRUNCATE:
                    write(piece[: len(piece) * 2 // 3])
                    await self._writer.drain()
                    self.abort()
                    return
                case Net.GARBAGE if is_message and fault.deep:
                    piece = framed(piece[0], fault.garbage(len(piece)))
                case Net.GARBAGE:
                    keep = len(piece) // 2 if fault.deep else 0
                    piece = piece[:keep] + fault.garbage(len(piece) - keep)
        if (fault := proxy.find(Net.DRIP, link=self)) is not None:
            fault.note()
            step = max(1, len(piece) // 8)
            for start in range(0, len(piece), step):
                write(piece[start : start + step])
                await asyncio.sleep(fault.seconds / 8)
        else:
            write(piece)
        await self._writer.drain()

    def _hurting(self, *, is_message: bool | None) -> NetFault | None:
        """The fault that is due for a piece and has not hurt as many as it may."""
        for fault in self._proxy.faults:
            if fault.hits >= fault.times or not self.is_of(fault.where):
                continue
            if fault.kind in (Net.CUT_WITHIN, Net.TRUNCATE, Net.GARBAGE) or (is_message and fault.kind in MESSAGES):
                return fault
        return None


class Frames:
    """Cuts what a WebSocket server sends into whole frames (RFC 6455, 5.2)."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        while (size := _size(self._data)) is not None and len(self._data) >= size:
            frame, self._data = self._data[:size], self._data[size:]
            yield frame


def _size(data: bytes) -> int | None:
    if len(data) < 2:
        return None
    length = data[1] & 0x7F
    more = {126: 2, 127: 8}.get(length, 0)
    if len(data) < 2 + more:
        return None
    return 2 + more + (int.from_bytes(data[2 : 2 + more]) if more else length)


def payload_of(frame: bytes) -> bytes:
    """What a server's frame holds; servers do not mask."""
    return frame[2 + {126: 2, 127: 8}.get(frame[1] & 0x7F, 0) :]


def framed(first: int, payload: bytes) -> bytes:
    """A server's frame that begins with this byte (FIN and opcode)."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload
