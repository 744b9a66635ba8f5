"""A subscription to what a clock makes: the streams of the built-in market."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TypeVar, final

from fra.core import ExchangeConnectionError, ExchangeError, StreamStatus, Subscription

T = TypeVar("T")
L = TypeVar("L")


@final
class Ticking(Subscription[T]):
    """Calls ``make`` at each full step of the clock and hands over what it makes; the last ``keep`` wait to be read.

    ``shown`` is what listeners get of an item.
    """

    def __init__(
        self,
        make: Callable[[], Iterable[T]],
        *,
        step_ms: int,
        now_ms: Callable[[], int],
        keep: int = 1,
        shown: Callable[[T], object] = lambda item: item,
    ) -> None:
        self._make = make
        self._step_ms = step_ms
        self._now_ms = now_ms
        self._shown = shown
        self._items: deque[T] = deque(maxlen=keep)
        self._listeners: list[Callable[..., None]] = []
        self._watchers: list[Callable[[StreamStatus], None]] = []
        self._dropped = 0
        self._heard: float | None = None
        self._status = StreamStatus.STARTING
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="fra paper market")

    async def _run(self) -> None:
        try:
            while True:
                for item in self._make():
                    self._tell(item)
                await asyncio.sleep((self._step_ms - self._now_ms() % self._step_ms) / 1000)
        finally:
            self._set_status(StreamStatus.CLOSED)

    def _tell(self, item: T) -> None:
        self._heard = monotonic()
        self._set_status(StreamStatus.LIVE)
        self._dropped += len(self._items) == self._items.maxlen
        self._items.append(item)
        self._changed.set()
        for listener in tuple(self._listeners):
            listener(self._shown(item))

    def _set_status(self, status: StreamStatus) -> None:
        if status is not self._status:
            self._status = status
            self._changed.set()
            for watcher in tuple(self._watchers):
                watcher(status)

    @property
    def status(self) -> StreamStatus:
        return self._status

    @property
    def error(self) -> ExchangeError | None:
        return None

    @property
    def dropped(self) -> int:
        return self._dropped

    @property
    def age(self) -> float | None:
        return None if self._heard is None else monotonic() - self._heard

    def add_listener(self, listener: Callable[..., None]) -> Callable[[], None]:
        return _added(self._listeners, listener)

    def add_status_listener(self, listener: Callable[[StreamStatus], None]) -> Callable[[], None]:
        return _added(self._watchers, listener)

    async def ready(self) -> None:
        while self._heard is None:
            if self._status is StreamStatus.CLOSED:
                raise ExchangeConnectionError("the subscription was closed before any data came")
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def __anext__(self) -> T:
        while not self._items:
            if self._status is StreamStatus.CLOSED:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._items.popleft()


def _added(listeners: list[L], listener: L) -> Callable[[], None]:
    listeners.append(listener)

    def remove() -> None:
        if listener in listeners:
            listeners.remove(listener)

    return remove
