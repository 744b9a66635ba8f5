"""One recorded upstream, played to whoever opened it."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import attrs

from fra.emulator.playback.recording import Event
from fra.emulator.source import Push

Fault = Literal["drop", "duplicate", "swap"]
_TURN = 50
"""Messages pushed before others get their turn when playing as fast as possible."""


@attrs.frozen
class Pace:
    """How fast a recording runs: `speed` times as fast as it was recorded; 0 is as fast as the sockets take it."""

    speed: float = 1.0
    gap_s: float = 0.1
    """Between messages whose time was not kept."""


@attrs.define
class FaultPlan:
    """What shall befall the books of a recording: fault by index of the delta, once each.

    A plan is for the next time that a book is opened; a client that subscribes again hears it whole. So a fault is
    one event, as in life, and not a feature of the recording.
    """

    _planted: Mapping[int, Fault] = attrs.field(factory=dict)
    _spent: set[tuple[str, str]] = attrs.field(factory=set)

    def plant(self, faults: Mapping[int, Fault]) -> None:
        """Let these faults befall every book the next time that it is opened."""
        self._planted, self._spent = dict(faults), set()

    def take(self, market: str, symbol: str) -> Mapping[int, Fault]:
        """The faults of the book that is opened now."""
        if (market, symbol) in self._spent:
            return {}
        self._spent.add((market, symbol))
        return self._planted


class Player:
    """Plays events from the first on, with the planted faults: a fault at index i befalls the i-th event.

    `hold` events are pushed at once; the rest waits for :meth:`release` (a client that has not asked for the snapshot
    yet). The first `greeting` events are what a new subscriber hears at once; who joins when more have been played
    hears `late(position)` instead.
    """

    def __init__(
        self,
        events: Sequence[Event],
        push: Push,
        *,
        pace: Pace,
        greeting: int = 0,
        hold: int | None = None,
        faults: Mapping[int, Fault] | None = None,
        late: Callable[[int], Sequence[str]] = lambda position: (),
    ) -> None:
        self._events = _faulty(events, faults or {})
        self._push = push
        self._pace = pace
        self._greeting = greeting
        self._hold = hold
        self._released = asyncio.Event()
        self._late = late
        self.position = 0
        """How far the venue has come: the recorded events that it has sent, or lost on the way."""
        self._task = asyncio.create_task(self._run(), name="playback")

    def initial(self) -> Sequence[str]:
        if self.position > self._greeting:
            return self._late(self.position)
        self.position = self._greeting
        return [event.raw for _, event in self._events[: self._greeting]]

    def release(self) -> None:
        """Play on past the held place."""
        self._released.set()

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop = asyncio.get_running_loop()
            await asyncio.sleep(0)  # the ack and the greeting go first
            started, base = loop.time(), None
            for index, (position, event) in enumerate(self._events):
                if index < self._greeting:
                    continue
                if self._hold is not None and index == self._hold:
                    await self._released.wait()
                    started, base = loop.time(), None
                if self._pace.speed:
                    at = event.at if event.at is not None else index * self._pace.gap_s
                    base = at if base is None else base
                    await asyncio.sleep(max(0.0, started + (at - base) / self._pace.speed - loop.time()))
                elif index % _TURN == 0:
                    await asyncio.sleep(0)
                self.position = max(self.position, position)
                self._push(event.raw)


def _faulty(events: Sequence[Event], faults: Mapping[int, Fault]) -> list[tuple[int, Event]]:
    """The events in the order in which they are sent, each with the position that the venue has then come to."""
    played: list[tuple[int, Event]] = []
    held: list[tuple[int, Event]] = []
    for index, event in enumerate(events):
        fault = faults.get(index)
        if fault == "drop":
            continue
        if fault == "swap" and not held:
            held = [(index + 1, event)]
            continue
        played += [(index + 1, event), *held]
        held = []
        if fault == "duplicate":
            played.append((index + 1, event))
    return played + held
