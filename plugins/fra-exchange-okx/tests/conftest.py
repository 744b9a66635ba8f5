"""A small OKX on loopback: what a test tells it to answer, and sockets that check logins."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import time_ns
from typing import Any

import pytest
from aiohttp import web
from serving import serving

from fra.core import ExchangeHandle, connect

KEYS = {"api_key": "the-key", "secret_key": "the-secret", "passphrase": "the-passphrase"}

SPOT = {
    "instType": "SPOT",
    "instId": "BTC-USDT",
    "state": "live",
    "baseCcy": "BTC",
    "quoteCcy": "USDT",
    "tickSz": "0.1",
    "lotSz": "0.00001",
    "minSz": "0.00001",
}
SWAPS = [
    {
        "instType": "SWAP",
        "instId": f"BTC-{quote}-SWAP",
        "state": "live",
        "uly": f"BTC-{quote}",
        "settleCcy": settle,
        "ctType": kind,
        "ctVal": size,
        "ctMult": "1",
        "ctValCcy": unit,
        "tickSz": "0.1",
        "lotSz": "0.1",
        "minSz": "0.1",
    }
    for quote, settle, kind, size, unit in (
        ("USDT", "USDT", "linear", "0.01", "BTC"),
        ("USD", "BTC", "inverse", "100", "USD"),
    )
]

Answer = Callable[[Mapping[str, Any]], Any]


class Socket:
    """One private connection at the venue's side."""

    def __init__(self, ws: web.WebSocketResponse, path: str) -> None:
        self.ws = ws
        self.path = path
        self.frames: list[dict[str, Any]] = []
        self.channels: set[str] = set()

    async def push(self, channel: str, *rows: object, **arg: str) -> None:
        await self.ws.send_str(json.dumps({"arg": {"channel": channel, "uid": "77", **arg}, "data": rows}))

    async def cut(self) -> None:
        """End the TCP connection with no word."""
        transport = self.ws._req.transport if self.ws._req else None
        assert transport is not None
        transport.abort()


class Venue:
    """Answers ``METHOD path`` with rows, a whole envelope, or what a function makes of the parameters."""

    keys = KEYS

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "GET account/config": [{"acctLv": "2", "posMode": "net_mode"}],
            "GET public/instruments": lambda params: [
                row for row in [SPOT, *SWAPS] if row["instType"] == params["instType"]
            ],
        }
        self.calls: list[tuple[str, Any]] = []
        self.sockets: list[Socket] = []
        self.refuse_login = ""
        self._changed = asyncio.Event()

    def note(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await self._changed.wait()

    def asked(self, call: str) -> list[Any]:
        """The parameters of every such call: a query or a body."""
        return [params for name, params in self.calls if name == call]

    def socket(self, channel: str) -> Socket:
        """The newest connection that has this channel."""
        return next(socket for socket in reversed(self.sockets) if channel in socket.channels and not socket.ws.closed)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v5/")
        if path == "public/time":
            return web.json_response({"code": "0", "msg": "", "data": [{"ts": str(time_ns() // 1_000_000)}]})
        body = await request.read()
        params = json.loads(body) if body else dict(request.query)
        self.calls.append((f"{request.method} {path}", params))
        self.note()
        answer = self.answers.get(f"{request.method} {path}", [])
        answer = answer(params) if callable(answer) else answer
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer if isinstance(answer, dict) else {"code": "0", "msg": "", "data": answer})

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        socket = Socket(ws, request.path)
        self.sockets.append(socket)
        async for message in ws:
            if message.data == "ping":
                await ws.send_str("pong")
                continue
            frame = json.loads(message.data)
            socket.frames.append(frame)
            await self._on_frame(socket, frame)
            self.note()
        return ws

    async def _on_frame(self, socket: Socket, frame: dict[str, Any]) -> None:
        if frame["op"] == "login":
            code, self.refuse_login = self.refuse_login or _login_code(frame["args"][0]), ""
            event = (
                {"event": "error", "code": code, "msg": "no"} if code else {"event": "login", "code": "0", "msg": ""}
            )
            await socket.ws.send_str(json.dumps({**event, "connId": "a"}))
        else:
            for arg in frame["args"]:
                socket.channels.add(arg["channel"])
                await socket.ws.send_str(
                    json.dumps({"id": frame["id"], "event": frame["op"], "arg": arg, "connId": "a"})
                )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/ws/{tail:.*}", self._ws)
        app.router.add_route("*", "/{tail:.*}", self._rest)
        async with serving(app) as address:
            yield f"http://{address}"

    @asynccontextmanager
    async def handle(self, **config: Any) -> AsyncIterator[ExchangeHandle]:
        options = {"reconnect_delay": 0.02, **config.pop("options", {})}
        async with (
            self.serve() as url,
            connect("okx", base_url=url, options=options, **{**KEYS, **config}) as okx,
        ):
            yield okx


def _login_code(args: Mapping[str, str]) -> str:
    """OKX's code for a wrong login, '' for a right one."""
    text = f"{args['timestamp']}GET/users/self/verify"
    made = hmac.new(KEYS["secret_key"].encode(), text.encode(), hashlib.sha256).digest()
    if args["apiKey"] != KEYS["api_key"]:
        return "60005"
    if args["passphrase"] != KEYS["passphrase"]:
        return "60024"
    return "" if args["sign"] == base64.b64encode(made).decode() else "60007"


@pytest.fixture
def venue() -> Venue:
    return Venue()
