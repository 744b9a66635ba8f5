"""HTX's WebSocket habits: three kinds of connection, and a ping of the server's own in each.

Spot documents, "WebSocket Market Data" and "WebSocket Asset and Order"; USDT-margined documents, "WebSocket
Reference". Frames of the market and notification sockets are gzip-compressed, those of the spot account are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from fra.adapters.custom import Ack, Control, Dialect, Heartbeat, Notice, Peek, Refused, ServerPing
from fra.core import RateLimit

CONNECTS: Final = "ws.connect"
"""The budget of new connections."""

REQUESTED: Final = "req:"
"""How the id of a book request begins; the topic follows, so that a refusal finds its way too."""

SINGLE_PATH: Final = "/linear-swap-notification"
UNION_PATH: Final = "/ws/v5/notification"

Login = Callable[[], Mapping[str, str]]


class _Market(msgspec.Struct):
    ch: str = ""
    rep: str = ""
    id: str | int | None = None
    status: str = ""
    subbed: str = ""
    unsubbed: str = ""
    ping: int | None = None
    err_code: str = msgspec.field(default="", name="err-code")
    err_msg: str = msgspec.field(default="", name="err-msg")


class _Operation(msgspec.Struct):
    op: str = ""
    topic: str = ""
    cid: str | int | None = None
    ts: msgspec.Raw = msgspec.Raw(b"0")
    err_code: int = msgspec.field(default=0, name="err-code")
    err_msg: str = msgspec.field(default="", name="err-msg")


class _Action(msgspec.Struct):
    action: str = ""
    ch: str = ""
    code: int = 200
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


_MARKET: Final = msgspec.json.Decoder(_Market)
_OPERATION: Final = msgspec.json.Decoder(_Operation)
_ACTION: Final = msgspec.json.Decoder(_Action)


class HTXDialect(Dialect):
    """What all three have in common: one topic a message."""

    batch = 1
    topics_per_connection = 100
    message_limits = (RateLimit("ws.messages", 40, 1.0),)
    connect_cost: Mapping[str, int] = MappingProxyType({CONNECTS: 1})
    silence = 30.0


# --- market data -------------------------------------------------------------------------------------------------


def _market_pong(frame: bytes) -> str | None:
    if not frame.startswith(b'{"ping"') and b'"ping"' not in frame[:40]:
        return None
    ping = _MARKET.decode(frame).ping
    return None if ping is None else f'{{"pong":{ping}}}'


class MarketDialect(HTXDialect):
    """``/ws``, ``/feed`` and ``/linear-swap-ws``: topics like ``market.btcusdt.trade.detail``.

    The answer to a ``req`` is data of the topic that it asks for.
    """

    heartbeat: Heartbeat = ServerPing(reply=_market_pong)
    gzip = True
    peek = Peek(b'{"ch":"', b'",')

    def route(self, frame: bytes) -> bytes | None:
        if frame.startswith(b'{"ping"'):
            return None
        try:
            message = _MARKET.decode(frame)
        except msgspec.DecodeError:
            return None
        if message.ch or message.rep:
            return (message.ch or message.rep).encode()
        if isinstance(message.id, str) and message.id.startswith(REQUESTED) and message.status == "error":
            return message.id.removeprefix(REQUESTED).encode()
        return None

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        incremental = ',"data_type":"incremental"' if topic.endswith(".high_freq") else ""
        return f'{{"sub":"{topic}"{incremental},"id":"{request_id}"}}'

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        return f'{{"unsub":"{topic}","id":"{request_id}"}}'

    def control(self, frame: bytes) -> Control | None:
        message = _MARKET.decode(frame)
        if message.status == "error":
            return Refused(message.err_code, message.err_msg, request_id=_number(message.id))
        if message.subbed or message.unsubbed:
            return Ack(_number(message.id), (message.subbed or message.unsubbed,))
        return None


def book_request(topic: str) -> str:
    """The message that asks for the whole book of ``topic`` on its own connection."""
    return f'{{"req":"{topic}","id":"{REQUESTED}{topic}"}}'


# --- notifications of swaps --------------------------------------------------------------------------------------


def _operation_pong(frame: bytes) -> str | None:
    message = _OPERATION.decode(frame)
    return f'{{"op":"pong","ts":{bytes(message.ts).decode()}}}' if message.op == "ping" else None


class NotificationDialect(HTXDialect):
    """``/linear-swap-notification``: funding for everybody, an account's events after ``login``.

    An account's topics are subscribed for all contracts (``orders_cross.*``), and come as ``orders_cross``,
    ``orders_cross.*`` or ``orders_cross.btc-usdt``.
    """

    heartbeat: Heartbeat = ServerPing(reply=_operation_pong)
    gzip = True

    def __init__(self, login: Login | None = None) -> None:
        self._login = login
        self._login_id: int | None = None

    def login(self, request_id: int) -> str | None:
        if self._login is None:
            return None
        self._login_id = request_id
        return json.dumps({"op": "auth", **self._login(), "cid": str(request_id)})

    def route(self, frame: bytes) -> bytes | None:
        try:
            message = _OPERATION.decode(frame)
        except msgspec.DecodeError:
            return None
        if message.op != "notify":
            return None
        kind, _, which = message.topic.partition(".")
        if kind == "public":
            return message.topic.encode()
        return f"{kind}.*".encode() if which != "heartbeat" else None

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        return f'{{"op":"sub","cid":"{request_id}","topic":"{topic}"}}'

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        return f'{{"op":"unsub","cid":"{request_id}","topic":"{topic}"}}'

    def control(self, frame: bytes) -> Control | None:
        message = _OPERATION.decode(frame)
        request_id, topics = _number(message.cid), (message.topic,) if message.topic else ()
        match message.op:
            case "auth":
                request_id = self._login_id
                if message.err_code:
                    return Refused(str(message.err_code), message.err_msg, request_id=request_id)
                return Ack(request_id)
            case "sub" | "unsub":
                if message.err_code:
                    return Refused(str(message.err_code), message.err_msg, request_id=request_id, topics=topics)
                return Ack(request_id, topics)
            case "error":
                return Refused(str(message.err_code), message.err_msg, request_id=request_id)
            case "close":
                return Notice(message.err_msg or "the venue closes the connection", rotate=True)
            case "notify":
                return Notice(message.topic)
            case _:
                return None


class UnionDialect(NotificationDialect):
    """``/ws/v5/notification``, the stream of a multi-assets account: topics like ``orders``, for all contracts."""

    async def address(self, url: str) -> str:
        """It stands beside the address of single-asset accounts."""
        return url.removesuffix(SINGLE_PATH) + UNION_PATH

    def route(self, frame: bytes) -> bytes | None:
        try:
            message = _OPERATION.decode(frame)
        except msgspec.DecodeError:
            return None
        return message.topic.encode() if message.op == "notify" else None

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        return f'{{"op":"sub","cid":"{request_id}","topic":"{topic}","contract_code":"*"}}'

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        return f'{{"op":"unsub","cid":"{request_id}","topic":"{topic}","contract_code":"*"}}'


# --- the spot account --------------------------------------------------------------------------------------------


_ALL_PAIRS: Final = ("orders", "trade.clearing")


def _action_pong(frame: bytes) -> str | None:
    message = _ACTION.decode(frame)
    return f'{{"action":"pong","data":{bytes(message.data).decode()}}}' if message.action == "ping" else None


class SpotAccountDialect(HTXDialect):
    """``/ws/v2``: plain text, topics like ``orders#*``. Its answers bear no id, only the topic.

    What is subscribed for all pairs may come with the pair's name (``orders#btcusdt``).
    """

    heartbeat: Heartbeat = ServerPing(reply=_action_pong)
    silence = 60.0

    def __init__(self, login: Login) -> None:
        self._login = login
        self._login_id: int | None = None

    def login(self, request_id: int) -> str | None:
        self._login_id = request_id
        return json.dumps({"action": "req", "ch": "auth", "params": self._login()})

    def route(self, frame: bytes) -> bytes | None:
        try:
            message = _ACTION.decode(frame)
        except msgspec.DecodeError:
            return None
        if message.action not in ("push", "") or not message.ch:
            return None
        kind, *rest = message.ch.split("#")
        if kind in _ALL_PAIRS and rest:
            rest[0] = "*"
        return "#".join((kind, *rest)).encode()

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        return f'{{"action":"sub","ch":"{topic}"}}'

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        (topic,) = topics
        return f'{{"action":"unsub","ch":"{topic}"}}'

    def control(self, frame: bytes) -> Control | None:
        message = _ACTION.decode(frame)
        if message.ch == "auth":
            if message.code != 200:
                return Refused(str(message.code), message.message, request_id=self._login_id)
            return Ack(self._login_id)
        if message.action in ("sub", "unsub", "req"):
            topics = (message.ch,) if message.ch else ()
            if message.code != 200:
                return Refused(str(message.code), message.message, topics=topics)
            return Ack(topics=topics)
        return None


def _number(request_id: str | int | None) -> int | None:
    text = str(request_id)
    return int(text) if text.isdecimal() else None
