"""What an emulated venue is asked, changed: the requests and frames of a native adapter, signed as right ones are."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, quote, urlencode

import aiohttp
import attrs
from fuzz_mutations import Choices, Json, Seed, encode
from fuzz_rest import CALLS, Unlimited, _serves, managed
from traders import INVERSE, LINEAR, SPOT, configured, emulator, new_account
from yarl import URL

from fra.adapters.custom import Endpoint, HttpRequest
from fra.adapters.custom.transport import AiohttpTransport
from fra.core import ExchangeError, ExchangeHandle, FraError, KlineInterval
from fra.emulator import Venue

_LONGEST: Final = 6_000
"""Of a query: a longer request line is refused by the HTTP server, before the venue."""
_METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH")
_WORDS: Final[Mapping[str, Sequence[set[str]]]] = {
    "binance": ({"code", "msg"},),
    "bybit": ({"retCode", "retMsg"},),
    "htx": ({"status", "err-code"}, {"status", "err_code"}, {"code", "message"}, {"code"}),
    "okx": ({"code", "msg"},),
}
"""What a refusal of each venue has, in one of its shapes."""
_BARE: Final[Mapping[str, Sequence[int]]] = {"bybit": (401, 403, 404)}
"""What a venue's edge answers without a word of the venue's own."""


@attrs.frozen
class Asked:
    """One request of the adapter's, before it was signed."""

    endpoint: Endpoint[object]
    request: HttpRequest


class Spy:
    """Signs, and keeps what it was given."""

    def __init__(self, auth: Any) -> None:
        self.auth = auth
        self.kept: dict[tuple[str, str], Asked] = {}

    def sign(self, request: HttpRequest, endpoint: Endpoint[object]) -> HttpRequest:
        self.kept.setdefault((request.method, request.path), Asked(endpoint, request))
        return self.auth.sign(request, endpoint)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.auth, name)


class Recording(AiohttpTransport):
    """Keeps what it sends, by connection."""

    kept: ClassVar[list[tuple[str, list[str]]]] = []

    @classmethod
    async def connect(cls, network: Any, url: str, *, to: str, max_frame: int) -> Recording:
        transport = await super().connect(network, url, to=to, max_frame=max_frame)
        assert isinstance(transport, cls)
        transport.sent = []
        cls.kept.append((url, transport.sent))
        return transport

    sent: list[str]

    async def send(self, text: str) -> None:
        self.sent.append(text)
        await super().send(text)


