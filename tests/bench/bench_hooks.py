"""What an event costs beside a direct call in a try, and beside pluggy's own call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pluggy

from fra.core.contract.events import Event, PluginUnloaded
from fra.core.host.events.bus import EventBus
from fra.core.host.events.hookspecs import PROJECT, HookSpecs, hookimpl

_CALLS = 50_000
_ROUNDS = 15
_EVENT = PluginUnloaded(exchange="okx", timestamp_ms=1_700_000_000_000, plugin="okx")


class Ear:
    """The least that a listener does."""

    @hookimpl
    def on_plugin_unloaded(self, event: PluginUnloaded) -> None:
        pass


class Floor:
    """The least that tells one listener and survives it."""

    def __init__(self, listener: Callable[[Event], object]) -> None:
        self._listener = listener

    def emit(self, event: Event) -> None:
        try:
            self._listener(event)
        except Exception:
            raise


def _per_call(emit: Callable[[Event], object]) -> float:
    rounds = range(_CALLS)
    started = time.process_time()
    for _ in rounds:
        emit(_EVENT)
    return (time.process_time() - started) / _CALLS


def _empty_loop() -> float:
    started = time.process_time()
    for _ in range(_CALLS):
        pass
    return (time.process_time() - started) / _CALLS


async def _measure() -> dict[str, float]:
    silent, one, three = EventBus(), EventBus(), EventBus()
    one.add_hook(Ear(), "one")
    for number in range(3):
        three.add_hook(Ear(), f"number {number}")
    plain = pluggy.PluginManager(PROJECT)
    plain.add_hookspecs(HookSpecs)
    plain.register(Ear())
    call = plain.hook.on_plugin_unloaded
    subjects: dict[str, Callable[[Event], object]] = {
        "floor: a direct call in a try": Floor(Ear().on_plugin_unloaded).emit,
        "fra, nobody listens": silent.emit,
        "fra, 1 hook": one.emit,
        "fra, 3 hooks": three.emit,
        "pluggy, 1 hook": lambda event: call(event=event),
    }
    best = dict.fromkeys(subjects, float("inf"))
    for _ in range(_ROUNDS):
        loop = _empty_loop()
        for name, emit in subjects.items():
            best[name] = min(best[name], _per_call(emit) - loop)
    for bus in (silent, one, three):
        await bus.close()
    return best


def run() -> dict[str, object]:
    """CPU nanoseconds per event and the ratio to the floor."""
    cost = asyncio.run(_measure())
    floor = cost["floor: a direct call in a try"]
    return {name: {"ns": round(seconds * 1e9), "ratio": round(seconds / floor, 2)} for name, seconds in cost.items()}


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=2))
