"""Feeds: a stream as its consumers share it. It outlives the source behind it, which a reload changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar, cast, final

from fra.core.contract.book import OrderBook
from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import ExchangeError, FraError, StreamGap
from fra.core.contract.events import Event, StreamGapped, StreamStatusChanged
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.streams import StreamSink, StreamSource, StreamStatus
from fra.core.host.failures import Failures
from fra.core.host.streams.pumps import Opening, Pump, as_view
from fra.core.host.streams.seams import Memory, memory_for
from fra.core.host.streams.subscriptions import Latest, Waiters

T = TypeVar("T")


class Hub(Protocol):
    """What a feed asks of the hub."""

    exchange: str
    failures: Failures
    emit: Callable[[Event], None]
    now_ms: Callable[[], int]

    @property
    def plugin(self) -> ExchangePluginInterface: ...
    def forget(self, feed: Feed[Any], /) -> None: ...
    def raised(self, where: str, error: FraError) -> None: ...
    async def release(self, feed: Feed[Any], /) -> None: ...


class Passing(Protocol):
    """A feed's passage to another plugin, as far as the feed knows it."""

    async def stop(self) -> None: ...


@final
class Feed(Generic[T]):
    """One shared upstream. Its sinks hang on the source itself, or, during a passage, on the feed."""

    def __init__(self, hub: Hub, opening: Opening[T], *, first: Callable[[], Awaitable[None]] | None) -> None:
        self.key = opening.key
        self.opening = opening
        self.pump: Pump[T] = Pump(opening)
        self.source: StreamSource[T] = self.pump.source
        self.latest: Latest[T] = Latest(self)
        self.memory: Memory[T] = memory_for(opening.key.operation)
        self.changes = Waiters()
        self.was_live = False
        self.status = StreamStatus.STARTING
        self.consumers = 0
        self.passage: Passing | None = None
        self._hub = hub
        self._first = first
        self._sinks: list[tuple[StreamSink[T], bool]] = [(self, False), (_Remember(self.memory), True)]
        self._relayed = False
        self._last_data: float | None = None
        for sink, items in self._sinks:
            self.source.attach(sink, items=items)

    @property
    def last_data(self) -> float | None:
        return self.source.last_data or self._last_data

    # --- sinks

    def attach(self, sink: StreamSink[T], *, items: bool = True) -> None:
        self._sinks.append((sink, items))
        if not self._relayed:
            self.source.attach(sink, items=items)

    def detach(self, sink: StreamSink[T]) -> None:
        self._sinks = [(other, items) for other, items in self._sinks if other is not sink]
        if not self._relayed:
            self.source.detach(sink)

    def relay(self) -> None:
        """Take the sinks off the source: what they hear comes from :meth:`deliver` and its like."""
        if not self._relayed:
            self._relayed = True
            for sink, _ in self._sinks:
                self.source.detach(sink)

    def direct(self) -> None:
        """Hang the sinks on the source again."""
        if self._relayed:
            self._relayed = False
            for sink, items in self._sinks:
                self.source.attach(sink, items=items)

    def deliver(self, item: T) -> None:
        for sink, items in tuple(self._sinks):
            if items:
                sink.on_item(item)

    def tell_gap(self, gap: StreamGap) -> None:
        for sink, _ in tuple(self._sinks):
            sink.on_gap(gap)

    def tell_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        for sink, _ in tuple(self._sinks):
            sink.on_status(status, error)

    # --- its own sink

    def on_item(self, item: T) -> None:
        pass

    def on_gap(self, gap: StreamGap) -> None:
        self.lost(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        hub = self._hub
        if error is not None:
            hub.failures.complete(error, str(self.key))
        old, self.status = self.status, status
        if old is not status:
            hub.emit(
                StreamStatusChanged(
                    exchange=hub.exchange,
                    timestamp_ms=hub.now_ms(),
                    channel=self.key.channel,
                    symbol=self.key.symbol,
                    old=old,
                    new=status,
                    error=error,
                )
            )
        if status is StreamStatus.LIVE:
            self.was_live = True
        elif status is StreamStatus.FAILED:
            hub.forget(self)
            if error is not None:
                hub.raised(str(self.key), error)
        elif status is StreamStatus.CLOSED:
            hub.forget(self)
        self.changes.wake()

    def lost(self, gap: StreamGap) -> None:
        """Tell hooks of a gap."""
        hub = self._hub
        hub.failures.complete(gap, str(self.key))
        hub.emit(
            StreamGapped(
                exchange=hub.exchange,
                timestamp_ms=hub.now_ms(),
                channel=self.key.channel,
                symbol=self.key.symbol,
                gap=gap,
            )
        )

    def report(self, error: Exception) -> None:
        """A listener raised: the others and the stream go on."""
        where = f"a listener to {self.key}"
        failure = error
        if not isinstance(error, FraError):
            failure = FraError(self._hub.failures.redact(f"{where} raised {type(error).__name__}: {error}"))
            failure.__cause__ = error
        self._hub.raised(where, cast("FraError", failure))

    def no_book(self) -> T | None:
        """The view of a book that has lost its place; None for feeds that are no books."""
        if self.key.operation is not Operation.SUBSCRIBE_ORDERBOOK or self.key.symbol is None:
            return None
        now = self._hub.now_ms()
        nothing = OrderBook(symbol=self.key.symbol, bids=(), asks=(), received_ms=now, valid=False)
        return cast("T", as_view(nothing))

    # --- life

    def start(self) -> None:
        """Open the upstream: at once where nothing must be awaited first."""
        if self._first is not None:
            self.pump.start_after(self._first, lambda: self._hub.plugin, self._switch)
            return
        self.pump.start(self._hub.plugin)
        if self.pump.source is not self.source:
            self._switch(self.pump.source)

    def _switch(self, source: StreamSource[T]) -> None:
        before = self.source.status
        self.relay()
        self.source = source
        self.direct()
        if source.status is not before:
            self.tell_status(source.status, source.error)

    def adopt(self, pump: Pump[T]) -> Pump[T]:
        """Go on with another upstream, while the sinks are relayed; the result is the old one."""
        old, self.pump = self.pump, pump
        self._last_data = self.source.last_data or self._last_data
        self.source = pump.source
        return old

    async def stop(self) -> None:
        """Close the upstream and everything of it."""
        if self.passage is not None:
            await self.passage.stop()
        self.direct()
        await self.pump.close()

    async def release(self) -> None:
        """One consumer less; the last one closes the upstream."""
        self.consumers -= 1
        await self._hub.release(self)


class _Remember(Generic[T]):
    """Keeps what a seam will need."""

    __slots__ = ("on_item",)

    def __init__(self, memory: Memory[T]) -> None:
        self.on_item = memory.append

    def on_gap(self, gap: StreamGap) -> None:
        pass

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        pass
