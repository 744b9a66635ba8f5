"""One implementation of one hook, or one handler: how it is called, and what became of its calls."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, cast

from fra.core.contract.events import Event
from fra.core.contract.host import HookRecord

EXPECTED: Final = (Exception, asyncio.CancelledError, SystemExit)
"""What a hook may raise without ending its caller. KeyboardInterrupt is the user's own and goes through."""

_FIRST_CALLS: Final = 8
_SAMPLING: Final = 7


class Listener:
    """A plain function: called inline. Its first calls are timed, then one in eight, and all again once one was slow.

    Reading the clock twice costs as much as the rest of a call. So the bus may make ``untimed`` calls, counting them
    down, before it has to time one and :meth:`grant` decides how many it gets next.
    """

    __slots__ = (
        "_granted",
        "call",
        "disabled",
        "drops",
        "exchange",
        "failures",
        "hook",
        "last_error",
        "name",
        "slow",
        "untimed",
    )

    def __init__(self, name: str, hook: str, call: Callable[[Event], object], *, exchange: str | None = None) -> None:
        self.name = name
        self.hook = hook
        self.exchange = exchange
        self.call = call if exchange is None else _only(exchange, call)
        self.failures = self.drops = self.slow = 0
        self.untimed = self._granted = 0
        self.disabled: str | None = None
        self.last_error: str | None = None

    @property
    def calls(self) -> int:
        """How often it has been called."""
        return self._granted - self.untimed

    def grant(self) -> None:
        """Count a call that is timed, and allow untimed ones if all so far were quick."""
        self.untimed = _SAMPLING if self._granted >= _FIRST_CALLS and not self.slow else 0
        self._granted += 1 + self.untimed

    def was_slow(self) -> None:
        """Count it, and time every call from now on."""
        self.slow += 1
        self._granted -= self.untimed
        self.untimed = 0

    def record(self) -> HookRecord:
        return HookRecord(
            self.name, self.hook, self.calls, self.failures, self.drops, self.slow, self.disabled, self.last_error
        )


class AsyncListener(Listener):
    """A coroutine function: events queue up, at most ``size``, and one task, which is in ``tasks`` as long as it has
    something to do, works them off in order.

    When the queue is full its oldest event is dropped and counted: the latest state is what matters then.
    """

    __slots__ = ("_failed", "_function", "_pending", "_task", "_tasks")

    def __init__(
        self,
        name: str,
        hook: str,
        function: Callable[[Event], Awaitable[object]],
        *,
        size: int,
        tasks: set[asyncio.Task[None]],
        failed: Callable[[Listener, Event, BaseException], None],
        exchange: str | None = None,
    ) -> None:
        super().__init__(name, hook, self._offer, exchange=exchange)
        self._function = function
        self._failed = failed
        self._pending: deque[Event] = deque(maxlen=size)
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None

    def _offer(self, event: Event) -> None:
        if len(self._pending) == self._pending.maxlen:
            self.drops += 1
        self._pending.append(event)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work(), name=f"fra hook {self.name}")
            self._tasks.add(self._task)
            self._task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        try:
            while self._pending:
                event = self._pending.popleft()
                try:
                    await self._function(event)
                except EXPECTED as error:
                    if _being_cancelled(error):
                        raise
                    self._failed(self, event, error)
        finally:
            self._task = None
            self.drops += len(self._pending)
            self._pending.clear()


class Gate(Listener):
    """A ``veto_*`` implementation that is a coroutine function."""

    __slots__ = ("_function",)

    def __init__(self, name: str, hook: str, function: Callable[[Event], object]) -> None:
        super().__init__(name, hook, function)
        self._function = function

    async def ask(self, event: Event) -> object:
        """Its answer, or whatever it raises."""
        return await cast("Awaitable[object]", self._function(event))

    def close(self) -> None:
        """Let its thread go, if it has one."""


_Question = tuple[Event, asyncio.AbstractEventLoop, "asyncio.Future[object]"]


class ThreadGate(Gate):
    """A ``veto_*`` implementation that is a plain function: asked in a thread of its own, one question at a time.

    The thread is a daemon: Python cannot stop a function that never returns, and the program must still be able to end.
    Questions behind such a function run out of time one by one, which is a veto each.
    """

    __slots__ = ("_busy", "_questions", "_thread")

    def __init__(self, name: str, hook: str, function: Callable[[Event], object]) -> None:
        super().__init__(name, hook, function)
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy = False

    async def ask(self, event: Event) -> object:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"fra hook {self.name}", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[object] = loop.create_future()
        self._questions.put((event, loop, answer))
        return await answer

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            event, loop, answer = question
            if answer.cancelled():  # nobody waits any more
                continue
            result: object = None
            failure: BaseException | None = None
            self._busy = True
            try:
                result = self._function(event)
            except BaseException as error:  # a thread has no caller whom it could end
                failure = error
            self._busy = False
            with contextlib.suppress(RuntimeError):  # the loop is gone, and the one who asked with it
                loop.call_soon_threadsafe(_settle, answer, result, failure)

    def close(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._questions.put(None)
            if not self._busy:
                thread.join(timeout=1)


def _settle(answer: asyncio.Future[object], result: object, failure: BaseException | None) -> None:
    if answer.done():
        return
    if failure is None:
        answer.set_result(result)
    elif isinstance(failure, StopIteration):  # a future refuses it
        answer.set_exception(RuntimeError(f"StopIteration: {failure}"))
    else:
        answer.set_exception(failure)


def _only(exchange: str, call: Callable[[Event], object]) -> Callable[[Event], object]:
    return lambda event: call(event) if event.exchange == exchange else None


def _being_cancelled(error: BaseException) -> bool:
    """Whether it is we who are cancelled, not something that the hook awaited."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
