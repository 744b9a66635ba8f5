"""A small venue on loopback that does as it is told, an adapter for it made of tables, and a host for the adapter."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any, ClassVar

import attrs
import msgspec
import pytest
from aiohttp import WSMsgType, web
from serving import serving

from fra.adapters.custom import (
    Ack,
    AuthHandler,
    Channel,
    ClockSample,
    Control,
    CustomExchangePlugin,
    CustomOptions,
    Dialect,
    Endpoint,
    ErrorRule,
    ErrorTable,
    HttpRequest,
    Notice,
    Refusal,
    Refused,
    endpoint_for,
    publishing,
)
from fra.core import (
    ConnectionStatus,
    ErrorRaised,
    Event,
    ExchangeConfig,
    ExchangeRateLimitError,
    InsufficientFunds,
    MarketKind,
    Operation,
    OrderBook,
    PluginContext,
    RateLimit,
    RateLimiter,
    Secret,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
    SymbolNotFound,
    Ticker,
)

PATIENCE = 20.0


class Changes:
    """Something to wait on: `await changes.until(condition)` looks again whenever anything was noted."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def note(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, condition: Callable[[], object], *, within: float = PATIENCE) -> None:
        async with asyncio.timeout(within):
            while not condition():
                await self._event.wait()


# --- the venue


class Socket:
    """One WebSocket at the venue's side."""

    def __init__(self, ws: web.WebSocketResponse, path: str) -> None:
        self.ws = ws
        self.path = path
        self.opened = time.monotonic()
        self.topics: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.pings = 0
        self.texts: list[str] = []
        self.closed = False

    async def push(self, topic: str, **data: object) -> None:
        await self.ws.send_str(json.dumps({"topic": topic, "data": data}))

    async def cut(self) -> None:
        """End the TCP connection with no word."""
        transport = self.ws._req.transport if self.ws._req else None
        if transport is not None:
            transport.abort()


