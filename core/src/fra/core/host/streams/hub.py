"""StreamHub: one upstream per channel, symbol and parameters, shared by whoever subscribes.

The upstream is opened for the first subscription and closed with the last. An adapter's StreamSource gets the
subscriptions' sinks directly; an async generator is pumped into one. When a plugin gives way to another, each stream
passes over by itself, both plugins being connected meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar, final

from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import ExchangeConnectionError, FraError
from fra.core.contract.events import ErrorRaised, Event
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.models import StreamHealth
from fra.core.contract.streams import StreamSink, Subscription, Upstream
from fra.core.host.failures import Failures
from fra.core.host.streams.feeds import Feed
from fra.core.host.streams.passages import OVERLAP, Passage
from fra.core.host.streams.pumps import FeedKey, Opening, Pump
from fra.core.host.streams.subscriptions import BufferedSubscription, LatestSubscription
from fra.core.toolkit.reconnect import ReconnectManager

T = TypeVar("T")
R = TypeVar("R")


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
        overlap: float = OVERLAP,
    ) -> None:
        """``linger`` is for how many seconds an upstream without consumers is kept, ``patience`` how many one may take
        to close, ``overlap`` for how many a quiet stream runs at both plugins when one gives way to the other.
        """
        self.exchange = exchange
        self.failures = failures
        self.emit = emit
        self.now_ms = now_ms
        self.retries = retries
        self.linger = linger
        self.patience = patience
        self.overlap = overlap
        self._plugin: ExchangePluginInterface | None = None
        self._feeds: dict[FeedKey, Feed[Any]] = {}
        self._unclosed: set[Feed[Any]] = set()
        self._closing: dict[FeedKey, asyncio.Task[None]] = {}
        self._timers: dict[FeedKey, asyncio.TimerHandle] = {}
        self._passages: list[Passage[Any]] = []
        self._old_pumps: set[asyncio.Task[None]] = set()
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
    ) -> Feed[T]:
        if self._closed:
            raise ExchangeConnectionError("the exchange was closed", exchange=self.exchange)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        known = self._feeds.get(key)
        if known is not None:
            known.consumers += 1
            return known
        opening = Opening(key, open_, lossless, self.failures, self.retries, self.exchange)
        feed: Feed[T] = Feed(self, opening, first=self._after_closing(key, first))
        if watch is not None:
            feed.attach(watch)
        self._feeds[key] = feed
        try:
            feed.start()
        except Exception as error:
            self.forget(feed)
            raise self.failures.complete(error, str(key)) from error.__cause__
        self._unclosed.add(feed)
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

    def forget(self, feed: Feed[T]) -> None:
        """The next subscription opens a new upstream."""
        if self._feeds.get(feed.key) is feed:
            del self._feeds[feed.key]

    async def release(self, feed: Feed[T]) -> None:
        """Close ``feed`` if nobody uses it, after the linger."""
        if feed.consumers:
            return
        if self.linger and not self._closed and self._feeds.get(feed.key) is feed:
            loop = asyncio.get_running_loop()
            self._timers[feed.key] = loop.call_later(self.linger, self._expire, feed)
            return
        await asyncio.shield(self._close(feed))

    def _expire(self, feed: Feed[T]) -> None:
        self._timers.pop(feed.key, None)
        if not feed.consumers:
            self._close(feed)

    def _close(self, feed: Feed[T]) -> asyncio.Task[None]:
        self.forget(feed)
        self._unclosed.discard(feed)
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

    def raised(self, where: str, error: FraError) -> None:
        """Report what nobody awaits."""
        self.emit(ErrorRaised(exchange=self.exchange, timestamp_ms=self.now_ms(), where=where, error=error))

    # --- from one plugin to another

    async def warm(
        self,
        plugin: ExchangePluginInterface,
        *,
        listed: Callable[[], Awaitable[None]],
        patience: float,
        optional: Operation | None = None,
    ) -> None:
        """Open every stream at ``plugin`` too and wait until it is as well there, for at most ``patience`` seconds.

        ``listed`` is awaited first. Streams of the ``optional`` operation may fail there. Raises why one is not; then
        nothing has changed. Else :meth:`commit` or :meth:`undo` follows.
        """
        until = asyncio.get_running_loop().time() + patience
        try:
            async with asyncio.timeout_at(until):
                await listed()
            for feed in [*self._feeds.values()]:
                if feed.key.operation is not optional:
                    self._begin(feed, plugin)
            outcomes = await asyncio.gather(*(each.warm(until) for each in self._passages), return_exceptions=True)
            for passage, outcome in zip(self._passages, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    raise self.failures.complete(outcome, str(passage.feed.key)) from outcome.__cause__
        except BaseException:
            await self.undo()
            raise

    def _begin(self, feed: Feed[Any], plugin: ExchangePluginInterface) -> None:
        if feed.pump.plugin is None or feed.pump.plugin is plugin:
            return  # nobody was asked for it yet: who serves then will be
        passage = Passage(feed, overlap=self.overlap, raised=self.raised, close=self._close_pump)
        is_required = passage.is_required
        try:
            passage.open(plugin)
        except Exception as error:
            if plugin is not self._plugin:
                if is_required:
                    raise
                return  # it is asked once more when it serves
            feed.pump.source.fail(self.failures.of_exchange(error, str(feed.key)))
            return
        self._passages.append(passage)

    async def undo(self) -> None:
        """Stay with the present plugin."""
        passages, self._passages = self._passages, []
        for passage in passages:
            passage.undo()
        await self._closed_pumps()

    def commit(self, plugin: ExchangePluginInterface) -> None:
        """Ask ``plugin`` from now on; :meth:`settle` follows. Subscriptions stay as they are."""
        self._plugin = plugin
        begun = {passage.feed.key for passage in self._passages if passage.feed.passage is passage}
        for feed in [*self._feeds.values()]:
            if feed.key not in begun:
                self._begin(feed, plugin)
        for passage in self._passages:
            passage.commit()

    async def settle(self, *, patience: float) -> None:
        """Wait until every stream has passed over, after ``patience`` seconds at the latest, and the old are closed.

        Cancelled, it lets them pass over at once.
        """
        passages, self._passages = self._passages, []
        until = asyncio.get_running_loop().time() + patience
        try:
            await asyncio.gather(*(passage.finish(until) for passage in passages))
        finally:
            for feed in self._unclosed - {*self._feeds.values()}:
                self._close_pump(feed.pump, f"closing {feed.key}")  # it has failed
            await self._closed_pumps()

    def _close_pump(self, pump: Pump[Any], where: str) -> asyncio.Task[None]:
        async def close() -> None:
            try:
                async with asyncio.timeout(self.patience):
                    await pump.close()
            except Exception as error:
                self.raised(where, self.failures.complete(error, where))

        task = asyncio.create_task(close(), name=f"fra {where}")
        self._old_pumps.add(task)
        task.add_done_callback(self._old_pumps.discard)
        return task

    async def _closed_pumps(self) -> None:
        if self._old_pumps:
            await asyncio.wait([*self._old_pumps])

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
        closing = [*self._closing.values(), *self._old_pumps]
        if closing:
            await asyncio.wait(closing)
