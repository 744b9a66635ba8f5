"""One WebSocket channel of a venue as a row of data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Generic, TypeVar

import attrs
import msgspec

from fra.adapters.custom.endpoint import Params, Serves
from fra.core import MarketKind, Symbol

M_co = TypeVar("M_co", covariant=True)
M = TypeVar("M")

TopicOf = Callable[[Symbol | None, Params], str]


@attrs.frozen(slots=False)
class Channel(Generic[M_co]):
    """One kind of stream: whole frames of its topics are decoded straight into ``message``.

    ``serves``, ``kinds`` and ``market`` are as in :class:`Endpoint`. ``url`` is the key of the base URL ("ws",
    "ws_business", …) and ``path`` what is added to it ("/public/stream"). ``topic`` is a template over the symbol and
    the parameters (``"{symbol.venue_id}@kline_{interval}"``) or a function of both; it must give exactly the text that
    the dialect's ``route`` finds in a frame. ``lossless`` channels tell of a gap after every loss of the connection.
    ``staleness`` is how many seconds without data make a stream STALE (None: quiet is normal, only the connection is
    watched). ``snapshot_first`` channels send their state only at subscribing, so that one more consumer of the same
    topic needs a new subscription. ``order_of`` reads a number that only rises from message to message (a trade id):
    it closes the seam when connections are rotated, and names the ends of a gap. By it a message that comes twice is
    known, unless messages may share a number: then ``identity_of`` reads what no two of them share. ``strict=False``
    lets numbers be read out of JSON strings, as book rows are.
    """

    topic: str | TopicOf
    message: type[M_co]
    market: str = attrs.field(kw_only=True)
    serves: Serves = attrs.field(kw_only=True, default=None)
    kinds: tuple[MarketKind, ...] = attrs.field(kw_only=True, default=())
    url: str = attrs.field(kw_only=True, default="ws")
    path: str = attrs.field(kw_only=True, default="")
    lossless: bool = attrs.field(kw_only=True, default=False)
    staleness: float | None = attrs.field(kw_only=True, default=None)
    order_of: Callable[[M_co], int] | None = attrs.field(kw_only=True, default=None)
    identity_of: Callable[[M_co], object] | None = attrs.field(kw_only=True, default=None)
    snapshot_first: bool = attrs.field(kw_only=True, default=False)
    private: bool = attrs.field(kw_only=True, default=False)
    strict: bool = attrs.field(kw_only=True, default=True)

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[M_co]:
        """Made on first use."""
        return msgspec.json.Decoder(self.message, strict=self.strict)

    @cached_property
    def identity(self) -> Callable[[M_co], object] | None:
        """What tells a message of a lossless channel from the one before; None where nothing does."""
        return (self.identity_of or self.order_of) if self.lossless else None

    def topic_for(self, symbol: Symbol | None, params: Params) -> str:
        """The venue's text for this symbol and these parameters."""
        if callable(self.topic):
            return self.topic(symbol, params)
        return self.topic.format(symbol=symbol, **params)


def channel_for(rows: Iterable[Channel[M]], symbol: Symbol) -> Channel[M]:
    """The row that serves ``symbol``: of its market where the symbol names one, else of its kind."""
    for row in rows:
        if symbol.kind in row.kinds and symbol.market in ("", row.market):
            return row
    raise LookupError(f"no channel row for {symbol.name} ({symbol.kind.value}, market {symbol.market!r})")
