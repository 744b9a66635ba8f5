"""The account's events, kept by the broker: published at least once and told apart, so that none counts twice.

Every host of an account listens, the one that holds the lease publishes. A host that takes over publishes what it
heard in the last minute: the broker drops what it has already, by the event's own identity.
"""

from __future__ import annotations

import asyncio
from collections import deque
from hashlib import sha256
from time import monotonic
from typing import Final, final
from uuid import uuid4

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError

from fra.adapters.proxy import wire
from fra.adapters.proxy.subjects import VERSION, Subjects
from fra.adapters.proxy.tasks import end
from fra.core import ExchangeHandle, Fill, FraError, Order, StreamGap, StreamStatus, UserEvent

_WINDOW: Final = 300.0
"""Seconds for which the broker tells twins apart."""
_REMEMBERED: Final = 60.0
_MOST: Final = 100_000
_PAUSE: Final = 0.5


@final
class EventLog:
    """The events of one account, from its exchange into the broker."""

    def __init__(self, client: Client, handle: ExchangeHandle, subjects: Subjects, *, kept_for: float) -> None:
        """``kept_for`` is for how many seconds the broker keeps an event."""
        self._client = client
        self._stream = client.jetstream()
        self._subjects = subjects
        self._kept_for = kept_for
        self._name = uuid4().hex
        self._count = 0
        self._heard: deque[tuple[float, str, bytes]] = deque(maxlen=_MOST)
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._news = asyncio.Event()
        self._publishing: asyncio.Task[None] | None = None
        self.last = 0
        """The number of the newest event that the broker has from us."""
        self._subscription = handle.subscribe_user_data()
        self._listening = asyncio.create_task(self._listen(), name=f"fra account {subjects.target}")

    @property
    def status(self) -> StreamStatus:
        return self._subscription.status

    @property
    def age(self) -> float | None:
        return self._subscription.age

    async def prepare(self) -> None:
        """Make the broker's stream. Raises what the broker answers."""
        config = StreamConfig(
            name=self._subjects.kept,
            subjects=[self._subjects.events],
            max_age=self._kept_for,
            discard=DiscardPolicy.OLD,
            duplicate_window=min(_WINDOW, self._kept_for),
            storage=StorageType.FILE,
        )
        try:
            await self._stream.add_stream(config)
        except BadRequestError:  # it is there, with other settings
            await self._stream.update_stream(config)
        self.last = (await self._stream.stream_info(self._subjects.kept)).state.last_seq

    def publish(self) -> None:
        """From now on we are the host that publishes."""
        horizon = monotonic() - _REMEMBERED
        self._waiting = deque((name, body) for heard, name, body in self._heard if heard >= horizon)
        self._news.set()
        self._publishing = asyncio.create_task(self._publish(), name=f"fra events {self._subjects.target}")

    async def silence(self) -> None:
        """Listen only. Idempotent."""
        task, self._publishing = self._publishing, None
        if task is not None:
            await end(task)

    async def close(self) -> None:
        """Idempotent."""
        await self.silence()
        await end(self._listening)
        await self._subscription.close()

    # --- listening

    async def _listen(self) -> None:
        while True:
            try:
                async for event in self._subscription:
                    self._take(type(event).__name__, event, self._identity(event))
            except StreamGap as lost:
                self._take(StreamGap.__name__, wire.of_gap(lost), self._next())
                continue
            except FraError as error:
                # There is nothing behind the gap, which says so.
                self._take(
                    StreamGap.__name__, wire.Gap(f"the account's stream failed: {error}", None, None), self._next()
                )
            return

    def _identity(self, event: UserEvent) -> str:
        if isinstance(event, Fill):
            return f"fill {event.symbol} {event.trade_id}"
        if isinstance(event, Order):
            return f"order {sha256(wire.encode(event)).hexdigest()[:32]}"
        return self._next()

    def _next(self) -> str:
        self._count += 1
        return f"{self._name} {self._count}"

    def _take(self, kind: str, event: object, identity: str) -> None:
        body = wire.pack(wire.encode(wire.Note(VERSION, kind, wire.raw(event))))
        self._heard.append((monotonic(), identity, body))
        if self._publishing is not None:
            self._waiting.append((identity, body))
            self._news.set()

    # --- publishing

    async def _publish(self) -> None:
        while True:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            identity, body = self._waiting[0]
            try:
                answer = await self._stream.publish(self._subjects.events, body, headers={"Nats-Msg-Id": identity})
            except (NatsError, OSError, TimeoutError):
                await asyncio.sleep(_PAUSE)  # it is kept until the broker has it
                continue
            self.last = max(self.last, answer.seq)
            self._waiting.popleft()
