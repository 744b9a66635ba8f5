"""A small local Bybit: it answers paths with what a test gives it, keeps the requests, and speaks on its sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from time import time_ns
from typing import Any

from aiohttp import WSMsgType, web
from serving import serving

from fra.core import ExchangeHandle, connect

Answer = Any
Say = Callable[[str], Iterable[str]]
"""The frames that a topic begins with."""

MARKETS = ("spot", "linear", "inverse")
KEYS = {"api_key": "the-key", "secret_key": "the-secret"}


def now_ms() -> int:
    return time_ns() // 1_000_000


def listed(symbol: str, base: str, quote: str, settle: str = "", **fields: Any) -> dict[str, Any]:
    """A row of instruments-info: spot without ``settle``, else a perpetual contract."""
    inverse = settle == base
    row: dict[str, Any] = {
        "symbol": symbol,
        "baseCoin": base,
        "quoteCoin": quote,
        "status": "Trading",
        "priceFilter": {"tickSize": "0.1"},
        "lotSizeFilter": {"basePrecision": "0.000001", "minOrderQty": "0.000001", "minOrderAmt": "1"},
    }
    if settle:
        row |= {
            "settleCoin": settle,
            "contractType": "InversePerpetual" if inverse else "LinearPerpetual",
            "fundingInterval": 480,
            "lotSizeFilter": {"qtyStep": "1" if inverse else "0.001", "minOrderQty": "1" if inverse else "0.001"},
        }
    return row | fields


LISTING: Mapping[str, list[dict[str, Any]]] = {
    "spot": [listed("BTCUSDT", "BTC", "USDT")],
    "linear": [
        listed("BTCUSDT", "BTC", "USDT", "USDT"),
        listed("BTCPERP", "BTC", "USDC", "USDC"),
        listed("SHIB1000USDT", "SHIB1000", "USDT", "USDT"),
    ],
    "inverse": [listed("BTCUSD", "BTC", "USD", "BTC")],
}


class BybitServer:
    """``answers`` maps a path (without ``/v5/``) to a result, a whole response, or a function of the request that
    gives either. Time and a listing are always there.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        listing: Mapping[str, list[dict[str, Any]]] = LISTING,
        say: Say = lambda topic: (),
    ) -> None:
        self.answers: dict[str, Answer] = {
            "market/time": lambda request: {"timeSecond": str(now_ms() // 1000), "timeNano": str(time_ns())},
            "market/instruments-info": self._listing,
            **(answers or {}),
        }
        self.requests: list[tuple[web.Request, bytes]] = []
        self.frames: list[dict[str, Any]] = []
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.subscribed = asyncio.Event()
        self.base = ""
        self._listed = listing
        self._say = say

    # --- what was asked

    def queries(self, path: str) -> list[dict[str, str]]:
        return [dict(request.query) for request, _ in self.requests if request.path == f"/v5/{path}"]

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(body) for request, body in self.requests if request.path == f"/v5/{path}"]

    def methods(self, path: str) -> set[str]:
        return {request.method for request, _ in self.requests if request.path == f"/v5/{path}"}

    def paths(self) -> list[str]:
        return [request.path.removeprefix("/v5/") for request, _ in self.requests]

    # --- REST

    def _listing(self, request: web.Request) -> Answer:
        category = request.query["category"]
        rows = [row for row in self._listed.get(category, []) if request.query.get("symbol") in (None, row["symbol"])]
        return {"category": category, "list": rows, "nextPageCursor": ""}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        answer = self.answers.get(request.path.removeprefix("/v5/"))
        if callable(answer):
            answer = answer(request)
        if answer is None:
            return web.Response(status=404)
        if isinstance(answer, web.Response):
            return answer
        if not (isinstance(answer, dict) and "retCode" in answer):
            answer = {"retCode": 0, "retMsg": "OK", "result": answer, "retExtInfo": {}, "time": now_ms()}
        return web.json_response(answer)

    # --- sockets

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.path] = socket
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._told(socket, json.loads(message.data))
        return socket

    async def _told(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if frame["op"] == "ping":
            await socket.send_json({"success": True, "ret_msg": "pong", "conn_id": "c", "op": "ping"})
            return
        if frame["op"] == "subscribe":
            # As recorded: what a topic begins with may be there before the acknowledgement.
            for topic in frame["args"]:
                for text in self._say(topic):
                    await socket.send_str(text)
        await socket.send_json(
            {"success": True, "ret_msg": "", "conn_id": "c", "req_id": frame["req_id"], "op": frame["op"]}
        )
        if frame["op"] == "subscribe":
            self.subscribed.set()

    async def push(self, path: str, *frames: Any) -> None:
        """Send frames (texts, or what becomes JSON) on the newest socket of ``path``."""
        for frame in frames:
            await self.sockets[path].send_str(frame if isinstance(frame, str) else json.dumps(frame))

    # --- running

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Mapping[str, Mapping[str, str]]]:
        """Its addresses, as ``base_url`` wants them."""
        app = web.Application()
        app.router.add_get("/ws/{tail:.*}", self._socket)
        app.router.add_route("*", "/v5/{tail:.*}", self._answer)
        async with serving(app) as host:
            try:
                yield {
                    market: {
                        "rest": f"http://{host}",
                        "ws": f"ws://{host}/ws/{market}",
                        "ws_private": f"ws://{host}/ws/private",
                    }
                    for market in MARKETS
                }
            finally:
                for socket in self.sockets.values():
                    await socket.close()

    @asynccontextmanager
    async def asked(self, **config: Any) -> AsyncIterator[ExchangeHandle]:
        """A connected Bybit of fra in front of this one."""
        async with self.serving() as urls, connect("bybit", base_url=urls, **config) as bybit:
            yield bybit
