"""The engine that keeps one live order book in step with its venue, by the row of a SyncRule.

An adapter makes one BookBuilder per upstream and hands it to the channel as its handler. Its ``feed`` function
translates a wire message into :meth:`BookBuilder.snapshot`, :meth:`BookBuilder.update` or :meth:`BookBuilder.touch`;
everything else (buffering, bridging, gaps, resync, what consumers are told) happens here, the same for every venue.
"""

from __future__ import annotations

import asyncio
import enum
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Final, Generic, NamedTuple, Protocol, TypeVar, cast, final

from fra.adapters.custom.levels import InexactPrices, Levels, Row
from fra.adapters.custom.sync import SnapshotFrom, SyncRule
from fra.core import (
    UNREADABLE,
    BookView,
    ExchangeAPIError,
    ExchangeError,
    ExchangeRateLimitError,
    NotSupported,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
    SymbolNotFound,
)

M = TypeVar("M")

_BUFFERED: Final = 1_000  # deltas; a snapshot that is older than all of them is asked for again
_SETTLED: Final = 16  # chained deltas after which a resync counts as a success and back-off starts anew
_LONGEST_PAUSE: Final = 30.0
_LATE_MS: Final = 5_000  # old news may trail a snapshot this long; after that the venue has restarted its numbering
_PERMANENT: Final = (SymbolNotFound, NotSupported)


class BookState(enum.Enum):
    """EMPTY until subscribed, BUFFERING deltas until a snapshot fits, VALID, INVALID when the place was lost."""

    EMPTY = "empty"
    BUFFERING = "buffering"
    VALID = "valid"
    INVALID = "invalid"


class BookSnapshot(NamedTuple):
    """A whole book as a REST endpoint gives it, at the venue's update id ``sequence``."""

    bids: list[Row]
    asks: list[Row]
    sequence: int
    timestamp_ms: int | None
    received_ms: int


class _Delta(NamedTuple):
    bids: list[Row]
    asks: list[Row]
    received_ms: int
    first: int
    last: int
    previous: int
    timestamp_ms: int | None
    check: int | None


class BookStream(Protocol):
    """What a builder needs of the stream that it serves: a Stream of BookViews, as the framework hands it out."""

    @property
    def source(self) -> StreamSource[BookView]: ...
    def resubscribe(self, error: ExchangeError) -> None: ...
    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]: ...
    def report(self, error: ExchangeError) -> None: ...


class _LiveView(Protocol):
    """BookView as it is at run time: one instance is reused for every message."""

    received_ms: int
    timestamp_ms: int | None
    sequence: int | None
    valid: bool


