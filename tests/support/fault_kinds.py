"""The table of everything that goes wrong: between adapter and venue, and at the venue itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import attrs
import msgspec
from fault_proxy import MESSAGES, Net, NetFault, Proxy, Where

from fra.emulator import BinanceVenue, Venue

VENUES = ("binance", "okx", "bybit", "htx")


class Resolver:
    """The process's way to addresses: names of ours lead to the loopback interface, unless they shall not be found."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.failing: set[str] = set()
        self.failed = 0

    @asynccontextmanager
    async def installed(self) -> AsyncIterator[None]:
        """Stand before the running loop's own look-up."""
        loop: Any = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def getaddrinfo(host: object, port: object, **more: object) -> object:
            name = host.decode() if isinstance(host, bytes) else str(host)
            if name in self.failing:
                self.failed += 1
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return await real("127.0.0.1" if name.endswith(self.domain) else host, port, **more)

        loop.getaddrinfo = getaddrinfo
        try:
            yield
        finally:
            loop.getaddrinfo = real


@attrs.define(eq=False)
class Stage:
    """Where a fault is let loose: one venue, the way to it, and what was drawn for the fault."""

    venue: Venue
    proxy: Proxy
    resolver: Resolver
    host: str
    """The name under which the venue is known; empty for its address."""
    books: list[tuple[str, str]]
    """Market and venue's id of the books that are watched."""
    where: Where
    seconds: float
    times: int
    deep: bool
    amount: int
    rng: Random
    met: Callable[[], bool] = lambda: True
    """Whether the fault has befallen anything."""


Fault = Callable[[Stage], Any]
"""An async context manager: it happens while it is entered."""


@attrs.frozen
class Kind:
    """One kind of fault. `told`: the streams must say within their limit that they have no data. `starting`: it may
    be there before the adapter is."""

    name: str
    fault: Fault
    venues: tuple[str, ...] = VENUES
    told: bool = False
    starting: bool = True
    running: bool = True
    named: bool = False
    """The venue is reached by a name, and `tls`: by TLS."""
    tls: bool = False
    swaps: bool = False
    """What comes in another order may be told in another order."""
    loses: bool = False
    """The venue itself keeps trades back without a sign."""
    book: bool = False
    """It needs a live book, and `linear`: an account of contracts; `sockets`: messages of sockets."""
    linear: bool = False
    sockets: bool = False


# --- between adapter and venue


def _net(kind: Net) -> Fault:
    @asynccontextmanager
    async def fault(stage: Stage) -> AsyncIterator[None]:
        found = NetFault(kind, stage.where, stage.seconds, stage.times, stage.deep, stage.rng)
        stage.met = found.hit.is_set
        stage.proxy.begin(found)
        try:
            yield
        finally:
            stage.proxy.end(found)

    return fault


@asynccontextmanager
async def _no_name(stage: Stage) -> AsyncIterator[None]:
    cut = NetFault(Net.CUT)
    before = stage.resolver.failed
    stage.resolver.failing.add(stage.host)
    stage.met = lambda: stage.resolver.failed > before
    stage.proxy.begin(cut)
    try:
        yield
    finally:
        stage.proxy.end(cut)
        stage.resolver.failing.discard(stage.host)


# --- at the venue


