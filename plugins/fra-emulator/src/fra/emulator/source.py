"""The seam between a venue's front-end (sockets, limits, errors) and where its data comes from: the generated
market or a recording.

A front-end checks a request, charges its weight and applies the test switches; the source then only says what the
venue would say, in the
venue's own JSON. What a source pushes is one event's JSON without the transport's envelope: on Binance the raw
event (the front-end wraps it
for combined connections), on OKX the whole frame with `arg`, since the venue has no other form.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs

from fra.emulator.exchange import VenueExchange

Push = Callable[[str], None]


@attrs.frozen
class StreamKey:
    """One upstream: the venue's market name (`spot`, `usdm`, `swap`, …), its channel, and its symbol as the venue
    writes it in REST.

    Binance `btcusdt@depth@100ms` is channel `depth@100ms`, symbol `BTCUSDT`; `!ticker@arr` has an empty symbol.
    OKX `books` of
    `BTC-USDT-SWAP` is channel `books`, symbol `BTC-USDT-SWAP`.
    """

    market: str
    channel: str
    symbol: str


@attrs.frozen
class TrueBook:
    """A book as the venue itself has it: `(price, size)` in the venue's own text, best first."""

    symbol: str
    update_id: int
    time_ms: int
    bids: Sequence[tuple[str, str]]
    asks: Sequence[tuple[str, str]]


class NoData(LookupError):
    """The source has nothing for a well-formed request: the front-end answers as for an unknown symbol or path."""


class SourceStream(Protocol):
    """An open upstream; its events go to the `push` it was opened with, from the event loop's thread."""

    def initial(self) -> Sequence[str]:
        """What a new subscriber gets right after its ack (a snapshot, the current state), or nothing."""

    def close(self) -> None:
        """Stop pushing; idempotent."""


class Source(Protocol):
    """Where a venue's data comes from."""

    @property
    def exchange(self) -> VenueExchange | None:
        """Where accounts trade against this data; None for a recording, which nobody can trade against."""

    def knows(self, market: str, symbol: str) -> bool:
        """Whether the market lists the symbol."""

    def answer(self, market: str, endpoint: str, params: Mapping[str, str]) -> bytes:
        """The venue's JSON body for a well-formed GET; `endpoint` is the path's tail (`depth`, `market/books`).
        Raises NoData."""

    def open(self, key: StreamKey, push: Push) -> SourceStream | None:
        """Open an upstream, or None if the venue has no such channel or symbol."""

    def book(self, market: str, symbol: str, update_id: int | None = None) -> TrueBook:
        """The true book now, or right after `update_id`. Raises NoData if it is not remembered."""

    def renumber(self, market: str, symbol: str, update_id: int) -> None:
        """Let the book's ids go on from `update_id`, as after maintenance. Raises NoData if the source cannot."""

    def freeze(self, market: str, symbol: str, *, frozen: bool) -> None:
        """Stop or restart one symbol's book and trades, so that it looks quiet. Raises NoData if the source cannot."""

    def stale(self, market: str, symbol: str, *, count: int, steps: int) -> None:
        """Answer the next `count` REST books of the symbol as they were `steps` steps ago. Raises NoData if the
        source cannot."""

    async def start(self) -> None:
        """Begin to move; called once, before the venue listens."""

    async def stop(self) -> None:
        """Stop moving; idempotent."""