@final
class BookBuilder(Generic[M]):
    """One live book: a channel handler on one side, a StreamSource of BookViews on the other.

    ``feed(book, message, received_ms)`` translates. ``fetch`` gets a REST snapshot (needed by rules that start from
    one; for channel rules the fallback when the channel sends none). ``checksum`` is compared with the ``check`` of
    each update that carries one other than None and 0.

    While the state is VALID the levels are those of the venue at :attr:`sequence`, all of them. A gap, a crossed
    book or a wrong checksum makes it INVALID: consumers get one view that says so, then the gap, then nothing until
    the book is whole again.
    """

    def __init__(
        self,
        symbol: Symbol,
        stream: BookStream,
        rule: SyncRule,
        feed: Callable[[BookBuilder[M], M, int], None],
        *,
        exchange: str,
        fetch: Callable[[], Awaitable[BookSnapshot]] | None = None,
        checksum: Callable[[Levels], int] | None = None,
    ) -> None:
        if rule.snapshot_from is SnapshotFrom.REST and fetch is None:
            raise ValueError(f"the rule {rule.name} needs fetch=")
        self.symbol = symbol
        self.source = stream.source
        self.state = BookState.EMPTY
        self.resyncs = 0
        """How often a valid book was lost and had to be built again."""
        self.levels = Levels(symbol)
        self._rule = rule
        self._chains = rule.chains
        self._feed = feed
        self._exchange = exchange
        self._fetch = fetch
        self._stream = stream
        self._checksum = checksum
        self._view = BookView(symbol=symbol.name, levels=self.levels, received_ms=0, valid=False)
        self._live = cast("_LiveView", self._view)
        self._buffer: deque[_Delta] = deque(maxlen=_BUFFERED)
        self._place = 0
        self._bridging = False
        self._snapshot_ms = 0
        self._chained = 0
        self._failures = 0
        self._stop: Callable[[], None] | None = None

    @property
    def valid(self) -> bool:
        """Whether the book is whole now."""
        return self.state is BookState.VALID

    @property
    def sequence(self) -> int | None:
        """The venue's update id that the levels stand at, None while the book is not valid."""
        return self._place if self.state is BookState.VALID else None

    @property
    def view(self) -> BookView:
        """The one view that is published again and again."""
        return self._view

    # --- the channel's side

    def on_message(self, message: M, received_ms: int) -> None:
        """Translate one decoded message."""
        self._feed(self, message, received_ms)

    def on_subscribed(self) -> None:
        """The channel is on: deltas come from now on."""
        if self.state in (BookState.EMPTY, BookState.INVALID):
            self.state = BookState.BUFFERING
            self._buffer.clear()
        if self._rule.snapshot_from is SnapshotFrom.REST and self.state is BookState.BUFFERING:
            self._start_fetch()

    def on_lost(self, error: ExchangeError) -> None:
        """The subscription is gone; deltas are missing from here on."""
        self._stop_work()
        self._buffer.clear()
        if self.state is BookState.VALID:
            self._lose("the subscription was lost", end=None, error=error)
        self.state = BookState.INVALID

    def close(self) -> None:
        """Stop what runs in the background and forget the levels."""
        self._stop_work()
        self.state = BookState.EMPTY
        self._buffer.clear()
        self.levels.clear()

    # --- what `feed` calls

    def snapshot(
        self,
        bids: list[Row],
        asks: list[Row],
        received_ms: int,
        *,
        sequence: int,
        timestamp_ms: int | None = None,
        check: int | None = None,
    ) -> None:
        """The channel sent a whole book: it replaces everything, unless it is one that we are already past."""
        if self._is_past(sequence, timestamp_ms):
            return
        self._stop_work()
        self._buffer.clear()
        self._take(bids, asks, received_ms, sequence, timestamp_ms, bridging=False)
        if self.state is BookState.VALID and self._sound(check):
            self._publish(received_ms, timestamp_ms)

    def update(
        self,
        bids: list[Row],
        asks: list[Row],
        received_ms: int,
        *,
        last: int,
        first: int = 0,
        previous: int = 0,
        timestamp_ms: int | None = None,
        check: int | None = None,
    ) -> None:
        """A delta of absolute sizes, with the venue's ids. The lists may be kept."""
        if self.state is not BookState.VALID:
            if self.state is not BookState.EMPTY:
                self._hold(_Delta(bids, asks, received_ms, first, last, previous, timestamp_ms, check))
            return
        if not self._chains(first, last, previous, self._place) and not self._bridges(
            _Delta(bids, asks, received_ms, first, last, previous, timestamp_ms, check)
        ):
            return
        if last == self._place and not bids and not asks:
            self.touch(received_ms)
            return
        self._apply(bids, asks, received_ms, last, timestamp_ms, check)

    def touch(self, received_ms: int) -> None:
        """The venue said that nothing changed: what is known is as fresh as now."""
        if self.state is BookState.VALID:
            self._live.received_ms = received_ms
            self.source.touch()

    def invalidate(self, reason: str) -> None:
        """The adapter found the book wrong: lose it and build it again."""
        if self.state is BookState.VALID:
            self._lose(reason, end=None)
            self._resync()

    # --- the engine

    def _is_past(self, sequence: int, timestamp_ms: int | None) -> bool:
        newest = self._live.timestamp_ms
        if self.state is not BookState.VALID or timestamp_ms is None or newest is None:
            return False
        return sequence <= self._place and timestamp_ms <= newest

    def _apply(
        self,
        bids: list[Row],
        asks: list[Row],
        received_ms: int,
        last: int,
        timestamp_ms: int | None,
        check: int | None,
    ) -> None:
        self._bridging = False
        crossed = self.levels.update(bids, asks)
        self._place = last
        if crossed or (check and not self._sound(check)):
            if self.state is BookState.VALID:
                self._lose("the book crossed", end=last)
                self._resync()
            return
        if self._failures:
            self._chained += 1
            if self._chained >= _SETTLED:
                self._failures = 0
        live = self._live
        live.received_ms = received_ms
        live.timestamp_ms = timestamp_ms
        live.sequence = last
        self.source.publish(self._view)

    def _bridges(self, delta: _Delta) -> bool:
        """Whether a delta that does not chain may be applied all the same; loses the book when it shows a gap."""
        first, last, previous, place = delta.first, delta.last, delta.previous, self._place
        if self._bridging and self._rule.bridges(first, last, previous, place):
            return True
        newest = self._live.timestamp_ms
        if self._rule.stale(first, last, previous, place) or last == place:
            # Old news is a repetition. News that is newer in time and lower in number: the venue counts anew.
            if self._bridging:
                restarted = delta.received_ms > self._snapshot_ms + _LATE_MS
            else:
                restarted = delta.timestamp_ms is not None and newest is not None and delta.timestamp_ms > newest
            if not restarted:
                return False
        self._lose("deltas are missing", end=first or previous or last)
        self._resync()
        self._hold(delta)
        return False

    def _hold(self, delta: _Delta) -> None:
        """Buffer a delta until the snapshot is there; the buffer is one unbroken chain."""
        if self._buffer:
            newest = self._buffer[-1]
            if not self._chains(delta.first, delta.last, delta.previous, newest.last):
                if delta.last <= newest.last and (delta.timestamp_ms or 0) <= (newest.timestamp_ms or 0):
                    return
                self._buffer.clear()
        self._buffer.append(delta)
        if self._stop is not None:
            # The channel is alive, and what is missing is being fetched: to subscribe anew would only begin that again.
            self.source.last_data = monotonic()
        elif self._fetch is not None and self.state is BookState.BUFFERING:
            self._start_fetch()

    def _take(
        self,
        bids: list[Row],
        asks: list[Row],
        received_ms: int,
        sequence: int,
        timestamp_ms: int | None,
        *,
        bridging: bool,
    ) -> None:
        try:
            self.levels.replace(bids, asks)
        except InexactPrices as error:
            self.state = BookState.EMPTY
            self.source.fail(ExchangeAPIError(f"the book of {self.symbol}: {error}", exchange=self._exchange))
            return
        self.state = BookState.VALID
        self._place = sequence
        self._bridging = bridging
        self._snapshot_ms = received_ms
        self._chained = 0
        live = self._live
        live.received_ms, live.timestamp_ms, live.sequence, live.valid = received_ms, timestamp_ms, sequence, True

    def _publish(self, received_ms: int, timestamp_ms: int | None) -> None:
        if self.levels.crossed:
            self._lose("the snapshot is crossed", end=self._place)
            self._resync()
            return
        self.source.publish(self._view)

    def _sound(self, check: int | None) -> bool:
        if not check or self._checksum is None or self._checksum(self.levels) == check:
            return True
        self._lose(f"the checksum is not {check}", end=self._place)
        self._resync()
        return False

    def _lose(self, reason: str, *, end: int | None, error: ExchangeError | None = None) -> None:
        self.state = BookState.INVALID
        self.resyncs += 1
        live = self._live
        live.valid, live.sequence = False, None
        self.source.publish(self._view)
        gap = StreamGap(f"book of {self.symbol}: {reason}", start=self._place, end=end, exchange=self._exchange)
        self.source.gap(gap)
        self.source.set_status(StreamStatus.RECOVERING, error or gap)

    def _resync(self) -> None:
        self._failures += 1
        self._buffer.clear()
        if self._rule.snapshot_from is SnapshotFrom.REST:
            self.state = BookState.BUFFERING
            self._start_fetch()
        else:
            self._start(self._resubscribe_later())

    # --- in the background

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self._stop_work()
        self._stop = self._stream.spawn(work, name=f"book of {self.symbol}")

    def _start_fetch(self) -> None:
        self._start(self._fetch_until_it_fits())

    def _stop_work(self) -> None:
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def _pause(self) -> float:
        """Seconds to wait: none at first, then growing, with jitter, so that resyncs never become a storm."""
        if self._failures <= 1:
            return 0.0
        return random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, 0.125 * 2.0 ** min(self._failures, 10))

    async def _resubscribe_later(self) -> None:
        await asyncio.sleep(self._pause())
        self._stop = None
        self._stream.resubscribe(cast("ExchangeError", self.source.error))

    async def _fetch_until_it_fits(self) -> None:
        fetch = cast("Callable[[], Awaitable[BookSnapshot]]", self._fetch)
        while self.source.status not in (StreamStatus.CLOSED, StreamStatus.FAILED):
            await asyncio.sleep(self._pause())
            try:
                snapshot = await fetch()
            except _PERMANENT as error:
                self.state = BookState.EMPTY
                self.source.fail(error)
            except ExchangeError as error:
                self._failures += 1
                self.source.set_status(StreamStatus.RECOVERING, error)
                if isinstance(error, ExchangeRateLimitError) and error.retry_after:
                    await asyncio.sleep(error.retry_after)
            except UNREADABLE as error:
                self._failures += 1
                self._again(error)
            except Exception as error:
                self.state = BookState.EMPTY
                self.source.fail(
                    ExchangeError(f"the book of {self.symbol} gave up: {error!r}", exchange=self._exchange)
                )
                raise
            else:
                try:
                    if self._fits(snapshot):
                        return
                except (ExchangeError, *UNREADABLE) as error:  # a level that is none, there or in what was buffered
                    self._buffer.clear()
                    self._again(error)
                self._failures += 1

    def _again(self, error: Exception) -> None:
        """Say why there is no book yet; the next snapshot may be better."""
        self.state = BookState.BUFFERING
        if not isinstance(error, ExchangeError):
            why = f"{type(error).__name__}: {error}"
            error = ExchangeAPIError(
                f"the snapshot of {self.symbol} cannot be read: {why[:300]}", code="malformed", exchange=self._exchange
            )
        self._stream.report(error)
        self.source.set_status(StreamStatus.RECOVERING, error)

    def _fits(self, snapshot: BookSnapshot) -> bool:
        """Take the snapshot and what was buffered since, if they meet."""
        held, place = self._buffer, snapshot.sequence
        while held and self._rule.stale(held[0].first, held[0].last, held[0].previous, place):
            held.popleft()
        if held and not self._rule.bridges(held[0].first, held[0].last, held[0].previous, place):
            return False
        bids, asks, _, timestamp_ms, received_ms = snapshot
        self._take(bids, asks, received_ms, place, timestamp_ms, bridging=True)
        if self.state is not BookState.VALID:
            return True
        self._stop = None  # what follows may lose the book again and start anew
        self._publish(received_ms, timestamp_ms)
        while held and self.state is BookState.VALID:
            delta = held.popleft()
            self._apply(delta.bids, delta.asks, delta.received_ms, delta.last, delta.timestamp_ms, delta.check)
        return True
