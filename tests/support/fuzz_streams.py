"""A native adapter's streams out of memory: what the emulated venue sent once, some of it changed, on connection after
connection.

The seam is the transport: everything of ours, from the frame to the item, runs as in a program, and so do losing a
connection, coming back and subscribing anew.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Final

import attrs
from fuzz_channels import (
    AFTERWARDS,
    CHANNELS,
    GZIP,
    NOTHING,
    PATIENCE_S,
    ChannelBench,
    Ear,
    Open,
    Stage,
    overheard,
    stirring,
    until,
)
from fuzz_mutations import Choices, Seed
from fuzz_recorded import frames_of
from fuzz_rest import Listening, Playing, Unlimited, managed, unattended
from traders import LINEAR, configured, emulator, new_account

from fra.adapters.custom import Dialect, books
from fra.adapters.custom.transport import AiohttpTransport, Transport
from fra.core import (
    StreamStatus,
    Symbol,
)
from fra.emulator import Venue as EmulatedVenue

LONG_ID: Final = re.compile(rb"\b\d{15,}\b")
SETTLING: Final = 30
"""Turns in which what was begun in the background may come to its end."""


@attrs.frozen
class Said:
    """One message of a connection: ours, or a frame of the venue; and whether it was sent otherwise."""

    frame: bytes | None
    changed: bool = False


class Recorder(AiohttpTransport):
    """A real connection whose messages are kept."""

    scripts: ClassVar[list[tuple[str, list[Said]]]] = []

    @classmethod
    async def connect(cls, network: Any, url: str, *, to: str, max_frame: int) -> Recorder:
        made = await super().connect(network, url, to=to, max_frame=max_frame)
        made.__class__ = cls
        script: list[Said] = []
        made.script = script  # type: ignore[attr-defined]
        cls.scripts.append((to, script))
        return made  # type: ignore[return-value]

    async def run(self, on_frame: Any, on_ping: Any, *, now_ms: Any) -> str:
        def kept(frame: Any, received_ms: int) -> None:
            self.script.append(Said(frame.encode() if isinstance(frame, str) else bytes(frame)))  # type: ignore[attr-defined]
            on_frame(frame, received_ms)

        return await super().run(kept, on_ping, now_ms=now_ms)

    async def send(self, text: str) -> None:
        self.script.append(Said(None))  # type: ignore[attr-defined]
        await super().send(text)


class Player(Transport):
    """A connection that plays a script: a frame comes when we have said what we said before it then.

    At its end it stays open, or is lost.
    """

    def __init__(self, script: Sequence[Said], *, stays: bool, on_said: Callable[[Said], None]) -> None:
        self._script = script
        self._stays = stays
        self._on_said = on_said
        self._count = 0
        self._sent = 0
        self._heard = asyncio.Event()
        self._cut = asyncio.Event()
        self.ended = False
        """The script has been played, or we have closed."""
        self.closed = False

    async def run(self, on_frame: Any, on_ping: Any, *, now_ms: Any) -> str:
        due = 0
        for said in self._script:
            if said.frame is None:
                due += 1
                continue
            while self._sent < due and not self._cut.is_set():
                self._heard.clear()
                await self._heard.wait()
            if self._cut.is_set():
                break
            if self.closed:
                break
            self._on_said(said)
            on_frame(said.frame, now_ms())
            self._count += 1
            if self._count % 2:
                await asyncio.sleep(0)
        self.ended = True
        if self._stays:
            await self._cut.wait()
        else:
            for _ in range(AFTERWARDS):
                await asyncio.sleep(0)
        return "cut"

    def cut(self) -> None:
        self._cut.set()
        self._heard.set()

    async def send(self, text: str) -> None:
        self._sent += 1
        self._heard.set()

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        self.closed = True
        self.ended = True


class Transports(Stage[Said, Player]):
    """What stands in for the transport's class."""

    async def connect(self, network: Any, url: str, *, to: str, max_frame: int) -> Player:
        return self.enter(to)


