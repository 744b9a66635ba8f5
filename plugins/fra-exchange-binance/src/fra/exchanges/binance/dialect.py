"""How Binance talks over WebSocket: combined streams, SUBSCRIBE by name, pings as control frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs
import msgspec

from fra.adapters.custom import Ack, Control, Dialect, Notice, Peek, Refused
from fra.core import RateLimit

CONNECTIONS: Final = RateLimit("connections", 300, 300.0)
"""Binance, Spot, WebSocket Streams, "Websocket Limits": connections per 5 minutes and address."""

_HEAD: Final = b'{"stream":"'
_SHUTDOWN: Final = b"serverShutdown"


class _Envelope(msgspec.Struct):
    stream: str | None = None
    e: str | None = None


class _Reason(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Answer(msgspec.Struct):
    """``{"result":null,"id":1}``, ``{"error":{…},"id":1}``, or a bare ``{"code":2,"msg":"…"}``."""

    id: int | None = None
    error: _Reason | None = None
    code: int | None = None
    msg: str = ""


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_ANSWER: Final = msgspec.json.Decoder(_Answer)


@attrs.frozen
class WsLimits:
    """What one market allows on a connection: messages a second from us, and how often it pings."""

    messages: int
    silence: float


WS_LIMITS: Final[Mapping[str, WsLimits]] = {
    # Pinged each 20 s on spot and each 3 min on USD-M: longer silence than that is a dead connection.
    "spot": WsLimits(messages=5, silence=60.0),
    "usdm": WsLimits(messages=10, silence=240.0),
}


class BinanceDialect(Dialect):
    """Spot's and USD-M's, which differ in figures only.

    Binance acknowledges names that it does not know and then stays silent; the host has looked the symbol up before.
    """

    batch = 100
    topics_per_connection = 1024
    lifetime = 86_400.0
    peek = Peek(begins=_HEAD, ends=b'","')
    connect_cost: Mapping[str, int] = MappingProxyType({CONNECTIONS.scope: 1})

    def __init__(self, market: str) -> None:
        limits = WS_LIMITS[market]
        self.silence = limits.silence
        # One is left for the pong, which counts too.
        self.message_limits = (RateLimit("messages", limits.messages - 1, 1.0),)

    def route(self, frame: bytes) -> bytes | None:
        if frame.startswith(_HEAD):
            end = frame.find(b'"', len(_HEAD))
            topic = frame[len(_HEAD) : end]
            return None if topic == b"!serverShutdown" else topic
        if b'"stream"' not in frame:
            return None
        stream = _ENVELOPE.decode(frame).stream
        return None if stream is None or _SHUTDOWN.decode() in stream else stream.encode()

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        return _request("SUBSCRIBE", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        return _request("UNSUBSCRIBE", topics, request_id)

    def control(self, frame: bytes) -> Control | None:
        if _SHUTDOWN in frame:
            return Notice("the server is about to shut down", rotate=True)
        answer = _ANSWER.decode(frame)
        if answer.error is not None:
            return Refused(str(answer.error.code), answer.error.msg, answer.id)
        if answer.code is not None:
            return Refused(str(answer.code), answer.msg, answer.id)
        return None if answer.id is None else Ack(answer.id)


def _request(method: str, topics: Sequence[str], request_id: int) -> str:
    return msgspec.json.encode({"method": method, "params": list(topics), "id": request_id}).decode()
