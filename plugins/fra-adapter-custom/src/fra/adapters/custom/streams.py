"""The WebSocket client: open a channel, and it stays open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fra.adapters.custom.channel import Channel
from fra.adapters.custom.endpoint import Params
from fra.adapters.custom.stream import Stream, StreamHandler
from fra.core import StreamSource, Symbol

M = TypeVar("M")
T = TypeVar("T")


class StreamClient:
    """All WebSocket streams of one configured instance."""

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
        ``publishing(convert)``. ``params`` go into the topic.
        """
        raise NotImplementedError
