"""The test switches of one venue: what to lose, to delay, to forge."""

import asyncio
import enum
import time
from collections import deque
from collections.abc import Iterator, Mapping

import attrs


class BookFault(enum.Enum):
    """What happens to one book delta on its way out."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    SWAP = "swap"


@attrs.define(eq=False)
class PendingFault:
    """A book fault that waits for its delta; `applied` is set once it has happened."""

    kind: BookFault
    applied: asyncio.Event = attrs.field(factory=asyncio.Event)


@attrs.define(eq=False)
class CannedAnswer:
    """A forged REST answer, for a number of requests or a time, for all paths or those that contain `path`."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    content_type: str
    path: str
    left: int | None
    until: float | None

    def applies(self, path: str) -> bool:
        return self.path in path and not self.spent

    @property
    def spent(self) -> bool:
        return (self.left is not None and self.left <= 0) or (self.until is not None and time.monotonic() >= self.until)


@attrs.define(eq=False)
class Faults:
    """All switches of a venue in their present positions."""

    refuse_sockets: bool = False
    refuse_requests: bool = False
    delay_s: float = 0.0
    """Wait before every REST answer."""
    greeting: str | bytes | None = None
    """The first frame of every new connection."""
    deaf: bool = False
    """Frames from clients are read and ignored: no acks either."""
    silent: set[str] = attrs.field(factory=set)
    """Markets whose sockets stay open without a push; `*` is all of them."""
    paused_channels: set[str] = attrs.field(factory=set)
    """Prefixes of channels that do not push."""
    answers: list[CannedAnswer] = attrs.field(factory=list)
    _books: dict[tuple[str, str], deque[PendingFault]] = attrs.field(factory=dict)
    _held: dict[tuple[str, str], list[tuple[object, str, PendingFault]]] = attrs.field(factory=dict)

    def is_silent(self, market: str, channel: str) -> bool:
        """Whether a push on this channel is to be lost."""
        if self.silent and (market in self.silent or "*" in self.silent):
            return True
        return any(channel.startswith(p) for p in self.paused_channels)

    def add_book_fault(self, market: str, symbol: str, kind: BookFault) -> PendingFault:
        fault = PendingFault(kind)
        self._books.setdefault((market, symbol), deque()).append(fault)
        return fault

    def book_frames(self, stream: object, market: str, symbol: str, payload: str) -> Iterator[str]:
        """The deltas to send in place of `payload`; a swapped one waits for the next of the same stream."""
        key = (market, symbol)
        held = self._held.get(key, [])
        mine = next((h for h in held if h[0] is stream), None)
        if mine is not None:
            held.remove(mine)
            yield payload
            yield mine[1]
            mine[2].applied.set()
            return
        waiting = self._books.get(key)
        if not waiting:
            yield payload
            return
        fault = waiting.popleft()
        if fault.kind is BookFault.SWAP:
            self._held.setdefault(key, []).append((stream, payload, fault))
            return
        if fault.kind is BookFault.DUPLICATE:
            yield payload
            yield payload
        fault.applied.set()

    def answer_for(self, path: str) -> CannedAnswer | None:
        """The forged answer due for `path`, counted down; None if the venue answers itself."""
        self.answers = [a for a in self.answers if not a.spent]
        for answer in self.answers:
            if answer.applies(path):
                if answer.left is not None:
                    answer.left -= 1
                return answer
        return None
