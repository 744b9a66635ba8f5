"""The WebSocket client: open a channel, and it stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from importlib.util import find_spec
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from fra.adapters.custom.channel import Channel
from fra.adapters.custom.dialect import Dialect, Refused
from fra.adapters.custom.endpoint import Params
from fra.adapters.custom.errors import ErrorTable, Failure
from fra.adapters.custom.line import Address, Line
from fra.adapters.custom.network import Network
from fra.adapters.custom.options import CustomOptions
from fra.adapters.custom.stream import Stream, StreamHandler
from fra.adapters.custom.tasks import Tasks
from fra.adapters.custom.topic import Entry, Topic
from fra.adapters.custom.transport import AiohttpTransport, HandshakeRefused, Transport
from fra.adapters.custom.urls import BaseUrls
from fra.core import (
    ConfigError,
    ConnectionStatus,
    ExchangeConfig,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    FraError,
    Limiter,
    PluginContext,
    StreamSource,
    Symbol,
)

if TYPE_CHECKING:
    from fra.adapters.custom.transport_picows import PicowsTransport

M = TypeVar("M")
T = TypeVar("T")

_CLOSE_DEADLINE: Final = 3.0
_CLOCK_JUMP_MS: Final = 1000


class StreamClient:
    """All WebSocket streams of one configured instance."""

    def __init__(
        self,
        config: ExchangeConfig,
        *,
        context: PluginContext,
        network: Network,
        urls: BaseUrls,
        errors: ErrorTable,
        limiter: Limiter,
        options: CustomOptions,
        make_dialect: Callable[[Channel[object]], Dialect],
        venue_ms: Callable[[int], int],
        sync_clock: Callable[[], Awaitable[object]],
    ) -> None:
        """``venue_ms`` gives one of our times as the venue counts it, ``sync_clock`` reads its clock anew."""
        self.exchange: str = config.name
        self.options: CustomOptions = options
        self.timeout: float = min(config.timeout, options.staleness or config.timeout)
        self._context = context
        self.now_ms: Callable[[], int] = context.now_ms
        self.venue_ms = venue_ms
        self._sync_clock = sync_clock
        self._network = network
        self._urls = urls
        self._errors = errors
        self._limiter = limiter
        self._transport = _transport(options)
        self._make_dialect = make_dialect
        self._channels: dict[Address, Channel[object]] = {}
        self._lines: dict[Address, list[Line]] = {}
        self._runs: dict[Line, asyncio.Task[None]] = {}
        self._down: dict[Line, str] = {}
        self._open = False
        self.tasks: Tasks = Tasks(self._on_task_error)
        self.last_order_at: float | None = None
        """When the last order left, on the monotonic clock; an account's stream that is not there yet has not heard."""

    # --- for adapters

    def open(
        self,
        channel: Channel[M],
        symbol: Symbol | None,
        handler: Callable[[Stream[T]], StreamHandler[M]],
        *,
        params: Params | None = None,
    ) -> StreamSource[T]:
        """Keep ``channel`` of ``symbol`` subscribed until the source is closed; returns at once, in STARTING.

        ``handler`` makes the StreamHandler for the new stream: a class that takes a Stream, or
        ``publishing(convert)``. ``params`` go into the topic. Raises ConfigError when the configured base URLs have
        none for this channel, ExchangeConnectionError when the plugin is not connected.
        """
        if not self._open:
            raise ExchangeConnectionError(
                "streams cannot be opened: the adapter is not connected", exchange=self.exchange, cure="connect() first"
            )
        address = Address(channel.market, channel.url, channel.path, channel.private)
        self._urls.get(channel.market, channel.url)
        self._channels.setdefault(address, channel)
        text = channel.topic_for(symbol, params or {})
        topic = self._topic(address, text)
        line = self._line_for(address, text)
        if topic is None:
            staleness = channel.staleness
            if staleness is not None and self.options.staleness is not None:
                staleness = self.options.staleness
            topic = Topic(text, channel, owner=self, staleness=staleness)
        entry: Entry
        wanted = topic

        async def close() -> None:
            self._close_entry(line, wanted, entry)

        source: StreamSource[T] = StreamSource(close=close)
        entry = topic.add(channel, source, symbol, handler)
        if line.topics.get(text) is not topic:
            line.add(topic)
        return source

    def start(self) -> None:
        """Allow streams to be opened."""
        self._open = True

    async def close(self) -> None:
        """End every stream and connection, within a few seconds. Idempotent."""
        self._open = False
        await self.tasks.close(_CLOSE_DEADLINE)
        self._lines.clear()
        self._runs.clear()
        self._down.clear()

    def note_order(self) -> None:
        """An order is about to leave."""
        self.last_order_at = monotonic()

    # --- lines and topics

    def _topic(self, address: Address, text: str) -> Topic | None:
        for line in self._lines.get(address, ()):
            if text in line.topics:
                return line.topics[text]
        return None

    def _line_for(self, address: Address, text: str) -> Line:
        lines = self._lines.setdefault(address, [])
        for line in lines:
            if text in line.topics:
                return line
        for line in lines:
            if len(line.topics) < line.capacity:
                return line
        line = Line(address, self)
        lines.append(line)
        self._runs[line] = self.tasks.spawn(line.run(), name=f"{self.exchange} {address}")
        return line

    def _close_entry(self, line: Line, topic: Topic, entry: Entry) -> None:
        if entry not in topic.entries:
            return
        if len(topic.entries) == 1:
            line.forget(topic)
        topic.remove(entry)
        line.wake()

    def line_idle(self, line: Line) -> None:
        lines = self._lines.get(line.address, [])
        if line in lines:
            lines.remove(line)
        run = self._runs.pop(line, None)
        if run is not None:
            run.cancel()
        if self._down.pop(line, None) is not None:
            self._tell_status()

    # --- what lines and topics ask

    def make_dialect(self, address: Address) -> Dialect:
        return self._make_dialect(self._channels[address])

    async def url(self, address: Address, dialect: Dialect) -> str:
        """What to open. Raises ExchangeAuthError where the venue gives these credentials no token for it."""
        await self._limiter.acquire(dict(dialect.connect_cost))
        return await dialect.address(self._urls.get(address.market, address.url) + address.path)

    async def connect(self, address: Address, dialect: Dialect, url: str) -> Transport:
        to, max_frame = str(address), self.options.max_frame_bytes
        try:
            async with asyncio.timeout(self.timeout):
                return await self._transport.connect(self._network, url, to=to, max_frame=max_frame)
        except HandshakeRefused as refused:
            failure = self._errors.error(
                Failure(
                    status=refused.status,
                    message=f"the venue refused a WebSocket connection with HTTP {refused.status}",
                    retry_after=_seconds(refused.headers),
                ),
                exchange=self.exchange,
            )
            self._shut(failure, dialect.connect_cost)
            raise failure from None
        except TimeoutError as error:
            raise self._network.failure(error, to=to) from None

    def _shut(self, failure: ExchangeError, scopes: Mapping[str, int]) -> None:
        if isinstance(failure, ExchangeRateLimitError) and failure.retry_after is not None:
            for scope in scopes:
                self._limiter.block(scope, failure.retry_after, failure.message)

    def refusal(self, refused: Refused) -> ExchangeError:
        message = self._network.redact(refused.message)
        return self._errors.error(Failure(code=refused.code, message=message), exchange=self.exchange)

    def clock_offset(self) -> int:
        """How many milliseconds the venue's clock is taken to be before ours."""
        now = self.now_ms()
        return self.venue_ms(now) - now

    async def clock_was_off(self, offset: int) -> bool:
        """Read the venue's clock anew: whether it is another than when it was taken for ``offset``, or cannot be read.

        Another connection may have read it anew meanwhile.
        """
        try:
            await self._sync_clock()
        except ExchangeConnectionError:
            return True
        return abs(self.clock_offset() - offset) > _CLOCK_JUMP_MS

    def redact(self, frame: bytes) -> bytes:
        return self._network.redact_bytes(frame)

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        task = self.tasks.spawn(work, name=name)

        def cancel() -> None:
            task.cancel()

        return cancel

    def report(self, error: FraError, *, where: str) -> None:
        from fra.core import ErrorRaised  # the host has built the classes of all events, and needs them; we hardly ever

        self._context.emit(
            ErrorRaised(exchange=self.exchange, timestamp_ms=self._context.now_ms(), where=where, error=error)
        )

    def _on_task_error(self, name: str, error: Exception) -> None:
        if not isinstance(error, FraError):
            error = ExchangeError(f"{type(error).__name__}: {error}", exchange=self.exchange)
        self.report(error, where=name)

    # --- status

    @property
    def status(self) -> ConnectionStatus:
        """Of all connections as a whole."""
        if not self._open:
            return ConnectionStatus.DISCONNECTED
        return ConnectionStatus.RECONNECTING if self._down else ConnectionStatus.CONNECTED

    def line_up(self, line: Line) -> None:
        if self._down.pop(line, None) is not None:
            self._tell_status()

    def line_down(self, line: Line, error: ExchangeError) -> None:
        if line not in self._down and line.topics:
            self._down[line] = error.message
            self._tell_status()

    def _tell_status(self) -> None:
        if not self._open:
            return
        if self._down:
            reason = next(iter(self._down.values()))
            self._context.connection_changed(ConnectionStatus.RECONNECTING, reason)
        else:
            self._context.connection_changed(ConnectionStatus.CONNECTED)


def _transport(options: CustomOptions) -> type[AiohttpTransport | PicowsTransport]:
    """The kind of WebSocket that the options ask for. picows is imported only then."""
    wanted = options.transport
    if wanted == "aiohttp" or (wanted == "auto" and find_spec("picows") is None):
        return AiohttpTransport
    try:
        from fra.adapters.custom.transport_picows import PicowsTransport
    except ImportError as error:
        raise ConfigError(
            f"transport = {wanted!r} needs picows, which cannot be imported: {error}",
            path="options.transport",
            cure='pip install "fra-adapter-custom[fast]"',
        ) from None
    return PicowsTransport


def _seconds(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After")
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
