"""Settled funding page by page: every settlement, whatever its interval and however that changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from fra.core import ExchangeError, FundingRate, IntervalSource
from fra.history.asking import Source
from fra.history.errors import HistoryGap, RangeNotServed
from fra.history.moments import brief, now_ms
from fra.history.rows import Row, funding_row
from fra.history.series import Page, Progress, Series

if TYPE_CHECKING:
    from fra.core import ExchangeHandle

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
# A settlement before the range says when the first in it was due; none is further apart.
_LOOK_BACK_MS: Final = 24 * _HOUR_MS
# Venues list a settlement some minutes after it.
_LISTED_LATE_MS: Final = 10 * _MINUTE_MS


def settled(rate: FundingRate) -> int:
    """When it was charged; history has no others."""
    if rate.settled_ms is None:
        raise TypeError(f"{rate} is no settled rate")
    return rate.settled_ms


async def walk(handle: ExchangeHandle, series: Series, progress: Progress, until_ms: int) -> AsyncIterator[Page]:
    """The settlements from where ``progress`` stands to before ``until_ms``.

    Two settlements join when they are no further apart than the interval before, the one after, or the one that the
    venue reports there: so an interval may change, and a settlement left out between equal ones is HistoryGap. Raises
    RangeNotServed where settlements begin too late or end too early.
    """

    async def fetch(start: int) -> Sequence[FundingRate]:
        return await handle.get_funding_rate_history(series.symbol, since=start)

    source = Source(series.exchange, fetch, settled, lambda rate: rate.rate)
    before = [int(at) for at in progress.tail]
    start = before[-1] + 1 if before else progress.since_ms - _LOOK_BACK_MS
    held: list[FundingRate] = []
    while True:
        fresh = await source.page_from(start)
        if not fresh and not held and not before:
            found = await source.first_from(start, min(until_ms + _LOOK_BACK_MS, now_ms()), step_ms=_HOUR_MS)
            if found is None:
                raise RangeNotServed(
                    f"{series.name}: no settled funding of that time is served", exchange=series.exchange
                )
            fresh = [found]
        running = None if fresh else await _running(handle, series)
        held += fresh
        rows: list[Row] = []
        reached = False
        while held and not reached:
            rate = held[0]
            at = settled(rate)
            longest = _longest(before, held, running)
            if at >= progress.since_ms and not _joins(before, progress.since_ms, min(at, until_ms), longest):
                if len(held) == 1 and fresh:
                    break  # the one after it may tell
                raise _not_joined(series, before, progress.since_ms, at)
            reached = at >= until_ms
            if not reached:
                if at >= progress.since_ms:
                    rows.append(funding_row(series.exchange, rate, before[-1] if before else None))
                before = [*before[-1:], at]
                del held[0]
        proven = until_ms if reached else before[-1] + 1 if before else progress.since_ms
        if reached or rows:
            yield Page(rows, Progress(progress.since_ms, proven, tuple(before)))
        if reached:
            return
        if not fresh:
            _check_end(series, before, running, min(until_ms, now_ms()))
            return
        start = settled(fresh[-1]) + 1


def _longest(before: Sequence[int], held: Sequence[FundingRate], running: int | None) -> int | None:
    """The longest interval that there is evidence for around the first of ``held``, in ms."""
    seen = [running] if running is not None else []
    if len(before) == 2:
        seen.append(before[1] - before[0])
    if len(held) > 1:
        seen.append(settled(held[1]) - settled(held[0]))
    if held[0].interval is not None and held[0].interval_source is IntervalSource.REPORTED:
        seen.append(round(held[0].interval.total_seconds() * 1000))
    return max(seen, default=None)


async def _running(handle: ExchangeHandle, series: Series) -> int | None:
    """The present interval in ms, where the venue says one."""
    try:
        interval = (await handle.get_funding_rate(series.symbol)).interval
    except ExchangeError:
        return None  # one piece of evidence less; nothing is guessed instead
    return None if interval is None else round(interval.total_seconds() * 1000)


def _joins(before: Sequence[int], since_ms: int, end_ms: int, longest: int | None) -> bool:
    """Whether no settlement is due between the last one, or the beginning, and ``end_ms``."""
    if before:
        return end_ms - before[-1] <= (longest or 0) + _MINUTE_MS
    # One interval before, there would be another: it must lie before the range.
    return longest is not None and end_ms - since_ms < longest


def _not_joined(series: Series, before: Sequence[int], since_ms: int, at: int) -> ExchangeError:
    if before:
        return HistoryGap(
            f"{series.name}: a settlement is missing between {brief(before[-1])} and {brief(at)}",
            exchange=series.exchange,
            times=(before[-1], at),
        )
    return RangeNotServed(
        f"{series.name}: settled funding is served from {brief(at)} on, not from {brief(since_ms)}",
        exchange=series.exchange,
        served_from=at,
        cure=f"--since {brief(at)}",
    )


def _check_end(series: Series, before: Sequence[int], running: int | None, end_ms: int) -> None:
    """That nothing more was due by ``end_ms`` than what came, but for what is not listed yet."""
    gap = before[1] - before[0] if len(before) == 2 else None
    longest = max((length for length in (gap, running) if length is not None), default=_LOOK_BACK_MS)
    if before and before[-1] + longest + _LISTED_LATE_MS >= end_ms:
        return
    last = before[-1] + 1 if before else 0
    raise RangeNotServed(
        f"{series.name}: settled funding is served up to {brief(last)}, not to {brief(end_ms)}",
        exchange=series.exchange,
        served_until=last,
        cure=f"--until {brief(last)}",
    )
