"""A native adapter's streams out of memory: what the emulated venue sent once, some of it changed, on connection after
connection.

The seam is the transport: everything of ours, from the frame to the item, runs as in a program, and so do losing a
connection, coming back and subscribing anew.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Final

import attrs
from fuzz_models import check_model
from fuzz_mutations import Choices, Seed
from fuzz_recorded import frames_of
from fuzz_rest import Listening, Playing, Unlimited, managed, order_of
from traders import LINEAR, configured, emulator, new_account

from fra.adapters.custom import Dialect, books
from fra.adapters.custom.transport import AiohttpTransport, Transport
from fra.core import (
    BookView,
    ErrorRaised,
    ExchangeError,
    FraError,
    KlineInterval,
    OrderType,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
)
from fra.emulator import Venue as EmulatedVenue

Open = Callable[[Any, Symbol], StreamSource[Any]]

CHANNELS: Final[Mapping[str, Open]] = {
    "orderbook": lambda plugin, symbol: plugin.subscribe_orderbook(symbol),
    "trades": lambda plugin, symbol: plugin.subscribe_trades(symbol),
    "ticker": lambda plugin, symbol: plugin.subscribe_ticker(symbol),
    "klines": lambda plugin, symbol: plugin.subscribe_klines(symbol, KlineInterval.M1),
    "funding_rate": lambda plugin, symbol: plugin.subscribe_funding_rate(symbol),
    "user_data": lambda plugin, symbol: plugin.subscribe_user_data(),
}
GZIP: Final = b"\x1f\x8b"
NOTHING: Final[Mapping[str, bytes]] = {
    "binance": b"[]",
    "bybit": b'{"retCode": 0, "retMsg": "OK", "result": {"list": []}, "time": 1700000000000}',
    "htx": b'{"status": "ok", "code": 200, "data": [], "ts": 1700000000000}',
    "okx": b'{"code": "0", "msg": "", "data": []}',
}
"""What each venue answers when there is nothing to tell of."""
FRAMES: Final = 12
"""So many frames of a connection are kept."""
CHANGED: Final = 13
LONG_ID: Final = re.compile(rb"\b\d{15,}\b")
SETTLING: Final = 30
"""Turns in which what was begun in the background may come to its end."""
PATIENCE_S: Final = 10.0
AFTERWARDS: Final = 5
"""Turns that a connection lasts after its last frame."""
IDLE: Final = 60
"""Turns in which nothing comes, after which a connection is cut."""
LATELY: Final = 20
TURNS: Final = 1000
"""So many turns of the loop something may take that waits for nothing outside."""


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
        self.ended = asyncio.Event()
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
        self.ended.set()
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
        self.ended.set()


class Venue:
    """What stands in for the transport's class: plays the next script of an address on its next connection."""

    def __init__(self) -> None:
        self.scripts: Mapping[str, Sequence[Said]] = {}
        """What is played when nothing else is due."""
        self.due: dict[str, deque[Sequence[Said]]] = {}
        self.players: dict[str, Player] = {}
        self.steps = 0
        """Connections and frames so far."""
        self.changed = 0
        """Changed frames so far."""
        self.lately: deque[bytes | None] = deque(maxlen=LATELY)
        """The last of them."""

    async def connect(self, network: Any, url: str, *, to: str, max_frame: int) -> Player:
        due = self.due.get(to)
        script = due.popleft() if due else self.scripts[to]
        self.steps += 1
        player = self.players[to] = Player(script, stays=script is self.scripts[to], on_said=self._on_said)
        return player

    def _on_said(self, said: Said) -> None:
        self.steps += 1
        if said.changed:
            self.changed += 1
            self.lately.append(said.frame)

    def cut(self) -> None:
        for player in tuple(self.players.values()):
            player.cut()


