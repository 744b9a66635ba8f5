"""The place where a topic moves from one connection to the next."""

from __future__ import annotations

from time import monotonic
from typing import Final

from fra.adapters.custom.topic import Carrier, Topic

_SEAM_SECONDS: Final = 5.0


class Seam:
    """Where a topic moves from one live connection to the next: nothing lost and nothing twice, where it has numbers.

    Messages with numbers (``order_of``) come from the old connection until the new one has shown one that is known
    already, or the old one has caught up with what the new one showed first. Without numbers the first message of
    the new connection decides, and a lossless stream is told of a gap that nobody can exclude.
    """

    def __init__(self, topic: Topic, old: Carrier, new: Carrier) -> None:
        self._topic = topic
        self._old = old
        self._new = new
        self._held: list[tuple[bytes, int]] = []
        self._ordered = topic.subscribed and len(topic.entries) == 1 and topic.entries[0].channel.order_of is not None
        self._until = 0.0
        topic.seam = self
        new.carry(topic.key, self._on_new)
        if self._ordered:
            old.carry(topic.key, self._on_old)

    def _number(self, frame: bytes) -> int:
        entry = self._topic.entries[0]
        assert entry.channel.order_of is not None
        return entry.channel.order_of(entry.decode(frame))

    def _on_new(self, frame: bytes, received_ms: int) -> None:
        self._held.append((frame, received_ms))
        if not self._ordered or not self._topic.entries:
            self.finish()
            return
        last = self._topic.entries[0].order
        if last is None or self._number(self._held[0][0]) <= last + 1:
            self.finish()

    def _on_old(self, frame: bytes, received_ms: int) -> None:
        entry = self._topic.entries[0]
        entry.receive(entry.decode(frame), received_ms)
        last = entry.order
        if self._held and last is not None and self._number(self._held[0][0]) <= last + 1:
            self.finish()

    def finish(self) -> None:
        """From now on the new connection counts, whether the seam is closed or not."""
        topic = self._topic
        if topic.seam is not self:
            return
        topic.seam = None
        topic.carrier = self._new
        self._old.drop(topic.key)
        held, self._held = self._held, []
        if not topic.entries:
            self._new.drop(topic.key)
            return
        if not self._ordered:
            for entry in topic.entries:
                entry.gap = entry.gap or (entry.begun and entry.channel.lossless)
            self._new.carry(topic.key, topic.receiver())
            for frame, received_ms in held:
                topic.receive(frame, received_ms)
            return
        self._until = monotonic() + _SEAM_SECONDS
        self._new.carry(topic.key, self._beyond)
        for frame, received_ms in held:
            self._beyond(frame, received_ms)

    def cancel(self) -> None:
        """The new connection is gone; all stays with the old one."""
        if self._topic.seam is self:
            self._topic.seam = None
            self._topic.stay()

    def abandon(self) -> None:
        """Nobody wants the topic any more."""
        self._topic.seam = None
        self._new.drop(self._topic.key)

    def _beyond(self, frame: bytes, received_ms: int) -> None:
        """Leave out what the old connection has delivered; not for ever, since a venue may begin its numbers anew."""
        last = self._topic.entries[0].order
        if last is None or self._number(frame) > last or monotonic() > self._until:
            self._topic.receive(frame, received_ms)
