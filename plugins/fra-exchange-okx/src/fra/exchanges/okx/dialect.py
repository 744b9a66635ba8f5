"""OKX's WebSocket habits ("WebSocket" chapter of the API v5 guide). A topic is a subscription's ``arg`` as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from fra.adapters.custom import Ack, Control, Dialect, Heartbeat, Notice, Refused, TextPing
from fra.core import RateLimit
from fra.exchanges.okx.wire import Arg, Event

CONNECTS: Final = "ws.connect"
"""The budget of new connections."""

_ARG: Final = b'{"arg":'
_CHANNEL: Final = b'{"arg":{"channel":"'
_UPGRADE: Final = "64008"


class _Peek(msgspec.Struct):
    arg: Arg | None = None
    event: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


PRIVATE: Final[Mapping[str, str]] = {
    "account": '{"channel":"account"}',
    "orders": '{"channel":"orders","instType":"ANY"}',
    "orders-algo": '{"channel":"orders-algo","instType":"ANY"}',
    "positions": '{"channel":"positions","instType":"ANY"}',
}
"""Channels of the account. Their pushes name a user, an instrument or its type as well, which is not the topic's."""


def topic(channel: str, venue_id: str = "") -> str:
    """The one spelling of a subscription, which is also how OKX spells it in its pushes of market data."""
    return PRIVATE.get(channel) or f'{{"channel":"{channel}","instId":"{venue_id}"}}'


class OKXDialect(Dialect):
    """One connection to OKX: text ping before 30 s of silence, an acknowledgement for each argument.

    ``credentials`` gives the argument of the ``login`` operation, for connections that serve private channels.
    """

    heartbeat: Heartbeat = TextPing(interval=20.0)
    batch = 200  # some 60 bytes each: far below the 64 KB that one request may hold
    topics_per_connection = 240
    message_limits = (RateLimit("ws.operations", 480, 3600.0),)
    connect_cost: Mapping[str, int] = MappingProxyType({CONNECTS: 1})
    silence = 40.0

    def __init__(self, credentials: Callable[[], Mapping[str, str]] | None = None) -> None:
        self._credentials = credentials
        self._login_id: int | None = None
        self._peek = msgspec.json.Decoder(_Peek)
        self._event = msgspec.json.Decoder(Event)

    def route(self, frame: bytes) -> bytes | None:
        if frame.startswith(_CHANNEL):
            end = frame.find(b"}", 19)
            found = frame[len(_ARG) : end + 1]
            # Exactly the two keys, in this order: then the argument is its own topic.
            if (
                found.count(b'"') == 8
                and b'","instId":"' in found
                and frame.startswith((b',"data":', b',"action":'), end + 1)
            ):
                return found
        try:
            peek = self._peek.decode(frame)
        except msgspec.DecodeError:
            return None
        if peek.arg is None or peek.event or not peek.data:
            return None
        return topic(peek.arg.channel, peek.arg.instId).encode()

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        return self._request("subscribe", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        return self._request("unsubscribe", topics, request_id)

    def control(self, frame: bytes) -> Control | None:
        message = self._event.decode(frame)
        topics = (topic(message.arg.channel, message.arg.instId),) if message.arg else ()
        match message.event:
            case "":
                return None
            case "subscribe" | "unsubscribe":
                return Ack(topics=topics)
            case "login":
                return Ack(request_id=self._login_id)
            case "channel-conn-count-error":
                topics = (topic(message.channel),) if message.channel in PRIVATE else topics
                return Refused(message.code, "there are too many connections with this channel", topics=topics)
            case "error":
                request_id = int(message.id) if message.id.isdecimal() else None
                return Refused(message.code, message.msg or message.event, request_id=request_id, topics=topics)
            case "notice":
                return Notice(message.msg, rotate=message.code == _UPGRADE)
            case other:
                return Notice(other)

    def login(self, request_id: int) -> str | None:
        if self._credentials is None:
            return None
        self._login_id = request_id
        return msgspec.json.encode({"op": "login", "args": [self._credentials()]}).decode()

    @staticmethod
    def _request(operation: str, topics: Sequence[str], request_id: int) -> str:
        return f'{{"id":"{request_id}","op":"{operation}","args":[{",".join(topics)}]}}'
