"""One series of a download, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import attrs

from fra.history.rows import Row


@attrs.frozen
class Series:
    """What one exchange says of one symbol; ``interval`` is that of klines."""

    exchange: str
    symbol: str
    interval: str | None = None

    @property
    def name(self) -> str:
        """Its name within the exchange."""
        return f"{self.symbol} {self.interval}" if self.interval else self.symbol

    def __str__(self) -> str:
        return f"{self.exchange} {self.name}"


@attrs.frozen
class Progress:
    """How far a series has come: its rows cover [``since_ms``, ``proven_ms``) without a hole.

    ``tail`` is what the next page must join on to: the last two settlements of funding, the opening that is due next
    of klines, the ids at the last millisecond of trades.
    """

    since_ms: int
    proven_ms: int
    tail: tuple[int | str, ...] = ()

    @classmethod
    def start(cls, since_ms: int) -> Self:
        """Nothing yet."""
        return cls(since_ms, since_ms)

    @classmethod
    def read(cls, data: Mapping[str, object]) -> Self:
        """From :meth:`fields`. Raises ValueError or TypeError for what is none."""
        since, proven, tail = data["since_ms"], data["proven_ms"], data["tail"]
        if not isinstance(since, int) or not isinstance(proven, int) or not isinstance(tail, list):
            raise TypeError("no progress of a series")
        return cls(since, proven, tuple(tail))

    def fields(self) -> dict[str, object]:
        """As JSON types."""
        return {"since_ms": self.since_ms, "proven_ms": self.proven_ms, "tail": list(self.tail)}


@attrs.frozen
class Page:
    """Rows that are proven to join on to those before, and how far the series has come with them."""

    rows: list[Row]
    progress: Progress
