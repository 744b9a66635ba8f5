"""The account of a hosted exchange: its events as the broker keeps them, none lost, and its state where some were.

The broker's JetStream keeps the events, numbered. Whoever was away reads on from the last one that they had; only
where the broker does not have it any more, or the host itself was cut off, there is a StreamGap and the state is
asked for anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Final, final

import attrs
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from fra.adapters.proxy import wire
from fra.adapters.proxy.link import Link
from fra.adapters.proxy.operations import EVENTS
from fra.adapters.proxy.retry import keep_open
from fra.adapters.proxy.tasks import end
from fra.core import (
    Balance,
    ExchangeConnectionError,
    ExchangeError,
    Order,
    OrderNotFound,
    Position,
    StreamGap,
    StreamSource,
    StreamStatus,
    UserEvent,
)

_HEARTBEAT: Final = 1.0
_FORGOTTEN_AFTER: Final = 30.0
"""Seconds after which the broker drops the consumer of a client that has gone."""


@final
class State:
    """What the account was last said to hold, so that what has vanished can be told."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._balances: dict[tuple[str, str], Balance] = {}
        self._positions: dict[tuple[str, str], Position] = {}

    def saw(self, event: UserEvent) -> None:
        if isinstance(event, Order):
            if event.id is None:
                return
            if event.status.final:
                self._orders.pop(event.id, None)
            else:
                self._orders[event.id] = event
        elif isinstance(event, Balance):
            self._balances[event.market, event.asset] = event
        elif isinstance(event, Position):
            self._positions[event.symbol, event.side.value] = event

    def vanished(self, balances: Sequence[Balance], positions: Sequence[Position]) -> list[UserEvent]:
        """What is known and is not among these: it is zero now."""
        there = {(one.market, one.asset) for one in balances}
        held = {(one.symbol, one.side.value) for one in positions}
        gone: list[UserEvent] = [
            attrs.evolve(one, free=Decimal(0), total=Decimal(0), borrowed=Decimal(0))
            for key, one in self._balances.items()
            if key not in there and one.total
        ]
        gone += [
            attrs.evolve(one, amount=Decimal(0), unrealized_pnl=None)
            for key, one in self._positions.items()
            if key not in held and one.amount
        ]
        return gone

    def ended(self, orders: Sequence[Order]) -> list[Order]:
        """Orders that were open and are not among these."""
        there = {order.id for order in orders}
        return [order for id_, order in self._orders.items() if id_ not in there]


@attrs.frozen
class Questions:
    """How the state of the account is asked for; None where the exchange does not tell."""

    open_orders: Callable[[], Awaitable[Sequence[Order]]] | None
    balances: Callable[[], Awaitable[Sequence[Balance]]] | None
    positions: Callable[[], Awaitable[Sequence[Position]]] | None
    order: Callable[[Order], Awaitable[Order]] | None


