"""One line to a venue: the topics of one address, and a connection that is always there, or coming back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import attrs

from fra.adapters.custom.connection import Connection
from fra.adapters.custom.dialect import Dialect, Refused
from fra.adapters.custom.errors import is_permanent
from fra.adapters.custom.options import CustomOptions
from fra.adapters.custom.topic import Topic
from fra.adapters.custom.transport import Transport
from fra.core import ExchangeAuthError, ExchangeError, ReconnectManager

_ROTATE_AT: Final = 0.95
_ROTATE_SPREAD: Final = 0.05
_SEAM_SECONDS: Final = 2.0
_ROTATION_PAUSE: Final = 5.0


@attrs.frozen
class Address:
    """Where a line goes: the venue's market, the key of its URL, what is added to that, and whether it logs in there.

    Private channels have lines of their own, also where a venue serves both at one URL: a login that is refused must
    not take public data along.
    """

    market: str
    url: str
    path: str
    private: bool = False

    def __str__(self) -> str:
        return f"{self.market} {self.url}{self.path}"


class LineHost(Protocol):
    """The stream client, as a line sees it."""

    @property
    def exchange(self) -> str: ...
    @property
    def options(self) -> CustomOptions: ...
    @property
    def timeout(self) -> float: ...
    @property
    def now_ms(self) -> Callable[[], int]: ...
    def make_dialect(self, address: Address) -> Dialect: ...
    def url(self, address: Address, dialect: Dialect) -> Awaitable[str]: ...
    def connect(self, address: Address, dialect: Dialect, url: str) -> Awaitable[Transport]: ...
    def refusal(self, refused: Refused) -> ExchangeError: ...
    def clock_offset(self) -> int: ...
    async def clock_was_off(self, offset: int) -> bool: ...
    def redact(self, frame: bytes) -> bytes: ...
    def report(self, error: ExchangeError, *, where: str) -> None: ...
    def line_idle(self, line: Line) -> None: ...
    def line_up(self, line: Line) -> None: ...
    def line_down(self, line: Line, error: ExchangeError) -> None: ...


class Line:
    """Keeps its topics subscribed through losses and planned changes of the connection."""

    def __init__(self, address: Address, host: LineHost, *, rng: random.Random | None = None) -> None:
        self.address = address
        self.topics: dict[str, Topic] = {}
        self.capacity = host.make_dialect(address).topics_per_connection
        self._host = host
        self._rng = rng if rng is not None else random.Random()
        self._connection: Connection | None = None
        self._next: Connection | None = None
        self._login_offset = 0
        """How far from ours the venue's clock was taken to be at the last login."""
        self._refused: ExchangeError | None = None
        """Why a login was refused, until it is known whether our idea of the venue's clock was to blame."""
        self._reconnect = ReconnectManager(
            None,
            host.options.reconnect_delay,
            max(host.options.reconnect_max_delay, host.options.reconnect_delay),
            rng=self._rng,
            on_attempt_failed=self._on_attempt_failed,
        )

    # --- what the connection asks

    @property
    def name(self) -> str:
        return self._host.exchange

    def refusal(self, refused: Refused) -> ExchangeError:
        return self._host.refusal(refused)

    def redact(self, frame: bytes) -> bytes:
        return self._host.redact(frame)

    def report(self, error: ExchangeError) -> None:
        self._host.report(error, where=f"stream {self.address}")

    def forget(self, topic: Topic) -> None:
        """Want ``topic`` no longer; a line without topics ends."""
        if self.topics.get(topic.text) is topic:
            del self.topics[topic.text]
            if not self.topics:
                self._host.line_idle(self)

    def up(self) -> None:
        self._host.line_up(self)

    def proven(self) -> None:
        self._reconnect.data_received()
        self._host.line_up(self)

    def login_refused(self, error: ExchangeError) -> None:
        self._refused = error

    def _give_up(self, error: ExchangeError) -> None:
        """Want nothing any more: these credentials will not do."""
        for topic in tuple(self.topics.values()):
            self.forget(topic)
            topic.fail(error)

    # --- what the client asks

    def add(self, topic: Topic) -> None:
        """Want ``topic``."""
        self.topics[topic.text] = topic
        self.wake()

    def wake(self) -> None:
        """What is wanted has changed."""
        for connection in (self._connection, self._next):
            if connection is not None:
                connection.wake()

    async def run(self) -> None:
        """Connect, serve, come back; until cancelled."""
        try:
            try:
                await self._establish()
            except Exception as error:
                self._on_attempt_failed(0, error)
                self._host.line_down(self, self._typed(error))
                await self._reconnect.handle_disconnect(self._establish)
            while True:
                loss = await self._serve()
                refused, self._refused = self._refused, None
                if refused is not None and not await self._host.clock_was_off(self._login_offset):
                    self._give_up(refused)
                    return
                self.report(loss)
                self._lost(loss)
                await self._end(self._connection)
                self._connection = None
                await self._reconnect.handle_disconnect(self._establish)
        except Exception as error:
            # A mistake of ours: nobody may wait for ever for a line that is not there.
            for topic in tuple(self.topics.values()):
                topic.fail(self._typed(error))
            raise
        finally:
            await self._end(self._next)
            await self._end(self._connection)

    # --- inside

    async def _establish(self) -> None:
        self._connection = await self._open(None)

    async def _open(self, replaces: Connection | None) -> Connection:
        host = self._host
        dialect = host.make_dialect(self.address)
        if host.options.silence is not None:
            dialect.notice_silence(host.options.silence)
        try:
            url = await host.url(self.address, dialect)
        except ExchangeAuthError as error:
            if is_permanent(error):
                self._give_up(error)
            raise
        transport = await host.connect(self.address, dialect, url)
        ack_timeout = host.options.ack_timeout
        if host.options.staleness is not None:
            ack_timeout = min(ack_timeout, host.options.staleness)
        connection = Connection(
            transport,
            dialect,
            self,
            now_ms=host.now_ms,
            ack_timeout=ack_timeout,
            max_frame=host.options.max_frame_bytes,
            replaces=replaces,
        )
        lifetime = dialect.lifetime
        if lifetime is not None:
            # Spread, so that the connections of one start do not all move at once.
            lifetime *= _ROTATE_AT - self._rng.uniform(0.0, _ROTATE_SPREAD)
        self._login_offset = host.clock_offset()
        try:
            connection.start(lifetime=lifetime)
        except Exception as error:
            await connection.close()
            if isinstance(error, ExchangeAuthError):
                self._give_up(error)
            raise
        return connection

    async def _serve(self) -> ExchangeError:
        while True:
            current = self._connection
            assert current is not None
            await asyncio.wait((current.lost, current.rotation_due), return_when=asyncio.FIRST_COMPLETED)
            if current.lost.done():
                return current.lost.result()
            if (error := await self._rotate(current)) is not None:
                return error

    async def _rotate(self, old: Connection) -> ExchangeError | None:
        """Move to a new connection while the old one serves. Gives the error if the old one was lost meanwhile."""
        try:
            new = self._next = await self._open(old)
        except Exception as error:
            return await self._rotation_failed(old, self._typed(error))
        await asyncio.wait((old.lost, new.lost, new.settled), return_when=asyncio.FIRST_COMPLETED)
        if not old.lost.done() and not new.lost.done():
            await self._close_seams(old, new)
        if new.lost.done() or old.lost.done():
            failed = not old.lost.done()
            for topic in tuple(self.topics.values()):
                if topic.seam is not None:
                    topic.seam.cancel()
                elif failed and topic.carrier is new:
                    topic.lose(new.lost.result())
                    old.renew(topic)
            self._next = None
            await self._end(new)
            if failed and self._refused is not None:
                self._refused = None  # the old connection serves on; the next try has the clock as it is
                await self._host.clock_was_off(self._login_offset)
            return await self._rotation_failed(old, new.lost.result()) if failed else old.lost.result()
        for topic in tuple(self.topics.values()):
            if topic.seam is not None:
                topic.seam.finish()
        new.promote()
        self._connection, self._next = new, None
        await self._end(old)
        return None

    async def _close_seams(self, old: Connection, new: Connection) -> None:
        """Give every topic a moment to show a message on the new connection."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SEAM_SECONDS
        while any(topic.seam is not None for topic in self.topics.values()) and loop.time() < until:
            await asyncio.wait((old.lost, new.lost), timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
            if old.lost.done() or new.lost.done():
                return

    async def _rotation_failed(self, old: Connection, error: ExchangeError) -> ExchangeError | None:
        self.report(error)
        await asyncio.wait((old.lost,), timeout=self._rng.uniform(0.5, 1.0) * _ROTATION_PAUSE)
        return old.lost.result() if old.lost.done() else None

    def _lost(self, error: ExchangeError) -> None:
        self._host.line_down(self, error)
        for topic in tuple(self.topics.values()):
            topic.lose(error)

    def _on_attempt_failed(self, attempt: int, error: Exception) -> None:
        failure = self._typed(error)
        self.report(failure)
        for topic in self.topics.values():
            topic.tell(failure)

    def _typed(self, error: Exception) -> ExchangeError:
        if isinstance(error, ExchangeError):
            return error
        return ExchangeError(f"{type(error).__name__}: {error}", exchange=self.name)

    @staticmethod
    async def _end(connection: Connection | None) -> None:
        if connection is not None:
            await connection.close()