class Ear:
    """Hears all of one source, and keeps what should not have come."""

    def __init__(self) -> None:
        self.items = 0
        self.last: Any = None
        self.statuses: list[StreamStatus] = []
        self.wrong: list[str] = []
        self.views: dict[Any, Any] = {}

    def on_item(self, item: Any) -> None:
        self.items += 1
        try:
            check_model(item)
            self.last = shown(item)
        except AssertionError as error:
            self.wrong.append(str(error))
        except Exception as error:  # an item that cannot be read
            self.wrong.append(f"{type(error).__name__}: {error}")

    def on_gap(self, gap: StreamGap) -> None:
        assert isinstance(gap, StreamGap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        self.statuses.append(status)
        if error is not None and not isinstance(error, FraError):
            self.wrong.append(f"the stream says {type(error).__name__}")


def shown(item: Any) -> Any:
    """What is left of an item when the moment has passed."""
    if isinstance(item, BookView):
        return (item.valid, item.sequence, tuple(item.bids(5)), tuple(item.asks(5)))
    return item


class StreamBench:
    """One channel of an adapter that is connected to nothing."""

    def __init__(self, name: str, plugin: Any, symbol: Symbol, open_: Open) -> None:
        self.name = name
        self.plugin = plugin
        self.symbol = symbol
        self.scripts: dict[str, list[Said]] = {}
        self.seeds: dict[tuple[str, int], Seed] = {}
        self.recorded: dict[str, list[Seed]] = {}
        """By address, messages of the real venue about the same."""
        self.ear = Ear()
        self.source: StreamSource[Any] | None = None
        self.errors: list[FraError] = []
        self.accidents: list[str] = []
        self.venue = Venue()
        self.playing = Playing()
        self._open = open_
        self._told = 0

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
                    await _until(lambda: source.status is not StreamStatus.LIVE)
                await _until(lambda: source.status is StreamStatus.LIVE)
                heard = ear.items
                await stir()
                await _until(lambda heard=heard: ear.items >= heard + 6)
        streams = self.plugin.streams
        dialects = [streams.make_dialect(address) for address in streams._lines]
        await source.close()
        self.plugin._network._session = session
        for to, script in reversed(Recorder.scripts):  # the first connection to each address is the one that is kept
            frames = [place for place, said in enumerate(script) if said.frame is not None]
            self.scripts[to] = script[: frames[min(FRAMES, len(frames) - 1)] + 1]
        self.seeds = {
            (to, place): Seed(self._text(said.frame))
            for to, script in self.scripts.items()
            for place, said in enumerate(script)
            if said.frame is not None
        }
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
        self.plugin.streams._transport = self.venue
        session, self.plugin._network._session = self.plugin._network._session, self.playing
        await session.close()
        self.plugin.http._limiter = self.plugin.streams._limiter = Unlimited(())

    async def turn(self, condition: Callable[[], object]) -> bool:
        """Let the loop turn until it is so, if that comes of itself."""
        for _ in range(TURNS):
            if condition():
                return True
            await asyncio.sleep(0)
        return bool(condition())

    async def _opened(self) -> StreamSource[Any]:
        """The source, another where it has failed for good."""
        if self.source is None or self.source.status in (StreamStatus.FAILED, StreamStatus.CLOSED):
            if self.source is not None:
                await self.source.close()  # as the host does
            self.source = self._open(self.plugin, self.symbol)
            self.source.attach(self.ear)
        return self.source

    async def play(self, to: str, script: Sequence[Said]) -> None:
        """Connections that play what was recorded, that to one address this, each played to its end."""
        self.venue.scripts = {**self.scripts, to: script}
        self.venue.due.clear()
        old = dict(self.venue.players)
        self.venue.players.clear()
        source = await self._opened()
        for player in old.values():
            player.cut()
        async with asyncio.timeout(PATIENCE_S):
            while self.venue.players.keys() != self.scripts.keys():
                await asyncio.sleep(0)
                if source.status is StreamStatus.FAILED:
                    return
        players = tuple(self.venue.players.values())
        await self.turn(lambda: all(player.ended.is_set() for player in players))
        for _ in range(SETTLING):
            if source.status is StreamStatus.LIVE:
                break
            await asyncio.sleep(0)

    def mutated(self, choices: Choices) -> tuple[str, list[Said]]:
        """The script of one address: up to some frame as it was, that one changed, and of the others every other
        changed, missing, said again or another's.
        """
        to = choices.one(tuple(self.scripts))
        script: list[Said] = []
        frames = [said for said in self.scripts[to] if said.frame is not None]
        first, count = choices.pick(len(frames)), -1
        for place, said in enumerate(self.scripts[to]):
            seed = self.seeds.get((to, place))
            count += seed is not None
            kind = 0 if seed is None or count < first else CHANGED if count == first else choices.pick(24)
            match kind:
                case 23:
                    continue
                case 22:
                    script += [said, said]
                case 21:
                    script.append(choices.one(frames))
                case _ if kind >= CHANGED and seed is not None:
                    script.append(self._changed(said, seed, to, choices))
                case _:
                    script.append(said)
        return to, script

    def _changed(self, said: Said, seed: Seed, to: str, choices: Choices) -> Said:
        recorded = self.recorded.get(to, ())
        if choices.pick(3) == 2 and recorded:
            seed = choices.one(recorded)
        frame = seed.mutated(choices)
        if (said.frame or b"")[:2] == GZIP and choices.pick(8) != 7:
            frame = gzip.compress(frame, 1)
        return Said(frame, changed=frame != said.frame)

    async def inputs(self, drawn: Sequence[bytes]) -> int:
        """A connection for each, one after another as they are lost. Gives how many changed frames came."""
        venue = self.venue
        before = venue.changed
        venue.scripts = self.scripts
        for data in drawn:
            to, script = self.mutated(Choices(data))
            venue.due.setdefault(to, deque()).append(script)
        loop = asyncio.get_running_loop()
        until, idle, steps = loop.time() + PATIENCE_S, 0, venue.steps
        await self._opened()
        venue.cut()
        while any(venue.due.values()):
            await asyncio.sleep(0 if idle < TURNS else 0.005)  # it may be waiting before it asks again
            if steps != venue.steps:
                until, idle, steps = loop.time() + PATIENCE_S, 0, venue.steps
                continue
            idle += 1
            if idle % IDLE == 0:
                await self._opened()
                venue.cut()
                assert loop.time() < until, f"{self.name} asks no more: {self.source!r} after {[*venue.lately]!r:.3000}"
        players = tuple(venue.players.values())
        await self.turn(lambda: all(player.ended.is_set() for player in players))
        self.check()
        return venue.changed - before

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
                    await _until(lambda: source.status is StreamStatus.LIVE)
            except TimeoutError:
                raise AssertionError(f"{self.name} did not come back: {source.status} {source.error!r}") from None
        self.check()

    def check(self) -> None:
        wrong = [*self.ear.wrong, *self.accidents]
        wrong += [f"reported {error!r}" for error in self.errors if not isinstance(error, FraError)]
        self.ear.wrong.clear()
        self.accidents.clear()
        self.errors.clear()
        if wrong:
            raise AssertionError(f"{self.name}: {wrong} of the last of {[*self.venue.lately]!r:.3000}")


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
        await manager.initialize()
        handle = manager.get_plugin(venue_name)
        plugin = handle._plugin
        assert handle._account is not None
        await handle._account.close()
        await handle.get_symbols()

        async def stir() -> None:
            for _ in range(2):
                await handle.create_order(order_of(handle.symbol(LINEAR), OrderType.MARKET))

        async def nothing() -> None:
            pass

        for name in names or CHANNELS:
            symbol = handle.symbol(LINEAR)
            bench = StreamBench(f"{venue_name} {name}", plugin, symbol, CHANNELS[name])
            try:
                await bench.learn(venue, stir if name == "user_data" else nothing)
            except TimeoutError:
                print("nothing to learn", name)
                continue
            benches[name] = bench
    manager.register_event_handler(ErrorRaised, lambda event: _note(benches, event.error))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _accident(benches, context))
    longest, books._LONGEST_PAUSE = books._LONGEST_PAUSE, 0.0  # type: ignore[misc]  # a storm of resyncs is what this is
    try:
        yield benches
    finally:
        books._LONGEST_PAUSE = longest  # type: ignore[misc]
        for bench in benches.values():
            if bench.source is not None:
                await bench.source.close()
        await manager.shutdown()
        loop.set_exception_handler(None)


def _is_of(dialect: Dialect, routes: Set[bytes], frame: bytes) -> bool:
    return dialect.route(frame) in routes


async def _until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - statuses of many kinds, and most come without waiting
        await asyncio.sleep(0.005)


def _note(benches: Mapping[str, StreamBench], error: FraError) -> None:
    for bench in benches.values():
        bench.errors.append(error)


def _accident(benches: Mapping[str, StreamBench], context: Mapping[str, Any]) -> None:
    for bench in benches.values():
        bench.accidents.append(f"{context.get('message')}: {context.get('exception')!r}")
