"""One subscription of a venue as it is wanted, across connections: who gets its messages, and what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

from fra.adapters.custom.channel import Channel
from fra.adapters.custom.stream import Publisher, Stream, StreamHandler
from fra.core import (
    ExchangeConnectionError,
    ExchangeError,
    StreamGap,
    StreamSource,
    StreamStatus,
    Symbol,
    check_sound,
)

if TYPE_CHECKING:
    from fra.adapters.custom.seam import Seam

Receiver = Callable[[bytes, int], None]
"""How a connection hands over a frame: ``receiver(frame, received_ms)``. A call, no queue."""


class Carrier(Protocol):
    """A connection, as a topic sees it."""

    def carry(self, key: bytes, receiver: Receiver) -> None:
        """Hand the frames of ``key`` to ``receiver`` from now on."""

    def drop(self, key: bytes) -> None:
        """Hand over no more frames of ``key``."""

    def renew(self, topic: Topic) -> None:
        """Unsubscribe and subscribe again."""

    def prove(self) -> None:
        """A good message has come."""

    def reply(self, text: str) -> None:
        """Send ``text``."""


class Owner(Protocol):
    """The stream client, as a topic sees it."""

    @property
    def exchange(self) -> str: ...
    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]: ...
    def report(self, error: ExchangeError, *, where: str) -> None: ...


class Entry:
    """One open stream on a topic."""

    __slots__ = ("begun", "channel", "decode", "gap", "handler", "identity", "last", "since", "source", "topic")

    def __init__(self, topic: Topic, channel: Channel[object], source: StreamSource[Any]) -> None:
        self.topic = topic
        self.channel = channel
        self.source = source
        self.decode = channel.decoder.decode
        self.handler: StreamHandler[Any] = _NO_HANDLER
        self.begun = False
        self.gap = False
        self.last: object = None
        self.identity: object = None
        self.since = monotonic()

    @property
    def order(self) -> int | None:
        """The number of the last message, where the channel has numbers."""
        order_of = self.channel.order_of
        return None if order_of is None or self.last is None else order_of(self.last)

    def begin(self) -> None:
        """A fresh subscription is there."""
        if not self.begun:
            self.begun = True
            self.handler.on_subscribed()
            self.source.confirm()

    def lose(self, error: ExchangeError) -> None:
        """The subscription is gone."""
        if self.begun:
            self.begun = False
            self.gap = self.channel.lossless
        self.handler.on_lost(error)  # before the status: a book's last word, that it is not valid, makes a source LIVE
        self.source.set_status(StreamStatus.RECOVERING, error)

    def receive(self, message: Any, received_ms: int) -> None:
        """The first message of a subscription: what was lost is said before anything new.

        The last message may come once more, from venues that begin with it or send it twice: that is nothing new.
        """
        identity_of = self.channel.identity
        if identity_of is not None:
            identity = identity_of(message)
            if identity == self.identity:
                self.begin()
                return
            self.identity = identity
        if self.gap:
            self.gap = False
            self._tell_gap(message)
        self.begin()
        self.last = message
        self.handler.on_message(message, received_ms)

    def receiver(self) -> Receiver:
        """The shortest way for any other message: a closure, because each attribute read costs for each message."""
        decode, handler, identity_of = self.decode, self.handler, self.channel.identity
        if isinstance(handler, Publisher):
            convert, publish = handler.convert, self.source.publish
            if identity_of is None:

                def publish_each(frame: bytes, received_ms: int) -> None:
                    self.last = message = decode(frame)
                    item = convert(message, received_ms)
                    check_sound(item)
                    publish(item)

                return publish_each

            def publish_once(frame: bytes, received_ms: int) -> None:
                message = decode(frame)
                identity = identity_of(message)
                if identity != self.identity:
                    self.identity = identity
                    self.last = message
                    item = convert(message, received_ms)
                    check_sound(item)
                    publish(item)

            return publish_once
        if identity_of is not None:
            on_news = handler.on_message

            def receive_once(frame: bytes, received_ms: int) -> None:
                message = decode(frame)
                identity = identity_of(message)
                if identity != self.identity:
                    self.identity = identity
                    self.last = message
                    on_news(message, received_ms)

            return receive_once
        on_message, numbered = handler.on_message, self.channel.order_of is not None

        def receive(frame: bytes, received_ms: int) -> None:
            message = decode(frame)
            if numbered:
                self.last = message
            on_message(message, received_ms)

        return receive

    def _tell_gap(self, message: object) -> None:
        last, order_of = self.order, self.channel.order_of
        first = order_of(message) if order_of is not None else None
        if last is not None and first == last + 1:
            return  # numbers are whole: nothing fits between
        if last is not None and first is not None and first <= last:
            first = None
        self.source.gap(
            StreamGap(
                f"messages of {self.topic.text} may be missing: the subscription was lost and made anew",
                start=last,
                end=first,
                exchange=self.topic.owner.exchange,
            )
        )

    # --- for the handler, through its Stream

    def resubscribe(self, error: ExchangeError) -> None:
        self.topic.renew(error)

    def send(self, text: str) -> None:
        self.topic.send(text)

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        return self.topic.owner.spawn(work, name=name)

    def report(self, error: ExchangeError) -> None:
        self.topic.owner.report(error, where=self.topic.text)


class Topic:
    """One text that is, or shall be, subscribed on one line."""

    def __init__(self, text: str, channel: Channel[object], *, owner: Owner, staleness: float | None) -> None:
        self.text = text
        self.key = text.encode()
        self.owner = owner
        self.staleness = staleness
        self.snapshot_first = channel.snapshot_first
        self.entries: list[Entry] = []
        self.carrier: Carrier | None = None
        self.since = monotonic()
        """When the present attempt to get data began."""
        self.renewed_at: float | None = None
        self.subscribed = False
        self.seam: Seam | None = None

    def add(
        self,
        channel: Channel[Any],
        source: StreamSource[Any],
        symbol: Symbol | None,
        make: Callable[[Stream[Any]], StreamHandler[Any]],
    ) -> Entry:
        """One more stream on this topic. Where the venue sends its state only once, the topic is renewed for it."""
        entry = Entry(self, channel, source)
        entry.handler = make(Stream(entry, source, symbol=symbol, topic=self.text))
        self.entries.append(entry)
        if self.subscribed:
            if self.snapshot_first:
                self.renew(ExchangeError("subscribed anew, for one more consumer", exchange=self.owner.exchange))
            else:
                asyncio.get_running_loop().call_soon(self._join, entry)
                self._install()
        return entry

    def _join(self, entry: Entry) -> None:
        if self.subscribed and entry in self.entries:
            entry.begin()

    def remove(self, entry: Entry) -> None:
        """One stream less; without any the topic is no longer wanted."""
        self.entries.remove(entry)
        if self.entries:
            self._install()
            return
        if self.seam is not None:
            self.seam.abandon()
        if self.carrier is not None:
            self.carrier.drop(self.key)

    # --- what happens to the subscription

    def expect(self, carrier: Carrier) -> None:
        """A subscription is being asked for on ``carrier``, which takes over when its first message comes."""
        self.carrier = carrier
        self.since = monotonic()
        carrier.carry(self.key, self.receive)

    def begin(self) -> None:
        """The venue took the subscription."""
        self.subscribed = True
        for entry in tuple(self.entries):
            entry.begin()

    def lose(self, error: ExchangeError) -> None:
        """The subscription is gone, whyever."""
        self.subscribed = False
        self.carrier = None
        self.seam = None
        self.renewed_at = None
        for entry in tuple(self.entries):
            entry.lose(error)

    def renew(self, error: ExchangeError) -> None:
        """Make the subscription anew on the same connection."""
        if self.seam is not None:
            self.seam.finish()
        carrier = self.carrier
        if carrier is None:
            return
        carrier.drop(self.key)
        carrier.renew(self)
        # Later, because handlers ask for this in the middle of a message.
        asyncio.get_running_loop().call_soon(self._lose_if_on, carrier, error)

    def _lose_if_on(self, carrier: Carrier, error: ExchangeError) -> None:
        if self.carrier is carrier:
            self.subscribed = False
            for entry in tuple(self.entries):
                entry.lose(error)

    def send(self, text: str) -> None:
        """Send ``text`` where this topic is subscribed. Raises ExchangeConnectionError when that is nowhere."""
        if self.carrier is None or not self.subscribed:
            raise ExchangeConnectionError(
                f"{self.text} is on no connection now, so nothing can be asked there", exchange=self.owner.exchange
            )
        self.carrier.reply(text)

    def fail(self, error: ExchangeError) -> None:
        """The venue will never serve it."""
        self.carrier = None
        for entry in tuple(self.entries):
            entry.source.fail(error)

    # --- staleness

    @property
    def last_data(self) -> float:
        """When the stream that waits longest had data, on the monotonic clock; when it began to wait before that."""
        return min((entry.source.last_data or entry.since for entry in self.entries), default=monotonic())

    def age(self, now: float) -> float:
        """Seconds without data since there could be any."""
        return now - max(self.last_data, self.since)

    def stale(self, error: ExchangeError) -> None:
        """Say that there is no data."""
        for entry in self.entries:
            entry.source.set_status(StreamStatus.STALE, error)

    def tell(self, error: ExchangeError) -> None:
        """There is no data, and this is why."""
        for entry in self.entries:
            entry.source.set_status(StreamStatus.RECOVERING, error)

    # --- receivers

    def receive(self, frame: bytes, received_ms: int) -> None:
        """Any message, the first of a subscription too."""
        self.subscribed = True
        for entry in tuple(self.entries):
            entry.receive(entry.decode(frame), received_ms)
        if self.carrier is not None:
            self.carrier.prove()
        self._install()

    def stay(self) -> None:
        """Receive from the present connection as before."""
        self._install()

    def _install(self) -> None:
        if self.carrier is not None and self.subscribed and self.seam is None:
            self.carrier.carry(self.key, self.receiver())

    def receiver(self) -> Receiver:
        """The shortest way for the next message."""
        if any(entry.gap or not entry.begun for entry in self.entries):
            return self.receive
        return self.entries[0].receiver() if len(self.entries) == 1 else self._fan_out

    def _fan_out(self, frame: bytes, received_ms: int) -> None:
        for entry in tuple(self.entries):
            entry.receive(entry.decode(frame), received_ms)


class _NoHandler:
    """Until the real handler has been made, nothing can come."""

    def on_message(self, message: object, received_ms: int) -> None: ...
    def on_subscribed(self) -> None: ...
    def on_lost(self, error: ExchangeError) -> None: ...


_NO_HANDLER: Final = _NoHandler()
