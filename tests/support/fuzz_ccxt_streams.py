"""Streams on ccxt out of memory: what the emulated venue sent once, some of it changed, on connection after connection.

The seam is aiohttp's WebSocket, below ccxt's client of a socket: ccxt's loop of receiving, its handlers and our pump
run as in a program, and so do losing a connection, coming back and subscribing anew. What is asked by REST meanwhile
gets the answer that was recorded.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import gzip
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
from aiohttp import WSMessage, WSMsgType
from ccxt_again import emulator, through_ccxt
from fuzz_ccxt import Free
from fuzz_channels import (
    AFTERWARDS,
    CHANNELS,
    FRAMES,
    GZIP,
    NOTHING,
    PATIENCE_S,
    ChannelBench,
    Ear,
    Stage,
    overheard,
    stirring,
    until,
)
from fuzz_mutations import Choices, Seed
from fuzz_rest import unattended
from traders import LINEAR, configured, new_account

from fra.adapters.ccxt import streams
from fra.core import (
    Operation,
    PluginManager,
    StreamStatus,
    Symbol,
)

OURS: Final = re.compile(r'"(id|req_id|cid)":\s*"?([^",}]+)')
"""The number that a question bears, and its answer again."""
TRADE_IDS: Final[Mapping[str, re.Pattern[bytes]]] = {
    "binance": re.compile(rb'("[at]":\d+)'),
    "bybit": re.compile(rb'("i":"[^"]+)'),
    "bitfinex": re.compile(rb"(\[11\d\d)(?=, \d)"),
    "bitget": re.compile(rb'("tradeId": "\d+)'),
    "cryptocom": re.compile(rb'("d": "\d+)'),
    "gate": re.compile(rb'("id": \d{6,})'),
    "htx": re.compile(rb'("(?:id|tradeId)":\d+)'),
    "kucoin": re.compile(rb'("tradeId": "\d+)'),
    "mexc": re.compile(rb'("i": \d+)'),
    "okx": re.compile(rb'("tradeId":"\d+)'),
}
"""By these a trade is known again: plain ones that come anew have to be other trades."""
GOODBYE_S: Final = 0.01
ITEMS: Final = 4
"""So many are waited for while it is recorded: a candle comes every other second."""


@attrs.frozen
class Line:
    """One message of a connection: ours, or a frame of the venue; and whether it was sent otherwise."""

    ours: str | None = None
    frame: bytes | None = None
    packed: bool = False
    changed: bool = False


class Recording:
    """A real connection whose messages are kept."""

    _conn = None
    """By this ccxt would read past :meth:`receive`."""

    def __init__(self, socket: Any, script: list[Line]) -> None:
        self._socket = socket
        self._script = script

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def receive(self) -> WSMessage:
        message: WSMessage = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data = message.data.encode() if isinstance(message.data, str) else message.data
            packed = data[:2] == GZIP
            self._script.append(Line(frame=gzip.decompress(data) if packed else data, packed=packed))
        return message

    async def send_str(self, text: str) -> None:
        self._script.append(Line(ours=text))
        await self._socket.send_str(text)


class Connection:
    """As much of aiohttp's WebSocket as ccxt uses. Plays a script: a frame comes when we have said what we said before
    it then. At its end it stays open, or the venue closes it.
    """

    _conn = None

    def __init__(self, script: Sequence[Line], *, stays: bool, on_said: Callable[[Line], None]) -> None:
        self._rest = deque(script)
        self._asked = deque(line.ours for line in script if line.ours is not None)
        self._stays = stays
        self._on_said = on_said
        self._due = 0
        self._sent = 0
        self._ids: dict[str, str] = {}
        self._news = asyncio.Event()
        self._cut = self._closing = self.closed = False
        self.ended = False
        """The script has been played, or one of both has closed."""

    async def receive(self) -> WSMessage:
        while not (self.closed or self._closing or self._cut):
            if self._rest and self._rest[0].frame is None:
                self._due += 1
                self._rest.popleft()
            elif self._rest and self._sent >= self._due:
                line = self._rest.popleft()
                self._on_said(line)
                return self._message(line)
            elif not self._rest and not self._stays:
                for _ in range(AFTERWARDS):
                    await asyncio.sleep(0)
                break
            else:
                self.ended = not self._rest
                self._news.clear()
                await self._news.wait()
        self.ended = True
        if self.closed or self._closing:
            return WSMessage(WSMsgType.CLOSED, None, None)
        self._closing = True
        return WSMessage(WSMsgType.CLOSE, 1001, "")

    def _message(self, line: Line) -> WSMessage:
        assert line.frame is not None
        text = line.frame
        for then, now in self._ids.items():
            text = re.sub(rb'("(?:id|req_id|cid)":\s*"?)' + re.escape(then.encode()) + rb'(?=[",}])',
                          lambda found, now=now: found[1] + now.encode(), text)  # fmt: skip
        if line.packed:
            return WSMessage(WSMsgType.BINARY, gzip.compress(text, 1), None)
        try:
            return WSMessage(WSMsgType.TEXT, text.decode(), None)
        except UnicodeDecodeError:  # aiohttp would not let it pass as text
            return WSMessage(WSMsgType.BINARY, text, None)

    async def send_str(self, text: str) -> None:
        self._sent += 1
        then, now = OURS.search(self._asked.popleft() if self._asked else ""), OURS.search(text)
        if then and now and then[2] != now[2]:
            self._ids[then[2]] = now[2]
        self._news.set()

    async def ping(self, *data: object) -> None:
        pass

    async def pong(self, *data: object) -> None:
        pass

    async def close(self, **how: object) -> None:
        self.closed = self.ended = True
        self._news.set()

    def cut(self) -> None:
        self._cut = True
        self._news.set()


class Answers:
    """What ccxt asks by REST: kept while it is recorded, and given again; of anything else there is nothing."""

    def __init__(self, client: Any, otherwise: bytes) -> None:
        self._otherwise = otherwise
        self._ask = client.fetch2
        self._kept: dict[tuple[str, str, str], Any] = {}
        client.fetch2 = self.fetch2
        self.recording = True

    async def fetch2(self, path: Any, api: Any = "public", method: Any = "GET", *rest: Any, **more: Any) -> Any:
        key = (str(path), str(api), str(method))
        if self.recording:
            answer = await self._ask(path, api, method, *rest, **more)
            self._kept.setdefault(key, copy.deepcopy(answer))
            return answer
        return copy.deepcopy(self._kept[key]) if key in self._kept else json.loads(self._otherwise)


class CcxtStreamBench(ChannelBench[Line, Connection]):
    """A channel of an adapter on ccxt."""

    def __init__(self, venue: str, channel: str, plugin: Any, symbol: Symbol) -> None:
        super().__init__(f"{venue} {channel} on ccxt", plugin, symbol, CHANNELS[channel], Stage(Connection))
        self._ids = TRADE_IDS[venue] if channel == "trades" else None
        self.recorded: list[tuple[str, list[Line]]] = []
        """Address and script of each connection while it learns."""
        self.learned = Ear()
        """What came of it then."""

    # --- learning

    async def learn(
        self,
        stir: Callable[[], Awaitable[None]],
        cut: Callable[[], object] | None = None,
        *,
        items: int = ITEMS,
        frames: int = FRAMES,
    ) -> None:
        """Hear the venue until there are so many ``items`` more after ``stir``; so many ``frames`` are kept."""
        recorded = self.recorded = []

        async def connect(socket: Any, session: Any) -> Recording:
            script: list[Line] = []
            made = await type(socket).create_connection(socket, session)
            recorded.append((_place(socket.url), script))
            return Recording(made, script)

        _connecting(self.plugin.client, connect)
        source, ear = self._open(self.plugin, self.symbol), self.learned
        source.attach(ear)
        async with asyncio.timeout(20):
            await until(lambda: source.status is StreamStatus.LIVE)
            heard = ear.items
            await stir()
            await until(lambda: ear.items >= heard + items)
            if cut is not None:  # what is asked after a loss is not what is asked at first
                cut()
                await until(lambda: source.status is not StreamStatus.LIVE)
                await until(lambda: source.status is StreamStatus.LIVE)
        await source.close()
        await _without_sockets(self.plugin.client)
        self.keep(recorded, lambda frame: frame, frames=frames)

    def heard(self) -> int:
        """How many frames have come while it learns."""
        return sum(line.frame is not None for _, script in self.recorded for line in script)

    # --- playing

    def use(self) -> None:
        """From now on all comes out of memory."""
        _connecting(self.plugin.client, self._connect)

    async def _connect(self, socket: Any, session: Any) -> Connection:
        return self.stage.enter(_place(socket.url))

    def otherwise(self, line: Line, seed: Seed, to: str, choices: Choices) -> Line:
        frame = seed.mutated(choices)
        packed = line.packed and choices.pick(8) != 7
        return attrs.evolve(line, frame=frame, packed=packed, changed=frame != line.frame)

    async def recover(self) -> None:
        """After whatever came: the venue's own messages again, and all is as it was."""
        self._told += 1
        self.stage.due.clear()
        self.stage.scripts = {url: [self._other_trade(line) for line in script] for url, script in self.scripts.items()}
        source, heard = await self.opened(), self.ear.items
        self.stage.cut()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await until(lambda: self.ear.items > heard and source.status is StreamStatus.LIVE)
        except TimeoutError:
            raise AssertionError(
                f"{self.name} did not come back: {source.status} {source.error!r}, {self.ear.items - heard} items, "
                f"after {[*self.stage.lately]!r:.3000}"
            ) from None
        self.check()

    def _other_trade(self, line: Line) -> Line:
        if line.frame is None or self._ids is None or b'"subbed"' in line.frame:
            return line
        return attrs.evolve(line, frame=self._ids.sub(lambda found: found[1] + b"%04d" % self._told, line.frame))

    def check(self) -> None:
        gc.collect()  # what failed in the background is told of when it is thrown away
        super().check()

    async def end(self) -> None:
        await super().end()
        await _without_sockets(self.plugin.client)


