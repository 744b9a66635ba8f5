"""A public stream as its host publishes it: one subscription of the exchange for however many clients."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from decimal import Decimal
from time import monotonic
from typing import Any, Final, final

import msgspec

from fra.adapters.proxy import wire
from fra.adapters.proxy.levels import changes
from fra.adapters.proxy.operations import LOSSLESS, Open
from fra.adapters.proxy.reduced import Reduced
from fra.adapters.proxy.tasks import end
from fra.core import (
    ExchangeConnectionError,
    ExchangeHandle,
    KlineInterval,
    Operation,
    OrderBook,
    StreamGap,
    StreamStatus,
    Subscription,
)

Publish = Callable[[str, bytes], Awaitable[None]]


def subscribe(handle: ExchangeHandle, wanted: Open) -> Subscription[Any]:
    """What is asked for. Raises what the exchange says about it at once."""
    if wanted.operation is Operation.SUBSCRIBE_ORDERBOOK:
        return handle.subscribe_orderbook(wanted.symbol, depth=wanted.depth)
    if wanted.operation is Operation.SUBSCRIBE_KLINES:
        return handle.subscribe_klines(wanted.symbol, wanted.interval or KlineInterval.M1)
    if wanted.operation is Operation.SUBSCRIBE_TRADES:
        return handle.subscribe_trades(wanted.symbol)
    if wanted.operation is Operation.SUBSCRIBE_TICKER:
        return handle.subscribe_ticker(wanted.symbol)
    if wanted.operation is Operation.SUBSCRIBE_FUNDING_RATE:
        return handle.subscribe_funding_rate(wanted.symbol)
    raise ValueError(f"{wanted.operation.value} is no public stream")


@final
class Publication:
    """Frames of one stream, numbered from 1 within the host's ``epoch``.

    Books, tickers and funding rates are conflated: what the host has no time to send is left out, and the next frame
    says what is true then. Trades and klines are all sent; where the exchange lost some, a frame says so.
    """

    def __init__(
        self,
        handle: ExchangeHandle,
        wanted: Open,
        subject: str,
        *,
        epoch: str,
        publish: Publish,
        reduced: Reduced,
        pause: float = 0.0,
    ) -> None:
        """``pause`` is for how many seconds a book is left alone after each frame."""
        self.subject = subject
        self.number = 0
        self.used = monotonic()
        """When a client last said that it uses it."""
        self._exchange = handle.name
        self._wanted = wanted
        self._epoch = epoch
        self._publish = publish
        self._pause = pause
        self._reduced = reduced
        self._subscription = subscribe(handle, wanted)
        self._status = self._subscription.status
        self._failure: wire.Failure | None = None
        self._untold: deque[wire.Status] = deque()
        self._changed = asyncio.Event()
        self._bids: dict[Decimal, Decimal] | None = None
        self._asks: dict[Decimal, Decimal] = {}
        self._book: OrderBook | None = None
        self._item: msgspec.Raw | None = None
        self._subscription.add_status_listener(self._note)
        self._tasks = [
            asyncio.create_task(work, name=f"fra publish {subject}") for work in (self._run(), self._tell_changes())
        ]

    @property
    def status(self) -> StreamStatus:
        return self._status

    @property
    def age(self) -> float | None:
        return self._subscription.age

    async def close(self) -> None:
        """Idempotent."""
        for task in self._tasks:
            await end(task)
        await self._subscription.close()

    def opened(self) -> wire.Opened:
        """The state as of the last frame."""
        status = wire.Status(self._status, self._failure)
        if self._book is not None:
            return wire.Opened(self._epoch, self.number, status, wire.WHOLE, wire.raw(wire.of_book(self._book)))
        if self._item is not None:
            return wire.Opened(self._epoch, self.number, status, wire.ITEM, self._item)
        return wire.Opened(self._epoch, self.number, status)

    async def look(self) -> None:
        """Publish every change of the status that was not told by an item."""
        while self._untold:
            await self._tell(self._untold.popleft())
        await self._tell(self._now(self._subscription.status))

    def _note(self, status: StreamStatus) -> None:
        self._untold.append(self._now(status))
        self._changed.set()

    def _now(self, status: StreamStatus) -> wire.Status:
        error = self._subscription.error
        return wire.Status(status, None if error is None else wire.failure(error, exchange=self._exchange))

    async def _tell(self, told: wire.Status) -> None:
        if told.status in (self._status, StreamStatus.FAILED) or self._status is StreamStatus.FAILED:
            return  # that it has failed is told after its last item
        self._status, self._failure = told.status, told.failure
        await self._send(wire.STATUS, wire.raw(told))

    async def _tell_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.look()

    async def _run(self) -> None:
        while True:
            try:
                async for item in self._subscription:
                    if self._untold:  # what came before it is told before it
                        await self.look()
                    self._status, self._failure = StreamStatus.LIVE, None
                    self._reduced.see(item)
                    if isinstance(item, OrderBook):
                        await self._send_book(item)
                        if self._pause:
                            await asyncio.sleep(self._pause)
                    else:
                        body = wire.raw(item)
                        if self._wanted.operation not in LOSSLESS:
                            self._item = body
                        await self._send(wire.ITEM, body)
            except StreamGap as gap:
                await self.look()
                await self._send(wire.GAP, wire.raw(wire.of_gap(gap)))
                continue
            except Exception as error:
                self._status, self._failure = StreamStatus.FAILED, wire.failure(error, exchange=self._exchange)
                await self._send(wire.STATUS, wire.raw(wire.Status(self._status, self._failure)))
            return

    async def _send_book(self, book: OrderBook) -> None:
        self._book = book
        whole = wire.of_book(book)
        if not book.valid:
            self._bids = None
            await self._send(wire.WHOLE, wire.raw(whole))
        elif self._bids is None:
            self._bids, self._asks = dict(whole.bids), dict(whole.asks)
            await self._send(wire.WHOLE, wire.raw(whole))
        else:
            whole.bids, self._bids = changes(self._bids, whole.bids)
            whole.asks, self._asks = changes(self._asks, whole.asks)
            await self._send(wire.DELTA, wire.raw(whole))

    async def _send(self, kind: str, body: msgspec.Raw) -> None:
        self.number += 1
        frame = wire.encode(wire.Frame(self._epoch, self.number, kind, body))
        try:
            await self._publish(self.subject, frame)
        except ExchangeConnectionError:
            pass  # clients count, and ask for the state once the broker is back


UNUSED: Final = 20.0
"""Seconds without a sign of any client after which a stream is closed."""
