"""Bitfinex's funding: rows of "Derivatives Status" and of its history, which are lists without names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import attrs

from fra.adapters.ccxt import Interval
from fra.adapters.ccxt.convert import moment
from fra.core import IntervalSource

Row = Sequence[Any]

DOCUMENTED: Final = timedelta(hours=8)
""""Funding applied in the current 8h period": the cadence that Bitfinex documents, and names nowhere else."""
PERIOD_MS: Final = 28_800_000
_SHORTEST_MS: Final = 3_600_000
_LATE_MS: Final = 600_000


@attrs.frozen
class Status:
    """The places of a row that matter; rows of the history begin without the key, one place earlier."""

    stamp: int | None
    """MTS, UTC milliseconds."""
    spot: Any
    event: int | None
    """NEXT_FUNDING_EVT_MTS: when the symbol settles next, UTC milliseconds."""
    accrued: Any
    """NEXT_FUNDING_ACCRUED: of the period after that."""
    rate: Any
    """CURRENT_FUNDING: of the period that ends then."""
    mark: Any
    cap: Any
    """CLAMP_MAX."""

    @classmethod
    def of(cls, row: Row, *, keyed: bool = True) -> Status:
        at = [*(row if keyed else (None, *row)), *([None] * 24)]
        return cls(moment(at[1]), at[4], moment(at[8]), at[9], at[12], at[15], at[23])


@attrs.frozen
class Seen:
    """The settlement that a symbol was last seen to have before it, and what its interval was then."""

    event: int
    interval: Interval


def interval(status: Status, before: Seen | None) -> Interval:
    """Eight hours, as documented, where the row does not speak against it; the time between two settlements where both
    were seen, the second within the hour after the first. Unknown where neither can be.
    """
    event, stamp = status.event, status.stamp
    if event is None or stamp is None or event <= stamp:
        return None
    if before is not None and before.event == event:
        return before.interval
    if before is not None and before.event <= stamp:
        gap = event - before.event
        if stamp - before.event < _SHORTEST_MS and gap <= PERIOD_MS:
            return (timedelta(milliseconds=gap), IntervalSource.DERIVED)
        if gap < PERIOD_MS:
            return None
    if event - stamp <= PERIOD_MS and event % PERIOD_MS == 0:
        return (DOCUMENTED, IntervalSource.VENUE_DEFAULT)
    return None


def settlements(rows: Iterable[Row], now_ms: int) -> Mapping[int, Status]:
    """When a symbol settled → the last row before it, of rows of the history, which are snapshots.

    A settlement counts when the rows go on to the next one as it passes; one that was moved before it came does not.
    """
    statuses = sorted(
        (status for row in rows if (status := Status.of(row, keyed=False)).stamp and status.event),
        key=lambda status: status.stamp or 0,
    )
    found: dict[int, Status] = {}
    for before, after in zip(statuses, [*statuses[1:], None], strict=True):
        assert before.event is not None
        assert before.stamp is not None
        if after is None:
            passed = before.event <= now_ms and before.event - before.stamp <= _LATE_MS
        else:
            assert after.stamp is not None
            passed = after.event != before.event and after.stamp >= before.event
        if passed:
            found[before.event] = before
    return found
