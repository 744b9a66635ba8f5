"""The two kinds of Subscription: the newest item only (books, tickers, funding), or every item (trades and the like).

Both attach plain sinks to the source. For listeners nothing stands between the adapter's ``publish`` and the call;
what iterators need is attached only while somebody may iterate.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Final, Generic, Protocol, TypeVar, final

from fra.core.contract.book import BookView
from fra.core.contract.errors import ExchangeConnectionError, ExchangeError, StreamGap
from fra.core.contract.streams import StreamSink, StreamSource, StreamStatus, Subscription

T = TypeVar("T")
R = TypeVar("R")

BUFFER: Final = 10_000
"""How many items a lossless iterator may lag behind."""
_ENDED: Final = (StreamStatus.FAILED, StreamStatus.CLOSED)


class Feed(Protocol[T]):
    """What a subscription needs of the shared upstream; the hub has it."""

    source: StreamSource[T]
    latest: Latest[T]
    was_live: bool

    @property
    def last_data(self) -> float | None: ...
    def attach(self, sink: StreamSink[T], *, items: bool = True) -> None: ...
    def detach(self, sink: StreamSink[T]) -> None: ...
    def report(self, error: Exception) -> None: ...
    def lost(self, gap: StreamGap) -> None: ...
    def no_book(self) -> T | None: ...
    def release(self) -> Coroutine[None, None, None]: ...


class Waiters:
    """Futures to wake all at once."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[None]] = []

    def __bool__(self) -> bool:
        return bool(self._futures)

    def wake(self) -> None:
        """Wake everybody who waits now."""
        futures, self._futures = self._futures, []
        for future in futures:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Return at the next :meth:`wake`."""
        future = asyncio.get_running_loop().create_future()
        self._futures.append(future)
        try:
            await future
        finally:
            if not future.done() or future.cancelled():
                self._futures = [other for other in self._futures if other is not future]


@final
class Latest(Generic[T]):
    """A feed's newest item, shared by all its iterators; ``version`` counts the items."""

    __slots__ = ("feed", "item", "users", "version", "waiters")

    def __init__(self, feed: Feed[T]) -> None:
        self.feed = feed
        self.item: T | None = None
        self.version = 0
        self.users = 0
        self.waiters = Waiters()

    def join(self) -> int:
        """One more iterator; the result is the version that it has seen."""
        if not self.users:
            self.feed.attach(self)
        self.users += 1
        return self.version if self.item is None else self.version - 1

    def leave(self) -> None:
        self.users -= 1
        if not self.users:
            self.feed.detach(self)
            self.item = None

    def on_item(self, item: T) -> None:
        self.item = item
        self.version += 1
        if self.waiters:
            self.waiters.wake()

    def on_gap(self, gap: StreamGap) -> None:
        self._lose_place()

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if status in (StreamStatus.RECOVERING, StreamStatus.FAILED):
            self._lose_place()
        self.waiters.wake()

    def _lose_place(self) -> None:
        # What iterators have not looked at yet is a live view of a book that may be wrong by now.
        view = self.item
        if view is None or (isinstance(view, BookView) and not view.valid):
            return
        nothing = self.feed.no_book()
        if nothing is not None:
            self.on_item(nothing)


