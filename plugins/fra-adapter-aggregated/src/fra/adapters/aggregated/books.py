"""The consolidated book: every member's levels side by side, each with its venue and its age."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

import attrs

from fra.adapters.aggregated.listings import Part
from fra.core import BookView, OrderBook, PriceLevel

if TYPE_CHECKING:
    from attrs import frozen as message
else:
    from attrs import define as message


class MemberLevel(PriceLevel):
    """A level of one member: it equals any level of its price and amount, and says whose it is.

    ``exchange`` is the member, ``received_ms`` when its book changed last, on our clock.
    """

    exchange: str
    received_ms: int

    def __new__(cls, price: Decimal, amount: Decimal, exchange: str, received_ms: int) -> MemberLevel:
        made = super().__new__(cls, price, amount)
        made.exchange, made.received_ms = exchange, received_ms
        return made

    def __repr__(self) -> str:
        return f"MemberLevel({self.price}, {self.amount}, {self.exchange!r}, received_ms={self.received_ms})"

    def __reduce__(self) -> tuple[object, ...]:
        return MemberLevel, (self.price, self.amount, self.exchange, self.received_ms)

    def age(self, now_ms: int) -> float:
        """Seconds since the member's book changed last, at ``now_ms`` of our clock."""
        return (now_ms - self.received_ms) / 1000


@attrs.frozen(kw_only=True)
class AggregatedBook(OrderBook):
    """A consolidated book. Its best bid may lie above its best ask: they are of two members.

    ``received_ms`` is that of its oldest part. ``members`` are those whose levels are in it, ``missing`` those whose
    are not, and why.
    """

    members: tuple[str, ...] = ()
    missing: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Source:
    """One member's part in a consolidated book."""

    part: Part
    book: OrderBook

    def levels(self, member: str, side: Sequence[PriceLevel]) -> list[MemberLevel]:
        part, received = self.part, self.book.received_ms
        return [MemberLevel(part.price(row.price), part.amount(row.amount), member, received) for row in side]


class Consolidated:
    """The levels of several books, best first; merged when they are read."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self._merge(lambda book: book.bids, depth, sign=-1)

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        return self._merge(lambda book: book.asks, depth, sign=1)

    def _merge(
        self, side: Callable[[OrderBook], Sequence[PriceLevel]], depth: int | None, *, sign: int
    ) -> tuple[PriceLevel, ...]:
        each = [source.levels(name, side(source.book)[:depth]) for name, source in self._sources.items()]
        merged = heapq.merge(*each, key=lambda level: level.price * sign)
        return tuple(islice(merged, depth))


@message
class AggregatedView(BookView):
    """The live consolidated book during a listener's call."""

    members: tuple[str, ...] = ()
    missing: Mapping[str, str] = attrs.field(factory=dict)

    def snapshot(self, depth: int | None = None) -> AggregatedBook:
        return AggregatedBook(
            symbol=self.symbol,
            bids=self.bids(depth),
            asks=self.asks(depth),
            received_ms=self.received_ms,
            timestamp_ms=self.timestamp_ms,
            valid=self.valid,
            members=self.members,
            missing=self.missing,
        )


def consolidated(
    name: str, sources: Mapping[str, Source], missing: Mapping[str, str], *, quorum: int, now_ms: int
) -> AggregatedView:
    """The book of these members; not valid, and without levels, when they are fewer than ``quorum``."""
    valid = len(sources) >= quorum
    times = [time for source in sources.values() if (time := source.book.timestamp_ms) is not None]
    return AggregatedView(
        symbol=name,
        levels=Consolidated(sources),
        received_ms=min((source.book.received_ms for source in sources.values()), default=now_ms),
        timestamp_ms=max(times, default=None),
        valid=valid,
        members=tuple(sources),
        missing=missing,
    )
