"""When candles open: after fixed steps, and of calendar months."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from fra.core import KlineInterval

_LONGEST_MONTH: Final = 31 * 86_400_000


def longest_ms(interval: KlineInterval) -> int:
    """How long a candle lasts at most."""
    return _LONGEST_MONTH if interval is KlineInterval.MONTH else interval.shortest_ms


def next_open(interval: KlineInterval, open_ms: int) -> int:
    """When the candle after the one that opened at ``open_ms`` opens."""
    if interval is not KlineInterval.MONTH:
        return open_ms + longest_ms(interval)
    opened = datetime.fromtimestamp(open_ms / 1000, tz=UTC)
    # Where months open in another time zone than UTC, they do so within a day of the first.
    first = opened if opened.day == 1 else (opened.replace(day=1) + timedelta(days=32)).replace(day=1)
    ahead = timedelta(0)
    if opened.day != 1:
        first = first.replace(hour=0, minute=0, second=0, microsecond=0)
        ahead = first - opened
    following = (first + timedelta(days=32)).replace(day=1)
    return round((following - ahead).timestamp() * 1000)


def opens(interval: KlineInterval, start_ms: int, end_ms: int) -> Iterator[int]:
    """The openings from ``start_ms``, which is one, to before ``end_ms``."""
    at = start_ms
    while at < end_ms:
        yield at
        at = next_open(interval, at)