@final
class Buffer(Generic[T]):
    """Every item for one iterator. When it is full, newer items are cut off until half of it is read, then a gap."""

    __slots__ = ("dropped", "feed", "first", "items", "last", "limit", "lost", "waiters")

    def __init__(self, feed: Feed[T], limit: int) -> None:
        self.feed = feed
        self.limit = limit
        self.items: deque[T | StreamGap] = deque()
        self.waiters = Waiters()
        self.dropped = 0
        self.lost = 0
        self.first: int | None = None
        self.last: int | None = None

    def on_item(self, item: T) -> None:
        items = self.items
        if self.lost or len(items) >= self.limit:
            if not self.lost or len(items) > self.limit // 2:
                self._lose(item)
                return
            items.append(self.take_gap())
        items.append(item)
        if self.waiters:
            self.waiters.wake()

    def _lose(self, item: T) -> None:
        self.last = _moment(item)
        if not self.lost:
            self.first = self.last
            self.feed.lost(StreamGap(f"an iterator is more than {self.limit} items behind", start=self.first))
        self.lost += 1
        self.dropped += 1

    def take_gap(self) -> StreamGap:
        """The gap for what was cut off so far."""
        lost, self.lost = self.lost, 0
        return StreamGap(
            f"{lost} items were cut off: the iterator was more than {self.limit} behind",
            start=self.first,
            end=self.last,
        )

    def on_gap(self, gap: StreamGap) -> None:
        if self.lost:
            self.items.append(self.take_gap())
        self.items.append(gap)
        self.waiters.wake()

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        self.waiters.wake()


def _moment(item: object) -> int | None:
    for name in ("timestamp_ms", "open_ms"):
        moment = getattr(item, name, None)
        if isinstance(moment, int):
            return moment
    return None


@final
class Listener(Generic[T]):
    """One listener: its own sink, so that a call of it costs one call."""

    __slots__ = ("_feed", "on_item")

    def __init__(self, feed: Feed[T], listener: Callable[[T], None]) -> None:
        def on_item(item: T) -> None:
            try:
                listener(item)
            except Exception as error:
                feed.report(error)

        self._feed = feed
        self.on_item = on_item

    def on_gap(self, gap: StreamGap) -> None:
        self._lose_place()

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if status in (StreamStatus.RECOVERING, StreamStatus.FAILED):
            self._lose_place()

    def _lose_place(self) -> None:
        # A listener to books must not go on believing in a book that lost updates; being told twice does no harm.
        if self._feed.was_live:
            nothing = self._feed.no_book()
            if nothing is not None:
                self.on_item(nothing)


@final
class StatusListener(Generic[T]):
    """One listener to how the stream fares."""

    def __init__(self, feed: Feed[T], listener: Callable[[StreamStatus], None]) -> None:
        self._feed = feed
        self._listener = listener
        self._told = feed.source.status

    def on_item(self, item: T) -> None:
        pass

    def on_gap(self, gap: StreamGap) -> None:
        pass

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if status is self._told:
            return
        self._told = status
        try:
            self._listener(status)
        except Exception as failure:
            self._feed.report(failure)


