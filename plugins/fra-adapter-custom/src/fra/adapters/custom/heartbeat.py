"""Who pings whom, and how: one small strategy per habit of the venues."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import attrs


@attrs.frozen
class Heartbeat:
    """The server pings with control frames, which the transport answers: nothing to do here.

    Base of the others. ``interval`` is after how many seconds without a frame we ping (None: never), and ``timeout``
    within how many seconds after that anything must come. ``regular``: we ping each ``interval``, also while frames
    come, for venues that want to hear from us.
    """

    interval: float | None = None
    timeout: float = 10.0
    regular: bool = attrs.field(default=False, kw_only=True)
    control: ClassVar[bool] = False
    """Whether we ping with a control frame, instead of a text."""

    def ping(self) -> str | None:
        """The text to send after ``interval`` seconds of silence."""
        return None

    def answer(self, frame: bytes) -> str | bool:
        """For a frame that is no data: True when it was part of the heartbeat, a text to send back, else False."""
        return False


@attrs.frozen
class ControlPing(Heartbeat):
    """We ping with a control frame, which every server must answer with a pong (RFC 6455, 5.5.2).

    For connections that may rightly be quiet for long, where the server's own pings come seldom.
    """

    interval: float | None = 15.0
    control: ClassVar[bool] = True


@attrs.frozen
class TextPing(Heartbeat):
    """We send one text and the server answers another (OKX: ``ping``, ``pong``)."""

    interval: float | None = 20.0
    send: str = "ping"
    expect: bytes = b"pong"

    def ping(self) -> str | None:
        return self.send

    def answer(self, frame: bytes) -> str | bool:
        return frame == self.expect


@attrs.frozen
class JsonPing(Heartbeat):
    """We send a JSON message (Bybit: ``{"op":"ping"}``); ``is_pong`` knows the answer."""

    interval: float | None = 20.0
    make: Callable[[], str] = '{"op":"ping"}'.__str__
    is_pong: Callable[[bytes], bool] = lambda frame: b'"pong"' in frame

    def ping(self) -> str | None:
        return self.make()

    def answer(self, frame: bytes) -> str | bool:
        return self.is_pong(frame)


@attrs.frozen
class ServerPing(Heartbeat):
    """The server sends a message of its own and waits for an answer (HTX: ``{"ping":n}``); ``reply`` makes it.

    ``reply`` gives None for a frame that is no ping.
    """

    reply: Callable[[bytes], str | None] = lambda frame: None

    def answer(self, frame: bytes) -> str | bool:
        return self.reply(frame) or False
