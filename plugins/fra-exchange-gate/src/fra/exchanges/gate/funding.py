"""Gate's own words about funding: seconds between settlements, and when the next one is, in each row of a contract."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fra.adapters.ccxt import Interval, positive
from fra.core import IntervalSource

INTERVAL: Final = "funding_interval"
"""Seconds, in "Query single contract information" and "Query all futures contracts"."""
SETTLEMENT: Final = "funding_next_apply"
"""The next settlement in seconds, in the same rows. ``funding_rate`` is what it will charge as things stand;
``funding_rate_indicative`` is not read: Gate calls it the rate of the period after, and has the same number in both.
"""

_MINUTE: Final = 60
_LONGEST: Final = 86_400


def interval(row: Mapping[str, Any]) -> Interval:
    """The interval that a contract tells; None where it tells none, or nothing that is one."""
    seconds = positive(row.get(INTERVAL))
    if seconds is None or seconds > _LONGEST or seconds % _MINUTE:
        return None
    return timedelta(seconds=int(seconds)), IntervalSource.REPORTED


def settlement(row: Mapping[str, Any], now_ms: int) -> int | None:
    """The next settlement, UTC milliseconds, if it is still to come."""
    told = positive(row.get(SETTLEMENT))
    stamp = None if told is None else int(told * 1000)
    return stamp if stamp is not None and stamp > now_ms else None