class Venue:
    """A server whose habits a test may change."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.sockets: list[Socket] = []
        self.answers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        self.seen: list[tuple[str, str, str]] = []
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self.clock_offset_ms = 0
        self.ack = True
        self.pongs = True
        self.refuse: set[str] = set()
        self.on_subscribe: Callable[[Socket, str], Awaitable[None]] | None = None
        self.handshake_status = 0
        self.url = ""
        self._served = AsyncExitStack()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ws/{tail:.*}", self._socket)
        app.router.add_route("*", "/{tail:.*}", self._rest)
        self.url = f"http://{await self._served.enter_async_context(serving(app))}"

    async def stop(self) -> None:
        for socket in self.sockets:
            await socket.cut()
        await self._served.aclose()

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path, request.raw_path.partition("?")[2]))
        self.headers.append(request.headers)
        self.bodies.append(await request.read())
        self.changes.note()
        if request.path in self.answers:
            return await self.answers[request.path](request)
        if request.path == "/time":
            return web.json_response({"serverTime": int(time.time() * 1000) + self.clock_offset_ms})
        return web.json_response({"code": -1, "msg": "no such path"}, status=404)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.handshake_status:
            return web.Response(status=self.handshake_status, headers={"Retry-After": "1"})
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        socket = Socket(ws, request.path)
        self.sockets.append(socket)
        self.changes.note()
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await self._on_text(socket, message.data)
            elif message.type is WSMsgType.PING:
                socket.pings += 1
                if self.pongs:
                    await ws.pong(message.data)
                self.changes.note()
        socket.closed = True
        self.changes.note()
        return ws

    async def _on_text(self, socket: Socket, text: str) -> None:
        socket.texts.append(text)
        if text.startswith("{"):
            request = json.loads(text)
            socket.requests.append(request)
            if self.ack:
                await self._answer(socket, request)
        self.changes.note()

    async def _answer(self, socket: Socket, request: dict[str, Any]) -> None:
        refused = self.refuse.intersection(request["topics"])
        if refused and request["op"] == "subscribe":
            await socket.ws.send_str(json.dumps({"error": "bad-topic", "msg": "no such topic", "id": request["id"]}))
            return
        for topic in request["topics"]:
            if request["op"] == "subscribe":
                socket.topics.append(topic)
            elif topic in socket.topics:
                socket.topics.remove(topic)
        await socket.ws.send_str(json.dumps({"ack": request["id"]}))
        if self.on_subscribe is not None and request["op"] == "subscribe":
            for topic in request["topics"]:
                await self.on_subscribe(socket, topic)

    @property
    def open_sockets(self) -> list[Socket]:
        return [socket for socket in self.sockets if not socket.closed]

    def subscribed(self, topic: str) -> list[Socket]:
        """Open sockets on which ``topic`` is subscribed now."""
        return [socket for socket in self.open_sockets if topic in socket.topics]


# --- the adapter


class ServerTime(msgspec.Struct):
    serverTime: int


class Tick(msgspec.Struct):
    n: int


class Push(msgspec.Struct):
    topic: str
    data: Tick


class Envelope(msgspec.Struct):
    code: int = 0
    msg: str = ""
    data: list[str] = []


class ControlFrame(msgspec.Struct):
    ack: int | None = None
    error: str | None = None
    msg: str = ""
    id: int | None = None
    notice: str | None = None


TIME = Endpoint("GET", "/time", ServerTime, market="main", cost={"weight": 1})
THING = Endpoint(
    "GET",
    "/thing",
    Envelope,
    market="main",
    serves=Operation.GET_TICKER,
    kinds=(MarketKind.SPOT,),
    cost={"weight": 2},
)
NAMED = Endpoint("GET", "/thing/{name}", Envelope, market="main")
PRIVATE = Endpoint("GET", "/private", Envelope, market="main", signed=True, serves=Operation.GET_BALANCE)
ORDER = Endpoint("POST", "/order", Envelope, market="main", signed=True, body="json", outcome_id="clientId")
FUTURE_THING = Endpoint(
    "GET", "/future", Envelope, market="side", serves=Operation.GET_TICKER, kinds=(MarketKind.LINEAR_SWAP,)
)

TICKS = Channel(
    "ticks.{symbol.venue_id}",
    Push,
    market="main",
    path="/public",
    serves=Operation.SUBSCRIBE_TICKER,
    kinds=(MarketKind.SPOT,),
    staleness=30.0,
)
TRADES = Channel(
    "trades.{symbol.venue_id}",
    Push,
    market="main",
    path="/public",
    serves=Operation.SUBSCRIBE_TRADES,
    kinds=(MarketKind.SPOT,),
    lossless=True,
    order_of=lambda push: push.data.n,
)
UNNUMBERED = Channel("events.{symbol.venue_id}", Push, market="main", path="/public", lossless=True)


class ToyDialect(Dialect):
    batch = 3
    topics_per_connection = 5
    silence = 20.0

    def __init__(self) -> None:
        self._push = msgspec.json.Decoder(Push)
        self._control = msgspec.json.Decoder(ControlFrame)

    def route(self, frame: bytes) -> bytes | None:
        head, _, tail = frame.partition(b'{"topic": "')
        return tail[: tail.index(b'"')] if tail and not head else None

    def subscribe(self, topics: Sequence[str], request_id: int) -> str:
        return json.dumps({"op": "subscribe", "topics": list(topics), "id": request_id})

    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str:
        return json.dumps({"op": "unsubscribe", "topics": list(topics), "id": request_id})

    def control(self, frame: bytes) -> Control | None:
        control = self._control.decode(frame)
        if control.notice is not None:
            return Notice(control.notice, rotate=True)
        if control.error is not None:
            return Refused(control.error, control.msg, request_id=control.id)
        return Ack(control.ack) if control.ack is not None else None


class ToyAuth(AuthHandler):
    def sign(self, request: HttpRequest, endpoint: Endpoint[object]) -> HttpRequest:
        query = request.query + ("&" if request.query else "") + f"timestamp={self.clock.now_ms()}"
        signature = f"{len(query)}-{len(request.body)}"
        return attrs.evolve(
            request, query=f"{query}&signature={signature}", headers={**request.headers, "X-KEY": self.api_key}
        )


def _read(body: bytes) -> Refusal | None:
    answer = msgspec.json.decode(body, type=Envelope)
    return Refusal(str(answer.code), answer.msg) if answer.code else None


def _check(answer: object) -> Refusal | None:
    return Refusal(str(answer.code), answer.msg) if isinstance(answer, Envelope) and answer.code else None


@attrs.frozen(kw_only=True)
class ToyOptions(CustomOptions):
    flavour: str = "plain"


class Toy(CustomExchangePlugin):
    venue: ClassVar[str] = "toy"
    display_name: ClassVar[str] = "Toy"
    urls: ClassVar = {
        "main": {"rest": "https://main.invalid", "ws": "wss://main.invalid/ws"},
        "side": {"rest": "https://side.invalid", "ws": "wss://side.invalid/ws"},
    }
    endpoints: ClassVar = (TIME, THING, NAMED, PRIVATE, ORDER, FUTURE_THING)
    channels: ClassVar = (TICKS, TRADES)
    limits: ClassVar = (RateLimit("weight", 1000, 60.0),)
    errors: ClassVar = ErrorTable(
        codes={
            "-5": ErrorRule(InsufficientFunds, cure="pay in"),
            "-9": ExchangeRateLimitError,
            "bad-topic": SymbolNotFound,
        },
        read=_read,
        check=_check,
        clock_codes=frozenset({"-1021"}),
    )
    Options: ClassVar = ToyOptions
    dialect: ClassVar[type[Dialect]] = ToyDialect

    async def server_time(self) -> ClockSample:
        answer = await self.http.timed(TIME)
        return answer.sample(answer.value.serverTime)

    def make_dialect(self, channel: Channel[object]) -> Dialect:
        return self.dialect()

    def make_auth(self) -> AuthHandler:
        return ToyAuth(self.config, self.clock)

    def used(self, endpoint: Endpoint[object], headers: Mapping[str, str]) -> list[tuple[str, int]]:
        return [("weight", int(headers["X-Used"]))] if "X-Used" in headers else []

    async def get_symbols(self) -> Sequence[Symbol]:
        return [symbol("BTC")]

    async def get_orderbook(self, symbol: Symbol, *, depth: int | None = None) -> OrderBook:
        raise NotImplementedError

    async def get_ticker(self, symbol: Symbol) -> Ticker:
        await self.http.request(endpoint_for((THING, FUTURE_THING), symbol))
        return Ticker(symbol.name, self.context.now_ms())

    def ticks(self, name: str) -> StreamSource[int]:
        return self.streams.open(TICKS, symbol(name), publishing(number))

    def trades(self, name: str) -> StreamSource[int]:
        return self.streams.open(TRADES, symbol(name), publishing(number))

    def events(self, name: str) -> StreamSource[int]:
        return self.streams.open(UNNUMBERED, symbol(name), publishing(number))


def number(push: Push, received_ms: int) -> int:
    return push.data.n


def symbol(name: str) -> Symbol:
    return Symbol(
        f"{name}/USDT", name, MarketKind.SPOT, name, "USDT", tick_size=Decimal("0.1"), lot_size=Decimal("0.1")
    )


# --- the host


class Context(PluginContext):
    """Keeps what it was told."""

    def __init__(self, name: str, changes: Changes) -> None:
        self._name = name
        self._changes = changes
        self.statuses: list[ConnectionStatus] = []
        self.events: list[Event] = []
        self.blocks: list[tuple[str, float]] = []
        self.limiters: dict[str, RateLimiter] = {}

    @property
    def exchange_name(self) -> str:
        return self._name

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def limiter(self, venue: str, limits: Sequence[RateLimit]) -> RateLimiter:
        limiter = RateLimiter(limits, on_block=lambda scope, seconds, reason: self.blocks.append((scope, seconds)))
        return self.limiters.setdefault(venue, limiter)

    def connection_changed(self, status: ConnectionStatus, reason: str | None = None) -> None:
        self.statuses.append(status)
        self._changes.note()

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self._changes.note()

    def register(self, event_type: type[Any], handler: Callable[[Any], object]) -> Callable[[], None]:
        raise NotImplementedError

    async def exchange(self, name: str) -> Any:
        raise NotImplementedError

    @property
    def errors(self) -> list[Any]:
        return [event.error for event in self.events if isinstance(event, ErrorRaised)]


class Sink:
    """What a host hangs on a source: everything in the order in which it came."""

    def __init__(self, source: StreamSource[Any], changes: Changes) -> None:
        self.log: list[Any] = []
        self.source = source
        self._changes = changes
        source.attach(self)

    def on_item(self, item: Any) -> None:
        self.log.append(item)
        self._changes.note()

    def on_gap(self, gap: StreamGap) -> None:
        self.log.append(gap)
        self._changes.note()

    def on_status(self, status: StreamStatus, error: object) -> None:
        self.log.append(status)
        self._changes.note()

    @property
    def items(self) -> list[int]:
        return [entry for entry in self.log if isinstance(entry, int)]

    @property
    def gaps(self) -> list[StreamGap]:
        return [entry for entry in self.log if isinstance(entry, StreamGap)]

    @property
    def statuses(self) -> list[StreamStatus]:
        return [entry for entry in self.log if isinstance(entry, StreamStatus)]


@attrs.define
class Bench:
    """A venue, a host and the way to make adapters between them."""

    changes: Changes
    venue: Venue
    plugins: list[Toy] = attrs.field(factory=list)
    transport: str = "aiohttp"

    def config(self, **settings: Any) -> ExchangeConfig:
        side = {"rest": self.venue.url, "ws": self.venue.url.replace("http", "ws") + "/ws"}
        values: dict[str, Any] = {
            "name": "mine",
            "exchange_id": "toy",
            "base_url": {"main": side, "side": side},
            "timeout": 2.0,
            **settings,
        }
        options = {"reconnect_delay": 0.02, "reconnect_max_delay": 0.1, "transport": self.transport}
        values["options"] = {**options, **values.get("options", {})}
        return ExchangeConfig(**values)

    async def plugin(self, *, dialect: type[Dialect] = ToyDialect, connect: bool = True, **settings: Any) -> Toy:
        kind = type("Toy", (Toy,), {"dialect": dialect})
        plugin: Toy = kind(self.config(**settings))
        plugin.context = Context(plugin.config.name, self.changes)
        self.plugins.append(plugin)
        await plugin.initialize()
        if connect:
            await plugin.connect()
        return plugin

    def sink(self, source: StreamSource[Any]) -> Sink:
        return Sink(source, self.changes)

    async def until(self, condition: Callable[[], object], *, within: float = PATIENCE) -> None:
        await self.changes.until(condition, within=within)

    async def ready(self, topic: str, sink: Sink, *, n: int = 1) -> Socket:
        """Wait until ``topic`` is subscribed and its first message arrived; gives the venue's socket."""
        await self.until(lambda: self.venue.subscribed(topic))
        socket = self.venue.subscribed(topic)[-1]
        await socket.push(topic, n=n)
        await self.until(lambda: n in sink.items)
        return socket


KEYS: dict[str, Any] = {"api_key": Secret("canary-key-1"), "secret_key": Secret("canary-secret-2")}


@pytest.fixture
def transport() -> str:
    """What carries the streams; tests to which it matters override this with both."""
    return "aiohttp"


@pytest.fixture
async def bench(transport: str) -> AsyncIterator[Bench]:
    changes = Changes()
    venue = Venue(changes)
    await venue.start()
    bench = Bench(changes, venue, transport=transport)
    yield bench
    for plugin in bench.plugins:
        await plugin.disconnect()
    await venue.stop()


@pytest.fixture
def keys() -> dict[str, Any]:
    return dict(KEYS)


@pytest.fixture
def toy_dialect() -> type[ToyDialect]:
    return ToyDialect


@pytest.fixture
def endpoints() -> dict[str, Endpoint[Any]]:
    return {"time": TIME, "thing": THING, "named": NAMED, "private": PRIVATE, "order": ORDER}
