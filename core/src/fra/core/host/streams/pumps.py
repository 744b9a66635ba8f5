"""Pumps: an upstream of one plugin as one StreamSource, whichever of its two kinds it is.

An async generator is pumped into a source of ours. When it raises an ExchangeError *or ends* (a connection that was
closed politely is closed all the same) the stream is RECOVERING and the generator is made anew after a growing,
jittered delay; lossless streams get a StreamGap at that place. What a new attempt cannot cure (unknown symbol, no
rights, a mistake in the adapter) makes the stream FAIL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from time import monotonic
from typing import Final, Generic, NamedTuple, TypeVar, cast, final

import attrs

from fra.core.contract.book import BookView, OrderBook, PriceLevel
from fra.core.contract.capabilities import Operation
from fra.core.contract.errors import ExchangeConnectionError, ExchangeError, ExchangeRateLimitError, StreamGap
from fra.core.contract.exchange import ExchangePluginInterface
from fra.core.contract.streams import StreamSource, StreamStatus, Upstream
from fra.core.host.failures import PERMANENT, Failures
from fra.core.toolkit.reconnect import ReconnectManager

T = TypeVar("T")

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


@attrs.frozen
class Opening(Generic[T]):
    """How a stream is opened at a plugin. ``lossless``: consumers are told where items may be missing."""

    key: FeedKey
    ask: Callable[[ExchangePluginInterface], Upstream[T]]
    lossless: bool
    failures: Failures
    retries: Callable[[], ReconnectManager]
    exchange: str


@final
class Pump(Generic[T]):
    """One upstream at one plugin. ``source`` is the adapter's, or is filled from its generator."""

    def __init__(self, opening: Opening[T]) -> None:
        self.source: StreamSource[T] = StreamSource()
        self.plugin: ExchangePluginInterface | None = None
        """Who was asked for the upstream; None until somebody was."""
        self._opening = opening
        self._task: asyncio.Task[None] | None = None

    def start(self, plugin: ExchangePluginInterface) -> None:
        """Open the upstream now. Raises what the adapter raises."""
        upstream = self._ask(plugin)
        if isinstance(upstream, StreamSource):
            self.source = upstream
        else:
            self._run(self._drive(upstream))

    def start_after(
        self,
        first: Callable[[], Awaitable[None]],
        plugin: Callable[[], ExchangePluginInterface],
        switch: Callable[[StreamSource[T]], None],
    ) -> None:
        """Open it when ``first`` has been awaited; ``switch`` is told of a source of the adapter's."""
        self._run(self._drive(None, first=first, plugin=plugin, switch=switch))

    def _run(self, work: Awaitable[None]) -> None:
        self._task = asyncio.ensure_future(work)
        self._task.set_name(f"fra stream {self._opening.key}")

    async def close(self) -> None:
        """Close the upstream and everything of it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        try:
            await self.source.close()
        finally:
            self.plugin = None  # who holds a subscription that has ended must not hold a plugin

    def _ask(self, plugin: ExchangePluginInterface) -> Upstream[T]:
        self.plugin = plugin
        upstream = self._opening.ask(plugin)
        if isinstance(upstream, StreamSource) or hasattr(upstream, "__anext__"):
            return upstream
        if asyncio.iscoroutine(upstream):
            upstream.close()
        raise TypeError(
            f"{self._opening.key.operation.value} must return a StreamSource or be an async generator, "
            f"not return {type(upstream).__name__}"
        )

    # --- the generator

    async def _drive(
        self,
        upstream: AsyncIterator[T] | None,
        *,
        first: Callable[[], Awaitable[None]] | None = None,
        plugin: Callable[[], ExchangePluginInterface] | None = None,
        switch: Callable[[StreamSource[T]], None] | None = None,
    ) -> None:
        opening, source = self._opening, self.source
        retries = opening.retries()
        while True:
            error: ExchangeError
            try:
                if upstream is None:
                    if first is not None:
                        await first()
                    asked = self.plugin or (plugin() if plugin is not None else None)
                    assert asked is not None
                    opened = self._ask(asked)
                    if isinstance(opened, StreamSource):
                        self._task = None
                        self.source = opened
                        if switch is not None:
                            switch(opened)
                        return
                    upstream = opened
                await self._pump(upstream, source, retries)
                error = ExchangeConnectionError(f"the venue's stream of {opening.key} ended", exchange=opening.exchange)
            except Exception as raised:
                mistake = not isinstance(raised, ExchangeError | OSError | EOFError)
                error = opening.failures.of_exchange(raised, str(opening.key))
                if mistake or isinstance(error, PERMANENT):
                    source.fail(error)
                    return
            upstream = None
            cut = source.status in (StreamStatus.LIVE, StreamStatus.STALE)
            source.set_status(StreamStatus.RECOVERING, error)
            if isinstance(error, StreamGap):
                source.gap(error)
            elif cut and opening.lossless:
                source.gap(StreamGap(f"the connection was cut: {error.message}", exchange=opening.exchange))
            if isinstance(error, ExchangeRateLimitError) and error.retry_after is not None:
                await asyncio.sleep(error.retry_after)
            await retries.handle_disconnect(_nothing)

    async def _pump(self, upstream: AsyncIterator[T], source: StreamSource[T], retries: ReconnectManager) -> None:
        publish = source.publish
        wrap = self._opening.key.operation is Operation.SUBSCRIBE_ORDERBOOK
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