@asynccontextmanager
async def ccxt_stream_benches(venue_name: str) -> AsyncIterator[dict[str, CcxtStreamBench]]:
    """The channels that ccxt streams of a venue, each after it was heard at the emulated one."""
    benches: dict[str, CcxtStreamBench] = {}
    settings = {"funding_push_s": 0.1, "mark_price_push_s": 0.1, "step_ms": 50, "levels": 8, "symbols": 0}
    async with emulator(venue_name, **settings) as running:
        (venue,) = running.venues.values()
        account = new_account()
        venue.open_account(account)
        options = {"reconnect_delay": 1e-6, "reconnect_max_delay": 1e-6}
        config = configured(venue, account, **through_ccxt(venue, {"options": options}))
        manager = PluginManager.from_config({"exchanges": {venue_name: config}})
        handle = await unattended(manager, venue_name)
        plugin: Any = handle._plugin
        answers = Answers(plugin.client, NOTHING[venue_name])
        for channel in CHANNELS:
            bench = CcxtStreamBench(venue_name, channel, plugin, handle.symbol(LINEAR))
            if channel == "funding_rate" and not _streamed(plugin, bench.symbol):
                continue
            await bench.learn(stirring(handle, channel), venue.cut if channel == "user_data" else None)
            benches[channel] = bench
        answers.recording = False
        plugin.budget._limiter = Free(())
    goodbye, streams._GOODBYE_S = streams._GOODBYE_S, GOODBYE_S  # type: ignore[misc]  # nobody answers to it
    try:
        async with overheard(manager, benches):
            yield benches
    finally:
        streams._GOODBYE_S = goodbye  # type: ignore[misc]


def _connecting(client: Any, connect: Callable[[Any, Any], Awaitable[Any]]) -> None:
    """ccxt's sockets connect by this from now on, and wait for no budget."""
    make = type(client).client

    async def throttle(cost: object = None) -> None:
        pass

    def made(url: str) -> Any:
        socket = make(client, url)
        socket.create_connection = lambda session: connect(socket, session)
        socket.throttle = throttle
        return socket

    client.client = made


def _place(url: str) -> str:
    """Where a socket leads to; what it asks for there may be another each time."""
    return url.partition("?")[0]


def _streamed(plugin: Any, symbol: Symbol) -> bool:
    """Whether ccxt streams funding rates there: else our own loop asks for them."""
    return bool(plugin.capabilities.support(Operation.SUBSCRIBE_FUNDING_RATE, symbol.kind).mode != "polled")


async def _without_sockets(client: Any) -> None:
    for socket in tuple(client.clients.values()):
        await socket.close()
    client.clients.clear()
