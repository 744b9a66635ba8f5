"""What is asked on a socket, and what answers it: a venue may answer pings and never serve what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Names = Callable[[Mapping[str, Any]], Iterable[str]]
"""The names of what a message asks, or of what a frame answers: the same for both."""

_ALL: Final = "*"
"""Answers everything: it is not said what."""
_BEATS: Final = frozenset({"ping", "pong"})


def is_beat(message: object) -> bool:
    """Whether a message only keeps a connection alive."""
    if isinstance(message, Mapping):
        return bool(_BEATS & {*message, message.get("op"), message.get("action"), message.get("method")})
    return message in _BEATS


def binance(message: Mapping[str, Any]) -> Iterable[str]:
    """Binance, "Live Subscribing/Unsubscribing to streams": ``id`` comes back."""
    yield from _given(message, "id")


def bybit(message: Mapping[str, Any]) -> Iterable[str]:
    """Bybit, "Connect": ``req_id`` comes back; ccxt logs in without one."""
    if message.get("op") == "auth":
        yield "auth"
    else:
        yield from _given(message, "req_id")


def htx(message: Mapping[str, Any]) -> Iterable[str]:
    """HTX: ``id`` comes back, on contracts' accounts ``cid``, and on the spot account's socket the channel."""
    if message.get("op") == "auth":
        yield "auth"
    elif message.get("action") in ("sub", "unsub", "req"):
        yield f"{message['action']} {message.get('ch')}"
    else:
        yield from _given(message, "id", "cid")


def okx(message: Mapping[str, Any]) -> Iterable[str]:
    """OKX, "Subscribe": each argument is answered by itself; an error names none."""
    what = message.get("op") or message.get("event")
    if what == "login":
        yield what
    elif what == "error":
        yield _ALL
    elif what in ("subscribe", "unsubscribe"):
        for told in message.get("args") or (message.get("arg") or {},):
            yield f"{what} {told.get('channel')} {told.get('instId')}"


def _given(message: Mapping[str, Any], *names: str) -> Iterable[str]:
    return (str(message[name]) for name in names if message.get(name) is not None)


NAMES: Final[Mapping[str, Names]] = {"binance": binance, "bybit": bybit, "htx": htx, "okx": okx}
"""By ccxt's name of the exchange. Of others it is not known what answers what."""


class Unanswered(ValueError):
    """Something was asked on a socket, and in all the time there was no answer."""


class Questions:
    """What was asked on one socket and is not answered yet. ``late`` is told of the first without one in time."""

    def __init__(
        self, names: Names, wait: Callable[[Callable[[], None]], Any], late: Callable[[Unanswered], None]
    ) -> None:
        """``wait`` calls when the time for an answer is over, unless what it gave is cancelled."""
        self._names = names
        self._wait = wait
        self._late = late
        self._open: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, message: object) -> None:
        if isinstance(message, Mapping):
            for name in self._names(message):
                self._drop(name)
                self._open[name] = self._wait(lambda name=name: self._over(name))  # type: ignore[misc]

    def hear(self, frame: object) -> None:
        if self._open and isinstance(frame, Mapping):
            for name in self._names(frame):
                if name == _ALL:
                    self.close()
                self._drop(name)

    def close(self) -> None:
        """No answer is waited for any more."""
        for name in tuple(self._open):
            self._drop(name)

    def _drop(self, name: str) -> None:
        if (timer := self._open.pop(name, None)) is not None:
            timer.cancel()

    def _over(self, name: str) -> None:
        self._late(Unanswered(f"there was no answer to {name!r}"))