@final
class RemoteAccount:
    """The account's events as one source."""

    def __init__(self, link: Link, questions: Questions) -> None:
        self.subject = link.subjects.events
        self.source: StreamSource[UserEvent] = StreamSource(close=self._close)
        self._link = link
        self._questions = questions
        self._state = State()
        self._last: int | None = None
        self._count = 0
        self._round = 0
        self._complete = False
        """Whether the state is known: after a gap it is not."""
        self._early: list[Msg] | None = []
        self._behind = 0
        self._again = asyncio.Event()
        self._inbox: Subscription | None = None
        self._task = asyncio.create_task(self._run(), name=f"fra proxy {self.subject}")

    async def _close(self) -> None:
        self._link.remove(self, subject=self.subject)
        await end(self._task)
        await self._drop()

    # --- what the link says

    def host_lost(self, error: ExchangeError) -> None:
        self._lose(error)

    def host_found(self) -> None:
        self._again.set()

    def beat(self, number: int, status: StreamStatus, age: float | None) -> None:
        """The host's account of it; ``number`` is the last event that the broker has."""
        if self._early is not None or self._last is None:
            return
        if number > self._last:
            if self._behind == number:
                self._again.set()
            self._behind = number
        elif status in (StreamStatus.LIVE, StreamStatus.STALE, StreamStatus.RECOVERING):
            self._behind = 0
            self.source.set_status(status)

    # --- following

    async def _run(self) -> None:
        self._link.add(self, numbered=self)
        self.source.fail(await keep_open(self._follow, self._again, lost=self._lose))

    async def _follow(self) -> None:
        await self._drop()
        client, name = self._link.broker.client, self._link.subjects.kept
        manager = client.jsm(timeout=self._link.timeout)
        self._early = []
        broker, what = self._link.broker, "the account's events"
        state = (await broker.permitted(manager.stream_info(name), f"$JS.API.STREAM.INFO.{name}", what=what)).state
        if self._last is None:
            self._last = state.last_seq
        elif self._last > state.last_seq:
            self._gap(StreamGap("the broker has lost what it kept: events may be missing"))
            self._last = state.last_seq
        elif self._last + 1 < state.first_seq:
            self._gap(StreamGap("the broker does not keep it any more", start=self._last + 1, end=state.first_seq - 1))
            self._last = state.first_seq - 1
        self._count = 0
        inbox = client.new_inbox()
        self._round += 1
        self._inbox = await broker.subscribe(inbox, partial(self._on_message, self._round))
        consumer = ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last + 1,
            ack_policy=AckPolicy.NONE,
            idle_heartbeat=_HEARTBEAT,
            inactive_threshold=_FORGOTTEN_AFTER,
            mem_storage=True,
        )
        await broker.permitted(manager.add_consumer(name, consumer), f"$JS.API.CONSUMER.CREATE.{name}", what=what)
        while not self._complete:
            await self._ask_state()
        early, self._early = self._early or [], None
        self.source.set_status(StreamStatus.LIVE)
        for message in early:
            self._receive(message)

    async def _ask_state(self) -> None:
        self._complete = True  # unless a gap comes while we ask
        ask = self._questions
        orders = [] if ask.open_orders is None else await ask.open_orders()
        balances = [] if ask.balances is None else await ask.balances()
        positions = [] if ask.positions is None else await ask.positions()
        events: list[UserEvent] = [*orders, *balances, *positions]
        events += self._state.vanished(balances, positions)
        if ask.order is not None and ask.open_orders is not None:
            for order in self._state.ended(orders):
                try:
                    events.append(await ask.order(order))
                except OrderNotFound:
                    continue
        for event in events:
            self._state.saw(event)
            self.source.deliver(event)

    async def _drop(self) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            await self._link.broker.unsubscribe(inbox)

    # --- messages

    async def _on_message(self, round_: int, message: Msg) -> None:
        if round_ != self._round:
            return  # of an inbox that was given up
        if self._early is not None:
            self._early.append(message)
        else:
            self._receive(message)

    def _receive(self, message: Msg) -> None:
        if message.headers and message.headers.get("Status") == "100":
            return  # the broker's own sign of life
        number = message.metadata.sequence
        if number.consumer != self._count + 1:
            self._lose(ExchangeConnectionError("events came too fast for us"))
            self._again.set()
            return
        self._count, self._last = number.consumer, number.stream
        note = wire.decode(wire.unpack(message.data), wire.Note)
        wire.check_version(note.version)
        if note.kind == StreamGap.__name__:
            self._gap(wire.as_gap(wire.decode(note.body, wire.Gap)))
            self._again.set()
            return
        event = wire.decode(note.body, EVENTS[note.kind])
        self._state.saw(event)
        self.source.publish(event)

    def _gap(self, gap: StreamGap) -> None:
        self.source.gap(gap)
        self._complete = False

    def _lose(self, error: ExchangeError) -> None:
        self._early = []
        if self.source.status is not StreamStatus.STARTING:
            self.source.set_status(StreamStatus.RECOVERING, error)
