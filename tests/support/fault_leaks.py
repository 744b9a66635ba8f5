"""What a scenario leaves behind: tasks by who made them, handles that somebody still holds, files, memory."""

from __future__ import annotations

import asyncio
import gc
import heapq
import os
import sys
import weakref
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import attrs

_OBJECTS, _BLOCKS = 800, 20_000
"""What libraries may yet remember once, after a warm-up; most blocks are the campaign's own look at its lag."""
_OBJECTS_EACH, _BLOCKS_EACH = 2, 20
"""What may stay of a scenario: its row in the tally. A forgotten subscription has hundreds of each."""
_OWNER: ContextVar[weakref.WeakSet[asyncio.Task[Any]] | None] = ContextVar("owner", default=None)


@contextmanager
def tasks_by_owner() -> Iterator[None]:
    """Note of every task in whose name it was made, as long as this is entered."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()

    def make(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **more)
        owned = _OWNER.get()
        if owned is not None:
            owned.add(task)
        return task

    loop.set_task_factory(make)
    try:
        yield
    finally:
        loop.set_task_factory(before)


class Owned:
    """Everything that is made from here on in this task's name."""

    def __init__(self) -> None:
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def __enter__(self) -> Owned:
        self._token = _OWNER.set(self._tasks)
        return self

    def __exit__(self, *_: object) -> None:
        _OWNER.reset(self._token)

    async def left(self) -> list[str]:
        """The tasks that go on after all was closed; one that is ending is given its last turns."""
        for _ in range(20):
            running = [task for task in self._tasks if not task.done() and task is not asyncio.current_task()]
            if not running:
                return []
            await asyncio.sleep(0.01)
        return [f"{task.get_name()}: {task.get_coro()!r}" for task in running]


class Remains:
    """Handles by seed, which nobody may hold any more."""

    def __init__(self) -> None:
        self._seen: dict[int, list[weakref.ref[Any]]] = {}

    def note(self, seed: int, *things: object) -> None:
        self._seen.setdefault(seed, []).extend(weakref.ref(thing) for thing in things)

    def alive(self) -> dict[int, list[str]]:
        """Seeds of which something is still there, and what."""
        forget_cancelled_timers()
        gc.collect()
        left = {
            seed: [repr(thing) for ref in refs if (thing := ref()) is not None] for seed, refs in self._seen.items()
        }
        self._seen.clear()
        return {seed: things for seed, things in left.items() if things}


def forget_cancelled_timers() -> None:
    """asyncio keeps a timer that was cancelled, and the context that it was made in, until its time would have come."""
    loop: Any = asyncio.get_running_loop()
    loop._scheduled = [timer for timer in loop._scheduled if not timer.cancelled()]
    heapq.heapify(loop._scheduled)
    loop._timer_cancelled_count = 0


@attrs.frozen
class Held:
    """What the process holds when nothing is going on."""

    objects: int
    """That the garbage collector knows: all that can hold others."""
    blocks: int
    """Of memory, for objects of any kind."""

    @classmethod
    def now(cls) -> Held:
        forget_cancelled_timers()
        gc.collect()
        return cls(len(gc.get_objects()), sys.getallocatedblocks())

    def grown(self, before: Held, scenarios: int) -> str | None:
        """What is wrong with what so many scenarios have left, or None."""
        objects, blocks = self.objects - before.objects, self.blocks - before.blocks
        if objects <= _OBJECTS + scenarios * _OBJECTS_EACH and blocks <= _BLOCKS + scenarios * _BLOCKS_EACH:
            return None
        return f"memory grows: {scenarios} scenarios have left {objects} objects and {blocks} blocks"


def open_files() -> int:
    """File descriptors of this process; -1 where the system does not tell."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return -1


def resident_mib() -> float:
    """Memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0
