"""Our side of one hosted exchange: questions to its host, and whether the host lives.

The host says each second that it lives. When it is silent for too long, or the broker is away, everything that
streams is told; when it is back (or another host took over: a new epoch) everything is opened anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Protocol, final
from uuid import uuid4

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from fra.adapters.proxy import wire
from fra.adapters.proxy.broker import Broker
from fra.adapters.proxy.operations import Remote
from fra.adapters.proxy.subjects import VERSION, Subjects
from fra.adapters.proxy.tasks import end
from fra.core import ConnectionStatus, ExchangeConnectionError, ExchangeError, NotSupported, StreamStatus

RENEW: Final = 5.0
"""Seconds between two signs of a client that it uses its streams."""


_FIRST: Final = 0.3
"""Of the time-out, for the first asking of a question."""


class Stream(Protocol):
    """What the link tells a stream."""

    def host_lost(self, error: ExchangeError) -> None: ...
    def host_found(self) -> None: ...


class Numbered(Stream, Protocol):
    """A public stream, of which each beat says how far it is."""

    subject: str

    def beat(self, number: int, status: StreamStatus, age: float | None) -> None: ...


@final
class Link:
    """The host of ``subjects.target``, as far as it is heard."""

    def __init__(
        self,
        broker: Broker,
        subjects: Subjects,
        *,
        timeout: float,
        silence: float,
        now_ms: Callable[[], int],
        on_status: Callable[[ConnectionStatus, str | None], None],
        report: Callable[[Exception], None],
    ) -> None:
        """Questions wait for ``timeout`` seconds; after ``silence`` seconds without a beat the host counts as lost."""
        self.broker = broker
        self.subjects = subjects
        self.timeout = timeout
        self._silence = silence
        self._now_ms = now_ms
        self._on_status = on_status
        self._report = report
        self._reduced: set[str] = set()
        self._numbered: dict[str, Numbered] = {}
        self._streams: set[Stream] = set()
        self._epoch: str | None = None
        self._heard = monotonic()
        self._lost: ExchangeError | None = None
        self._name = uuid4().hex
        self._count = 0
        self._beats: Subscription | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # --- life

    async def start(self, epoch: str) -> None:
        """Listen for the host, which just said that its epoch is ``epoch``."""
        self._epoch = epoch
        self._heard = monotonic()
        self.broker.add_listener(self)
        self._beats = await self.broker.subscribe(self.subjects.beat, self._on_beat)
        self._tasks = [
            asyncio.create_task(self._watch(), name=f"fra proxy watch {self.subjects.target}"),
            asyncio.create_task(self._renew(), name=f"fra proxy renew {self.subjects.target}"),
        ]

    async def stop(self) -> None:
        """Idempotent."""
        self.broker.remove_listener(self)
        tasks, self._tasks = self._tasks, []
        await end(*tasks)
        self._streams.clear()
        self._numbered.clear()

    # --- questions

    async def ask(self, subject: str, remote: Remote, *, what: str, **arguments: Any) -> Any:
        """The decoded answer. Raises what the host raised, and what :meth:`Broker.request` raises."""
        takes = remote.takes(**arguments)
        if ".trade." in subject:
            return await self.put(subject, takes, remote.answers, what=what)
        # A question may be repeated: the host that heard it may have lost its lease, and says nothing then.
        try:
            return await self.put(subject, takes, remote.answers, what=what, timeout=self.timeout * _FIRST)
        except ExchangeConnectionError as error:
            if not error.sent or not self.broker.connected:
                raise
        return await self.put(subject, takes, remote.answers, what=what, timeout=self.timeout * (1 - _FIRST))

    async def put(
        self, subject: str, arguments: msgspec.Struct, answers: Any, *, what: str, timeout: float | None = None
    ) -> Any:
        """The same for arguments that are a struct already, asked once."""
        timeout = self.timeout if timeout is None else timeout
        self._count += 1
        deadline = self._now_ms() + int(timeout * 1000)
        call = wire.Call(VERSION, f"{self._name}-{self._count}", deadline, wire.raw(arguments))
        data = await self.broker.request(subject, wire.encode(call), timeout=timeout, what=what)
        answer = wire.decode(wire.unpack(data), wire.Answer)
        wire.check_version(answer.version)
        if answer.failure is not None:
            raise wire.as_error(answer.failure)
        if answers is None:
            return None
        return wire.decode(answer.value, answers)

    # --- streams

    def add(self, stream: Stream, *, numbered: Numbered | None = None) -> None:
        """Tell ``stream`` how the host is from now on."""
        self._streams.add(stream)
        if numbered is not None:
            self._numbered[numbered.subject] = numbered
        if self._lost is not None:
            stream.host_lost(self._lost)

    def remove(self, stream: Stream, *, subject: str | None = None) -> None:
        self._streams.discard(stream)
        if subject is not None:
            self._numbered.pop(subject, None)

    def broker_changed(self, connected: bool) -> None:
        """The broker went away, or is back: then what was published meanwhile never came."""
        if not connected:
            self._lose(ExchangeConnectionError("the broker is not connected"))

    async def _on_beat(self, message: Msg) -> None:
        beat = wire.decode(message.data, wire.Beat)
        self._heard = monotonic()
        if self._lost is not None or beat.epoch != self._epoch:
            if self._lost is None:
                self._lose(ExchangeConnectionError("another host took over"))
            self._epoch, self._lost = beat.epoch, None
            for stream in tuple(self._streams):
                stream.host_found()
        for name, (model, *fields) in beat.reduced.items():
            if name not in self._reduced:
                self._reduced.add(name)
                left = f"{name} comes as {model}: {', '.join(fields)} stay at the host"
                self._report(NotSupported(left, cure="host the members, and aggregate them here"))
        status = ConnectionStatus(beat.connection)
        self._on_status(status, None if status is ConnectionStatus.CONNECTED else "so says its host")
        for subject, (number, state, age) in beat.streams.items():
            stream_ = self._numbered.get(subject)
            if stream_ is not None:
                stream_.beat(number, state, age)

    def _lose(self, error: ExchangeError) -> None:
        if self._lost is not None:
            return
        self._lost = error
        self._on_status(ConnectionStatus.RECONNECTING, error.message)
        for stream in tuple(self._streams):
            stream.host_lost(error)

    async def _watch(self) -> None:
        while True:
            left = self._heard + self._silence - monotonic()
            if left <= 0:
                self._lose(ExchangeConnectionError(f"its host has been silent for {self._silence:g} s"))
                left = self._silence
            await asyncio.sleep(left)

    async def _renew(self) -> None:
        """Say which streams are in use, so that the host keeps them."""
        while True:
            await asyncio.sleep(RENEW)
            if self._numbered and self.broker.connected:
                await self.broker.publish(self.subjects.renew, wire.encode(list(self._numbered)))
