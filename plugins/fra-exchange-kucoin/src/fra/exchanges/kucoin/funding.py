"""KuCoin's own words about funding: intervals in milliseconds, their schedule, and the next settlement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from fra.adapters.ccxt import Interval, number, positive
from fra.core import IntervalSource


class Schedule(NamedTuple):
    """The fields of one answer: the interval in force, the one that follows it, and from when (UTC milliseconds)."""

    current: str
    following: str = ""
    starts: str = ""


SCHEDULES: Final = (
    Schedule("granularity"),
    Schedule("currentGranularity", "newGranularity", "newGranularityStartTime"),
    Schedule("currentFundingRateGranularity", "fundingRateGranularity", "effectiveFundingRateCycleStartTime"),
)
""" "Get Current Funding Rate" of futures and of unified accounts, and "Get All Symbols" of futures."""
SETTLEMENTS: Final = ("fundingTime", "nextFundingRateDateTime")
"""The next settlement, UTC milliseconds. ``newGranularityStartTime`` is a change of schedule, ``timePoint`` is past."""

_MINUTE_MS: Final = 60_000
_LONGEST_MS: Final = 86_400_000


def interval(row: Mapping[str, Any], now_ms: int) -> Interval:
    """The interval in force; None where the row tells none, or only one that is not in force yet."""
    schedule = next((one for one in SCHEDULES if one.current in row or one.following in row), None)
    if schedule is None:
        return None
    told, starts = row.get(schedule.current), positive(row.get(schedule.starts))
    if schedule.following and starts is not None and starts <= now_ms:
        told = row.get(schedule.following) or told
    gap = positive(told)
    if gap is None or gap > _LONGEST_MS or gap % _MINUTE_MS:
        return None
    return timedelta(milliseconds=int(gap)), IntervalSource.REPORTED


def settlement(row: Mapping[str, Any], now_ms: int) -> int | None:
    """The next settlement, if it is still to come."""
    told = next((made for name in SETTLEMENTS if (made := positive(row.get(name))) is not None), None)
    return int(told) if told is not None and told > now_ms else None


def bound(row: Mapping[str, Any], name: str) -> Decimal | None:
    """The most (``fundingRateCap``) or the least (``fundingRateFloor``) that the rate can be."""
    return number(row.get(name))


def unified(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A contract of "Get All Symbols" as ccxt has a rate; ``name`` is the symbol's."""
    return {
        "info": row,
        "symbol": name,
        "fundingRate": row.get("fundingFeeRate"),
        "markPrice": row.get("markPrice"),
        "indexPrice": row.get("indexPrice"),
    }
