"""Bybit's WebSocket habits ("Connect" page of the V5 documents, and the captures). A topic is a subscription's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from fra.adapters.custom import Ack, AuthHandler, Control, Dialect, Heartbeat, JsonPing, Notice, Peek, Refused
from fra.exchanges.bybit.wire import Event

CONNECTS: Final = "ws.connect"
"""The budget of new connections."""

_ARGS: Final = 21_000
"""Characters that all topics of one connection may have together."""
_LONGEST_TOPIC: Final = 70
_SPOT_BATCH: Final = 10
_EVENT: Final = msgspec.json.Decoder(Event)


class _Topic(msgspec.Struct):
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


def is_pong(frame: bytes) -> bool:
    """Public sockets say ``"ret_msg":"pong"``, most with ``"op":"ping"``; the private one says ``"op":"pong"``."""
    try:
        event = _EVENT.decode(frame)
    except msgspec.DecodeError:
        return False
    return event.op == "pong" or event.ret_msg == "pong" or (event.op == "ping" and event.success is not False)


class BybitDialect(Dialect):
    """One connection to Bybit: a JSON ping each 20 s, an acknowledgement for each request.

    ``auth`` makes it log in. Answers that name no request (older ones, and refusals) belong to the request that
    names their topic, else to the oldest.
    """

    heartbeat: Heartbeat = JsonPing(interval=20.0, is_pong=is_pong, regular=True)
    topics_per_connection = _ARGS // _LONGEST_TOPIC
    connect_cost: Mapping[str, int] = MappingProxyType({CONNECTS: 1})
    silence = 40.0
    peek = Peek(b'{"topic":"', b'","t')

    def __init__(self, market: str, auth: AuthHandler | None = None) -> None:
        self.batch = _SPOT_BATCH if market == "spot" else 100
        self._auth = auth
        self._topic = msgspec.json.Decoder(_Topic)
        self._asked: dict[int, tuple[str, ...]] = {}
        self._login: int | None = None

    def route(self, frame: bytes) -> bytes | None:
        try:
            found = self._topic.decode(frame)
        except msgspec.DecodeError:
            return None
        return found.topic.encode() if found.topic and found.data else None

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        return self._request("subscribe", topics, request_id)

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        return self._request("unsubscribe", topics, request_id)

    def login(self, request_id: int) -> str | None:
        if self._auth is None:
            return None
        self._login = request_id
        told = self._auth.login()
        # The time is a number, the others are texts; the key may be anything, so it is encoded.
        args = [told["key"], int(told["expires"]), told["signature"]]
        return msgspec.json.encode({"req_id": str(request_id), "op": "auth", "args": args}).decode()

    def control(self, frame: bytes) -> Control | None:
        event = _EVENT.decode(frame)
        message = event.ret_msg or event.retMsg or ""
        good = event.success if event.success is not None else event.retCode == 0
        match event.op:
            case "auth":
                if good:
                    return Ack(self._login)
                return Refused(_code(event), f"failed to authenticate: {message}", request_id=self._login)
            case "subscribe" | "unsubscribe":
                request_id = self._request_id(event, message)
                if request_id is not None:
                    self._asked.pop(request_id, None)
                if good or "already subscribed" in message:
                    return Ack(request_id)
                return Refused(_code(event), message, request_id=request_id)
            case "" if event.topic:
                return Notice(event.topic)
            case "":
                return None if event.success is None and event.retCode is None else Notice(message)
            case other:
                return Notice(f"{other}: {message}")

    def _request_id(self, event: Event, message: str) -> int | None:
        text = str(event.req_id or "")
        if text.isdecimal():
            return int(text)
        named = (number for number, topics in self._asked.items() if any(topic in message for topic in topics))
        return next(named, next(iter(self._asked), None))

    def _request(self, operation: str, topics: Sequence[str], request_id: int) -> str:
        self._asked[request_id] = tuple(topics)
        args = ",".join(f'"{topic}"' for topic in topics)
        return f'{{"req_id":"{request_id}","op":"{operation}","args":[{args}]}}'


def _code(event: Event) -> str:
    return str(event.retCode) if event.retCode else ""
