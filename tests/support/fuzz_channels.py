"""What fuzzing of streams has in common, native or on ccxt: scripts, connections that play them, one channel's bench.

A script is what one connection said once: our messages, which are waited for, and the venue's frames. Some of the
frames are changed; whatever comes of it is held to being sound, and the stream to coming back.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, Protocol, TypeVar

from fuzz_models import check_model
from fuzz_mutations import Choices, Seed
from fuzz_rest import order_of
from traders import LINEAR

from fra.core import (
    BookView,
    ErrorRaised,
    ExchangeError,
    ExchangeHandle,
    FraError,
    KlineInterval,
    OrderType,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
)

Open = Callable[[Any, Symbol], StreamSource[Any]]

CHANNELS: Final[Mapping[str, Open]] = {
    "orderbook": lambda plugin, symbol: plugin.subscribe_orderbook(symbol),
    "trades": lambda plugin, symbol: plugin.subscribe_trades(symbol),
    "ticker": lambda plugin, symbol: plugin.subscribe_ticker(symbol),
    "klines": lambda plugin, symbol: plugin.subscribe_klines(symbol, KlineInterval.M1),
    "funding_rate": lambda plugin, symbol: plugin.subscribe_funding_rate(symbol),
    "user_data": lambda plugin, symbol: plugin.subscribe_user_data(),
}
NOTHING: Final[Mapping[str, bytes]] = {
    "binance": b"[]",
    "bybit": b'{"retCode": 0, "retMsg": "OK", "result": {"list": []}, "time": 1700000000000}',
    "htx": b'{"status": "ok", "code": 200, "data": [], "ts": 1700000000000}',
    "okx": b'{"code": "0", "msg": "", "data": []}',
}
"""What each venue answers when there is nothing to tell of."""
GZIP: Final = b"\x1f\x8b"
FRAMES: Final = 12
"""So many frames of a connection are kept."""
CHANGED: Final = 13
PATIENCE_S: Final = 10.0
AFTERWARDS: Final = 5
"""Turns that a connection lasts after its last frame."""
IDLE: Final = 60
"""Turns in which nothing comes, after which a connection is cut."""
LATELY: Final = 20
TURNS: Final = 1000
"""So many turns of the loop something may take that waits for nothing outside."""


class Line(Protocol):
    """One message of a connection: ours, or a frame of the venue; and whether it was sent otherwise."""

    @property
    def frame(self) -> bytes | None: ...
    @property
    def changed(self) -> bool: ...


class Player(Protocol):
    """A connection that plays a script."""

    ended: bool
    """The script has been played, or the connection is closed."""

    def cut(self) -> None: ...


class Host(Protocol):
    """As much of a manager as is needed to hear what its exchanges report."""

    def register_event_handler(self, kind: type[ErrorRaised], handler: Callable[[ErrorRaised], None], /) -> object: ...
    async def shutdown(self) -> None: ...


L = TypeVar("L", bound=Line)
P = TypeVar("P", bound=Player)


class Stage(Generic[L, P]):
    """Plays the next script of an address on its next connection."""

    def __init__(self, player: Callable[..., P]) -> None:
        """``player(script, stays=, on_said=)`` is a connection; one that stays does not end with its script."""
        self._player = player
        self.scripts: Mapping[str, Sequence[L]] = {}
        """What is played when nothing else is due; such a connection stays."""
        self.due: dict[str, deque[Sequence[L]]] = {}
        self.players: dict[str, P] = {}
        self.steps = 0
        """Connections and frames so far."""
        self.changed = 0
        """Changed frames so far."""
        self.lately: deque[bytes | None] = deque(maxlen=LATELY)
        """The last of them."""

    def enter(self, to: str) -> P:
        """The next connection to an address."""
        due, kept = self.due.get(to), self.scripts.get(to)
        script = due.popleft() if due else kept or ()
        self.steps += 1
        player = self.players[to] = self._player(script, stays=script is kept, on_said=self._on_said)
        return player

    def _on_said(self, line: L) -> None:
        self.steps += 1
        if line.changed:
            self.changed += 1
            self.lately.append(line.frame)

    def cut(self) -> None:
        for player in tuple(self.players.values()):
            player.cut()

    def ended(self) -> bool:
        return all(player.ended for player in self.players.values())


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


class ChannelBench(ABC, Generic[L, P]):
    """One channel of an adapter that is connected to nothing."""

    def __init__(self, name: str, plugin: Any, symbol: Symbol, open_: Open, stage: Stage[L, P]) -> None:
        self.name = name
        self.plugin = plugin
        self.symbol = symbol
        self.scripts: dict[str, list[L]] = {}
        """By address, what the venue said on its first connection."""
        self.seeds: dict[tuple[str, int], Seed] = {}
        """By address and place, the frames of that."""
        self.stage = stage
        self.ear = Ear()
        self.source: StreamSource[Any] | None = None
        self.errors: list[FraError] = []
        self.accidents: list[str] = []
        self._open = open_
        self._told = 0

    @abstractmethod
    def otherwise(self, line: L, seed: Seed, to: str, choices: Choices) -> L:
        """A frame of this script, changed."""

    @abstractmethod
    async def recover(self) -> None:
        """After whatever came: the venue's own messages again, and all is as it was."""

    def keep(
        self, recorded: Sequence[tuple[str, list[L]]], text: Callable[[bytes], bytes], *, frames: int = FRAMES
    ) -> None:
        """The first connection to each address is the one that is kept."""
        for to, script in reversed(recorded):
            places = [place for place, line in enumerate(script) if line.frame is not None]
            self.scripts[to] = script[: places[min(frames, len(places) - 1)] + 1] if places else []
        self.seeds = {
            (to, place): Seed(text(line.frame))
            for to, script in self.scripts.items()
            for place, line in enumerate(script)
            if line.frame is not None
        }

    def mutated(self, choices: Choices) -> tuple[str, list[L]]:
        """The script of one address: up to some frame as it was, that one changed, and of the others every other
        changed, missing, said again or another's.
        """
        to = choices.one([to for to, script in self.scripts.items() if script])
        frames = [line for line in self.scripts[to] if line.frame is not None]
        first, count, script = choices.pick(len(frames)), -1, []
        for place, line in enumerate(self.scripts[to]):
            seed = self.seeds.get((to, place))
            count += seed is not None
            kind = 0 if seed is None or count < first else CHANGED if count == first else choices.pick(24)
            match kind:
                case 23:
                    continue
                case 22:
                    script += [line, line]
                case 21:
                    script.append(choices.one(frames))
                case _ if kind >= CHANGED and seed is not None:
                    script.append(self.otherwise(line, seed, to, choices))
                case _:
                    script.append(line)
        return to, script

    async def tried(self, drawn: Sequence[bytes]) -> int:
        """:meth:`inputs`, and then a connection on which the venue speaks plainly."""
        changed = await self.inputs(drawn)
        await self.recover()
        return changed

    async def inputs(self, drawn: Sequence[bytes]) -> int:
        """A connection for each, one after another as they are lost. Gives how many changed frames came."""
        stage = self.stage
        before, stage.scripts = stage.changed, self.scripts
        for data in drawn:
            to, script = self.mutated(Choices(data))
            stage.due.setdefault(to, deque()).append(script)
        loop = asyncio.get_running_loop()
        until, idle, steps = loop.time() + PATIENCE_S, 0, stage.steps
        await self.opened()
        stage.cut()
        while any(stage.due.values()):
            await asyncio.sleep(0 if idle < TURNS else 0.005)  # it may be waiting before it asks again
            if steps != stage.steps:
                until, idle, steps = loop.time() + PATIENCE_S, 0, stage.steps
                continue
            idle += 1
            if idle % IDLE == 0:
                await self.opened()
                stage.cut()
                assert loop.time() < until, f"{self.name} asks no more: {self.source!r} after {[*stage.lately]!r:.3000}"
        await self.turn(stage.ended)
        self.check()
        return stage.changed - before

    async def opened(self) -> StreamSource[Any]:
        """The source, another where it has failed for good."""
        if self.source is None or self.source.status in (StreamStatus.FAILED, StreamStatus.CLOSED):
            await self.leave()  # as the host does
            self.source = self._open(self.plugin, self.symbol)
            self.source.attach(self.ear)
        return self.source

    async def turn(self, condition: Callable[[], object]) -> bool:
        """Let the loop turn until it is so, if that comes of itself."""
        for _ in range(TURNS):
            if condition():
                return True
            await asyncio.sleep(0)
        return bool(condition())

    async def leave(self) -> None:
        """Close the source, if there is one."""
        source, self.source = self.source, None
        if source is not None:
            await source.close()

    async def end(self) -> None:
        """Leave nothing: the next channel may be on the same address."""
        await self.leave()

    def check(self) -> None:
        """Raises AssertionError for what should not have come."""
        wrong = [*self.ear.wrong, *self.accidents]
        wrong += [f"reported {error!r}" for error in self.errors if not isinstance(error, FraError)]
        self.ear.wrong.clear()
        self.accidents.clear()
        self.errors.clear()
        if wrong:
            raise AssertionError(f"{self.name}: {wrong} of the last of {[*self.stage.lately]!r:.3000}")


def stirring(handle: ExchangeHandle, channel: str) -> Callable[[], Awaitable[None]]:
    """What makes a channel speak that is quiet by itself."""

    async def stir() -> None:
        for _ in range(2 if channel == "user_data" else 0):
            await handle.create_order(order_of(handle.symbol(LINEAR), OrderType.MARKET))

    return stir


@asynccontextmanager
async def overheard(host: Host, benches: Mapping[str, ChannelBench[Any, Any]]) -> AsyncIterator[None]:
    """All benches hear of every error and accident meanwhile; then they end, and the host."""

    def note(event: ErrorRaised) -> None:
        for bench in benches.values():
            bench.errors.append(event.error)

    def accident(_: object, context: Mapping[str, Any]) -> None:
        for bench in benches.values():
            bench.accidents.append(f"{context.get('message')}: {context.get('exception')!r}")

    host.register_event_handler(ErrorRaised, note)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(accident)
    try:
        yield
    finally:
        for bench in benches.values():
            await bench.end()
        await host.shutdown()
        loop.set_exception_handler(None)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what nothing tells of."""
    while not condition():  # noqa: ASYNC110 - statuses of many kinds, and most come without waiting
        await asyncio.sleep(0.002)