class StreamBench(ChannelBench[Said, Player]):
    """A channel of a native adapter."""

    def __init__(self, name: str, plugin: Any, symbol: Symbol, open_: Open) -> None:
        self.stage: Transports
        super().__init__(name, plugin, symbol, open_, Transports(Player))
        self.recorded: dict[str, list[Seed]] = {}
        """By address, messages of the real venue about the same."""
        self.playing = Playing()

    # --- learning

    async def learn(self, venue: EmulatedVenue, stir: Callable[[], Awaitable[None]]) -> None:
        """Hear the emulated venue for a while."""
        Recorder.scripts = []
        self.plugin.streams._transport = Recorder
        session = self.plugin._network.session()
        listening = Listening(session)
        listening.ws_connect = session.ws_connect  # type: ignore[attr-defined]
        self.plugin._network._session = listening
        source = self._open(self.plugin, self.symbol)
        ear = Ear()
        source.attach(ear)
        async with asyncio.timeout(20):
            for lives in range(2 if self.name.endswith("user_data") else 1):
                if lives:
                    venue.cut()  # what is asked after a loss is not what is asked at first
                    await until(lambda: source.status is not StreamStatus.LIVE)
                await until(lambda: source.status is StreamStatus.LIVE)
                heard = ear.items
                await stir()
                await until(lambda heard=heard: ear.items >= heard + 6)
        streams = self.plugin.streams
        dialects = [streams.make_dialect(address) for address in streams._lines]
        await source.close()
        self.plugin._network._session = session
        self.keep(Recorder.scripts, self._text)
        for to, script in self.scripts.items():
            self._recall(to, [self._text(said.frame) for said in script if said.frame is not None], dialects)
        self.playing.answers = {}
        for answer in listening.kept:
            self.playing.answers.setdefault(answer.key, [answer])
        self.playing.otherwise = NOTHING[self.name.partition(" ")[0]]

    def _recall(self, to: str, frames: Sequence[bytes], dialects: Sequence[Dialect]) -> None:
        """What was recorded of the topics of one address."""
        for dialect in dialects:
            routes = {route for frame in frames if (route := dialect.route(frame)) is not None}
            if routes:
                venue = self.name.partition(" ")[0]
                self.recorded[to] = frames_of(venue, partial(_is_of, dialect, routes))
                return

    def _text(self, frame: bytes) -> bytes:
        return gzip.decompress(frame) if frame[:2] == GZIP else frame

    # --- playing

    async def use(self) -> None:
        """From now on all comes out of memory."""
        self.plugin.streams._transport = self.stage
        session, self.plugin._network._session = self.plugin._network._session, self.playing
        await session.close()
        self.plugin.http._limiter = self.plugin.streams._limiter = Unlimited(())

    async def play(self, to: str, script: Sequence[Said]) -> None:
        """Connections that play what was recorded, that to one address this, each played to its end."""
        self.stage.scripts = {**self.scripts, to: script}
        self.stage.due.clear()
        old = dict(self.stage.players)
        self.stage.players.clear()
        source = await self.opened()
        for player in old.values():
            player.cut()
        async with asyncio.timeout(PATIENCE_S):
            while self.stage.players.keys() != self.scripts.keys():
                await asyncio.sleep(0)
                if source.status is StreamStatus.FAILED:
                    return
        players = tuple(self.stage.players.values())
        await self.turn(lambda: all(player.ended for player in players))
        for _ in range(SETTLING):
            if source.status is StreamStatus.LIVE:
                break
            await asyncio.sleep(0)

    def otherwise(self, line: Said, seed: Seed, to: str, choices: Choices) -> Said:
        recorded = self.recorded.get(to, ())
        if choices.pick(3) == 2 and recorded:
            seed = choices.one(recorded)
        frame = seed.mutated(choices)
        if (line.frame or b"")[:2] == GZIP and choices.pick(8) != 7:
            frame = gzip.compress(frame, 1)
        return Said(frame, changed=frame != line.frame)

    def _later(self, said: Said) -> Said:
        """The same with later ids, where the venue tells a trade by a long one: it would be known otherwise."""
        if said.frame is None or not LONG_ID.search(text := self._text(said.frame)):
            return said
        moved = LONG_ID.sub(lambda found: str(int(found[0]) + self._told * 10**10).encode(), text)
        return Said(gzip.compress(moved, 1) if said.frame[:2] == GZIP else moved)

    async def recover(self) -> None:
        """After whatever came: the venue's own messages again, and all is as it was."""
        self._told += 1
        to = next(iter(self.scripts))
        await self.play(to, [self._later(said) for said in self.scripts[to]])
        assert self.source is not None
        source = self.source
        if not await self.turn(lambda: source.status is StreamStatus.LIVE):
            try:
                async with asyncio.timeout(PATIENCE_S):  # it may be waiting before it asks again
                    await until(lambda: source.status is StreamStatus.LIVE)
            except TimeoutError:
                raise AssertionError(f"{self.name} did not come back: {source.status} {source.error!r}") from None
        self.check()


@asynccontextmanager
async def stream_benches(venue_name: str, *names: str) -> AsyncIterator[dict[str, StreamBench]]:
    """The channels of a venue, each after it was heard at the emulated one."""
    benches: dict[str, StreamBench] = {}
    async with emulator(
        venue_name, symbols=0, funding_push_s=0.1, mark_price_push_s=0.1, step_ms=50, levels=8
    ) as running:
        (venue,) = running.venues.values()
        account = new_account()
        venue.open_account(account)
        options = {"retries": 0, "reconnect_delay": 1e-6, "reconnect_max_delay": 1e-6}
        manager = managed(venue_name, configured(venue, account, options=options))
        handle = await unattended(manager, venue_name)
        for name in names or CHANNELS:
            symbol = handle.symbol(LINEAR)
            bench = StreamBench(f"{venue_name} {name}", handle._plugin, symbol, CHANNELS[name])
            try:
                await bench.learn(venue, stirring(handle, name))
            except TimeoutError:
                print("nothing to learn", name)
                continue
            benches[name] = bench
    longest, books._LONGEST_PAUSE = books._LONGEST_PAUSE, 0.0  # type: ignore[misc]  # a storm of resyncs is what this is
    try:
        async with overheard(manager, benches):
            yield benches
    finally:
        books._LONGEST_PAUSE = longest  # type: ignore[misc]


def _is_of(dialect: Dialect, routes: Set[bytes], frame: bytes) -> bool:
    return dialect.route(frame) in routes
