"""How one venue talks over WebSocket: what the stream client asks instead of knowing any venue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

import attrs

from fra.adapters.custom.heartbeat import Heartbeat
from fra.core import RateLimit


@attrs.frozen
class Ack:
    """The venue took a request: by the id that it carried, or by topic, as the venue answers."""

    request_id: int | None = None
    topics: tuple[str, ...] = ()


@attrs.frozen
class Refused:
    """The venue refused a request. Without ``topics`` the client finds out which one it was by asking one by one."""

    code: str
    message: str
    request_id: int | None = None
    topics: tuple[str, ...] = ()


@attrs.frozen
class Notice:
    """The venue tells something about the connection; ``rotate``: it is going to be closed, move now."""

    reason: str
    rotate: bool = False


Control = Ack | Refused | Notice


@attrs.frozen
class Peek:
    """Where the topic stands in an ordinary frame: right after ``begins``, up to the first ``ends`` in the frame.

    ``keep_end``: the topic's text has ``ends`` as its last part. It is only a guess, which saves time for each
    message: a frame in which no subscribed topic stands there goes to :meth:`Dialect.route`.
    """

    begins: bytes
    ends: bytes
    keep_end: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.ends or self.ends in self.begins:
            raise ValueError(f"the first {self.ends!r} of a frame cannot be the end of its topic after {self.begins!r}")


class Dialect(ABC):
    """One venue's habits on one connection; a new one is made for each connection, so it may keep its state.

    The attributes may be set on the class or on the instance. Limits come from the venue's documents, named there.
    """

    heartbeat: Heartbeat = Heartbeat()
    batch: int = 100
    """How many topics one (un)subscribe message may name."""
    topics_per_connection: int = 200
    message_limits: tuple[RateLimit, ...] = ()
    """What we may send on one connection; each message costs one unit of every scope."""
    connect_cost: Mapping[str, int] = {}
    """What opening a connection costs the venue's budgets (scopes of the plugin's ``limits``)."""
    lifetime: float | None = None
    """Seconds after which the venue ends a connection; it is replaced before."""
    silence: float = 60.0
    """Seconds without any frame (pings count) after which a connection is given up."""
    peek: Peek | None = None
    """The short way to the topic of a frame, for venues whose frames always begin the same way."""
    gzip: bool = False
    """Frames are gzip-compressed."""

    @abstractmethod
    def route(self, frame: bytes) -> bytes | None:
        """The topic (encoded) of a data frame, None for anything else. This is the hot path: peek, do not parse.

        It must not be fooled by another order of keys: look, and decode an envelope where the look fails.
        """

    @abstractmethod
    def subscribe(self, topics: Sequence[str], request_id: int) -> str | None:
        """The message that subscribes to ``topics``; None where the connection's address has done so already."""

    @abstractmethod
    def unsubscribe(self, topics: Sequence[str], request_id: int) -> str | None:
        """The message that unsubscribes from ``topics``; None where only closing the connection does."""

    @abstractmethod
    def control(self, frame: bytes) -> Control | None:
        """What a frame that is no data means. None, or a decode error, is garbage: the connection is replaced."""

    def login(self, request_id: int) -> str | None:
        """The message that logs in, acknowledged by :class:`Ack` with this id, before anything is subscribed."""
        return None

    async def address(self, url: str) -> str:
        """The URL to open, for venues where it carries a token. Called for every new connection."""
        return url

    @final
    def notice_silence(self, seconds: float) -> None:
        """Give a connection up after so many seconds without a frame; where it is us who ping, do so within half."""
        self.silence = seconds
        heartbeat = self.heartbeat
        if heartbeat.interval is not None:
            interval, timeout = min(heartbeat.interval, seconds / 2), min(heartbeat.timeout, seconds / 2)
            self.heartbeat = attrs.evolve(heartbeat, interval=interval, timeout=timeout)

    async def keep(self) -> None:  # noqa: B027 - most venues want nothing
        """What must be done as long as the connection is open (a token that wants to be extended); ends with it.

        An ExchangeError loses the connection, which is then made anew.
        """