class Complaints(logging.Handler):
    """What a server's own log says of requests that broke it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(self.format(record))


class RequestBench:
    """An emulated venue and everything that its adapter asks it."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.asked: list[Asked] = []
        self.frames: list[tuple[str, list[str]]] = []
        self.complaints = Complaints()
        self._auth: Any = None
        self._session: aiohttp.ClientSession | None = None

    async def learn(self, handle: ExchangeHandle) -> None:
        """Make every call and open every stream once."""
        plugin: Any = handle._plugin
        http, self._auth = plugin.http, plugin.http._auth
        spy = http._auth = Spy(self._auth)
        http._limiter = plugin.streams._limiter = Unlimited(())
        exchange, plain = http._exchange, dict[tuple[str, str], Asked]()

        async def seen(url: URL, request: HttpRequest) -> Any:
            plain.setdefault((request.method, request.path), Asked(_UNSIGNED, request))
            return await exchange(url, request)

        http._exchange = seen
        Recording.kept.clear()
        plugin.streams._transport = Recording
        async with asyncio.timeout(30):
            for kind in (SPOT, LINEAR, INVERSE):
                try:
                    symbol = handle.symbol(kind)
                except ExchangeError:
                    continue
                for name, call in CALLS.items():
                    if _serves(plugin, name, symbol):
                        try:
                            await call(plugin, symbol)
                        except FraError:
                            pass  # it was asked, all the same
                opened = [handle.subscribe_trades(kind), handle.subscribe_klines(kind, KlineInterval.M1)]
                for subscription in (handle.subscribe_orderbook(kind), *opened, handle.subscribe_user_data()):
                    await subscription.ready()
        self.asked = [*spy.kept.values(), *(one for key, one in plain.items() if key not in spy.kept)]
        self.frames = [(url, list(sent)) for url, sent in Recording.kept if sent]
        http._auth, http._exchange = self._auth, exchange
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    # --- playing

    async def ask(self, data: bytes) -> None:
        """One request with one change; the answer is the venue's."""
        assert self._session is not None
        self.complaints.kept.clear()
        choices = Choices(data)
        asked: Asked = choices.one(self.asked)
        request = _changed(asked.request, choices)
        if asked.endpoint is not _UNSIGNED:
            try:
                request = self._auth.sign(request, asked.endpoint)
            except UnicodeDecodeError:  # where the body is signed as text
                body = request.body.decode(errors="replace").encode()
                request = self._auth.sign(attrs.evolve(request, body=body), asked.endpoint)
        url = URL(f"http://{request.host}{request.target}", encoded=True)
        headers = {key: value for key, value in request.headers.items() if key.lower() != "user-agent"}
        async with self._session.request(
            request.method, url, data=request.body or None, headers=headers, allow_redirects=False
        ) as answer:
            body = await answer.read()
        what = f"{request.method} {request.target[:2000]} {request.body[:1000]!r}: HTTP {answer.status} {body[:300]!r}"
        assert not self.complaints.kept, f"{what}\n{self.complaints.kept[0]}"
        if answer.status in _BARE.get(self.venue.name, ()):
            return
        if answer.status >= 400:
            told = json.loads(body)
            shapes = _WORDS[self.venue.name]
            assert isinstance(told, dict), what
            assert any(shape <= told.keys() for shape in shapes), what
        else:
            json.loads(body)

    async def say(self, data: bytes) -> None:
        """The frames of one connection with one of them changed; the venue answers a ping afterwards, or closes."""
        assert self._session is not None
        self.complaints.kept.clear()
        choices = Choices(data)
        url, frames = choices.one(self.frames)
        place = choices.pick(len(frames))
        seed = Seed(frames[place].encode())
        changed = seed.mutated(choices).decode("utf-8", "replace")
        async with self._session.ws_connect(URL(url, encoded=True), autoping=False) as socket, asyncio.timeout(5):
            for text in (*frames[:place], changed):
                await socket.send_str(text)
            await socket.ping()
            async for message in socket:
                if message.type is aiohttp.WSMsgType.PONG:
                    break
        assert not self.complaints.kept, f"{url} {changed[:2000]!r}\n{self.complaints.kept[0]}"


_UNSIGNED: Final = Endpoint("GET", "/", object, market="none")


def _changed(request: HttpRequest, choices: Choices) -> HttpRequest:
    if choices.pick(16) == 15:
        request = attrs.evolve(request, method=choices.one(_METHODS))
    if request.body[:1] in (b"{", b"["):
        return attrs.evolve(request, body=Seed(request.body).mutated(choices))
    if request.body:
        return attrs.evolve(request, body=_query(request.body.decode(), choices).encode())
    return attrs.evolve(request, query=_query(request.query, choices))


def _query(query: str, choices: Choices) -> str:
    changed = Seed(encode(dict(parse_qsl(query, keep_blank_values=True)))).mutated(choices)
    try:
        told: Json = json.loads(changed)
    except (ValueError, RecursionError):
        return quote(changed, safe="=&")[:_LONGEST].rpartition("%")[0]
    if not isinstance(told, dict):
        return quote(str(told)[:1_000], safe="=&", errors="replace")
    return urlencode({key: _text(value) for key, value in told.items()}, errors="replace")[:_LONGEST]


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@asynccontextmanager
async def request_bench(name: str) -> AsyncIterator[RequestBench]:
    """A venue that knows one account, and what its adapter asks."""
    async with emulator(name, symbols=0) as running:
        venue = running.venues[name]
        account = new_account()
        venue.open_account(account)
        bench = RequestBench(venue)
        async with managed(name, configured(venue, account, options={"transport": "aiohttp"})) as manager:
            handle = manager.get_plugin(name)
            await handle.get_symbols()
            await bench.learn(handle)
        logger = logging.getLogger("aiohttp.server")
        logger.addHandler(bench.complaints)
        try:
            yield bench
        finally:
            logger.removeHandler(bench.complaints)
            await bench.close()
