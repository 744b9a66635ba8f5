"""Streams on ccxt: one task per watched thing, which asks ccxt for the next piece and publishes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import attrs

from fra.adapters.ccxt.client import waiting
from fra.adapters.ccxt.errors import is_clock
from fra.core import (
    ExchangeAuthError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    NotSupported,
    OrderBook,
    PriceLevel,
    ReconnectManager,
    StreamGap,
    StreamSource,
    StreamStatus,
    SymbolNotFound,
    check_sound,
)

if TYPE_CHECKING:
    from fra.adapters.ccxt.session import CCXTSession

T = TypeVar("T")

PERMANENT: Final = (NotSupported, SymbolNotFound, ExchangeAuthError)
"""What watching again does not cure."""
_GOODBYE_S: Final = 2.0
"""So long an unsubscribing may take; after that the venue goes on sending and ccxt throws it away."""
_SECOND_CHANCE: Final = 2


@attrs.frozen
class Cut:
    """A book that was cut out of ccxt's live one, as the levels of a BookView."""

    book: OrderBook

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.bids if depth is None else self.book.bids[:depth]

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.asks if depth is None else self.book.asks[:depth]


class Pumps:
    """The running pumps of one adapter."""

    def __init__(self, session: CCXTSession) -> None:
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()
        self.closing = False

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run ``work`` until it ends or the adapter is disconnected; what it raises is reported."""
        task = asyncio.get_running_loop().create_task(work, name=f"ccxt {name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._session.report(self._session.failure(error), task.get_name())

    async def close(self) -> None:
        """Cancel all and wait for them."""
        self.closing = True
        current = asyncio.current_task()
        running = [task for task in self._tasks if task is not current]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def retries(self) -> ReconnectManager:
        """The wait after a loss: growing, jittered, begun anew by data."""
        options = self._session.options
        return ReconnectManager(
            base_delay=options.reconnect_delay,
            max_delay=max(options.reconnect_delay, options.reconnect_max_delay),
            on_attempt_failed=lambda attempt, error: None,
        )


class Pump(Generic[T]):
    """Asks ``watch()`` again and again and publishes what ``convert`` makes of each answer.

    ``source`` is STARTING until the first answer, RECOVERING after an error, STALE when nothing came for ``staleness``
    seconds, and after twice as long it is watched anew. ``conflated`` counts the updates of a book that nobody saw
    because the next was there already. Lossless streams get a StreamGap where a loss was. ``forget`` is called then:
    what ccxt keeps from before would come after the gap. ``unsound`` is told, with the socket, why something could not
    be published: what ccxt keeps would make the next one so, too.
    """

    def __init__(
        self,
        session: CCXTSession,
        name: str,
        *,
        watch: Callable[[], Awaitable[Any]],
        convert: Callable[[Any, int], Iterable[T]],
        unwatch: Callable[[], Awaitable[object]] | None = None,
        lossless: bool = False,
        forget: Callable[[], object] | None = None,
        staleness: float | None = None,
        unsound: Callable[[Any, Exception], object] | None = None,
    ) -> None:
        assert session.pumps is not None
        self.name = name
        self.source: StreamSource[T] = StreamSource(close=self._close)
        self.conflated = 0
        self._session = session
        self._pumps = session.pumps
        self._watch = watch
        self._convert = convert
        self._unwatch = unwatch
        self._lossless = lossless
        self._forget = forget
        self._staleness = staleness
        self._unsound = unsound
        self._timer: asyncio.TimerHandle | None = None
        self._updates: tuple[int, int] = (0, 0)
        self._socket: Any = None
        self._begun = monotonic()
        self._task = self._pumps.spawn(self._run(), name=name)
        if staleness is not None:
            self._look()

    async def _run(self) -> None:
        retries = self._pumps.retries()
        waiting.set(self._waits)
        while True:
            try:
                limit = None if self._staleness is None else self._staleness * _SECOND_CHANCE
                async with asyncio.timeout(limit):
                    raw = await self._watch()
            except Exception as error:
                stale = isinstance(error, TimeoutError) and limit is not None
                if stale:
                    failure: ExchangeError = ExchangeConnectionError(f"{self.name} had no data for {limit:g} s")
                elif is_clock(error):  # by this ccxt also says that an update of a book is missing
                    failure, stale = ExchangeConnectionError(f"{self.name} has lost its place: {error}"), True
                else:
                    failure = self._session.failure(error, self.name)
                if not await self._lost(failure, retries, stale=stale):
                    return
                continue
            if self._publish(raw):
                retries.data_received()

    def _waits(self, socket: Any, future: Any) -> None:
        """ccxt waits on this socket. One that ended while nobody waited on it took its news with it."""
        if asyncio.current_task() is not self._task:
            return
        before, self._socket = self._socket, socket
        if before is not None and before is not socket:
            why = str(before.error or "the socket was closed")
            self._tell_loss(ExchangeConnectionError(f"{self.name}: {why}", exchange=self._session.config.name))

    def _publish(self, raw: Any) -> bool:
        """Whether it could be read."""
        self._count(raw)
        received = self._session.context.now_ms()
        try:
            items = list(self._convert(raw, received))
            check_sound(items)
        except Exception as error:
            self._session.report(self._session.failure(error, self.name), self.name)
            if self._unsound is not None:
                self._unsound(self._socket, error)
            return False
        for item in items:
            self.source.publish(item)
        return True

    def _count(self, raw: Any) -> None:
        told = getattr(raw, "fra_updates", None)
        if told is not None:
            which, seen = self._updates
            if which == id(raw):
                self.conflated += max(0, told - seen - 1)
            self._updates = (id(raw), told)

    async def _lost(self, error: ExchangeError, retries: ReconnectManager, *, stale: bool) -> bool:
        """Whether to go on, after a wait."""
        if isinstance(error, PERMANENT):
            self.source.fail(error)
            return False
        self._socket = None
        self._tell_loss(error)
        if stale:
            await self._goodbye()
        if isinstance(error, ExchangeRateLimitError) and error.retry_after:
            await asyncio.sleep(error.retry_after)
        await retries.handle_disconnect(_nothing)
        self._begun = monotonic()
        return True

    def _tell_loss(self, error: ExchangeError) -> None:
        if self._forget is not None:
            self._forget()
        live = self.source.status in (StreamStatus.LIVE, StreamStatus.STALE)
        self.source.set_status(StreamStatus.RECOVERING, error)
        if live and self._lossless:
            self.source.gap(StreamGap(f"{self.name}: {error.message}", exchange=self._session.config.name))

    def _look(self) -> None:
        """Several times within the deadline: is there data?"""
        assert self._staleness is not None
        if self._task.done():
            return
        age = monotonic() - (self.source.last_data or self._begun)
        if age >= self._staleness and self.source.status is StreamStatus.LIVE:
            self.source.set_status(
                StreamStatus.STALE,
                ExchangeConnectionError(f"{self.name} had no data for {age:.1f} s", exchange=self._session.config.name),
            )
        self._timer = asyncio.get_running_loop().call_later(self._staleness / 8, self._look)

    async def _goodbye(self) -> None:
        """Unsubscribe where ccxt can. That it fails changes nothing."""
        if self._unwatch is None or self._pumps.closing:
            return
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._unwatch()
        except Exception:
            return

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._task.cancel()
        await asyncio.wait((self._task,))
        await self._goodbye()


async def _nothing() -> None:
    """The wait is all that is wanted."""
