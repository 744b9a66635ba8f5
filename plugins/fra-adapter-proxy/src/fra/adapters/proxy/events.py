"""The account's events, kept by the broker: published at least once and told apart, so that none counts twice.

Every host of an account listens, the one that holds the lease publishes. A host that takes over publishes what it
heard in the last minute, and all that came after the newest event that the broker has (it may have been away for
longer): the broker drops what it has already, by the event's own identity.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from time import monotonic
from typing import Final, final
from uuid import uuid4

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, RawStreamMsg, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from fra.adapters.proxy import wire
from fra.adapters.proxy.payments import Payments
from fra.adapters.proxy.reduced import Reduced, base
from fra.adapters.proxy.subjects import VERSION, Subjects
from fra.adapters.proxy.tasks import end
from fra.core import ExchangeHandle, Fill, FraError, FundingPayment, Order, StreamGap, StreamStatus, UserEvent

_WINDOW: Final = 300.0
"""Seconds for which the broker tells twins apart."""
_REMEMBERED: Final = 60.0
_MOST: Final = 100_000
_PAUSE: Final = 0.5


@final
class EventLog:
    """The events of one account, from its exchange into the broker."""

    def __init__(
        self,
        client: Client,
        handle: ExchangeHandle,
        subjects: Subjects,
        *,
        kept_for: float,
        reduced: Reduced,
        replicas: int = 1,
        report: Callable[[Exception], None] | None = None,
    ) -> None:
        """``kept_for`` is for how many seconds the broker keeps an event, ``replicas`` on how many of its nodes.
        ``report`` hears why funding payments could not be asked for.
        """
        self._replicas = replicas
        self._reduced = reduced
        self._client = client
        self._stream = client.jetstream()
        self._subjects = subjects
        self._kept_for = kept_for
        self._name = uuid4().hex
        self._count = 0
        self._heard: deque[tuple[float, str, bytes]] = deque(maxlen=_MOST)
        self._waiting: deque[tuple[str, str, bytes]] = deque()
        self._payments = Payments(handle, self._pay, report=report)
        self._news = asyncio.Event()
        self._publishing: list[asyncio.Task[None]] = []
        self._newest: str | None = None
        """The identity of the newest event that the broker has, whoever published it."""
        self._paid_ms: int | None = None
        """When the newest payment was made that it has."""
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
            subjects=[self._subjects.events, self._subjects.payments],
            max_age=self._kept_for,
            discard=DiscardPolicy.OLD,
            duplicate_window=min(_WINDOW, self._kept_for),
            storage=StorageType.FILE,
            num_replicas=self._replicas,
        )
        try:
            await self._stream.add_stream(config)
        except BadRequestError:  # it is there, with other settings
            await self._stream.update_stream(config)
        self.last = (await self._stream.stream_info(self._subjects.kept)).state.last_seq
        event = await self._kept_last(self._subjects.events)
        self._newest = None if event is None else (event.headers or {}).get("Nats-Msg-Id")
        paid = await self._kept_last(self._subjects.payments)
        if paid is not None:
            note = wire.decode(wire.unpack(paid.data or b""), wire.Note)
            self._paid_ms = wire.decode(note.body, FundingPayment).timestamp_ms

    async def _kept_last(self, subject: str) -> RawStreamMsg | None:
        try:
            return await self._stream.get_last_msg(self._subjects.kept, subject)
        except NotFoundError:
            return None

    def publish(self) -> None:
        """From now on we are the host that publishes."""
        events, horizon = self._subjects.events, monotonic() - _REMEMBERED
        missing: deque[tuple[str, str, bytes]] = deque()
        is_missing = False
        for heard, name, body in self._heard:
            if is_missing or heard >= horizon:
                missing.append((events, name, body))
            is_missing = is_missing or name == self._newest
        self._waiting = missing
        self._news.set()
        self._publishing = [
            asyncio.create_task(self._publish(), name=f"fra events {self._subjects.target}"),
            asyncio.create_task(self._payments.follow(self._paid_ms), name=f"fra payments {self._subjects.target}"),
        ]

    async def silence(self) -> None:
        """Listen only. Idempotent."""
        tasks, self._publishing = self._publishing, []
        await end(*tasks)

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
                    self._payments.saw(event)
                    self._reduced.see(event)
                    self._take(base(type(event)).__name__, event, self._identity(event))
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
        if isinstance(event, FundingPayment):
            return f"payment {event.symbol} {event.id or f'{event.timestamp_ms} {event.amount}'}"
        return self._next()

    def _next(self) -> str:
        self._count += 1
        return f"{self._name} {self._count}"

    def _take(self, kind: str, event: object, identity: str) -> None:
        body = _note(kind, event)
        self._heard.append((monotonic(), identity, body))
        if self._publishing:
            self._put(self._subjects.events, identity, body)

    def _pay(self, payment: FundingPayment) -> None:
        self._put(self._subjects.payments, self._identity(payment), _note(FundingPayment.__name__, payment))

    def _put(self, subject: str, identity: str, body: bytes) -> None:
        self._waiting.append((subject, identity, body))
        self._news.set()

    # --- publishing

    async def _publish(self) -> None:
        while True:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
                continue
            subject, identity, body = self._waiting[0]
            try:
                answer = await self._stream.publish(subject, body, headers={"Nats-Msg-Id": identity})
            except (NatsError, OSError, TimeoutError):
                await asyncio.sleep(_PAUSE)  # it is kept until the broker has it
                continue
            self.last = max(self.last, answer.seq)
            self._waiting.popleft()


def _note(kind: str, event: object) -> bytes:
    return wire.pack(wire.encode(wire.Note(VERSION, kind, wire.raw(event))))
