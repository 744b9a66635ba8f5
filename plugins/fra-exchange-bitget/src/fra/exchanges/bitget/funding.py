"""Bitget's own words about funding: hours in a field that has another name in each answer, and the next settlement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from fra.adapters.ccxt import Interval, number, positive
from fra.core import IntervalSource

INTERVALS: Final = ("fundingRateInterval", "ratePeriod")
"""Hours: in "Get Current Funding Rate", and in "Get Symbol Next Funding Time". The listing's ``fundInterval`` is not
read: a listing may be older than a change.
"""
SETTLEMENTS: Final = ("nextUpdate", "nextFundingTime")
"""The next settlement, UTC milliseconds, in the same two answers."""

_MINUTES: Final = 60
_LONGEST_HOURS: Final = 24


def interval(row: Mapping[str, Any]) -> Interval:
    """The interval that a row tells; None where it tells none, or nothing that is one."""
    hours = _first(row, INTERVALS)
    if hours is None or hours > _LONGEST_HOURS:
        return None
    minutes = hours * _MINUTES
    whole = minutes == minutes.to_integral_value()
    return (timedelta(minutes=int(minutes)), IntervalSource.REPORTED) if whole else None


def settlement(row: Mapping[str, Any], now_ms: int) -> int | None:
    """The next settlement, if it is still to come."""
    told = _first(row, SETTLEMENTS)
    return int(told) if told is not None and told > now_ms else None


def bound(row: Mapping[str, Any], name: str) -> Decimal | None:
    """The most (``maxFundingRate``) or the least (``minFundingRate``) that the rate can be."""
    return number(row.get(name))


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> Decimal | None:
    return next((made for name in names if (made := positive(row.get(name))) is not None), None)
