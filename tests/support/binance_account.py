"""A server on loopback that is told what Binance would answer about an account, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import attrs
from aiohttp import WSMsgType, web
from serving import serving

from fra.core import ExchangeHandle, connect

KEYS = {"api_key": "the-key", "secret_key": "the-secret"}
_GRID = {
    "spot": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "stepSize": "0.0001", "minQty": "0.0001", "maxQty": "9000"},
        {"filterType": "NOTIONAL", "minNotional": "5"},
    ],
    "usdm": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        {"filterType": "MIN_NOTIONAL", "notional": "50"},
    ],
}


def spot_row(symbol: str, base: str, quote: str) -> dict[str, Any]:
    """A listed spot pair."""
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "filters": _GRID["spot"],
    }


def usdm_row(symbol: str, base: str, quote: str) -> dict[str, Any]:
    """A listed perpetual."""
    return {
        **spot_row(symbol, base, quote),
        "contractType": "PERPETUAL",
        "marginAsset": quote,
        "deliveryDate": 4_133_404_800_000,
        "filters": _GRID["usdm"],
    }


SPOT_ROWS = (spot_row("BTCUSDT", "BTC", "USDT"), spot_row("LTCUSDT", "LTC", "USDT"), spot_row("LTCBTC", "LTC", "BTC"))
USDM_ROWS = (usdm_row("BTCUSDT", "BTC", "USDT"), usdm_row("LTCUSDT", "LTC", "USDT"))

_ACCOUNT: Mapping[str, object] = {
    "GET /api/v3/account": {"balances": [], "updateTime": 1},
    "GET /api/v3/openOrders": [],
    "GET /api/v3/allOrders": [],
    "GET /api/v3/myTrades": [],
    "GET /fapi/v3/account": {"assets": []},
    "GET /fapi/v3/positionRisk": [],
    "GET /fapi/v1/symbolConfig": [],
    "GET /fapi/v1/positionSide/dual": {"dualSidePosition": False},
    "GET /fapi/v1/openOrders": [],
    "GET /fapi/v1/openAlgoOrders": [],
    "GET /fapi/v1/allOrders": [],
    "GET /fapi/v1/allAlgoOrders": [],
    "GET /fapi/v1/userTrades": [],
    "GET /fapi/v1/income": [],
    "PUT /fapi/v1/listenKey": {},
}
"""An account with nothing in it."""


@attrs.frozen
class Call:
    """One request. ``query`` is as it came, ``params`` are without what signs it."""

    method: str
    path: str
    query: str
    key: str | None

    @property
    def params(self) -> dict[str, str]:
        signing = ("recvWindow", "timestamp", "signature")
        return {name: value for name, value in parse_qsl(self.query) if name not in signing}

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


class Refusal(Exception):
    """What an answer may be: the venue's code and text, with an HTTP status."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code, self.message, self.status = code, message, status


class Socket:
    """One WebSocket at the venue's side."""

    def __init__(self, ws: web.WebSocketResponse, target: str) -> None:
        self.ws = ws
        self.target = target
        self.requests: list[dict[str, Any]] = []
        self.pings = 0
        self.closed = False

    async def push(self, event: Mapping[str, Any]) -> None:
        await self.ws.send_str(json.dumps(event))

    async def event(self, event: Mapping[str, Any]) -> None:
        """An event as spot's WebSocket API wraps it."""
        await self.push({"subscriptionId": 0, "event": event})

    async def cut(self) -> None:
        transport = self.ws._req.transport if self.ws._req else None
        if transport is not None:
            transport.abort()


