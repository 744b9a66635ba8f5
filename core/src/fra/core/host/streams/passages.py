"""Passages: one stream on its way from the plugin that goes to the plugin that comes, both of them connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar, final

from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import ExchangeConnectionError, ExchangeError, FraError, StreamGap
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.streams import StreamSource, StreamStatus
from fra.core.host.streams.feeds import Feed
from fra.core.host.streams.pumps import Pump
from fra.core.host.streams.seams import Seam, seam_for
from fra.core.host.streams.subscriptions import Waiters

T = TypeVar("T")

OVERLAP: Final = 1.0
"""Seconds for which both sources of a quiet stream run: what the old one has under way comes in that time."""
_ENDED: Final = (StreamStatus.FAILED, StreamStatus.CLOSED)


@final
class Passage(Generic[T]):
    """Consumers hear the old source until the new one takes over; then the old one is closed.

    Before :meth:`commit` it can be undone, and nobody has noticed anything.
    """

    def __init__(
        self,
        feed: Feed[T],
        *,
        overlap: float,
        raised: Callable[[str, FraError], None],
        close: Callable[[Pump[Any], str], asyncio.Task[None]],
    ) -> None:
        self.feed = feed
        self.pump: Pump[T] = Pump(feed.opening)
        self._overlap = overlap
        self._raised = raised
        self._close = close
        before = feed.passage
        self._before = before.seam if isinstance(before, Passage) and not before.seam.done else None
        self.seam: Seam[T] = seam_for(feed.key.operation, feed.memory)
        if isinstance(before, Passage):
            before.leave()
        feed.passage = self
        self._old: StreamSource[T] = feed.source
        self._from_old = _FromOld(self)
        self._from_new = _FromNew(self)
        self._changes = Waiters()
        self._committed = False
        self._taken = False
        self._over = False
        self._old_lost = feed.was_live and not self.is_required
        self._late = False
        self._ready_at: float | None = None
        self._old_at: float | None = None
        feed.relay()
        self._old.attach(self._from_old)

    def open(self, plugin: ExchangePluginInterface) -> None:
        """Open the stream at ``plugin`` too. Raises what the adapter raises; then it is undone."""
        try:
            self.pump.start(plugin)
        except BaseException:
            self.undo()
            raise
        source = self.pump.source
        source.attach(self._from_new)
        source.on_confirm = self._look
        self._look()

    # --- where it stands

    @property
    def is_required(self) -> bool:
        """Whether the new source has to be as well as the old one, which is."""
        return self._old.status is StreamStatus.LIVE

    @property
    def is_ready(self) -> bool:
        """Whether the new source could go on by itself."""
        source, operation = self.pump.source, self.feed.key.operation
        if operation is Operation.SUBSCRIBE_ORDERBOOK:
            return source.status is StreamStatus.LIVE and (self.seam.holds or self.seam.waits)
        if operation is Operation.SUBSCRIBE_USER_DATA:
            return source.status is StreamStatus.LIVE
        return source.status is StreamStatus.LIVE or source.confirmed

    def _look(self) -> None:
        if self._taken or self._over:
            return
        ready = self.is_ready
        if ready and self._ready_at is None:
            self._ready_at = asyncio.get_running_loop().time()
            self.seam.begin()
        elif not ready:
            self._ready_at = None
        self._changes.wake()

    # --- before the swap

    async def warm(self, until: float) -> None:
        """Wait until the new source is ready, till ``until`` of the loop's clock.

        Raises why it is not: its own error, or that it does not deliver what the old one does. Where both are quiet
        it is no failure.
        """
        while not (self.is_ready or self._over):
            if not self.is_required and self.pump.source.status is not StreamStatus.FAILED:
                return
            if self.pump.source.status in _ENDED or not await self._changed(until):
                break
        if self.is_ready or self._over or not self.is_required:
            return
        self._late = True
        error, old_at = self.pump.source.error, self._old_at
        if error is not None:
            raise error.with_traceback(None)
        if self.pump.source.status in _ENDED or (old_at is not None and old_at < until - self._overlap):
            raise ExchangeConnectionError(f"the new instance does not stream {self.feed.key}")

    async def _changed(self, until: float) -> bool:
        try:
            async with asyncio.timeout_at(until):
                await self._changes.wait()
        except TimeoutError:
            return False
        return True

    def undo(self) -> asyncio.Task[None] | None:
        """Go on with the old source; the new one is closed in the background."""
        if self._taken or self._over:
            return None
        self.leave()
        return self._close(self.pump, f"closing {self.feed.key}")

    def leave(self) -> None:
        """Let the feed hang on its source again."""
        self._over = True
        self._old.detach(self._from_old)
        self.pump.source.detach(self._from_new)
        self.pump.source.on_confirm = None
        if self.feed.passage is self:
            self.feed.passage = None
            self.feed.direct()
        self._changes.wake()

    # --- after it

    def commit(self) -> None:
        """There is no way back: what becomes of the old source is nobody's affair any more."""
        self._committed = True

    async def finish(self, until: float) -> None:
        """Wait for the moment at which the new source can take over, and let it; till ``until`` in any case."""
        loop = asyncio.get_running_loop()
        if self._late:  # it had its time
            until = min(until, loop.time() + self._overlap)
        try:
            while not (self._taken or self._over):
                due, is_seamless = self._due(until)
                if due <= loop.time():
                    self._take_over(forced=not is_seamless)
                else:
                    await self._changed(due)
        finally:
            if not (self._taken or self._over):
                self._take_over(forced=not self.seam.holds)

    def _due(self, until: float) -> tuple[float, bool]:
        """When to take over if nothing happens before, and whether consumers will not notice it then."""
        seam, ready_at = self.seam, self._ready_at
        if not self.feed.was_live:
            return 0.0, True  # nothing has come yet, so that nothing can be missed
        if ready_at is not None:
            if seam.holds:
                return 0.0, True
            if self._old_lost or not seam.exact:
                return 0.0, False
            if not seam.waits:
                return ready_at + self._overlap, True
        return until, False

    def _take_over(self, *, forced: bool) -> None:
        feed, source = self.feed, self.pump.source
        old_status = self._old.status
        self._old.detach(self._from_old)
        self._taken = True
        source.on_confirm = None
        items = self.seam.take_over(forced=forced)
        old_pump = feed.adopt(self.pump)
        if forced:
            self._say_so(source)
        elif old_status is StreamStatus.LIVE and source.status is StreamStatus.STARTING:
            source.set_status(StreamStatus.LIVE)  # it is subscribed, and nothing has happened yet
        elif source.status is not feed.status:
            feed.tell_status(source.status, source.error)
        for item in items:
            feed.deliver(item)
        if self.seam.done:
            self.leave()
        self._close(old_pump, f"closing {feed.key}")
        self._changes.wake()

    def _say_so(self, source: StreamSource[T]) -> None:
        feed = self.feed
        if feed.opening.lossless and feed.was_live:
            feed.tell_gap(StreamGap("the adapter was reloaded: items may be missing"))
        if source.status is StreamStatus.STARTING:
            source.set_status(StreamStatus.RECOVERING)
        elif source.status is StreamStatus.LIVE and not feed.opening.lossless:
            feed.tell_status(StreamStatus.RECOVERING, None)
            feed.tell_status(StreamStatus.LIVE, None)
        elif source.status is not feed.status:
            feed.tell_status(source.status, source.error)

    async def stop(self) -> None:
        """The feed is closed."""
        if not self._over:
            taken = self._taken
            self.leave()
            if not taken:
                await self._close(self.pump, f"closing {self.feed.key}")

    # --- what the sources say

    def old_item(self, item: T) -> None:
        if self._before is not None and not self._before.beyond(item):
            return
        self._old_at = asyncio.get_running_loop().time()
        self.seam.old(item)
        self.feed.deliver(item)
        if self.seam.holds:
            self._changes.wake()

    def new_item(self, item: T) -> None:
        if not self._taken:
            if self.seam.new(item):
                self.feed.deliver(item)
            self._look()
            return
        if self.seam.beyond(item):
            self.feed.deliver(item)
        if self.seam.done and not self._over:
            self.leave()

    def old_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        # What it misses from here on, the new one has only if it was there already, and that cannot be shown.
        if status is StreamStatus.LIVE:
            self._old_lost = False
        elif status is not StreamStatus.STALE:
            self._old_lost = True
        if not self._committed:
            self.feed.tell_status(status, error)
            if status in _ENDED:
                self.undo()
        self._look()

    def new_status(self, status: StreamStatus, error: ExchangeError | None) -> None:
        if self._taken:
            self.feed.tell_status(status, error)
            return
        if status not in (StreamStatus.LIVE, StreamStatus.STALE):
            self.seam.lost()
        self._look()

    def new_gap(self, gap: StreamGap) -> None:
        if self._taken:
            self.feed.tell_gap(gap)
            return
        self.seam.lost()
        self._ready_at = None
        self._look()


class _FromOld(Generic[T]):
    __slots__ = ("on_gap", "on_item", "on_status")

    def __init__(self, passage: Passage[T]) -> None:
        self.on_item = passage.old_item
        self.on_gap = passage.feed.tell_gap
        self.on_status = passage.old_status


class _FromNew(Generic[T]):
    __slots__ = ("on_gap", "on_item", "on_status")

    def __init__(self, passage: Passage[T]) -> None:
        self.on_item = passage.new_item
        self.on_gap = passage.new_gap
        self.on_status = passage.new_status
