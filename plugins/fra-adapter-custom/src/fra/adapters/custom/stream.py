"""What a channel's handler is, and what it may ask of the stream client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Generic, Protocol, TypeVar

from fra.core import ExchangeError, StreamSource, Symbol, check_sound

M_contra = TypeVar("M_contra", contravariant=True)
M = TypeVar("M")
T = TypeVar("T")


class StreamHandler(Protocol[M_contra]):
    """What turns the messages of one topic into items. All calls are synchronous, on the event loop.

    The order is: ``on_subscribed``, any number of ``on_message``, ``on_lost``, and again. A handler that raises has
    met a message that it cannot understand: the connection is replaced and the error reported.
    """

    def on_message(self, message: M_contra, received_ms: int) -> None:
        """A decoded message. It may repeat an earlier one around a planned change of connection."""

    def on_subscribed(self) -> None:
        """A fresh subscription: what comes now does not continue what came before."""

    def on_lost(self, error: ExchangeError) -> None:
        """The subscription has ended without our will; it is being made anew."""


class Stream(Generic[T]):
    """One open stream as its handler sees it.

    ``source`` is what the host listens to; the handler publishes there.
    """

    __slots__ = ("_owner", "source", "symbol", "topic")

    def __init__(self, owner: StreamOwner, source: StreamSource[T], *, symbol: Symbol | None, topic: str) -> None:
        self._owner = owner
        self.source = source
        self.symbol = symbol
        self.topic = topic

    def resubscribe(self, error: ExchangeError) -> None:
        """Drop this topic's subscription and make it anew; ``on_lost`` and ``on_subscribed`` follow.

        For a book whose snapshot comes with the channel and that has lost its place.
        """
        self._owner.resubscribe(error)

    def send(self, text: str) -> None:
        """Send ``text`` on the connection that carries this topic, for venues whose whole book is asked for there.

        What comes back must be data of this topic for the dialect's ``route``, and arrives as any message does. Raises
        ExchangeConnectionError when no connection carries it now.
        """
        self._owner.send(text)

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]:
        """Run ``work`` in a task that ends with the plugin; the result cancels it.

        For a book whose snapshot comes by REST. What it raises is reported as an error event.
        """
        return self._owner.spawn(work, name=name)

    def report(self, error: ExchangeError) -> None:
        """Tell of an error that nobody awaits."""
        self._owner.report(error)


class StreamOwner(Protocol):
    """What a Stream needs of whoever made it."""

    def resubscribe(self, error: ExchangeError) -> None: ...
    def send(self, text: str) -> None: ...
    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Callable[[], None]: ...
    def report(self, error: ExchangeError) -> None: ...


def publishing(convert: Callable[[M, int], T]) -> Callable[[Stream[T]], StreamHandler[M]]:
    """A handler that publishes ``convert(message, received_ms)`` for each message, if that is sound."""

    def make(stream: Stream[T]) -> StreamHandler[M]:
        return Publisher(stream.source, convert)

    return make


def publishing_each(convert: Callable[[M, int], Iterable[T]]) -> Callable[[Stream[T]], StreamHandler[M]]:
    """A handler that publishes every item of ``convert(message, received_ms)`` that is sound, in order."""

    def make(stream: Stream[T]) -> StreamHandler[M]:
        return _EachPublisher(stream.source, convert)

    return make


class Publisher(Generic[M, T]):
    """Publishes what ``convert`` makes of a message. Topics know it, and do so themselves: a call less per message."""

    __slots__ = ("_publish", "convert")

    def __init__(self, source: StreamSource[T], convert: Callable[[M, int], T]) -> None:
        self._publish = source.publish
        self.convert = convert

    def on_message(self, message: M, received_ms: int) -> None:
        item = self.convert(message, received_ms)
        check_sound(item)
        self._publish(item)

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        pass


class _EachPublisher(Generic[M, T]):
    __slots__ = ("_convert", "_publish")

    def __init__(self, source: StreamSource[T], convert: Callable[[M, int], Iterable[T]]) -> None:
        self._publish = source.publish
        self._convert = convert

    def on_message(self, message: M, received_ms: int) -> None:
        for item in self._convert(message, received_ms):
            check_sound(item)
            self._publish(item)

    def on_subscribed(self) -> None:
        pass

    def on_lost(self, error: ExchangeError) -> None:
        pass
