"""A public stream of a hosted exchange: frames with numbers, and a snapshot where one is missing."""

from __future__ import annotations

import asyncio
from typing import Final, Generic, Protocol, TypeVar, cast, final

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from fra.adapters.proxy import wire
from fra.adapters.proxy.levels import Levels
from fra.adapters.proxy.link import Link
from fra.adapters.proxy.operations import LOSSLESS, STREAMED, Open
from fra.adapters.proxy.retry import keep_open
from fra.adapters.proxy.tasks import end
from fra.core import (
    BookView,
    ExchangeError,
    Operation,
    StreamGap,
    StreamSource,
    StreamStatus,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Content(Protocol[T_co]):
    """What the frames of a stream become."""

    def item(self, kind: str, body: msgspec.Raw) -> T_co | None:
        """The item of a frame; None for one that cannot be understood without what came before it."""

    def forget(self) -> None:
        """What came before is not known any more."""


@final
class Items(Generic[T]):
    """Each frame is an item of its own."""

    def __init__(self, type_: type[T]) -> None:
        self._type = type_

    def item(self, kind: str, body: msgspec.Raw) -> T | None:
        return wire.decode(body, self._type)

    def forget(self) -> None:
        """There is nothing to forget."""


@final
class Books:
    """A book whole, then what changes in it."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._levels: Levels | None = None

    def item(self, kind: str, body: msgspec.Raw) -> BookView | None:
        book = wire.decode(body, wire.Book)
        if kind == wire.WHOLE:
            self._levels = Levels(book.bids, book.asks)
        elif self._levels is None:
            return None
        else:
            self._levels.change(book.bids, book.asks)
        return BookView(
            self._symbol, self._levels, book.received_ms, book.timestamp_ms, book.sequence, valid=book.valid
        )

    def forget(self) -> None:
        self._levels = None


@final
class RemoteStream(Generic[T]):
    """One public stream. It subscribes first and asks for the state then, so that nothing falls between."""

    def __init__(self, link: Link, wanted: Open, content: Content[T]) -> None:
        self.subject = link.subjects.stream(wanted.operation, wanted.symbol, wanted.parameter)
        self.source: StreamSource[T] = StreamSource(close=self._close)
        self._link = link
        self._wanted = wanted
        self._content = content
        self._lossless = wanted.operation in LOSSLESS
        self._epoch: str | None = None
        self._number = 0
        self._early: list[wire.Frame] | None = []
        """Frames that came before the state that they change; None once it is known."""
        self._again = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task = asyncio.create_task(self._run(), name=f"fra proxy {self.subject}")

    async def _close(self) -> None:
        self._link.remove(self, subject=self.subject)
        await end(self._task)
        if self._subscription is not None:
            await self._link.broker.unsubscribe(self._subscription)

    # --- what the link says

    def host_lost(self, error: ExchangeError) -> None:
        self._lose(error)

    def host_found(self) -> None:
        self._lose(None)
        self._again.set()

    def beat(self, number: int, status: StreamStatus, age: float | None) -> None:
        """The host's own account of this stream: a frame that never came is missed here at the latest."""
        if self._early is not None:
            return
        if number > self._number:
            # It may be on its way still: then it is here before the next beat.
            if self._behind == number:
                self._missed(number + 1)
            self._behind = number
            return
        self._behind = 0
        if status is not self.source.status:
            self._set_status(status, None)
        elif status is StreamStatus.LIVE and age is not None and age < _FRESH:
            self.source.touch()

    _behind = 0

    # --- opening

    async def _run(self) -> None:
        self._link.add(self, numbered=self)
        self.source.fail(await keep_open(self._open, self._again, lost=self._lose))

    async def _open(self) -> None:
        self._early = []
        if self._subscription is None:
            self._subscription = await self._link.broker.subscribe(self.subject, self._on_message)
        subject = self._link.subjects.open
        opened: wire.Opened = await self._link.put(subject, self._wanted, wire.Opened, what=self.subject)
        self._content.forget()
        if self._lossless and self._epoch is not None and (opened.epoch, opened.number) != (self._epoch, self._number):
            same = opened.epoch == self._epoch
            self.source.gap(
                StreamGap(
                    "the host was not heard: items may be missing",
                    start=self._number if same else None,
                    end=opened.number if same else None,
                )
            )
        self._epoch, self._number = opened.epoch, opened.number
        early, self._early = self._early, None
        if opened.kind is not None:
            self._publish(opened.kind, opened.body)
        self._set_status(opened.status.status, opened.status.failure)
        for frame in early:
            self._receive(frame)

    # --- frames

    async def _on_message(self, message: Msg) -> None:
        frame = wire.decode(message.data, wire.Frame)
        if self._early is None:
            self._receive(frame)
        elif len(self._early) < _EARLY:
            self._early.append(frame)

    def _receive(self, frame: wire.Frame) -> None:
        if self._early is not None:  # a frame before this one led to asking anew
            self._early.append(frame)
            return
        if frame.epoch != self._epoch:
            self._reopen(ExchangeError("another host publishes"))
            return
        if frame.number <= self._number:
            return
        if frame.number != self._number + 1 and not self._missed(frame.number):
            return
        self._number = frame.number
        if frame.kind == wire.STATUS:
            status = wire.decode(frame.body, wire.Status)
            self._set_status(status.status, status.failure)
        elif frame.kind == wire.GAP:
            self.source.gap(wire.as_gap(wire.decode(frame.body, wire.Gap)))
        elif not self._publish(frame.kind, frame.body):
            self._reopen(ExchangeError("a change without the book that it changes"))

    def _missed(self, number: int) -> bool:
        """Frames before ``number`` never came. Whether this one can be taken all the same."""
        if self._wanted.operation is Operation.SUBSCRIBE_ORDERBOOK:
            self._reopen(StreamGap("frames are missing", start=self._number + 1, end=number - 1))
            return False
        if self._lossless:
            self.source.gap(StreamGap("we were too slow for the host", start=self._number + 1, end=number - 1))
        self._number = number - 1
        return True

    def _publish(self, kind: str, body: msgspec.Raw) -> bool:
        item = self._content.item(kind, body)
        if item is None:
            return False
        self.source.publish(item)
        return True

    def _set_status(self, status: StreamStatus, failure: wire.Failure | None) -> None:
        error = None if failure is None else wire.as_error(failure)
        if error is not None and not isinstance(error, ExchangeError):
            error = ExchangeError(error.message, cure=error.cure)
        if status is StreamStatus.FAILED:
            self.source.fail(error or ExchangeError("the stream failed at its host"))
        elif status is StreamStatus.CLOSED:
            self._reopen(ExchangeError("the host closed the stream"))
        else:
            self.source.set_status(status, error)

    def _reopen(self, error: ExchangeError) -> None:
        self._lose(error)
        self._again.set()

    def _lose(self, error: ExchangeError | None) -> None:
        """What is known is not true any more, until the state has come again."""
        self._early = []
        self._content.forget()
        if self.source.status is not StreamStatus.STARTING:
            self.source.set_status(StreamStatus.RECOVERING, error)


_EARLY: Final = 100_000
_FRESH: Final = 2.0
"""Seconds: data that the host had since its last beat but one is fresh."""


def remote_stream(link: Link, wanted: Open) -> RemoteStream[object]:
    """The stream of the items that ``wanted.operation`` streams."""
    if wanted.operation is Operation.SUBSCRIBE_ORDERBOOK:
        return cast("RemoteStream[object]", RemoteStream(link, wanted, Books(wanted.symbol)))
    return RemoteStream(link, wanted, Items(STREAMED[wanted.operation]))
