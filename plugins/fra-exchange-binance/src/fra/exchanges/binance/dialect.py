"""How Binance talks over WebSocket: combined streams, SUBSCRIBE by name, pings as control frames; accounts by key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs
import msgspec

from fra.adapters.custom import Ack, Control, ControlPing, Dialect, Notice, Peek, Refused
from fra.core import ExchangeAPIError, ExchangeError, RateLimit
from fra.exchanges.binance.account_wire import event_in

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


# --- accounts

_ENDED: Final = {
    "listenKeyExpired": "the listen key has expired",
    "eventStreamTerminated": "the venue ended the subscription",
}
"""Events after which a stream of an account is silent: the connection is worth nothing any more."""
_CLOCK_CODE: Final = "-1021"
CLOCK: Final = "clock"
"""Our own code for a refused timestamp that is worth another try; the error table knows it."""
_NO_SUCH_KEY: Final = "-1125"
_EXTEND_AGAIN: Final = 60.0


class AccountDialect(Dialect):
    """What the streams of an account have in common: one topic, which stays silent for as long as nothing happens."""

    topics_per_connection = 1
    lifetime = 86_400.0
    # Half-open, it would pass for a quiet account until a ping of the venue's is missed, which on USD-M takes minutes.
    heartbeat = ControlPing()
    connect_cost: Mapping[str, int] = MappingProxyType({CONNECTIONS.scope: 1})

    def __init__(self, market: str, topic: str) -> None:
        limits = WS_LIMITS[market]
        self.silence = limits.silence
        self.message_limits = (RateLimit("messages", limits.messages - 1, 1.0),)
        self._key = topic.encode()

    def route(self, frame: bytes) -> bytes | None:
        kind = event_in(frame).kind
        return self._key if kind and kind not in _ENDED and kind.encode() != _SHUTDOWN else None

    def control(self, frame: bytes) -> Control | None:
        kind = event_in(frame).kind
        if kind.encode() == _SHUTDOWN:
            return Notice("the server is about to shut down", rotate=True)
        if kind in _ENDED:
            return Refused(kind, _ENDED[kind])
        answer = _ANSWER.decode(frame)
        if answer.error is not None:
            return self.refused(Refused(str(answer.error.code), answer.error.msg, answer.id))
        if answer.code is not None:
            return self.refused(Refused(str(answer.code), answer.msg, answer.id))
        return None if answer.id is None else self.taken(answer.id)

    def refused(self, refused: Refused) -> Refused:
        """An error of the venue's."""
        return refused

    def taken(self, request_id: int) -> Ack:
        """An answer without an error."""
        return Ack(request_id)


class ListenKeyDialect(AccountDialect):
    """USD-M's: a key, good for an hour and longer if extended, is in the address, and nothing has to be subscribed.

    Binance, USD-M, "User Data Streams Connect". A new connection asks for a key, which is the present one as long as
    that is good; it is never deleted, since whoever else uses this account has the same.
    """

    def __init__(
        self,
        market: str,
        topic: str,
        *,
        new_key: Callable[[], Awaitable[str]],
        extend: Callable[[], Awaitable[object]],
        interval: float,
        in_path: bool = False,
    ) -> None:
        super().__init__(market, topic)
        self._new_key = new_key
        self._extend = extend
        self._interval = interval
        self._in_path = in_path

    async def address(self, url: str) -> str:
        key = await self._new_key()
        return f"{url}/{key}" if self._in_path else f"{url}?listenKey={key}"

    def subscribe(self, topics: Sequence[str], request_id: int) -> None:
        return None

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> None:
        return None

    async def keep(self) -> None:
        """Extend the key; when the venue does not know it any more, the connection is made anew with another."""
        pause = self._interval
        while True:
            await asyncio.sleep(pause)
            pause = self._interval
            try:
                await self._extend()
            except ExchangeAPIError as error:
                if error.code == _NO_SUCH_KEY:
                    raise
                pause = min(pause, _EXTEND_AGAIN)
            except ExchangeError:
                pause = min(pause, _EXTEND_AGAIN)


class ClockDoubt:
    """Whether the venue has refused our timestamp: then the clock is read again before the next try, once."""

    def __init__(self, sync: Callable[[], Awaitable[object]]) -> None:
        self.sync = sync
        self.refused = False


class SpotAccountDialect(AccountDialect):
    """Spot's, over the WebSocket API: a signed request subscribes; no key, and nothing to extend.

    Binance, Spot, WebSocket API, "User Data Stream requests": ``userDataStream.subscribe.signature``.
    """

    def __init__(
        self, market: str, topic: str, *, signed: Callable[[], Mapping[str, object]], doubt: ClockDoubt
    ) -> None:
        super().__init__(market, topic)
        self._signed = signed
        self._doubt = doubt

    async def address(self, url: str) -> str:
        if self._doubt.refused:
            await self._doubt.sync()
        return url

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        return _call("userDataStream.subscribe.signature", request_id, self._signed())

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        return _call("userDataStream.unsubscribe", request_id, {})

    def refused(self, refused: Refused) -> Refused:
        first = refused.code == _CLOCK_CODE and not self._doubt.refused
        self._doubt.refused = refused.code == _CLOCK_CODE
        return Refused(CLOCK, refused.message, refused.request_id) if first else refused

    def taken(self, request_id: int) -> Ack:
        self._doubt.refused = False
        return Ack(request_id)


def _call(method: str, request_id: int, params: Mapping[str, object]) -> str:
    return msgspec.json.encode({"id": request_id, "method": method, "params": params}).decode()
