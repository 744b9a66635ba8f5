"""From HTX's incremental books to the framework's book builder; spot's whole book is asked for on the socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from fra.adapters.custom import Failure, Stream
from fra.adapters.custom.books import BookBuilder, BookSnapshot
from fra.adapters.custom.levels import Row
from fra.core import BookView, ExchangeConnectionError, ExchangeError
from fra.exchanges.htx import wire
from fra.exchanges.htx.dialect import book_request
from fra.exchanges.htx.errors import ERRORS

DepthPush = wire.Push[wire.Depth]

_ANSWER_WITHIN: Final = 10.0
_QUIET: Final = 2.0
"""Seconds without a change after which an answer can be taken that no change chains onto: answers are younger."""


def rows(levels: list[wire.Level]) -> list[Row]:
    """Levels as a builder wants them: sizes as text, zero spelt ``0``."""
    return [(level.px, str(level.sz) if level.sz else "0") for level in levels]


def on_depth(book: BookBuilder[DepthPush], push: DepthPush, received_ms: int) -> None:
    """One push of ``depth.size_N.high_freq``: a snapshot first, then changes whose ``version`` rises by one."""
    tick = push.tick
    bids, asks = rows(tick.bids), rows(tick.asks)
    if tick.event == "snapshot":
        book.snapshot(bids, asks, received_ms, sequence=tick.version, timestamp_ms=tick.ts)
    else:
        book.update(bids, asks, received_ms, last=tick.version, previous=tick.version - 1, timestamp_ms=tick.ts)


class SpotBook:
    """The messages of one ``mbp.N`` topic, and the request for the whole book ("Market By Price (incremental update)").

    The answer comes on the topic, and is usually older than the changes that came before it. So it is asked for once a
    change has come, which must chain onto it: an answer by itself could be older than the subscription.
    """

    def __init__(self, stream: Stream[BookView], *, pace: Callable[[], Awaitable[object]], exchange: str) -> None:
        self._stream = stream
        self._pace = pace
        self._exchange = exchange
        self._answer: asyncio.Future[BookSnapshot] | None = None
        self._changed = asyncio.Event()

    def on_push(self, book: BookBuilder[wire.MbpPush], push: wire.MbpPush, received_ms: int) -> None:
        """One frame of the topic."""
        tick = push.tick
        if tick is not None:
            self._changed.set()
            book.update(
                rows(tick.bids),
                rows(tick.asks),
                received_ms,
                last=tick.seqNum,
                previous=tick.prevSeqNum,
                timestamp_ms=push.ts,
            )
        elif self._answer is not None and not self._answer.done():
            if push.data is None:
                self._answer.set_exception(self._refusal(push))
            else:
                data = push.data
                self._answer.set_result(
                    BookSnapshot(rows(data.bids), rows(data.asks), data.seqNum, push.ts or None, received_ms)
                )

    async def fetch(self) -> BookSnapshot:
        """Ask on the socket. Raises errors of fra's tree, ExchangeConnectionError when no answer comes."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_QUIET):
                await self._changed.wait()
        await self._pace()
        self._answer = asyncio.get_running_loop().create_future()
        self._stream.send(book_request(self._stream.topic))
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                return await self._answer
        except TimeoutError:
            raise ExchangeConnectionError(
                f"the request for {self._stream.topic} was not answered within {_ANSWER_WITHIN:g} s",
                exchange=self._exchange,
            ) from None
        finally:
            self._answer = None

    def _refusal(self, push: wire.MbpPush) -> ExchangeError:
        if not push.err_code:
            return ExchangeError(f"the answer for {self._stream.topic} holds no book", exchange=self._exchange)
        return ERRORS.error(Failure(code=push.err_code, message=push.err_msg), exchange=self._exchange)