def _storm(status: int, bodies: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Fault:
    """The next REST answers are refusals."""

    @asynccontextmanager
    async def fault(stage: Stage) -> AsyncIterator[None]:
        venue = stage.venue
        body = bodies.get(venue.name, "<html><body>Bad Gateway</body></html>")
        before = venue.stats.answered[status]
        answer = venue.answer_with(
            status, body, count=3 * stage.times, headers=headers, content_type=_content_type(body)
        )
        stage.met = lambda: venue.stats.answered[status] > before
        if stage.deep:
            venue.cut()
        try:
            yield
        finally:
            answer.left = 0

    return fault


def _content_type(body: str) -> str:
    return "application/json" if body.startswith("{") else "text/html"


_BUSY = {
    "binance": '{"code":-1003,"msg":"Too many requests; current limit is 6000 request weight per 1 MINUTE."}',
    "okx": '{"code":"50011","msg":"Too Many Requests","data":[]}',
    "bybit": '{"retCode":10006,"retMsg":"Too many visits. Exceeded the API Rate Limit.","result":{},"retExtInfo":{}}',
    "htx": '{"status":"error","err-code":"api-limit-violated","err-msg":"Too many requests"}',
}
_BANNED = {"binance": '{"code":-1003,"msg":"Way too many requests; IP banned. Use the websocket."}'}
_SHUT = {
    "binance": '{"code":-1016,"msg":"This service is no longer available."}',
    "okx": '{"code":"50001","msg":"Service temporarily unavailable. Try again later.","data":[]}',
    "bybit": '{"retCode":10016,"retMsg":"Internal server error.","result":{},"retExtInfo":{},"time":1700000000000}',
    "htx": '{"status":"error","err-code":"system-maintenance","err-msg":"System is in maintenance!","data":null}',
}
_SHUT_STATUS = {"bybit": 200, "htx": 200}


@asynccontextmanager
async def _maintenance(stage: Stage) -> AsyncIterator[None]:
    """Announced in the venue's own words; then the sockets close, and REST says why."""
    venue = stage.venue
    venue.announce_shutdown()
    answer = venue.answer_with(_SHUT_STATUS.get(venue.name, 503), _SHUT[venue.name])
    venue.refuse_connections()
    await venue.close_sockets(code=1012)
    try:
        yield
    finally:
        answer.left = 0
        venue.refuse_connections(False)


@asynccontextmanager
async def _clock_jump(stage: Stage) -> AsyncIterator[None]:
    """The venue's clock is another from now on, to the scenario's end. What it dates itself is not moved, so a jump
    ahead is no longer than what a backfill asks for beyond the moment of a loss."""
    stage.venue.clock_offset_ms += stage.amount
    if stage.deep:
        stage.venue.cut()
    yield


@asynccontextmanager
async def _listen_keys(stage: Stage) -> AsyncIterator[None]:
    assert isinstance(stage.venue, BinanceVenue)
    ended = stage.venue.expire_listen_keys()
    stage.met = lambda: ended > 0
    yield


@asynccontextmanager
async def _lifetime(stage: Stage) -> AsyncIterator[None]:
    """Every connection is as old as it may be: it is announced where the venue does so, and closed."""
    stage.venue.announce_shutdown()
    await stage.venue.close_sockets(code=1001)
    yield


@asynccontextmanager
async def _restart(stage: Stage) -> AsyncIterator[None]:
    """The venue is away, and counts anew when it is back."""
    venue = stage.venue
    venue.refuse_connections(requests=True)
    venue.cut()
    for market, symbol in stage.books:
        venue.renumber_book(market, symbol)
    try:
        yield
    finally:
        venue.refuse_connections(False)


@asynccontextmanager
async def _renumber(stage: Stage) -> AsyncIterator[None]:
    for market, symbol in stage.books:
        stage.venue.renumber_book(market, symbol)
    yield


_MARKET_DATA = {
    "binance": ("depth", "trade", "aggTrade", "bookTicker", "kline", "markPrice"),
    "okx": ("books", "trades", "tickers", "candle", "funding-rate"),
    "bybit": ("orderbook", "publicTrade", "tickers", "kline"),
    "htx": ("mbp", "depth", "trade.detail", "ticker", "detail", "bbo", "kline", "public.funding_rate"),
}
"""Prefixes of the public channels."""


@asynccontextmanager
async def _silence(stage: Stage) -> AsyncIterator[None]:
    """The market data stop and pings go on. An account's channel may be quiet for days: this cannot be seen there."""
    venue = stage.venue
    for prefix in _MARKET_DATA[venue.name]:
        venue.pause_channel(prefix)
    venue.faults.deaf = stage.deep
    try:
        yield
    finally:
        for prefix in _MARKET_DATA[venue.name]:
            venue.resume_channel(prefix)
        venue.faults.deaf = False


def _delta(switch: Callable[[Venue], Callable[[str, str], Any]]) -> Fault:
    @asynccontextmanager
    async def fault(stage: Stage) -> AsyncIterator[None]:
        switches = [switch(stage.venue)(*book) for book in stage.books for _ in range(stage.times)]
        stage.met = lambda: any(one.applied.is_set() for one in switches)
        try:
            yield
        finally:
            stage.venue.faults._books.clear()

    return fault


@asynccontextmanager
async def _stale_snapshot(stage: Stage) -> AsyncIterator[None]:
    for book in stage.books:
        stage.venue.stale_snapshots(*book, count=stage.times)
    stage.venue.cut()
    yield


@asynccontextmanager
async def _garbage_answers(stage: Stage) -> AsyncIterator[None]:
    answer = stage.venue.answer_garbage(count=2 * stage.times)
    stage.met = lambda: answer.left is not None and answer.left < 2 * stage.times
    try:
        yield
    finally:
        answer.left = 0


@asynccontextmanager
async def _garbage_push(stage: Stage) -> AsyncIterator[None]:
    frame: str | bytes = stage.rng.choice(
        ('{"e":', "[]", "null", msgspec.json.encode({"data": 1}).decode(), b"\x1f\x8b\x08")
    )
    stage.venue.push_raw(frame)
    yield


KINDS = (
    *(
        Kind(
            net.value,
            _net(net),
            told=net in (Net.SWALLOW, Net.DUMB, Net.STALL),
            starting=net is not Net.CUT and net not in MESSAGES,
            swaps=net is Net.REORDER,
            sockets=net in MESSAGES,
        )
        for net in Net
        if net not in (Net.TLS_REFUSED, Net.TLS_WRONG)
    ),
    Kind("TLS handshake refused", _net(Net.TLS_REFUSED), named=True, tls=True),
    Kind("TLS certificate of another", _net(Net.TLS_WRONG), named=True, tls=True),
    Kind("name not found", _no_name, running=False, named=True),
    Kind("429 storm", _storm(429, _BUSY, {"Retry-After": "1"})),
    Kind("418 storm", _storm(418, _BANNED, {"Retry-After": "1"}), venues=("binance",)),
    Kind("502 storm", _storm(502, {})),
    Kind("503 storm", _storm(503, _SHUT)),
    Kind("maintenance", _maintenance),
    Kind("clock jump", _clock_jump, starting=False),
    Kind("listen keys expire", _listen_keys, venues=("binance",), starting=False, linear=True),
    Kind("end of a connection's life", _lifetime, starting=False),
    Kind("restart, counting anew", _restart, starting=False, book=True),
    Kind("counting anew", _renumber, starting=False, book=True),
    Kind("open and silent", _silence, starting=False, told=True, loses=True),
    Kind("delta lost", _delta(lambda venue: venue.drop_next_delta), starting=False, book=True),
    Kind("delta twice", _delta(lambda venue: venue.duplicate_next_delta), starting=False, book=True),
    Kind("deltas swapped", _delta(lambda venue: venue.swap_next_deltas), starting=False, book=True),
    Kind("snapshot too old", _stale_snapshot, starting=False, book=True),
    Kind("REST answers garbage", _garbage_answers),
    Kind("socket pushes garbage", _garbage_push, starting=False),
)

Awaited = Callable[[], Awaitable[None]]


def kinds_of(venue: str) -> tuple[Kind, ...]:
    return tuple(kind for kind in KINDS if venue in kind.venues)
