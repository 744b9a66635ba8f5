"""Counting the settlements that a position crosses. Funding is discrete: a day holds three of them, or twenty-four."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate, islice, takewhile
from math import lcm
from typing import Final

import attrs

from fra.core import FundingRate

DAY_MS: Final = 86_400_000
YEAR_MS: Final = 365 * DAY_MS
_MILLISECOND: Final = timedelta(milliseconds=1)
# Two legs at 1 and 24 h share a cycle of 24 settlements; beyond this many the intervals are odd and we stop looking.
_MOST_EVENTS: Final = 20_000


@attrs.frozen
class Schedule:
    """When one instrument settles: every ``interval_ms``, next at ``next_ms``. None is unknown, and stays unknown."""

    interval_ms: int | None
    next_ms: int | None

    @classmethod
    def of(cls, funding: FundingRate) -> Schedule:
        """The schedule as the venue states it; the present interval is taken to last."""
        interval = None if funding.interval is None else funding.interval // _MILLISECOND
        return cls(interval, funding.next_settlement_ms)

    def next_after(self, now_ms: int) -> int | None:
        """The first settlement after ``now_ms``, rolled forward when the stated one has passed; None when unknown."""
        if self.next_ms is None or self.next_ms > now_ms:
            return self.next_ms
        if self.interval_ms is None:
            return None
        return self.next_ms + ((now_ms - self.next_ms) // self.interval_ms + 1) * self.interval_ms

    def crossed(self, *, now_ms: int, horizon_ms: int) -> int | None:
        """How many settlements lie in (now, now + horizon].

        None when the interval is unknown, or when the next settlement is unknown and the count depends on it.
        """
        if self.interval_ms is None:
            return None
        first = self.next_after(now_ms)
        if first is None:
            return None if horizon_ms % self.interval_ms else horizon_ms // self.interval_ms
        return max(0, (now_ms + horizon_ms - first) // self.interval_ms + 1)


@attrs.frozen
class BreakEven:
    """When the funding received has paid for the costs: after ``settlements`` instants, at ``at_ms``."""

    settlements: int
    at_ms: int


def funding_over(rate: Decimal, schedule: Schedule, *, now_ms: int, horizon_ms: int) -> Decimal | None:
    """What a *short* of one unit of notional receives over the horizon at a constant ``rate``; longs pay the same."""
    count = schedule.crossed(now_ms=now_ms, horizon_ms=horizon_ms)
    return None if count is None else rate * count


def break_even(
    *,
    cost: Decimal,
    long_rate: Decimal,
    long_schedule: Schedule,
    short_rate: Decimal,
    short_schedule: Schedule,
    now_ms: int,
) -> BreakEven | None:
    """The first settlement after which the funding received covers ``cost``, both as fractions of the notional.

    A moment at which both legs settle counts once. None when it is never covered at these rates, a schedule is
    unknown, or the two intervals are so odd that their pattern does not repeat within 20,000 settlements; a cost of
    zero or less is covered at once.
    """
    if cost <= 0:
        return BreakEven(0, now_ms)
    first_long, first_short = long_schedule.next_after(now_ms), short_schedule.next_after(now_ms)
    if first_long is None or first_short is None:
        return None
    if long_schedule.interval_ms is None or short_schedule.interval_ms is None:
        return None
    events = _events(
        (first_long, long_schedule.interval_ms, -long_rate), (first_short, short_schedule.interval_ms, short_rate)
    )
    start = max(first_long, first_short)
    received, settlements = Decimal(0), 0
    # Up to the moment when both legs have begun, one by one; from there on the pattern repeats.
    for at_ms, amount in islice(events, _MOST_EVENTS):
        received, settlements = received + amount, settlements + 1
        if received >= cost:
            return BreakEven(settlements, at_ms)
        if at_ms >= start:
            break
    else:
        return None
    cycle_ms = lcm(long_schedule.interval_ms, short_schedule.interval_ms)
    cycle = list(takewhile(lambda event: event[0] <= start + cycle_ms, islice(events, _MOST_EVENTS)))
    if len(cycle) == _MOST_EVENTS:
        return None
    return _in_cycles(cycle, cycle_ms, received=received, settlements=settlements, cost=cost)


def _in_cycles(
    cycle: list[tuple[int, Decimal]], cycle_ms: int, *, received: Decimal, settlements: int, cost: Decimal
) -> BreakEven | None:
    highest = list(accumulate(amount for _, amount in cycle))
    best, gain = max(highest), highest[-1]
    missing = cost - received
    if best < missing and gain <= 0:
        return None
    # Whole cycles that cannot contain the moment are jumped over.
    skipped = max(0, -int((best - missing) // gain)) if best < missing else 0
    while True:
        running = received + gain * skipped
        for number, (at_ms, amount) in enumerate(cycle, start=1):
            running += amount
            if running >= cost:
                return BreakEven(settlements + skipped * len(cycle) + number, at_ms + skipped * cycle_ms)
        skipped += 1


def _events(*legs: tuple[int, int, Decimal]) -> Iterator[tuple[int, Decimal]]:
    """The moments at which a leg settles, in order, with what all legs settling then bring in."""
    due = [first for first, _, _ in legs]
    while True:
        at_ms = min(due)
        amount = Decimal(0)
        for index, (_, interval, received) in enumerate(legs):
            if due[index] == at_ms:
                amount += received
                due[index] += interval
        yield at_ms, amount
