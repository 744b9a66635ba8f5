"""StreamHub: one upstream per channel, symbol and parameters, shared by whoever subscribes.

The upstream is opened for the first subscription and closed with the last. An adapter's StreamSource gets the
subscriptions' sinks directly. An async generator is pumped into a source of the hub's own: when it raises an
ExchangeError *or ends* (a connection that was closed politely is closed all the same) the stream is RECOVERING and
the generator is made anew after a growing, jittered delay; lossless streams get a StreamGap at that place. What a
new attempt cannot cure (unknown symbol, no rights, a mistake in the adapter) makes the stream FAIL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from time import monotonic
from typing import Final, Generic, NamedTuple, TypeVar, cast, final

import attrs

from fra.core.contract.book import BookView, OrderBook, PriceLevel
from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import (
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    FraError,
    StreamGap,
)
from fra.core.contract.events import ErrorRaised, Event, StreamGapped, StreamStatusChanged
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.models import StreamHealth
from fra.core.contract.streams import StreamSink, StreamSource, StreamStatus, Subscription, Upstream
from fra.core.host.failures import PERMANENT, Failures
from fra.core.host.subscriptions import BufferedSubscription, Latest, LatestSubscription, Waiters
from fra.core.toolkit.reconnect import ReconnectManager

T = TypeVar("T")
R = TypeVar("R")

_BREATH: Final = 0.005
"""Seconds for which a generator that never waits is pumped before everybody else gets a turn."""


class FeedKey(NamedTuple):
    """What makes two subscriptions share an upstream."""

    operation: Operation
    symbol: str | None = None
    params: Hashable = None

    @property
    def channel(self) -> str:
        return self.operation.value.removeprefix("subscribe_")

    def __str__(self) -> str:
        return f"{self.channel} of {self.symbol}" if self.symbol else self.channel


@attrs.frozen
class FrozenLevels:
    """An OrderBook as the levels of a BookView."""

    book: OrderBook

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.bids if depth is None else self.book.bids[:depth]

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self.book.asks if depth is None else self.book.asks[:depth]


def as_view(book: OrderBook) -> BookView:
    """What listeners get of a book that came whole."""
    return BookView(book.symbol, FrozenLevels(book), book.received_ms, book.timestamp_ms, book.sequence, book.valid)


@final
class _Feed(Generic[T]):
    """One shared upstream. It outlives the source behind it, which changes when the hub is re-pointed."""

    def __init__(
        self,
        hub: StreamHub,
        key: FeedKey,
        *,
        open_: Callable[[ExchangePluginInterface], Upstream[T]],
        first: Callable[[], Awaitable[None]] | None,
        lossless: bool,
    ) -> None:
        self.key = key
        self.source: StreamSource[T] = StreamSource()
        self.latest: Latest[T] = Latest(self)
        self.changes = Waiters()
        self.was_live = False
        self.status = StreamStatus.STARTING
        self.consumers = 0
        self._hub = hub
        self._open = open_
        self._first = first
        self._lossless = lossless
        self._sinks: list[tuple[StreamSink[T], bool]] = [(self, False)]
        self._driver: asyncio.Task[None] | None = None
        self._last_data: float | None = None
        self.source.attach(self, items=False)

    @property
    def last_data(self) -> float | None:
        return self.source.last_data or self._last_data

    # --- sinks

    def attach(self, sink: StreamSink[T], *, items: bool = True) -> None:
        self._sinks.append((sink, items))
        self.source.attach(sink, items=items)

    def detach(self, sink: StreamSink[T]) -> None:
        self._sinks = [(other, items) for other, items in self._sinks if other is not sink]
        self.source.detach(sink)

    def on_item(self, item: T) -> None:
        pass

    def on_gap(self, gap: StreamGap) -> None:
        self.lost(gap)

    def on_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if error is not None:
            self._hub.failures.complete(error, str(self.key))
        old, self.status = self.status, status
        if old is not status:
            self._hub.changed(self.key, old, status, error)
        if status is StreamStatus.LIVE:
            self.was_live = True
        elif status is StreamStatus.FAILED:
            self._hub.forget(self)
            if error is not None:
                self._hub.raised(str(self.key), error)
        elif status is StreamStatus.CLOSED:
            self._hub.forget(self)
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
        if self._first is None:
            upstream = self._ask()
            if isinstance(upstream, StreamSource):
                self._switch(upstream)
                return
            self._driver = asyncio.create_task(self._drive(upstream), name=f"fra stream {self.key}")
        else:
            self._driver = asyncio.create_task(self._drive(None), name=f"fra stream {self.key}")

    def _ask(self) -> Upstream[T]:
        upstream = self._open(self._hub.plugin)
        if isinstance(upstream, StreamSource) or hasattr(upstream, "__anext__"):
            return upstream
        if asyncio.iscoroutine(upstream):
            upstream.close()
        raise TypeError(
            f"{self.key.operation.value} must return a StreamSource or be an async generator, "
            f"not return {type(upstream).__name__}"
        )

    def _switch(self, source: StreamSource[T]) -> None:
        old, self.source = self.source, source
        self._last_data = old.last_data or self._last_data
        before = old.status
        for sink, items in self._sinks:
            old.detach(sink)
            source.attach(sink, items=items)
        if source.status is not before:
            for sink, _ in self._sinks:
                sink.on_status(source.status, source.error)

    async def repoint(self) -> None:
        """Open the same stream at the hub's present plugin, then close the old upstream."""
        old, driver = self.source, self._driver
        self._driver = None
        if driver is not None:
            await _cancel(driver)
        if self.was_live:
            old.gap(StreamGap("the adapter was reloaded: items may be missing"))
        if old.status is StreamStatus.LIVE:
            old.set_status(StreamStatus.RECOVERING)
        if driver is not None:
            self._switch(StreamSource())  # the pump's source is its own; nothing else closes it
        try:
            self.start()
        except Exception as error:
            if self.source is old:
                self._switch(StreamSource())
            self.source.fail(self._hub.failures.of_exchange(error, str(self.key)))
        if self.source is not old:
            try:
                async with asyncio.timeout(self._hub.patience):
                    await old.close()
            except Exception as error:
                self._hub.raised(f"closing {self.key}", self._hub.failures.complete(error, f"closing {self.key}"))

    async def stop(self) -> None:
        """Close the upstream and everything of it."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await _cancel(driver)
        await self.source.close()

    async def release(self) -> None:
        """One consumer less; the last one closes the upstream."""
        self.consumers -= 1
        await self._hub.release(self)

    # --- the generator's pump

    async def _drive(self, upstream: AsyncIterator[T] | None) -> None:
        hub, retries = self._hub, self._hub.retries()
        source = self.source
        while True:
            error: ExchangeError
            try:
                if upstream is None:
                    if self._first is not None:
                        await self._first()
                    opened = self._ask()
                    if isinstance(opened, StreamSource):
                        self._driver = None
                        self._switch(opened)
                        return
                    upstream = opened
                await self._pump(upstream, source, retries)
                error = ExchangeConnectionError(f"the venue's stream of {self.key} ended", exchange=hub.exchange)
            except Exception as raised:
                mistake = not isinstance(raised, ExchangeError | OSError | EOFError)
                error = hub.failures.of_exchange(raised, str(self.key))
                if mistake or isinstance(error, PERMANENT):
                    source.fail(error)
                    return
            upstream = None
            cut = source.status in (StreamStatus.LIVE, StreamStatus.STALE)
            source.set_status(StreamStatus.RECOVERING, error)
            if isinstance(error, StreamGap):
                source.gap(error)
            elif cut and self._lossless:
                source.gap(StreamGap(f"the connection was cut: {error.message}", exchange=hub.exchange))
            if isinstance(error, ExchangeRateLimitError) and error.retry_after is not None:
                await asyncio.sleep(error.retry_after)
            await retries.handle_disconnect(_nothing)

    async def _pump(self, upstream: AsyncIterator[T], source: StreamSource[T], retries: ReconnectManager) -> None:
        publish = source.publish
        wrap = self.key.operation is Operation.SUBSCRIBE_ORDERBOOK
        breath = monotonic()
        try:
            async for item in upstream:
                if wrap and isinstance(item, OrderBook):
                    publish(cast("T", as_view(item)))
                else:
                    publish(item)
                if retries.attempts:
                    retries.data_received()
                if source.last_data is not None and source.last_data - breath > _BREATH:
                    await asyncio.sleep(0)
                    breath = source.last_data
        finally:
            close = getattr(upstream, "aclose", None)
            if close is not None:
                await close()


async def _nothing() -> None:
    """The pump makes its generator itself."""


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@final
class StreamHub:
    """The streams of one exchange. ``plugin`` is who is asked for new upstreams."""

    def __init__(
        self,
        exchange: str,
        *,
        failures: Failures,
        emit: Callable[[Event], None],
        now_ms: Callable[[], int],
        retries: Callable[[], ReconnectManager] = ReconnectManager,
        linger: float = 0.0,
        patience: float = 10.0,
    ) -> None:
        """``linger`` is for how many seconds an upstream without consumers is kept, ``patience`` how many one may take
        to close.
        """
        self.exchange = exchange
        self.failures = failures
        self.emit = emit
        self.now_ms = now_ms
        self.retries = retries
        self.linger = linger
        self.patience = patience
        self._plugin: ExchangePluginInterface | None = None
        self._feeds: dict[FeedKey, _Feed[object]] = {}
        self._unclosed: set[_Feed[object]] = set()
        self._closing: dict[FeedKey, asyncio.Task[None]] = {}
        self._timers: dict[FeedKey, asyncio.TimerHandle] = {}
        self._closed = False

    @property
    def plugin(self) -> ExchangePluginInterface:
        if self._plugin is None:
            raise ExchangeConnectionError("the exchange is not loaded", exchange=self.exchange)
        return self._plugin

    def latest(
        self,
        key: FeedKey,
        open_: Callable[[ExchangePluginInterface], Upstream[T]],
        *,
        hand_over: Callable[[T], R],
        first: Callable[[], Awaitable[None]] | None = None,
        watch: StreamSink[T] | None = None,
    ) -> Subscription[R]:
        """A subscription whose iterator gets the newest item, made by ``hand_over`` at that moment.

        ``first`` is awaited before the upstream is opened; ``watch`` hears every item as long as it is open.
        """
        feed = self._feed(key, open_, first=first, lossless=False, watch=watch)
        return LatestSubscription(feed, feed.changes, hand_over=hand_over)

    def every(
        self,
        key: FeedKey,
        open_: Callable[[ExchangePluginInterface], Upstream[T]],
        *,
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> Subscription[T]:
        """A subscription whose iterator gets every item, or a StreamGap where some were lost."""
        feed = self._feed(key, open_, first=first, lossless=True, watch=None)
        return BufferedSubscription(feed, feed.changes)

    def _feed(
        self,
        key: FeedKey,
        open_: Callable[[ExchangePluginInterface], Upstream[T]],
        *,
        first: Callable[[], Awaitable[None]] | None,
        lossless: bool,
        watch: StreamSink[T] | None,
    ) -> _Feed[T]:
        if self._closed:
            raise ExchangeConnectionError("the exchange was closed", exchange=self.exchange)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        known = self._feeds.get(key)
        if known is not None:
            known.consumers += 1
            return cast("_Feed[T]", known)
        feed: _Feed[T] = _Feed(self, key, open_=open_, first=self._after_closing(key, first), lossless=lossless)
        if watch is not None:
            feed.attach(watch)
        self._feeds[key] = cast("_Feed[object]", feed)
        try:
            feed.start()
        except Exception as error:
            self.forget(feed)
            raise self.failures.complete(error, str(key)) from error.__cause__
        self._unclosed.add(cast("_Feed[object]", feed))
        feed.consumers += 1
        return feed

    def _after_closing(
        self, key: FeedKey, first: Callable[[], Awaitable[None]] | None
    ) -> Callable[[], Awaitable[None]] | None:
        closing = self._closing.get(key)
        if closing is None:
            return first

        async def wait() -> None:
            # An adapter must not get the new subscribe before the unsubscribe of the same channel.
            await asyncio.wait([closing])
            if first is not None:
                await first()

        return wait

    def forget(self, feed: _Feed[T]) -> None:
        """The next subscription opens a new upstream."""
        if self._feeds.get(feed.key) is feed:
            del self._feeds[feed.key]

    async def release(self, feed: _Feed[T]) -> None:
        """Close ``feed`` if nobody uses it, after the linger."""
        if feed.consumers:
            return
        if self.linger and not self._closed and self._feeds.get(feed.key) is feed:
            loop = asyncio.get_running_loop()
            self._timers[feed.key] = loop.call_later(self.linger, self._expire, feed)
            return
        await asyncio.shield(self._close(feed))

    def _expire(self, feed: _Feed[T]) -> None:
        self._timers.pop(feed.key, None)
        if not feed.consumers:
            self._close(feed)

    def _close(self, feed: _Feed[T]) -> asyncio.Task[None]:
        self.forget(feed)
        self._unclosed.discard(cast("_Feed[object]", feed))
        before = self._closing.get(feed.key)

        async def stop() -> None:
            if before is not None:
                await asyncio.wait([before])
            try:
                async with asyncio.timeout(self.patience):
                    await feed.stop()
            except Exception as error:
                self.raised(f"closing {feed.key}", self.failures.complete(error, f"closing {feed.key}"))

        # A task of its own: whoever closes may be cancelled halfway, the upstream must be closed all the same.
        task = asyncio.create_task(stop(), name=f"fra close {feed.key}")
        self._closing[feed.key] = task

        def done(task: asyncio.Task[None]) -> None:
            if self._closing.get(feed.key) is task:
                del self._closing[feed.key]

        task.add_done_callback(done)
        return task

    def changed(self, key: FeedKey, old: StreamStatus, new: StreamStatus, error: ExchangeError | None) -> None:
        """Tell hooks where a stream stands."""
        self.emit(
            StreamStatusChanged(
                exchange=self.exchange,
                timestamp_ms=self.now_ms(),
                channel=key.channel,
                symbol=key.symbol,
                old=old,
                new=new,
                error=error,
            )
        )

    def raised(self, where: str, error: FraError) -> None:
        """Report what nobody awaits."""
        self.emit(ErrorRaised(exchange=self.exchange, timestamp_ms=self.now_ms(), where=where, error=error))

    async def repoint(self, plugin: ExchangePluginInterface) -> None:
        """Ask ``plugin`` from now on, and move every open stream to it; subscriptions stay as they are."""
        self._plugin = plugin
        for feed in list(self._feeds.values()):
            await feed.repoint()

    def health(self) -> tuple[StreamHealth, ...]:
        """Every open upstream, judged by the age of its data."""
        now = monotonic()
        return tuple(
            StreamHealth(
                channel=feed.key.channel,
                symbol=feed.key.symbol,
                status=feed.source.status.value,
                age=None if feed.last_data is None else now - feed.last_data,
                consumers=feed.consumers,
            )
            for feed in self._feeds.values()
        )

    async def close(self) -> None:
        """Close every upstream; subscriptions end. Idempotent."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for feed in list(self._unclosed):
            self._close(feed)
        closing = list(self._closing.values())
        if closing:
            await asyncio.wait(closing)
