"""One WebSocket connection: it brings the topics that are wanted onto the wire, and frames to their handlers."""

from __future__ import annotations

import asyncio
import enum
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Final, Protocol

from fra.adapters.custom.dialect import Ack, Dialect, Notice, Refused
from fra.adapters.custom.inflate import TooLarge, gunzip
from fra.adapters.custom.seam import Seam
from fra.adapters.custom.topic import Receiver, Topic
from fra.adapters.custom.transport import Transport
from fra.adapters.custom.watchdog import Watchdog
from fra.core import (
    ExchangeAPIError,
    ExchangeConnectionError,
    ExchangeError,
    ExchangeRateLimitError,
    RateLimiter,
)

_STRANGERS: Final = 100
_PING: Final = ""
"""Among what is to be sent: a ping's control frame. No venue takes an empty text."""


class Host(Protocol):
    """The line that a connection belongs to."""

    @property
    def name(self) -> str: ...
    @property
    def topics(self) -> Mapping[str, Topic]: ...
    def refusal(self, refused: Refused) -> ExchangeError: ...
    def redact(self, frame: bytes) -> bytes: ...
    def report(self, error: ExchangeError) -> None: ...
    def forget(self, topic: Topic) -> None: ...
    def up(self) -> None: ...
    def proven(self) -> None: ...
    def login_refused(self, error: ExchangeError) -> None: ...


class Phase(enum.Enum):
    """Where one topic stands on one connection."""

    ASKED = "asked"
    LIVE = "live"
    LEAVING = "leaving"


class _Request:
    __slots__ = ("deadline", "joins", "texts")

    def __init__(self, texts: Iterable[str], *, joins: bool, deadline: float) -> None:
        self.texts = set(texts)
        self.joins = joins
        self.deadline = deadline


