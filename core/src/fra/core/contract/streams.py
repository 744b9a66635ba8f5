"""Streams: the StreamSource that an adapter publishes into, and the Subscription that a user holds.

There is no queue between them for listeners: ``publish`` calls every listener before it returns. Iterators sit
beside: they conflate (books, tickers, funding) or keep everything (trades, klines, user data) in a bounded buffer.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from types import TracebackType
from typing import Final, Generic, Protocol, Self, TypeVar, final

from fra.core.contract.errors import ExchangeError, StreamGap

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


class StreamStatus(enum.Enum):
    """Where a stream stands: STARTING until the first data, STALE past its deadline, RECOVERING after a cut or gap."""

    STARTING = "starting"
    LIVE = "live"
    STALE = "stale"
    RECOVERING = "recovering"
    FAILED = "failed"
    CLOSED = "closed"


_LIVE: Final = StreamStatus.LIVE
"""Looking a member up on its class costs a tenth of a microsecond, for every item."""


class StreamSink(Protocol[T_contra]):
    """What a host attaches to a source. Calls are synchronous and must not block."""

    def on_item(self, item: T_contra) -> None: ...
    def on_gap(self, gap: StreamGap) -> None: ...
    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None: ...


@final
class StreamSource(Generic[T]):
    """One upstream of an adapter, for one channel and symbol. The adapter publishes, the host attaches sinks.

    The adapter returns it at once, in STARTING, and connects in a task of its own. ``close`` is awaited by the host
    when the last consumer has gone, exactly once; afterwards ``publish`` does nothing.
    """

    __slots__ = ("_close", "_heard", "_items", "_sinks", "confirmed", "error", "last_data", "on_confirm", "status")

    def __init__(self, *, close: Callable[[], Awaitable[None]] | None = None) -> None:
        self._close = close
        self._sinks: tuple[StreamSink[T], ...] = ()
        self._heard: tuple[StreamSink[T], ...] = ()
        self._items: tuple[Callable[[T], None], ...] = ()
        self.status = StreamStatus.STARTING
        self.error: ExchangeError | None = None
        self.last_data: float | None = None
        """When the last data came, on the monotonic clock; None before the first."""
        self.confirmed: bool = False
        """Whether the venue has taken the subscription, as far as the adapter says so (:meth:`confirm`)."""
        self.on_confirm: Callable[[], None] | None = None
        """The host's: called at each :meth:`confirm`."""

    # --- the adapter's side

    def publish(self, item: T) -> None:
        """Hand ``item`` to every sink, now. Publishing makes the stream LIVE."""
        self.last_data = monotonic()
        if self.status is not _LIVE and not self._go_live():
            return
        for on_item in self._items:
            on_item(item)

    def deliver(self, item: T) -> None:
        """Hand ``item`` to every sink, now, and leave the status: the stream has news, and is not complete yet."""
        self.last_data = monotonic()
        for on_item in self._items:
            on_item(item)

    def confirm(self) -> None:
        """The venue took the subscription: what happens from now on will come, and nothing may have happened yet.

        Worth saying of channels that may be quiet: a reload need not wait for their first item.
        """
        self.confirmed = True
        if self.on_confirm is not None:
            self.on_confirm()

    def touch(self) -> None:
        """The venue said that it is alive and nothing changed (a heartbeat of the channel): the data is fresh."""
        self.last_data = monotonic()
        if self.status is StreamStatus.STALE:
            self.set_status(StreamStatus.LIVE)

    def gap(self, gap: StreamGap) -> None:
        """Items were lost here. Lossless iterators raise it at this place; everybody is told."""
        for sink in self._sinks:
            sink.on_gap(gap)

    def set_status(self, status: StreamStatus, error: ExchangeError | None = None) -> None:
        """Tell all sinks of a change. CLOSED and FAILED are final."""
        if self.status in (StreamStatus.CLOSED, StreamStatus.FAILED) or (self.status is status and error is None):
            return
        self.status, self.error = status, error
        if status is not _LIVE:
            self.confirmed = self.confirmed and status is StreamStatus.STALE
        for sink in self._sinks:
            sink.on_status(status, error)

    def _go_live(self) -> bool:
        self.set_status(StreamStatus.LIVE)
        return self.status is StreamStatus.LIVE

    def fail(self, error: ExchangeError) -> None:
        """Give up for good: consumers get ``error``. For what a reconnect cannot cure (unknown symbol, no rights)."""
        self.set_status(StreamStatus.FAILED, error)

    # --- the host's side

    def attach(self, sink: StreamSink[T], *, items: bool = True) -> None:
        """Add a sink; it hears what is published from now on, or with ``items=False`` only gaps and statuses."""
        self._sinks = (*self._sinks, sink)
        if items:
            self._heard = (*self._heard, sink)
            self._items = tuple(sink.on_item for sink in self._heard)

    def detach(self, sink: StreamSink[T]) -> None:
        """Remove a sink; unknown ones are ignored."""
        self._sinks = tuple(other for other in self._sinks if other is not sink)
        self._heard = tuple(other for other in self._heard if other is not sink)
        self._items = tuple(sink.on_item for sink in self._heard)

    async def close(self) -> None:
        """Stop the upstream. Idempotent."""
        close, self._close = self._close, None
        try:
            if close is not None:
                await close()
        finally:
            self.set_status(StreamStatus.CLOSED)


Upstream = StreamSource[T] | AsyncIterator[T]
"""What a ``subscribe_*`` of an adapter may return: a source, or (the simple way) an async generator."""


class Subscription(ABC, Generic[T_co]):
    """What a user holds of a stream. It outlives reconnects and reloads; closing it frees the upstream.

    ``async for`` gives items until it is closed; ``async with`` waits until it is ready and closes it. Several
    listeners may be added; one iterator reads it. Books, tickers and funding rates are conflated for iterators: the
    newest is handed over and the skipped are counted in :attr:`dropped`. Trades, klines and user data are lossless:
    where items were lost, the iterator raises :class:`StreamGap` at that place and may be iterated on.
    """

    @property
    @abstractmethod
    def status(self) -> StreamStatus:
        """Where the stream stands now."""

    @property
    @abstractmethod
    def error(self) -> ExchangeError | None:
        """Why it is RECOVERING or FAILED, when known."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many items this subscription's iterator was not handed (conflated, or cut off by a full buffer)."""

    @property
    @abstractmethod
    def age(self) -> float | None:
        """Seconds since the upstream last had data; None before the first."""

    @abstractmethod
    def add_listener(self, listener: Callable[..., None]) -> Callable[[], None]:
        """Call ``listener(item)`` synchronously for *every* item; the result removes it.

        For books the item is a :class:`BookView`, valid during the call only. A listener that raises is reported as
        an error event and goes on being called.
        """

    @abstractmethod
    def add_status_listener(self, listener: Callable[[StreamStatus], None]) -> Callable[[], None]:
        """Call ``listener(status)`` synchronously whenever :attr:`status` has changed; the result removes it.

        That the subscription was closed by its holder is not told. One that raises is reported as an error event.
        """

    @abstractmethod
    async def ready(self) -> None:
        """Wait until the first data has come; raises what made the stream FAIL."""

    @abstractmethod
    async def close(self) -> None:
        """End it: the iterator stops, listeners are called no more. Idempotent."""

    @abstractmethod
    async def __anext__(self) -> T_co: ...

    @final
    def __aiter__(self) -> Self:
        return self

    @final
    async def __aenter__(self) -> Self:
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise
        return self

    @final
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