class HostSubscription(Subscription[R], Generic[T, R]):
    """What both kinds share: listeners, waiting for the first data, closing."""

    def __init__(self, feed: Feed[T], changes: Waiters) -> None:
        self._feed = feed
        self._changes = changes
        self._listeners: list[Listener[T] | StatusListener[T]] = []
        self._closed = False
        self._iterating = False
        self._waiting = False
        self._join()

    @property
    def status(self) -> StreamStatus:
        return StreamStatus.CLOSED if self._closed else self._feed.source.status

    @property
    def error(self) -> ExchangeError | None:
        return self._feed.source.error

    @property
    def age(self) -> float | None:
        last = self._feed.last_data
        return None if last is None else monotonic() - last

    @final
    def add_listener(self, listener: Callable[..., None]) -> Callable[[], None]:
        """See :class:`Subscription`. Listened to before it is iterated, it keeps nothing for an iterator: one that
        comes later starts from there.
        """
        if not self._closed and not self._iterating and self._joined():
            self._leave()
        return self._hear(Listener[T](self._feed, listener), items=True)

    @final
    def add_status_listener(self, listener: Callable[[StreamStatus], None]) -> Callable[[], None]:
        return self._hear(StatusListener[T](self._feed, listener), items=False)

    def _hear(self, sink: Listener[T] | StatusListener[T], *, items: bool) -> Callable[[], None]:
        if self._closed:
            return lambda: None
        self._listeners.append(sink)
        self._feed.attach(sink, items=items)

        def remove() -> None:
            if sink in self._listeners:
                self._listeners.remove(sink)
                self._feed.detach(sink)

        return remove

    @final
    async def ready(self) -> None:
        while True:
            source = self._feed.source
            if source.status is StreamStatus.FAILED and source.error is not None:
                raise source.error.with_traceback(None)
            if self._feed.was_live and not self._closed:
                return
            if self._closed or source.status in _ENDED:
                raise ExchangeConnectionError("the subscription was closed before any data came")
            await self._changes.wait()

    @final
    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for sink in self._listeners:
            self._feed.detach(sink)
        self._listeners.clear()
        if self._joined():
            self._leave()
        self._wake()
        self._changes.wake()
        await self._feed.release()

    @final
    async def __anext__(self) -> R:
        if self._waiting:
            raise RuntimeError("this subscription is being iterated elsewhere: subscribe once more, it costs nothing")
        self._iterating = True
        if not self._closed and not self._joined():
            self._join()
        while True:
            if self._closed:
                raise StopAsyncIteration
            if self._pending():
                return self._take()
            source = self._feed.source
            if source.status is StreamStatus.FAILED and source.error is not None:
                raise source.error.with_traceback(None)
            if source.status in _ENDED:
                raise StopAsyncIteration
            self._waiting = True
            try:
                await self._wait()
            finally:
                self._waiting = False

    @abstractmethod
    def _join(self) -> None: ...
    @abstractmethod
    def _leave(self) -> None: ...
    @abstractmethod
    def _joined(self) -> bool: ...
    @abstractmethod
    def _pending(self) -> bool: ...
    @abstractmethod
    def _take(self) -> R: ...
    @abstractmethod
    async def _wait(self) -> None: ...
    @abstractmethod
    def _wake(self) -> None: ...


@final
class LatestSubscription(HostSubscription[T, R]):
    """Hands over the newest item, made by ``hand_over`` when it is asked for."""

    def __init__(self, feed: Feed[T], changes: Waiters, *, hand_over: Callable[[T], R]) -> None:
        self._hand_over = hand_over
        self._seen: int | None = None
        self._dropped = 0
        super().__init__(feed, changes)

    @property
    def dropped(self) -> int:
        return self._dropped

    def _join(self) -> None:
        self._seen = self._feed.latest.join()

    def _leave(self) -> None:
        self._seen = None
        self._feed.latest.leave()

    def _joined(self) -> bool:
        return self._seen is not None

    def _pending(self) -> bool:
        return self._feed.latest.version != self._seen

    def _take(self) -> R:
        latest = self._feed.latest
        assert latest.item is not None
        assert self._seen is not None
        self._dropped += latest.version - self._seen - 1
        self._seen = latest.version
        return self._hand_over(latest.item)

    async def _wait(self) -> None:
        await self._feed.latest.waiters.wait()

    def _wake(self) -> None:
        self._feed.latest.waiters.wake()


@final
class BufferedSubscription(HostSubscription[T, T]):
    """Hands over every item, and raises a StreamGap where some were lost."""

    def __init__(self, feed: Feed[T], changes: Waiters, *, limit: int = BUFFER) -> None:
        self._buffer = Buffer(feed, limit)
        self._attached = False
        super().__init__(feed, changes)

    @property
    def dropped(self) -> int:
        return self._buffer.dropped

    def _join(self) -> None:
        self._attached = True
        self._feed.attach(self._buffer)

    def _leave(self) -> None:
        self._attached = False
        self._feed.detach(self._buffer)
        self._buffer.items.clear()

    def _joined(self) -> bool:
        return self._attached

    def _pending(self) -> bool:
        return bool(self._buffer.items or self._buffer.lost)

    def _take(self) -> T:
        buffer = self._buffer
        item = buffer.items.popleft() if buffer.items else buffer.take_gap()
        if isinstance(item, StreamGap):
            raise item.with_traceback(None)
        return item

    async def _wait(self) -> None:
        await self._buffer.waiters.wait()

    def _wake(self) -> None:
        self._buffer.waiters.wake()
