"""Order books: the immutable OrderBook that iterators get, and the live BookView that listeners get."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol, final, overload

import attrs

from fra.core.contract import values

if TYPE_CHECKING:
    from attrs import frozen as message
else:
    from attrs import define as message


class PriceLevel(NamedTuple):
    """A price in quote coin and the amount there, in base coin (quote coin for inverse)."""

    price: Decimal
    amount: Decimal


@final
class LazyLevels(Sequence[PriceLevel]):
    """Levels whose Decimals are made when they are read, from rows as the venue sent them.

    ``make`` turns one raw row into a PriceLevel. Immutable; reading the same level twice gives equal levels.
    """

    __slots__ = ("_made", "_make", "_rows")

    def __init__(
        self, rows: Sequence[tuple[object, object]], make: Callable[[tuple[object, object]], PriceLevel]
    ) -> None:
        self._rows = rows
        self._make = make
        self._made: tuple[PriceLevel, ...] | None = None

    def _all(self) -> tuple[PriceLevel, ...]:
        if self._made is None:
            self._made = tuple(map(self._make, self._rows))
        return self._made

    @overload
    def __getitem__(self, index: int) -> PriceLevel: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[PriceLevel]: ...
    def __getitem__(self, index: int | slice) -> PriceLevel | Sequence[PriceLevel]:
        if isinstance(index, slice):
            return self._all()[index]
        return self._make(self._rows[index]) if self._made is None else self._made[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[PriceLevel]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(list(self._all()))

    def __reduce__(self) -> tuple[object, ...]:
        return tuple, (self._all(),)


def _levels(instance: OrderBook, field: attrs.Attribute[Sequence[PriceLevel]], value: object) -> None:
    if isinstance(value, LazyLevels):
        return
    if not isinstance(value, Sequence):
        raise TypeError(f"OrderBook.{field.name} must be a sequence of PriceLevel, not {type(value).__name__}")
    for level in value:
        if not (isinstance(level, PriceLevel) and type(level.price) is Decimal and type(level.amount) is Decimal):
            raise TypeError(f"OrderBook.{field.name} must hold PriceLevel(Decimal, Decimal), not {level!r}")


@attrs.frozen(kw_only=True)
class OrderBook:
    """An immutable book, best level first on both sides.

    ``valid`` is False when the stream behind it has lost its place; such a book has no levels. ``sequence`` is the
    venue's own update id where it has one.
    """

    symbol: str = attrs.field(validator=values.text)
    bids: Sequence[PriceLevel] = attrs.field(validator=_levels)
    asks: Sequence[PriceLevel] = attrs.field(validator=_levels)
    received_ms: int = attrs.field(validator=values.timestamp)
    timestamp_ms: int | None = attrs.field(default=None, validator=values.timestamp_or_none)
    sequence: int | None = None
    valid: bool = True

    @property
    def timestamp(self) -> datetime | None:
        return None if self.timestamp_ms is None else values.as_datetime(self.timestamp_ms)

    @property
    def best_bid(self) -> PriceLevel | None:
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> PriceLevel | None:
        return self.asks[0] if self.asks else None

    @property
    def mid(self) -> Decimal | None:
        """Halfway between the best prices, None when a side is empty."""
        return (self.bids[0].price + self.asks[0].price) / 2 if self.bids and self.asks else None

    def age(self, now_ms: int) -> float:
        """Seconds since the last update was received, at ``now_ms`` of our clock."""
        return (now_ms - self.received_ms) / 1000


class BookLevels(Protocol):
    """A live book as an adapter keeps it. Both methods give best level first and cut at ``depth`` (None: all).

    What they return stays as it was when the book moves on.
    """

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]: ...
    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]: ...


@message
class BookView:
    """The live book during a listener's call: look, do not keep. :meth:`snapshot` cuts what may be kept.

    ``valid`` is False when the book has lost its place: then it shows no levels.
    """

    symbol: str
    levels: BookLevels
    received_ms: int
    timestamp_ms: int | None = None
    sequence: int | None = None
    valid: bool = True

    def bids(self, depth: int | None = None) -> Sequence[PriceLevel]:
        """Bids, best first, at most ``depth`` of them."""
        return self.levels.bids(depth) if self.valid else ()

    def asks(self, depth: int | None = None) -> Sequence[PriceLevel]:
        """Asks, best first, at most ``depth`` of them."""
        return self.levels.asks(depth) if self.valid else ()

    @property
    def best_bid(self) -> PriceLevel | None:
        levels = self.bids(1)
        return levels[0] if levels else None

    @property
    def best_ask(self) -> PriceLevel | None:
        levels = self.asks(1)
        return levels[0] if levels else None

    def snapshot(self, depth: int | None = None) -> OrderBook:
        """An immutable copy, at most ``depth`` levels a side."""
        return OrderBook(
            symbol=self.symbol,
            bids=self.bids(depth),
            asks=self.asks(depth),
            received_ms=self.received_ms,
            timestamp_ms=self.timestamp_ms,
            sequence=self.sequence,
            valid=self.valid,
        )
