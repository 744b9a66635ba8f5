"""The numbers that a venue gives the updates of its books. Where ccxt does not check them, it is done here, before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs


@attrs.frozen
class Numbered:
    """One update of the book ``topic``: its number, and that of the one that it follows.

    ``previous`` is None for a whole book, which follows nothing; ``last`` is None where the topic begins or ends.
    ``opens`` says that an update may be the first: what came before it is in an answer to a question.
    """

    topic: str
    last: int | None
    previous: int | None = None
    opens: bool = False


Numbers = Callable[[Mapping[str, Any]], Iterable[Numbered]]
"""The numbered updates in a frame."""


class LostUpdate(ValueError):
    """An update of a book does not follow the one before it."""


class Sequences:
    """Where each book of one socket is."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._last: dict[str, int] = {}
        self.now: int | None = None
        """The number in the frame that is being read, if it has one."""

    def follow(self, frame: object) -> None:
        """Raises LostUpdate where a frame leaves something out, and what a frame that is none of the venue's raises."""
        self.now = None
        if not isinstance(frame, dict):
            return
        for update in self._numbers(frame):
            known = self._last.get(update.topic)
            if update.last is None:
                self._last.pop(update.topic, None)
                continue
            if update.previous is not None and update.previous != known and not (known is None and update.opens):
                raise LostUpdate(
                    f"{update.topic}: the update {update.last} follows {update.previous}, and the last was {known}"
                )
            self._last[update.topic] = self.now = update.last


def okx(frame: Mapping[str, Any]) -> Iterable[Numbered]:
    """OKX, "Order book channel": ``prevSeqId`` is the ``seqId`` before, also of an update without levels."""
    told = frame.get("arg") or {}
    action = frame.get("action")
    if action not in ("snapshot", "update"):
        return
    topic = f"{told.get('channel')} {told.get('instId')}"
    for row in frame["data"]:
        yield Numbered(topic, int(row["seqId"]), None if action == "snapshot" else int(row["prevSeqId"]))


def bybit(frame: Mapping[str, Any]) -> Iterable[Numbered]:
    """Bybit, "Orderbook": ``u`` rises by one; a restart of the service begins with 1."""
    topic = frame.get("topic")
    if isinstance(topic, str) and topic.startswith("orderbook."):
        last = int(frame["data"]["u"])
        yield Numbered(topic, last, None if frame["type"] == "snapshot" else last - 1)


def htx(frame: Mapping[str, Any]) -> Iterable[Numbered]:
    """HTX, "Market By Price (incremental update)": ``prevSeqNum`` is the ``seqNum`` before; the whole book is asked
    for. "Subscribe Incremental Market Depth Data" of swaps: ``version`` rises by one after the whole book.
    """
    ended = frame.get("subbed") or frame.get("unsubbed")
    if ended is not None:
        yield Numbered(str(ended), None)
        return
    topic, tick = frame.get("ch"), frame.get("tick")
    if not isinstance(topic, str) or not isinstance(tick, dict):
        return
    if ".mbp." in topic and "prevSeqNum" in tick:
        yield Numbered(topic, int(tick["seqNum"]), int(tick["prevSeqNum"]), opens=True)
    elif topic.endswith(".high_freq") and "event" in tick:
        last = int(tick["version"])
        yield Numbered(topic, last, None if tick["event"] == "snapshot" else last - 1)


def gate(frame: Mapping[str, Any]) -> Iterable[Numbered]:
    """Gate, "Order Book V2 API" of spot: ``U`` is one above the ``u`` before, but for a whole book (``full``). Those of
    contracts ccxt checks.
    """
    if frame.get("channel") == "spot.obu" and frame.get("event") == "update":
        told = frame["result"]
        yield Numbered(str(told["s"]), int(told["u"]), None if told.get("full") is True else int(told["U"]) - 1)
