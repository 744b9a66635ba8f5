"""Crypto.com's funding: it names no interval and no settlement, so both are read off the settlements that it lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Final

import attrs

SETTLEMENTS: Final = 4
"""So many are asked for: three times between them, of which the last two have to agree."""
_MINUTE_MS: Final = 60_000
_LONGEST_MS: Final = 86_400_000
_ASK_AGAIN_MS: Final = 300_000


@attrs.frozen
class Schedule:
    """What the last settlements show: the time between them, None where it is not the same twice; ``last_ms`` is the
    last one and ``asked_ms`` when that was so.
    """

    interval: timedelta | None
    last_ms: int | None
    asked_ms: int

    @classmethod
    def of(cls, settled: Iterable[int], now_ms: int) -> Schedule:
        """Of settlement times, UTC milliseconds. A list whose next settlement has long passed shows nothing."""
        times = sorted(set(settled))
        gaps = [round((after - before) / _MINUTE_MS) * _MINUTE_MS for before, after in pairwise(times)][-2:]
        last = times[-1] if times else None
        if last is None or len(gaps) < 2 or gaps[0] != gaps[1] or not 0 < gaps[1] <= _LONGEST_MS:
            return cls(None, last, now_ms)
        if last + 2 * gaps[1] <= now_ms:
            return cls(None, last, now_ms)
        return cls(timedelta(milliseconds=gaps[1]), last, now_ms)

    def next_ms(self, now_ms: int) -> int | None:
        """The settlement after the last one that is known, if it is still to come."""
        if self.interval is None or self.last_ms is None:
            return None
        upcoming = self.last_ms + self.interval // timedelta(milliseconds=1)
        return upcoming if upcoming > now_ms else None

    def old(self, now_ms: int) -> bool:
        """Whether to ask again: a settlement has passed since, or some minutes have."""
        return self.next_ms(self.asked_ms) != self.next_ms(now_ms) or now_ms - self.asked_ms >= _ASK_AGAIN_MS