class BinanceAccount:
    """The server. ``answers`` by "METHOD /path": a value, a Refusal, or a function of the call's parameters."""

    def __init__(
        self,
        answers: Mapping[str, object] | None = None,
        *,
        spot: Sequence[Mapping[str, Any]] = SPOT_ROWS,
        usdm: Sequence[Mapping[str, Any]] = USDM_ROWS,
    ) -> None:
        self.answers: dict[str, object] = {**_ACCOUNT, **(answers or {})}
        self.spot, self.usdm = list(spot), list(usdm)
        self.calls: list[Call] = []
        self.sockets: list[Socket] = []
        self.keys = 0
        self.pongs = True
        self.ws_errors: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def asked(self) -> list[Call]:
        """The calls of the account, without those for the position mode."""
        return [call for call in self.calls if call.path != "/fapi/v1/positionSide/dual" or call.method != "GET"]

    def named(self, name: str) -> list[Call]:
        return [call for call in self.calls if call.name == name]

    def open_sockets(self, path: str) -> list[Socket]:
        return [socket for socket in self.sockets if socket.target.startswith(path) and not socket.closed]

    def note(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], object], *, within: float = 30) -> None:
        """Look again whenever anything happened here, or was noted by a test."""
        async with asyncio.timeout(within):
            while not condition():
                await self._changed.wait()

    # --- serving

    async def _on_request(self, request: web.Request) -> web.StreamResponse:
        now_ms = time.time_ns() // 1_000_000
        if request.path.endswith("/time"):
            return web.json_response({"serverTime": now_ms})
        if request.path.endswith("/exchangeInfo"):
            return web.json_response({"symbols": self.spot if request.path.startswith("/api") else self.usdm})
        query = request.raw_path.partition("?")[2] or (await request.read()).decode()
        call = Call(request.method, request.path, query, request.headers.get("X-MBX-APIKEY"))
        self.calls.append(call)
        self.note()
        if call.name == "POST /fapi/v1/listenKey" and call.name not in self.answers:
            self.keys += 1
            return web.json_response({"listenKey": f"key{self.keys}"})
        answer = self.answers.get(call.name, Refusal(-1, f"nobody said what {call.name} answers", 404))
        if callable(answer):
            answer = answer(call.params)
        if isinstance(answer, Refusal):
            return web.json_response({"code": answer.code, "msg": answer.message}, status=answer.status)
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.Response(text=json.dumps(answer, default=str), content_type="application/json")

    async def _on_socket(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        socket = Socket(ws, request.raw_path)
        self.sockets.append(socket)
        self.note()
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                asked = json.loads(message.data)
                socket.requests.append(asked)
                error = self.ws_errors.pop(0) if self.ws_errors else None
                done = {"status": 200, "result": {"subscriptionId": 0}}
                await socket.push({"id": asked["id"], **({"status": 400, "error": error} if error else done)})
                self.note()
            elif message.type is WSMsgType.PING:
                socket.pings += 1
                if self.pongs:
                    await ws.pong(message.data)
                self.note()
        socket.closed = True
        self.note()
        return ws

    @asynccontextmanager
    async def handle(
        self, markets: Iterable[str] = ("spot", "usdm"), options: Mapping[str, object] | None = None, **config: Any
    ) -> AsyncIterator[ExchangeHandle]:
        """The adapter, connected to this server."""
        app = web.Application()
        for path in ("/ws-api/v3", "/private/ws", "/ws/{key}"):
            app.router.add_get(path, self._on_socket)
        app.router.add_route("*", "/{tail:.*}", self._on_request)
        quick = {"reconnect_delay": 0.02, "reconnect_max_delay": 0.1, **(options or {})}
        keys = {**KEYS, **config}
        async with serving(app) as address:
            url = f"http://{address}"
            urls = {market: {"rest": url, "ws": url, "ws_api": f"{url}/ws-api/v3"} for market in ("spot", "usdm")}
            try:
                async with connect("binance", base_url=urls, markets=tuple(markets), options=quick, **keys) as binance:
                    if keys["api_key"] is not None:
                        async with asyncio.timeout(30), binance.subscribe_user_data():
                            pass  # the account's stream is complete: what is asked from now on is the test's
                        self.calls.clear()
                    yield binance
            finally:
                for socket in self.sockets:
                    await socket.cut()
