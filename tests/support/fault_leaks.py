"""What a scenario leaves behind: tasks by who made them, handles that somebody still holds, files, memory."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

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
        gc.collect()
        left = {
            seed: [repr(thing) for ref in refs if (thing := ref()) is not None] for seed, refs in self._seen.items()
        }
        self._seen.clear()
        return {seed: things for seed, things in left.items() if things}


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