class Connection:
    """From an open transport to its loss. ``lost`` is set once, with the reason; then nothing is delivered any more.

    ``settled`` is set when every wanted topic was taken (or refused), ``rotation_due`` when it should be replaced.
    """

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        host: Host,
        *,
        now_ms: Callable[[], int],
        ack_timeout: float,
        max_frame: int,
        replaces: Connection | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[ExchangeError] = loop.create_future()
        self.settled: asyncio.Future[None] = loop.create_future()
        self.rotation_due: asyncio.Future[str] = loop.create_future()
        self._loop = loop
        self._transport = transport
        self._dialect = dialect
        self._host = host
        self._now_ms = now_ms
        self._ack_timeout = ack_timeout
        self._max_frame = max_frame
        self._replaces = replaces
        self._receivers: dict[bytes, Receiver] = {}
        self._guessed: dict[bytes, Receiver] = {}
        self._phases: dict[str, Phase] = {}
        self._carried: dict[str, Topic] = {}
        self._renewing: set[str] = set()
        self._singly: deque[str] = deque()
        self._replies: deque[str] = deque()
        self._requests: dict[int, _Request] = {}
        self._next_id = 0
        self._login_id: int | None = None
        self._work = asyncio.Event()
        self._pace = RateLimiter(dialect.message_limits)
        self._cost = {limit.scope: 1 for limit in dialect.message_limits} or 1
        self._strangers: set[bytes] = set()
        self._heard = False
        self._on_frame = self._frame_receiver()
        self._watchdog = Watchdog(self, dialect, ack_timeout=ack_timeout)
        self._lifetime: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- life

    def start(self, *, lifetime: float | None) -> None:
        """Begin to read, to subscribe and to watch; after ``lifetime`` seconds a rotation is due."""
        self._login_id = self._start_login()
        self._tasks = [
            # Writing first: where the address has subscribed, messages may be there already.
            self._loop.create_task(self._write(), name=f"{self._host.name} write"),
            self._loop.create_task(self._read(), name=f"{self._host.name} read"),
            self._loop.create_task(self._keep(), name=f"{self._host.name} keep"),
        ]
        if lifetime is not None:
            self._lifetime = self._loop.call_later(lifetime, self.rotate, "its lifetime is nearly over")
        self._watchdog.start()
        self.wake()

    def lose(self, error: ExchangeError) -> None:
        """Give the connection up. Synchronous: not one more frame is delivered."""
        if self.lost.done():
            return
        self._receivers.clear()
        self._guessed.clear()
        self.lost.set_result(error)

    def rotate(self, reason: str) -> None:
        """Ask to be replaced."""
        if not self.rotation_due.done():
            self.rotation_due.set_result(reason)

    async def close(self) -> None:
        """End it and everything that belongs to it. Idempotent."""
        self.lose(self.broken("closed by us"))
        self._watchdog.stop()
        if self._lifetime is not None:
            self._lifetime.cancel()
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            await self._transport.close()

    # --- Carrier

    def carry(self, key: bytes, receiver: Receiver) -> None:
        if not self.lost.done():
            self._receivers[key] = receiver
            if (guess := self._guess_of(key)) is not None:
                self._guessed[guess] = receiver

    def drop(self, key: bytes) -> None:
        self._forget(key)
        self.wake()

    def renew(self, topic: Topic) -> None:
        self._renewing.add(topic.text)
        self.wake()

    def wake(self) -> None:
        """What is wanted has changed."""
        self._work.set()

    # --- reading

    async def _read(self) -> None:
        on_frame = self._on_packed_frame if self._dialect.gzip else self._on_frame
        try:
            reason = await self._transport.run(on_frame, self._on_ping, now_ms=self._now_ms)
        except Exception as error:
            reason = f"the connection broke: {type(error).__name__}"
        self.lose(self.broken(reason))

    def _on_ping(self) -> None:
        self._heard = True

    def _on_packed_frame(self, frame: bytes, received_ms: int) -> None:
        try:
            frame = gunzip(frame, self._max_frame)
        except (zlib.error, TooLarge) as error:
            self._garbage(frame, error)
        else:
            self._on_frame(frame, received_ms)

    def _frame_receiver(self) -> Receiver:
        """The function that gets every frame: a closure, because each attribute read would cost for each message."""
        guessed, routed, route = self._guessed.get, self._receivers.get, self._dialect.route
        ends = self._dialect.peek.ends if self._dialect.peek is not None else b""

        def on_frame(frame: bytes, received_ms: int) -> None:
            self._heard = True
            try:
                # partition copies the frame and is still twice as fast as find() with a start, and a slice.
                receiver = guessed(frame.partition(ends)[0])
                if receiver is None:
                    key = route(frame)
                    receiver = routed(key) if key is not None else None
                    if receiver is None:
                        self._on_other(key, frame)
                        return
                receiver(frame, received_ms)
            except Exception as error:
                self._garbage(frame, error)

        def on_unguessed_frame(frame: bytes, received_ms: int) -> None:
            self._heard = True
            try:
                key = route(frame)
                receiver = routed(key) if key is not None else None
                if receiver is None:
                    self._on_other(key, frame)
                    return
                receiver(frame, received_ms)
            except Exception as error:
                self._garbage(frame, error)

        return on_unguessed_frame if self._dialect.peek is None else on_frame

    def _guess_of(self, key: bytes) -> bytes | None:
        """How a frame of this topic begins, up to where it is partitioned."""
        peek = self._dialect.peek
        return None if peek is None else peek.begins + (key.removesuffix(peek.ends) if peek.keep_end else key)

    def _on_other(self, key: bytes | None, frame: bytes) -> None:
        if key is None:
            self._on_control(frame)
        else:
            self._on_stranger(key, frame)

    def prove(self) -> None:
        """The first good message of a topic has come: the connection is worth something."""
        self._host.proven()

    def _forget(self, key: bytes) -> None:
        self._receivers.pop(key, None)
        if (guess := self._guess_of(key)) is not None:
            self._guessed.pop(guess, None)

    def _on_stranger(self, key: bytes, frame: bytes) -> None:
        """Data of a topic that was just left are normal; of one that we never asked for they are told of, once."""
        text = key.decode("utf-8", "replace")
        if self.lost.done() or text in self._phases or text in self._carried or key in self._strangers:
            return
        if len(self._strangers) < _STRANGERS:
            self._strangers.add(key)
            self._host.report(
                ExchangeAPIError(
                    f"data came of {text[:100]!r}, which nobody asked for",
                    code="unexpected",
                    exchange=self._host.name,
                    response=self._host.redact(frame),
                )
            )

    def _garbage(self, frame: bytes, error: Exception) -> None:
        if self.lost.done():
            return
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.lose(
            ExchangeAPIError(
                f"a frame is not what the venue documents: {what}",
                code="malformed",
                exchange=self._host.name,
                response=self._host.redact(frame),
            )
        )

    def _on_control(self, frame: bytes) -> None:
        if self.lost.done():
            return
        answer = self._dialect.heartbeat.answer(frame)
        if answer is not False:
            if isinstance(answer, str):
                self.reply(answer)
            return
        match self._dialect.control(frame):
            case Ack() as ack:
                self._on_ack(ack)
            case Refused() as refused:
                self._on_refused(refused)
            case Notice() as notice:
                if notice.rotate:
                    self.rotate(notice.reason)
            case None:
                self._garbage(frame, ValueError("neither data nor an answer"))

    # --- answers

    def _on_ack(self, ack: Ack) -> None:
        if ack.request_id is not None and ack.request_id == self._login_id:
            self._requests.pop(self._login_id, None)
            self._login_id = None
            self.wake()
            return
        self._host.up()
        texts = set(ack.topics)
        request = self._requests.get(ack.request_id) if ack.request_id is not None else None
        if request is not None:
            texts |= request.texts
        for text in texts:
            self._settle(text)
        self.wake()

    def _settle(self, text: str) -> None:
        phase = self._phases.get(text)
        if phase is Phase.ASKED:
            self._phases[text] = Phase.LIVE
            topic = self._carried[text]
            if topic.carrier is self and topic.seam is None:
                topic.begin()
        elif phase is Phase.LEAVING:
            del self._phases[text]
            self._carried.pop(text, None)
        self._answered(text)

    def _answered(self, text: str) -> None:
        for request_id, request in list(self._requests.items()):
            request.texts.discard(text)
            if not request.texts:
                del self._requests[request_id]

    def _on_refused(self, refused: Refused) -> None:
        error = self._host.refusal(refused)
        if isinstance(error, ExchangeRateLimitError | ExchangeConnectionError):
            self.lose(error)
            return
        if self._login_id is not None and refused.request_id in (None, self._login_id) and not refused.topics:
            self.lose(error)
            self._host.login_refused(error)
            return
        texts = set(refused.topics)
        if not texts:
            number = refused.request_id if refused.request_id is not None else min(self._requests, default=None)
            request = self._requests.pop(number, None) if number is not None else None
            if request is None:
                self._host.report(error)
                return
            texts = request.texts
            if request.joins and len(texts) > 1:
                self._singly.extend(texts)
                for text in texts:
                    self._phases.pop(text, None)
                self.wake()
                return
        for text in texts:
            self._refuse(text, error)
        self.wake()

    def _refuse(self, text: str, error: ExchangeError) -> None:
        phase = self._phases.pop(text, None)
        topic = self._carried.pop(text, None)
        self._answered(text)
        if topic is not None and phase is not Phase.LEAVING:
            self._forget(topic.key)
            if self._replaces is None:
                self._host.forget(topic)
                topic.fail(error)
            else:
                self.lose(error)

    def promote(self) -> None:
        """It no longer replaces another: it is the one."""
        self._replaces = None

    # --- writing

    async def _write(self) -> None:
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while (text := self._next()) is not None:
                    await self._pace.acquire(self._cost)
                    await (self._transport.send(text) if text else self._transport.ping())
                if not self.settled.done() and not self._requests and self._login_id is None:
                    self.settled.set_result(None)
        except Exception as error:
            self.lose(self.broken(f"the connection broke: {type(error).__name__}"))

    async def _keep(self) -> None:
        try:
            await self._dialect.keep()
        except Exception as error:
            self.lose(error if isinstance(error, ExchangeError) else self.broken(f"{type(error).__name__}: {error}"))

    def _start_login(self) -> int | None:
        text = self._dialect.login(self._next_id + 1)
        if text is None:
            return None
        self._next_id += 1
        self._replies.append(text)
        self._requests[self._next_id] = _Request((), joins=False, deadline=monotonic() + self._ack_timeout)
        return self._next_id

    def _next(self) -> str | None:
        """The next message to send: answers to pings first, then what leaves, then what joins."""
        if self._replies:
            return self._replies.popleft()
        if self._login_id is not None or self.lost.done():
            return None
        wanted, phases = self._host.topics, self._phases
        leaving = [
            text
            for text, phase in phases.items()
            if phase is Phase.LIVE and (text in self._renewing or wanted.get(text) is not self._carried.get(text))
        ][: self._dialect.batch]
        if leaving:
            for text in leaving:
                phases[text] = Phase.LEAVING
                self._renewing.discard(text)
            return self._ask(leaving, joins=False) or self._next()
        while self._singly:
            text = self._singly.popleft()
            if text in wanted and text not in phases:
                return self._ask([text], joins=True) or self._next()
        joining = [text for text in wanted if text not in phases][: self._dialect.batch]
        return (self._ask(joining, joins=True) or self._next()) if joining else None

    def _ask(self, texts: list[str], *, joins: bool) -> str | None:
        """The message that asks for it; None where none is needed, and it is so already."""
        self._next_id += 1
        self._requests[self._next_id] = _Request(texts, joins=joins, deadline=monotonic() + self._ack_timeout)
        if not joins:
            return self._said(texts, self._dialect.unsubscribe(texts, self._next_id))
        for text in texts:
            topic = self._host.topics[text]
            self._phases[text] = Phase.ASKED
            self._carried[text] = topic
            old = self._replaces
            if old is None or topic.carrier is None or topic.carrier is self:
                topic.expect(self)
            elif topic.seam is None:
                Seam(topic, topic.carrier, self)
        return self._said(texts, self._dialect.subscribe(texts, self._next_id))

    def _said(self, texts: list[str], message: str | None) -> str | None:
        if message is None:
            self._host.up()
            for text in texts:
                self._settle(text)
        return message

    # --- what the watchdog asks

    def is_lost(self) -> bool:
        return self.lost.done()

    def take_heard(self) -> bool:
        """Whether anything came since it was last asked."""
        heard, self._heard = self._heard, False
        return heard

    def carried(self) -> Iterable[Topic]:
        return tuple(topic for topic in self._carried.values() if topic.carrier is self)

    def overdue(self, now: float) -> bool:
        """Whether the venue owes us an answer for too long."""
        return any(request.deadline <= now for request in self._requests.values())

    def reply(self, text: str) -> None:
        """Send ``text`` before anything else."""
        self._replies.append(text)
        self.wake()

    def ping(self) -> None:
        """Send a ping's control frame before anything else."""
        self.reply(_PING)

    def broken(self, reason: str) -> ExchangeConnectionError:
        return ExchangeConnectionError(reason, exchange=self._host.name)
